"""Folders for the kernels that numba compiles: no two live processes share one.

Processes that compile the same functions at the same time can leave a cache whose parts
do not belong together, and whoever loads it crashes (numba issues 4807 and 10128). So
every worker holds a folder of its own while it lives: the first one of its extractor
that nobody holds. What finished workers have compiled is gathered in a snapshot, from
which a new folder starts: compiling librosa's kernels takes half a minute.

The folders lie in ``$NUMBA_CACHE_DIR``, else in the user's cache folder.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

VARIABLE = "NUMBA_CACHE_DIR"
LOCK = ".lock"
SNAPSHOT = "snapshot"


def root() -> Path:
    """Where the folders lie: as stated, beside other caches, or in a temporary place.

    Raises:
        OSError: not even the temporary place can be written.
    """
    place = usual()
    try:
        place.mkdir(parents=True, exist_ok=True)
        if os.access(place, os.W_OK):
            return place
    except OSError:
        pass
    place = Path(tempfile.gettempdir()) / f"f0bench-numba-{os.getuid()}"
    place.mkdir(exist_ok=True)
    return place


def usual() -> Path:
    """Where the folders lie if that can be written."""
    stated = os.environ.get(VARIABLE)
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    place = Path(stated) if stated else Path(caches) / "f0bench" / "numba"
    return place.expanduser()


@contextmanager
def claimed(name: str) -> Iterator[Path]:
    """Hold the first free folder of ``name``, filled from the snapshot if it is new.

    Args:
        name: what is going to run, usually an extractor's name: it finds again what it
            compiled before.
    """
    base = root()
    for number in itertools.count():
        folder = base / f"{name}-{number}"
        folder.mkdir(exist_ok=True)
        with open(folder / LOCK, "a", encoding="utf-8") as handle:
            if not _locked(handle):
                continue
            if not _kernels(folder):
                fill(folder, base)
            yield folder
            _keep(folder, base)
            return


def fill(folder: Path, base: Path | None = None) -> None:
    """Copy the snapshot, if there is one, into ``folder``."""
    source = (base or root()) / SNAPSHOT
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        copy = Path(scratch) / "copy"
        try:
            shutil.copytree(source, copy)
        except (OSError, shutil.Error):  # none yet, or replaced meanwhile
            return
        for part in copy.iterdir():
            part.rename(folder / part.name)


def _keep(folder: Path, base: Path) -> None:
    """Make the snapshot anew where this folder holds a kernel that it lacks.

    A kernel that both hold is taken from the folder, whole: its index and its code
    belong together.
    """
    snapshot = base / SNAPSHOT
    if _kernels(folder) <= _kernels(snapshot):
        return
    with tempfile.TemporaryDirectory(dir=base) as scratch:
        new, old = Path(scratch) / "new", Path(scratch) / "old"
        try:
            shutil.copytree(folder, new, ignore=shutil.ignore_patterns(LOCK))
            for index in _kernels(snapshot) - _kernels(new):
                _copy_kernel(snapshot / index, new / index)
            if snapshot.exists():
                snapshot.rename(old)
            new.rename(snapshot)
        except (OSError, shutil.Error):
            return  # a full disk, or another run was first: next time


def _kernels(folder: Path) -> set[Path]:
    """Index files below ``folder``, one for each function, relative to it."""
    return {place.relative_to(folder) for place in folder.rglob("*.nbi")}


def _copy_kernel(index: Path, target: Path) -> None:
    """Copy an index with the files of code beside it, named after it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for part in index.parent.iterdir():
        if part.name.startswith(f"{index.stem}."):
            shutil.copyfile(part, target.parent / part.name)


def _locked(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
