"""Reading the CSV track of an external system.

Columns are separated by a comma, semicolon, tab or blanks. A first line that is no
number names them (``time, f0, confidence, voiced`` and their usual synonyms, such as
CREPE's ``time,frequency,confidence``); without one they are time, F0 and, if there is a
third, confidence. Lines that begin with ``#`` are skipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from extractors.errors import ExtractorError, nearest

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "time": ("time", "times", "time_s", "timestamp", "timestamps", "seconds", "t"),
    "f0": ("f0", "f0_hz", "frequency", "frequency_hz", "pitch", "pitch_hz", "hz"),
    "confidence": ("confidence", "periodicity", "probability", "voiced_prob"),
    "voiced": ("voiced", "voicing", "voiced_flag"),
}
_FLAGS = {"true": 1.0, "false": 0.0, "": float("nan")}


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of one file, float64, each of shape ``(T,)``; ``None`` where absent."""

    time: NDArray[np.float64]
    f0: NDArray[np.float64]
    confidence: NDArray[np.float64] | None = None
    voiced: NDArray[np.float64] | None = None


def read_columns(path: Path) -> Columns:
    """Read one track file.

    Raises:
        ExtractorError: unreadable, empty, without a time or F0 column, or a line that
            does not fit; names file, line and text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ExtractorError(f"{path.name}: not readable as text ({error})") from None
    lines = [
        (number, line.strip())
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise ExtractorError(f"{path.name}: no rows; write one line per frame")
    separator = next((mark for mark in ",;\t" if mark in lines[0][1]), None)
    head = _cells(lines[0][1], separator)
    named = not _is_number(head[0])
    names = _names(head, path) if named else ["time", "f0", "confidence"][: len(head)]
    rows = [
        _row(line, separator, len(head), f"{path.name} line {number}")
        for number, line in lines[named:]
    ]
    return _columns(names, rows, path)


def _columns(names: Sequence[str], rows: list[list[float]], path: Path) -> Columns:
    if not rows or not {"time", "f0"} <= set(names):
        missing = "a time and an F0 column" if rows else "rows"
        raise ExtractorError(f"{path.name}: {missing} missing; write time,f0 per frame")
    table = np.array(rows, dtype=np.float64)
    return Columns(**{name: table[:, i] for i, name in enumerate(names) if name})


def _cells(line: str, separator: str | None) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(separator)]


def _names(head: Sequence[str], path: Path) -> list[str]:
    """Our name of every column, empty for columns that nothing is known of."""
    known = {word: name for name, words in SYNONYMS.items() for word in words}
    names = [known.get(cell.lower(), "") for cell in head]
    for wanted in ("time", "f0"):
        if wanted not in names:
            hint = nearest(wanted, [cell for cell in head if cell])
            raise ExtractorError(f"{path.name}: no column '{wanted}'{hint}")
    return names


def _row(line: str, separator: str | None, width: int, where: str) -> list[float]:
    cells = _cells(line, separator)
    if len(cells) != width:
        raise ExtractorError(f"{where}: {len(cells)} columns, not {width}: '{line}'")
    try:
        return [_number(cell) for cell in cells]
    except ValueError:
        raise ExtractorError(f"{where}: not a number: '{line}'") from None


def _number(cell: str) -> float:
    flag = _FLAGS.get(cell.lower())
    return float(cell) if flag is None else flag


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
