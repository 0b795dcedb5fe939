"""What a stored result depends on: data, labels, weights, code and libraries.

``cell.key`` says *which* combination was measured; the fingerprint says whether the
measurement still holds. A rerun reuses a result only if both agree.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from extractors.base import Extractor
from extractors.registry import extractor_class

from .cell import Cell, stable_hash
from .environment import library_versions
from .tasks import task_class
from .voicing import Calibration


@lru_cache(maxsize=256)
def file_hash(path: str, size: int, changed_ns: int) -> str:
    """SHA-256 of a file, remembered while its size and time stamp stay."""
    hashed = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            hashed.update(block)
    return hashed.hexdigest()[:16]


@lru_cache(maxsize=64)
def package_hash(module: str) -> str:
    """Hash of the Python sources of the top-level package (or module) of ``module``."""
    top = module.partition(".")[0]
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        return "unknown"
    origin = Path(spec.origin)
    single = origin.name != "__init__.py"
    files = [origin] if single else sorted(origin.parent.rglob("*.py"))
    return _hash_sources(files, origin.parent)


def _hash_sources(files: list[Path], root: Path) -> str:
    hashed = hashlib.sha256()
    for file in files:
        hashed.update(str(file.relative_to(root)).encode())
        hashed.update(file.read_bytes())
    return hashed.hexdigest()[:16]


@lru_cache(maxsize=8)
def scoring_hash(task: str) -> str:
    """Hash of the code that turns outputs into counts: task, metrics, label reader."""
    here = Path(__file__).parent
    files = [here / "metrics" / "alignment.py", here / "metrics" / "counts.py"]
    names = ("base", "labels", "label_format", "label_grid", "recording")
    files += [here / "datasets" / f"{name}.py" for name in names]
    files.append(here / "passes" / "accuracy.py")
    task_hash = package_hash(task_class(task).__module__)
    if task_class(task).__module__.startswith("harness."):
        module = task_class(task).__module__.rpartition(".")[2]
        files.append(here / "tasks" / f"{module}.py")
        task_hash = ""
    return stable_hash([_hash_sources(files, here), task_hash], 16)


@lru_cache(maxsize=8)
def files_hash(*patterns: str) -> str:
    """Hash of the modules of this package that match one of ``patterns``."""
    here = Path(__file__).parent
    files = {file for pattern in patterns for file in here.glob(pattern)}
    return _hash_sources(sorted(files), here)


def system_fingerprint(cell: Cell) -> dict[str, Any]:
    """The part that belongs to the extractor: its code, weights and libraries."""
    cls = extractor_class(cell.extractor)
    return {
        "code": [package_hash("extractors"), package_hash(cls.__module__)],
        "weights": _weights(cls, cell),
        "versions": library_versions() | _required_versions(cls),
        **_identity(cls, cell),
    }


def _required_versions(cls: type[Extractor]) -> dict[str, str]:
    """Versions of the distributions that hold the modules an extractor imports."""
    if not cls.requires:
        return {}
    homes = _homes()
    names = {name for module in cls.requires for name in homes.get(module, ())}
    return {name: metadata.version(name) for name in sorted(names)}


@lru_cache(maxsize=1)
def _homes() -> Mapping[str, list[str]]:
    """The distributions of every importable module; takes a quarter of a second."""
    return metadata.packages_distributions()


def _identity(cls: type[Extractor], cell: Cell) -> dict[str, dict[str, str]]:
    """What an extractor says of this machine, if anything."""
    try:
        found = cls(**cell.params).identity()
    except (Exception, SystemExit):
        return {}  # as below
    return {"machine": found} if found else {}


def _weights(cls: type[Extractor], cell: Cell) -> dict[str, str]:
    try:
        paths = [Path(path) for path in cls(**cell.params).weights()]
        stats = [(path, path.stat()) for path in paths]
    except (Exception, SystemExit):
        return {}  # whatever is wrong becomes the error of the cell in its worker
    return {
        str(number): file_hash(str(path), stat.st_size, stat.st_mtime_ns)
        for number, (path, stat) in enumerate(stats)
    }


def fingerprint(cell: Cell, data: str, code: str | None = None) -> dict[str, Any]:
    """Everything a result of ``cell`` depends on, and its hash.

    Args:
        data: content hash of recordings and labels.
        code: hash of the extractor's code, where it is not the installed one.
    """
    parts = {
        **system_fingerprint(cell),
        **({} if code is None else {"code": [code]}),
        "data": data,
        "scoring": scoring_hash(cell.task.name),
    }
    if Calibration.of(cell.voicing):
        parts["learning"] = files_hash("metrics/threshold.py", "passes/learning.py")
    return {"hash": stable_hash(parts, 16), **parts}
