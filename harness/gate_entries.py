"""Entries of a gate file read strictly: names, lists of names, selectors of cells.

Every function takes the place of the entry in the file, which its error names, and
raises :class:`~extractors.errors.ConfigError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from extractors.errors import ConfigError, F0BenchError, nearest

from .gate_rules import CONTEXT_KEYS, SUBJECT_KEYS, Selector


def selector(where: str, value: Any) -> dict[str, tuple[str, ...]]:
    """Cells that a rule names; a name that nothing has is refused."""
    if not isinstance(value, dict):
        raise ConfigError(f"{where}={value}: expected a mapping, e.g. {{model: tiny}}")
    known_keys(where, value, (*SUBJECT_KEYS, *CONTEXT_KEYS))
    found = {key: texts(f"{where}.{key}", entry) for key, entry in value.items()}
    if "extractor" in found:
        from extractors.registry import targets

        for name in found["extractor"]:
            one_of(f"{where}.extractor", name, tuple(targets()))
    _check_axes(where, found)
    for key, valid in _named_work().items():
        for name in found.get(key, ()):
            one_of(f"{where}.{key}", name, valid)
    return found


def _named_work() -> Mapping[str, Sequence[str]]:
    """Valid values of selectors that are neither an extractor nor an axis of one."""
    from extractors.spectrogram.definition import TRANSFORMS

    from .datasets.registry import KINDS
    from .tasks import targets

    return {
        "task": tuple(targets()),
        "transform": TRANSFORMS,
        "kind": tuple(KINDS),
        "device": ("cpu", "cuda"),
    }


def _check_axes(where: str, chosen: Selector) -> None:
    """Refuse an axis or a value that none of the named extractors has.

    Where no extractor is named, every registered one is meant.
    """
    from extractors.registry import targets

    meant = chosen.get("extractor") or tuple(targets())
    for axis in (key for key in chosen if key in SUBJECT_KEYS[1:]):
        declared = [_axes(name) for name in meant]
        if any(found is None for found in declared):
            continue  # an extractor that cannot be imported is its cell's error
        having = [found[axis] for found in declared if found and axis in found]
        told = " and ".join(chosen.get("extractor", ("the extractors",)))
        implied = axis == "device" and chosen[axis] == ("cpu",)
        if not having and not implied:
            known = {key for found in declared if found for key in found}
            raise ConfigError(f"{where}: {told}: no {axis}{nearest(axis, known)}")
        if having and all(values is not None for values in having):
            valid = [str(value) for values in having for value in values or ()]
            for value in chosen[axis]:
                one_of(f"{where}.{axis}", value, valid)


def _axes(extractor: str) -> Mapping[str, Any] | None:
    from extractors.registry import extractor_class, options

    try:
        found = extractor_class(extractor)
    except F0BenchError:
        return None
    # an option of this name that is no axis is matched as well, whatever its value
    return {**{k: None for k in options(found) if k in SUBJECT_KEYS}, **found.axes}


def known_keys(where: str, entry: Mapping[Any, Any], valid: Sequence[str]) -> None:
    """Refuse a key that is not one of ``valid``, with the nearest that is."""
    for key in entry:
        if key not in valid:
            raise ConfigError(f"{where}: unknown key '{key}'{nearest(str(key), valid)}")


def one_of(where: str, value: Any, valid: Sequence[str]) -> str:
    """``value``, where it is one of ``valid``; otherwise the nearest is named."""
    if not isinstance(value, str) or value not in valid:
        raise ConfigError(f"{where}: unknown '{value}'{nearest(str(value), valid)}")
    return value


def texts(where: str, value: Any) -> tuple[str, ...]:
    """One name or a list of names."""
    entries = value if isinstance(value, list) else [value]
    if not entries or any(isinstance(v, (dict, list)) or v is None for v in entries):
        raise ConfigError(f"{where}={value}: expected a name or a list of names")
    return tuple(str(entry) for entry in entries)


def names(where: str, value: Any, valid: Sequence[str]) -> tuple[str, ...]:
    """One or several of ``valid``."""
    entries = value if isinstance(value, list) else [value]
    return tuple(one_of(where, entry, valid) for entry in entries)


def flag(where: str, value: Any) -> bool:
    """``true`` or ``false``, and nothing that YAML might take for it."""
    if not isinstance(value, bool):
        raise ConfigError(f"{where}={value}: expected true or false")
    return value
