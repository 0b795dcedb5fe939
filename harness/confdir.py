"""Where the configuration lies, and which options its groups have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from extractors.errors import ConfigError, nearest

#: Config groups that Hydra composes; ``gate`` files are lists of rules, read elsewhere.
GROUPS = ("task", "dataset", "extractor", "effort", "experiment")


def conf_dir() -> Path:
    """Absolute path of the shipped configuration: in the wheel, or in the checkout."""
    package = Path(__file__).resolve().parent
    for place in (package / "conf", package.parent / "conf"):
        if (place / "config.yaml").is_file():
            return place
    raise ConfigError(f"no configuration in {package / 'conf'}; reinstall f0bench")


def search_dirs(config_dir: str | Path | None = None) -> tuple[Path, ...]:
    """Configuration folders, the user's before the shipped one.

    Raises:
        ConfigError: ``config_dir`` is no folder.
    """
    if config_dir is None:
        return (conf_dir(),)
    own = Path(config_dir).expanduser().resolve()
    if not own.is_dir():
        raise ConfigError(f"--config-dir {config_dir}: no such folder")
    return (own, conf_dir())


def options(group: str, dirs: Sequence[Path]) -> list[str]:
    """Names of the YAML files of a group, sorted."""
    found = {path.stem for place in dirs for path in (place / group).glob("*.yaml")}
    return sorted(found)


def option_file(group: str, name: str, dirs: Sequence[Path]) -> Path:
    """The YAML file of one option, the first in search order.

    Raises:
        ConfigError: no such option, with the nearest name.
    """
    for place in dirs:
        path = place / group / f"{name}.yaml"
        if path.is_file():
            return path
    raise ConfigError(f"unknown {group} '{name}'{nearest(name, options(group, dirs))}")


def read_text(path: Path) -> str:
    """Content of a configuration file.

    Raises:
        ConfigError: it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 ({error}); save it as such") from None


def gate_path(name: str, dirs: Sequence[Path]) -> Path:
    """The YAML file of a gate: a name below ``gate/``, or a path that ends in .yaml.

    Raises:
        ConfigError: no such gate, with the nearest name.
    """
    if name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise ConfigError(f"gate={name}: no such file")
        return Path(name)
    return option_file("gate", name, dirs)
