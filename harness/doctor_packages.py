"""Installed packages against the ranges that f0bench states, and its extras."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .environment import requirements
from .finding import Finding

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def check_python() -> Iterator[Finding]:
    """The interpreter against the range that the package states."""
    version = platform.python_version()
    try:
        needed = importlib.metadata.metadata("f0bench")["Requires-Python"]
    except importlib.metadata.PackageNotFoundError:
        yield Finding(
            "warn",
            "python",
            f"{version}; f0bench itself is not installed",
            "pip install -e .",
        )
        return
    from packaging.specifiers import SpecifierSet

    if SpecifierSet(needed).contains(version, prereleases=True):
        yield Finding("ok", "python", version)
    else:
        yield Finding(
            "fail", "python", f"{version} is not {needed}", f"install Python {needed}"
        )


def check_packages() -> Iterator[Finding]:
    """Required packages: present, and in the range that the package states."""
    known = [item for item in _requirements() if not item.extras_wanted]
    troubles = [trouble for item in known if (trouble := _trouble(item))]
    yield from troubles
    sound = [item.name for item in known if _trouble(item) is None]
    if sound:
        shown = ", ".join(
            f"{name} {importlib.metadata.version(name)}" for name in sound
        )
        yield Finding("ok", "packages", shown)


def check_extras() -> Iterator[Finding]:
    """Optional packages by extra, with the line that installs what is missing."""
    by_extra: dict[str, list[_Wanted]] = {}
    for item in _requirements():
        for extra in item.extras_wanted:
            by_extra.setdefault(extra, []).append(item)
    for extra, items in sorted(by_extra.items()):
        missing = [item.name for item in items if _version(item.name) is None]
        if missing:
            yield Finding(
                "info",
                f"extra {extra}",
                f"{', '.join(missing)} not installed",
                f"pip install 'f0bench[{extra}]'",
            )
            continue
        yield from (trouble for item in items if (trouble := _trouble(item)))
        shown = ", ".join(f"{item.name} {_version(item.name)}" for item in items)
        yield Finding("ok", f"extra {extra}", shown)


@dataclass(frozen=True)
class _Wanted:
    """A requirement line of f0bench that applies on this platform.

    Attributes:
        extras_wanted: extras that ask for it, empty where it is always required.
    """

    name: str
    requirement: Requirement
    extras_wanted: tuple[str, ...]


def _requirements() -> Iterator[_Wanted]:
    from packaging.requirements import Requirement

    extras = _extras()
    for line in requirements():
        item = Requirement(line)
        if item.name == "f0bench":  # an extra that includes another one
            continue
        if item.marker is None or item.marker.evaluate({"extra": ""}):
            yield _Wanted(item.name, item, ())
            continue
        wanted = tuple(e for e in extras if item.marker.evaluate({"extra": e}))
        if wanted:
            yield _Wanted(item.name, item, wanted)


def _extras() -> list[str]:
    return importlib.metadata.metadata("f0bench").get_all("Provides-Extra") or []


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _trouble(item: _Wanted) -> Finding | None:
    """Why a package does not do, ``None`` where it does."""
    version, asked = _version(item.name), item.requirement.specifier
    install = f"pip install '{item.name}{asked}'"
    if version is None:
        return Finding("fail", item.name, "required but not installed", install)
    if not asked.contains(version, prereleases=True):
        return Finding("warn", item.name, f"{version} is outside {asked}", install)
    return None
