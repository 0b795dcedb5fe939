"""Words of a command line: ``key=value`` in Hydra's override grammar, paths verbatim.

The grammar gives types (``60`` is an integer, ``null`` is nothing) and sweeps (``a,b``,
``range(1,4)``, ``choice(a,b)``, ``glob(crepe*)``). Values of path-like keys never reach
it: whatever stands right of the first ``=`` is the value, so that spaces, commas,
brackets, ``=`` and any script work as typed. Nor do rules of ``voicing``, which look
like the grammar's functions: commas outside brackets set them apart.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from extractors.errors import ConfigError, nearest

from .confdir import GROUPS

VERBATIM = frozenset(
    (
        "dataset.audio",
        "dataset.manifest",
        "dataset.name",
        "dataset.root",
        "dataset.separator",
        "dataset.truth",
        "gate",
        "results_dir",
    )
)
_VERBATIM_ENDS = (".root", ".pattern", ".path")
_PLACES = frozenset(("dataset.manifest", "gate", "results_dir"))
_LISTS = frozenset(("scenarios", "dataset.columns"))
_KEY = re.compile(r"[A-Za-z_][\w\-]*(\.[\w\-]+)*")


@dataclass(frozen=True)
class Word:
    """One ``key=value`` of the command line.

    Attributes:
        key: dotted key, or the name of a config group.
        values: plain values; more than one is a sweep.
        text: the word as typed.
    """

    key: str
    values: tuple[Any, ...]
    text: str


def is_verbatim(key: str) -> bool:
    """Whether the whole right side of ``key=…`` is one value."""
    return (
        key in VERBATIM
        or key.startswith("dataset.tags.")
        or key.endswith(_VERBATIM_ENDS)
    )


def parse(
    words: Sequence[str], options: Callable[[str], Sequence[str]], *, multirun: bool
) -> list[Word]:
    """Read ``key=value`` words.

    Args:
        words: as typed; a leading ``+`` or ``++`` is allowed and changes nothing,
            because only existing keys can be set.
        options: names of a config group's options, for ``glob()``.
        multirun: allow sweeps.

    Raises:
        ConfigError: not ``key=value``, stated twice, a deletion, an interpolation, a
            value that the grammar refuses, or a sweep without ``multirun``.
    """
    found: dict[str, Word] = {}
    for text in words:
        word = _read(text, options)
        if word.key in found:
            raise ConfigError(f"{word.key} is stated twice; keep one of them")
        if len(word.values) > 1 and not multirun:
            raise ConfigError(_sweep_hint(word))
        found[word.key] = word
    return list(found.values())


def _sweep_hint(word: Word) -> str:
    if word.key in _LISTS:
        listed = ",".join(map(str, word.values))
        return f"{word.text}: {word.key} takes a list; write {word.key}=[{listed}]"
    return f"{word.text}: several values are a sweep; add -m"


def _read(text: str, options: Callable[[str], Sequence[str]]) -> Word:
    key, raw = _split(text, options)
    if "${" in raw:
        raise ConfigError(f"{text}: interpolation is not accepted; write the value")
    if is_verbatim(key):
        return Word(key, (_verbatim(key, raw),), text)
    if not raw:
        raise ConfigError(f"{text}: the value is missing; null means none")
    if key == "voicing":
        return Word(key, _rules(raw, text), text)
    values = tuple(_values(key, raw, text, options))
    if not values:
        raise ConfigError(f"{text}: the sweep is empty")
    return Word(key, values, text)


def _split(text: str, options: Callable[[str], Sequence[str]]) -> tuple[str, str]:
    if text.startswith("~"):
        raise ConfigError(f"{text}: keys cannot be removed, only set to another value")
    key, equals, raw = text.lstrip("+").partition("=")
    if not equals:
        raise ConfigError(f"'{text}' is not key=value{_guess(text, options)}")
    if not _KEY.fullmatch(key):
        raise ConfigError(f"'{key}' in '{text}' is not a key such as task.fmin")
    return key, raw


def _guess(text: str, options: Callable[[str], Sequence[str]]) -> str:
    for group in ("extractor", "experiment", "dataset", "effort"):
        if text in options(group):
            return f"; did you mean {group}={text}?"
    return nearest(text, GROUPS) if text in GROUPS else "; e.g. extractor=crepe_tiny"


def _verbatim(key: str, raw: str) -> str | None:
    if raw == "null":
        return None
    if len(raw) > 2 and raw[0] == raw[-1] and raw[0] in "'\"":
        raw = raw[1:-1]  # the quotes that Hydra users add by habit
    if not raw:
        raise ConfigError(f"{key} is empty; is a variable of the shell unset?")
    if key == "dataset.separator":
        return {"\\t": "\t", "tab": "\t", "space": " "}.get(raw, raw)
    if key in _PLACES or key.endswith((".root", ".path")):
        return os.path.expanduser(raw)
    return raw


def _rules(raw: str, text: str) -> tuple[str | None, ...]:
    """Rules of ``voicing`` as typed, apart from quotes around the whole of one."""
    found = []
    for rule in re.split(r",(?![^()]*\))", raw):
        bare = rule.strip()
        if len(bare) > 2 and bare[0] == bare[-1] and bare[0] in "'\"":
            bare = bare[1:-1]
        if not bare:
            raise ConfigError(f"{text}: a value is missing beside a comma")
        found.append(None if bare == "null" else bare)
    return tuple(found)


def _values(
    key: str, raw: str, text: str, options: Callable[[str], Sequence[str]]
) -> Iterable[Any]:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Glob
    from hydra.errors import HydraException

    try:
        override = OverridesParser.create().parse_override(f"{key}={raw}")
    except HydraException as error:
        raise ConfigError(f"{text}: {_one_line(error)}; quote the value") from None
    if not override.is_sweep_override():
        return [plain(override.value())]
    sweep = override.value()
    if isinstance(sweep, Glob):
        return _globbed(key, sweep, text, options)
    return [plain(value) for value in override.sweep_iterator()]


def _globbed(
    key: str, sweep: Any, text: str, options: Callable[[str], Sequence[str]]
) -> list[str]:
    if key not in GROUPS:
        raise ConfigError(f"{text}: glob() works for {', '.join(GROUPS)} only")
    names = [str(name) for name in sweep.filter(list(options(key)))]
    if not names:
        raise ConfigError(f"{text}: no {key} matches")
    return names


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Error parsing", "See "))]
    return (told or lines or ["not readable"])[0]


def plain(value: Any) -> Any:
    """Values of the grammar as plain Python: quoted strings become strings."""
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return getattr(value, "text", value)
