"""A version of an extractor's code: a folder, or a revision of a git repository.

Its packages are laid over the installed ones, for worker processes only: a folder of
links to them comes first on ``PYTHONPATH``, with the entry points that its
``pyproject.toml`` declares. What measures – ``harness``, ``f0bench`` – stays out, so
that two versions are measured by the same instrument.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import subprocess
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extractors.errors import UsageError

from .cell import stable_hash
from .records import write_text

#: Folders and modules at the top of a checkout that are no part of what is measured.
NOT_MEASURED = frozenset(
    {"harness", "f0bench", "f0bench_pytest", "tests", "test", "docs", "conf", "setup"}
    | {"conftest", "noxfile", "examples", "benchmarks", "build", "dist"}
)
GROUPS = ("f0bench.extractors", "f0bench.tasks")


@dataclass(frozen=True)
class Version:
    """Code to be measured.

    Attributes:
        name: as it was asked for.
        hash: of its files and of the entry points that it declares.
        overlay: folder that goes first on the path of a worker.
        cache: folder of references and probes that this code computes.
    """

    name: str
    hash: str
    overlay: Path
    cache: Path


def open_version(name: str, repository: Path, cache: Path) -> Version:
    """Make a version measurable.

    Args:
        name: a folder, or anything that git resolves to a commit of ``repository``.
        repository: a folder inside a git repository.
        cache: folder for checked-out trees, overlays and what they compute.

    Raises:
        UsageError: neither a folder nor a revision, or there is no package in it.
    """
    folder = Path(name).expanduser()
    root = folder.resolve() if folder.is_dir() else _tree(name, repository, cache)
    packages = dict(_packages(root))
    if not packages:
        raise UsageError(
            f"{name}: no Python package in it (looked in {root.name}/ and its src/)"
        )
    digest = _digest(packages, _project(root))
    overlay = cache / f"overlay-{digest}"
    _lay(overlay, root, packages)
    own = cache / f"results-{digest}"
    own.mkdir(parents=True, exist_ok=True)
    if "extractors" not in packages:  # else the reference peer itself may differ
        references = cache.parent / "references"
        references.mkdir(parents=True, exist_ok=True)
        _share(own / "references", references)
    return Version(name, digest, overlay, own)


def _tree(name: str, repository: Path, cache: Path) -> Path:
    """The files of a revision, checked out once."""
    commit = _git(repository, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if commit is None:
        raise UsageError(
            f"'{name}' is neither a folder nor a revision of the git repository at "
            f"{repository}; state a path, a tag or a commit (and --repo DIR)"
        )
    # Of a folder below the top of the repository, git archives that folder alone.
    below = _git(repository, "rev-parse", "--show-prefix") or b""
    named = stable_hash([commit.decode().strip(), below.decode().strip()], 16)
    place = cache / f"tree-{named}"
    if place.is_dir():
        return place
    packed = _git(repository, "archive", "--format=tar", commit.decode().strip())
    if packed is None:
        raise UsageError(f"git archive {name} failed in {repository}")
    cache.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=cache) as scratch,
        tarfile.open(fileobj=io.BytesIO(packed)) as archive,
    ):
        archive.extractall(Path(scratch) / "tree", filter="data")
        with contextlib.suppress(OSError):  # another process was first
            (Path(scratch) / "tree").rename(place)
    return place


def _git(repository: Path, *words: str) -> bytes | None:
    """Output of a git command, ``None`` where it fails or git is absent."""
    try:
        done = subprocess.run(
            ["git", "-C", str(repository), *words], capture_output=True, check=False
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def _packages(root: Path) -> Iterator[tuple[str, Path]]:
    """Top-level packages and modules of a checkout, flat or below ``src``."""
    top = root / "src" if (root / "src").is_dir() else root
    for place in sorted(top.iterdir()):
        module = place.suffix == ".py" and place.is_file()
        package = (place / "__init__.py").is_file()
        if (module or package) and place.stem not in NOT_MEASURED:
            yield place.name, place


def _digest(packages: Mapping[str, Path], project: Mapping[str, Any]) -> str:
    """Hash of every file, weights too: versions of equal hash share an overlay."""
    hashed = hashlib.sha256(stable_hash(_entry_points(project)).encode())
    for name, place in packages.items():
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        for file in (f for f in files if f.is_file() and f.suffix != ".pyc"):
            hashed.update(f"{name}/{file.relative_to(place.parent)}".encode())
            with file.open("rb") as content:
                hashed.update(hashlib.file_digest(content, "sha256").digest())
    return hashed.hexdigest()[:16]


def _lay(overlay: Path, root: Path, packages: Mapping[str, Path]) -> None:
    overlay.mkdir(parents=True, exist_ok=True)
    for name, place in packages.items():
        _share(overlay / name, place)
    project = _project(root)
    named = _entry_points(project)
    name = str(project.get("name") or "version")
    if not named or name == "f0bench":
        return
    info = overlay / f"{name.replace('-', '_')}-0.dist-info"
    write_text(info / "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 0\n")
    lines = []
    for group, entries in named.items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
    write_text(info / "entry_points.txt", "\n".join(lines) + "\n")


def _project(root: Path) -> dict[str, Any]:
    try:
        text = (root / "pyproject.toml").read_text(encoding="utf-8")
        found: dict[str, Any] = tomllib.loads(text).get("project", {})
    except (OSError, ValueError):
        return {}
    return found


def _entry_points(project: Mapping[str, Any]) -> dict[str, Any]:
    points = project.get("entry-points") or {}
    return {group: points[group] for group in GROUPS if group in points}


def _share(link: Path, target: Path) -> None:
    """Let ``link`` point to ``target``, wherever it pointed before."""
    target = target.absolute()
    target.mkdir(parents=True, exist_ok=True) if not target.exists() else None
    if link.is_symlink() and link.readlink() == target:
        return
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.symlink_to(target)
    os.replace(temporary, link)
