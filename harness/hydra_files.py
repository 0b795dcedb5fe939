"""The one place that calls Hydra: groups of choices in, plain dictionaries out."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from extractors.errors import ConfigError

from .confdir import option_file, read_text


class Files:
    """Composes the configuration files; each combination of options only once.

    Made by :func:`open_files`. Hydra needs tens of milliseconds for one composition,
    so plain values are not given to it but applied to the returned dictionary.
    """

    def __init__(self, dirs: Sequence[Path], searchpath: Sequence[str]) -> None:
        self.dirs = tuple(dirs)
        self._searchpath = list(searchpath)
        self._done: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}

    def compose(self, choices: Mapping[str, str]) -> dict[str, Any]:
        """The composed configuration of ``group: option`` as a fresh dictionary.

        Interpolations are left as they are, for :func:`resolve`.

        Raises:
            ConfigError: a file that Hydra or YAML refuses, on one line.
        """
        key = tuple(sorted(choices.items()))
        if key not in self._done:
            self._done[key] = self._compose(key)
        return copy.deepcopy(self._done[key])

    def _compose(self, choices: tuple[tuple[str, str], ...]) -> dict[str, Any]:
        import yaml
        from hydra import compose
        from hydra.errors import HydraException
        from omegaconf import DictConfig, OmegaConf
        from omegaconf.errors import OmegaConfBaseException

        for group, name in choices:
            read_text(option_file(group, name, self.dirs))  # Hydra names no file
        overrides = [f"{group}={_quoted(name)}" for group, name in choices]
        try:
            found = compose("config", overrides=[*self._searchpath, *overrides])
        except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
            raise ConfigError(f"configuration: {one_line(error)}") from None
        assert isinstance(found, DictConfig)
        plain = OmegaConf.to_container(found, resolve=False)
        assert isinstance(plain, dict)
        return {str(key): value for key, value in plain.items()}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def one_line(error: Exception) -> str:
    """The message of another library on one line, shortened to 200 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:199] + "…"


@contextmanager
def open_files(dirs: Sequence[Path]) -> Iterator[Files]:
    """Open the configuration folders, the first having precedence."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    with ExitStack() as stack:
        primary, searchpath = _primary(dirs, stack)
        # Hydra keeps one instance a process: a caller's own is put back afterwards
        stack.callback(GlobalHydra.set_instance, copy.copy(GlobalHydra.instance()))
        GlobalHydra.instance().clear()
        stack.enter_context(
            initialize_config_dir(primary, job_name="f0bench", version_base="1.3")
        )
        yield Files(dirs, searchpath)


def _primary(dirs: Sequence[Path], stack: ExitStack) -> tuple[str, list[str]]:
    if len(dirs) == 1:
        return str(dirs[0]), []
    # Hydra searches the folder of config.yaml before any other: to let the user's
    # options replace shipped ones, config.yaml gets a folder of its own.
    place = stack.enter_context(tempfile.TemporaryDirectory(prefix="f0bench-conf-"))
    for folder in dirs:
        if (folder / "config.yaml").is_file():
            shutil.copy(folder / "config.yaml", place)
            break
    urls = ",".join(_quoted(f"file://{folder}") for folder in dirs)
    return place, [f"hydra.searchpath=[{urls}]"]


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """Resolve interpolations such as ``${task.hop_s}`` after every value is set.

    Raises:
        ConfigError: an interpolation that leads nowhere, on one line.
    """
    if not _interpolated(node):
        return node
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        found = OmegaConf.to_container(OmegaConf.create(node), resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"configuration: {one_line(error)}") from None
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


def _interpolated(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_interpolated(item) for item in value.values())
    if isinstance(value, list):
        return any(_interpolated(item) for item in value)
    return isinstance(value, str) and "${" in value
