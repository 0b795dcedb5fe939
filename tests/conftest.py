"""Fixtures that many tests share: plug-ins of the tests, and where real data lie."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import kernel_cache

HERE = Path(__file__).parent
WARM = "from extractors.registry import build; build('librosa_pyin', {}).load()"


def pytest_configure(config: pytest.Config) -> None:
    """Keep the test processes from sharing a folder of compiled kernels.

    The process that starts the others compiles librosa's kernels first, each of the
    others works on a copy; see :mod:`harness.kernel_cache`.
    """
    # Runs of the tests must not speak in the summary of a workflow that runs them.
    os.environ.pop("GITHUB_ACTIONS", None)
    if getattr(config.option, "numprocesses", None):
        with kernel_cache.claimed("tests") as folder:
            env = {**os.environ, kernel_cache.VARIABLE: str(folder)}
            subprocess.run([sys.executable, "-c", WARM], env=env, check=True)
    elif os.environ.get("PYTEST_XDIST_WORKER"):
        import numba

        scratch = tempfile.TemporaryDirectory(prefix="f0bench-kernels-")
        config.add_cleanup(scratch.cleanup)
        kernel_cache.fill(Path(scratch.name))
        numba.config.CACHE_DIR = scratch.name


@pytest.fixture
def data_dir() -> Path:
    """Folder of real recordings; the test is skipped where it is not given."""
    place = os.environ.get("F0BENCH_DATA")
    if not place:
        pytest.skip("F0BENCH_DATA is not set: no real recordings")
    return Path(place)


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Probes and references that runs of many tests share, as a user's runs do."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def faulty(
    tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[str]]:
    """Install the faulty extractors and the toy task as a plug-in; returns names."""
    (tmp_path / ".cache").symlink_to(shared_cache)
    sources = [HERE / "faulty" / f"{name}.py" for name in ("faulty", "toy_task")]
    text = sources[0].read_text(encoding="utf-8")
    found = re.findall(r'class (\w+)\(.*?\n    name = "(\w+)"', text, re.DOTALL)
    points = {
        "f0bench.extractors": {name: f"faulty:{cls}" for cls, name in found},
        "f0bench.tasks": {"loudness": "toy_task:LoudnessTask"},
    }
    with plugged_in(tmp_path / "site", sources, points, monkeypatch):
        yield [name for _, name in found]


ACF = (
    [HERE / "plugin" / "acf_tracker.py"],
    {"f0bench.extractors": {"acf": "acf_tracker:Acf"}},
)


@pytest.fixture
def acf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the plug-in of the README.

    It starts in a fraction of the time that librosa takes, so that tests of what
    surrounds an extractor are quick.
    """
    with plugged_in(tmp_path / "site", *ACF, monkeypatch):
        yield


Console = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Console:
    """``console(*words, cwd=…, **env)`` calls the command as a shell would.

    The plug-in of the README is installed.
    """
    site = tmp_path_factory.mktemp("console") / "site"
    write_plugin(site, *ACF)
    path = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
    script = Path(sys.executable).with_name("f0bench")
    command = [str(script)] if script.exists() else [sys.executable, "-m", "f0bench"]

    def call(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *map(str, words)],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": path, **env},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return call


@contextmanager
def plugged_in(
    folder: Path,
    sources: Sequence[Path],
    points: Mapping[str, Mapping[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """Put modules on ``PYTHONPATH`` with the metadata that an installer would write.

    So worker processes find them as they find any installed plug-in.
    """
    write_plugin(folder, sources, points)
    monkeypatch.syspath_prepend(str(folder))
    path = [str(folder), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
    modules = [source.stem for source in sources]
    forget(modules)
    yield
    monkeypatch.undo()
    forget(modules)


def write_plugin(
    folder: Path, sources: Sequence[Path], points: Mapping[str, Mapping[str, str]]
) -> None:
    """Copy modules into ``folder``, with the metadata of an installed package."""
    info = folder / "plugin-0.1.dist-info"
    info.mkdir(parents=True)
    for source in sources:
        shutil.copy(source, folder)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: plugin\nVersion: 0.1\n"
    )
    lines = []
    for group, named in points.items():
        lines += [f"[{group}]", *(f"{name} = {place}" for name, place in named.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def forget(modules: Sequence[str]) -> None:
    """Drop what this process remembers of installed plug-ins."""
    from extractors import registry
    from harness import fingerprint, tasks

    for cache in (registry.targets, tasks.targets, fingerprint.package_hash):
        cache.cache_clear()
    for module in modules:
        sys.modules.pop(module, None)
