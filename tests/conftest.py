"""Fixtures that many tests share: plug-ins of the tests, and where real data lie."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def data_dir() -> Path:
    """Folder of real recordings; the test is skipped where it is not given."""
    place = os.environ.get("F0BENCH_DATA")
    if not place:
        pytest.skip("F0BENCH_DATA is not set: no real recordings")
    return Path(place)


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Install the faulty extractors and the toy task as a plug-in; returns names.

    The package lies on ``PYTHONPATH`` with the metadata that an installer would write,
    so that worker processes find it as they find any installed plug-in.
    """
    folder = tmp_path / "site"
    info = folder / "faulty-0.1.dist-info"
    info.mkdir(parents=True)
    for module in ("faulty", "toy_task"):
        text = (HERE / "faulty" / f"{module}.py").read_text(encoding="utf-8")
        (folder / f"{module}.py").write_text(text, encoding="utf-8")
    source = (folder / "faulty.py").read_text(encoding="utf-8")
    found = re.findall(r'class (\w+)\(.*?\n    name = "(\w+)"', source, re.DOTALL)
    points = "\n".join(f"{name} = faulty:{cls}" for cls, name in found)
    metadata = "Metadata-Version: 2.1\nName: faulty\nVersion: 0.1\n"
    (info / "METADATA").write_text(metadata)
    (info / "entry_points.txt").write_text(
        f"[f0bench.extractors]\n{points}\n\n"
        "[f0bench.tasks]\nloudness = toy_task:LoudnessTask\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    path = [str(folder), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
    forget()
    yield [name for _, name in found]
    monkeypatch.undo()
    forget()


def forget() -> None:
    """Drop what this process remembers of installed plug-ins."""
    from extractors import registry
    from harness import fingerprint, tasks

    for cache in (registry.targets, tasks.targets, fingerprint.package_hash):
        cache.cache_clear()
    for module in ("faulty", "toy_task"):
        sys.modules.pop(module, None)
