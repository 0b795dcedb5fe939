"""One reader for every label format that is columns of numbers.

The formats, their presets and conventions are in :mod:`.label_format`; what holes and
labels outside the audio mean is settled in :mod:`.label_grid`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from extractors.errors import LabelError

from .base import Truth
from .label_format import PRESETS, LabelFormat, label_format
from .label_grid import fit_to_audio, on_grid

__all__ = [
    "PRESETS",
    "LabelFormat",
    "first_rows",
    "fit_to_audio",
    "label_format",
    "read_labels",
    "to_hz",
]

PLAUSIBLE_HZ = (1.0, 20000.0)  # beyond it the unit must be wrong

_HEADER_NAMES: Mapping[str, str] = {
    "time": "time", "times": "time", "time_s": "time", "timestamp": "time",
    "f0": "f0", "f0_hz": "f0", "frequency": "f0", "hz": "f0", "pitch": "f0",
    "voiced": "voiced", "voicing": "voiced", "confidence": "confidence",
}  # fmt: skip
_ANY_SEPARATOR = re.compile(r"\s*[,;]\s*|\s+")


def read_labels(path: Path, fmt: LabelFormat) -> Truth:
    """Read one label file.

    Returns:
        The reference on the grid of the labels, unvoiced rows included.

    Raises:
        LabelError: missing or empty file, wrong number of columns, a field that is not
            a number or not allowed by the format, times that do not increase, an
            implausible pitch, or holes while ``gaps`` is not declared; names the file
            and, where there is one, the line.
    """
    rows = list(_rows(path, fmt))
    if not rows:
        raise LabelError(f"{path.name}: holds no labels; remove the file or fill it")
    lines = [number for number, _ in rows]
    table = np.array([values for _, values in rows], dtype=np.float64)
    times = _times(path, fmt, table, lines)
    f0, voiced = _pitch(path, fmt, table, lines)
    try:
        return on_grid(Truth(times, f0, voiced, math.nan), fmt.hop, fmt.gaps)
    except LabelError as error:
        raise LabelError(f"{path.name}: {error}") from None


def first_rows(path: Path, count: int = 5) -> list[str]:
    """The first lines of a label file as they stand there, for a human to look at."""
    return [line for _, line in _lines(path)][:count]


def _lines(path: Path) -> list[tuple[int, str]]:
    """Numbered lines that are neither blank nor comments."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise LabelError(f"{path.name}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise LabelError(
            f"{path.name}: is not text; labels are columns of numbers"
        ) from None
    numbered = enumerate(text.splitlines(), start=1)
    return [
        (n, line) for n, line in numbered if line.strip() and line.lstrip()[0] != "#"
    ]


def _rows(path: Path, fmt: LabelFormat) -> Iterator[tuple[int, list[float]]]:
    lines = [(n, line) for n, line in _lines(path) if n > fmt.skip]
    for index, (number, line) in enumerate(lines):
        parts = _split(line, fmt.separator)
        if index == 0 and fmt.has_time and _is_header(parts):
            _check_header(path, number, parts, fmt)
            continue
        if len(parts) != len(fmt.columns):
            raise _bad_line(
                path,
                number,
                line,
                f"has {len(parts)} columns where {len(fmt.columns)} are declared "
                f"({', '.join(fmt.columns)}); set dataset.columns or dataset.labels",
            )
        yield number, _numbers(path, number, line, parts, fmt)


def _split(line: str, separator: str | None) -> list[str]:
    if separator is None:
        return _ANY_SEPARATOR.split(line.strip())
    return [part.strip() for part in line.rstrip("\r\n").split(separator)]


def _bad_line(path: Path, number: int, line: str, what: str) -> LabelError:
    return LabelError(f"{path.name}:{number}: '{line.strip()[:60]}' {what}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_header(parts: list[str]) -> bool:
    return any(parts) and not any(_is_number(part) for part in parts)


def _check_header(path: Path, number: int, parts: list[str], fmt: LabelFormat) -> None:
    """A header that names the columns in another order than declared is an error."""
    named = [_HEADER_NAMES.get(part.strip("\"'").lower()) for part in parts]
    for name, declared in zip(named, fmt.columns, strict=False):
        clash = {name, declared} == {"time", "f0"}
        if clash or (name == "voiced" and declared == "f0"):
            raise _bad_line(
                path,
                number,
                ",".join(parts),
                f"names other columns than declared ({', '.join(fmt.columns)}); "
                "set dataset.columns",
            )


def _numbers(
    path: Path, number: int, line: str, parts: list[str], fmt: LabelFormat
) -> list[float]:
    values: list[float] = []
    for name, part in zip(fmt.columns, parts, strict=True):
        if name in ("_", "confidence"):
            values.append(math.nan)
            continue
        empty_pitch = name == "f0" and not part and fmt.unvoiced == "nan"
        if not empty_pitch and not _is_number(part):
            raise _bad_line(
                path, number, line, f"holds '{part}', which is not a number"
            )
        values.append(math.nan if empty_pitch else float(part))
    return values


def _times(
    path: Path, fmt: LabelFormat, table: NDArray[np.float64], lines: list[int]
) -> NDArray[np.float64]:
    if not fmt.has_time:
        rows = np.arange(len(table), dtype=np.float64)
        return np.asarray(rows * float(fmt.hop or 0) + fmt.offset)
    times = table[:, fmt.columns.index("time")]
    if not np.isfinite(times).all():
        row = int(np.flatnonzero(~np.isfinite(times))[0])
        raise LabelError(f"{path.name}:{lines[row]}: time {times[row]} is not finite")
    back = np.flatnonzero(np.diff(times) <= 0)
    if back.size:
        row = int(back[0]) + 1
        what = "repeats" if times[row] == times[row - 1] else "comes after"
        raise LabelError(
            f"{path.name}:{lines[row]}: time {times[row]:g} s {what} "
            f"{times[row - 1]:g} s; sort the rows and remove duplicates"
        )
    return np.asarray(times + fmt.offset)


def _pitch(
    path: Path, fmt: LabelFormat, table: NDArray[np.float64], lines: list[int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    raw = table[:, fmt.columns.index("f0")]
    _check_code(path, fmt, raw, lines)
    voiced = raw > 0  # NaN compares false
    value = np.abs(raw) if fmt.unvoiced == "negative" else raw
    f0 = np.full(len(raw), np.nan)
    known = value > 0
    f0[known] = to_hz(value[known], fmt.unit)
    low, high = PLAUSIBLE_HZ
    odd = np.flatnonzero(known & ~((f0 >= low) & (f0 <= high)))
    if odd.size:
        row = int(odd[0])
        raise LabelError(
            f"{path.name}:{lines[row]}: {raw[row]:g} read as {fmt.unit} is "
            f"{f0[row]:.4g} Hz, outside {low:g}–{high:g} Hz; check dataset.unit"
        )
    if "voiced" in fmt.columns:
        voiced &= table[:, fmt.columns.index("voiced")] > 0.5
    return f0, voiced


def _check_code(
    path: Path, fmt: LabelFormat, raw: NDArray[np.float64], lines: list[int]
) -> None:
    """Refuse values that the declared code of unvoiced rows does not cover."""
    allowed = {
        "zero": raw >= 0,
        "nan": np.isnan(raw) | (raw > 0),
        "negative": ~np.isnan(raw),
        "nonpositive": ~np.isnan(raw),
    }[fmt.unvoiced] & ~np.isinf(raw)
    if not allowed.all():
        row = int(np.flatnonzero(~allowed)[0])
        raise LabelError(
            f"{path.name}:{lines[row]}: F0 {raw[row]:g} is not allowed while "
            f"dataset.unvoiced={fmt.unvoiced}; choose {_code_for(raw[row])}"
        )


def _code_for(value: float) -> str:
    if np.isnan(value):
        return "nan, or repair the row"
    if np.isinf(value):
        return "another value: no code covers infinity"
    return "nonpositive, or negative to keep the pitch value" if value < 0 else "zero"


def to_hz(values: NDArray[np.float64], unit: str) -> NDArray[np.float64]:
    """Convert pitch values to Hz; cents count from 10 Hz, notes are MIDI numbers."""
    with np.errstate(over="ignore"):  # an absurd value is reported as infinite Hz
        if unit == "cents":
            return np.asarray(10.0 * 2.0 ** (values / 1200.0))
        if unit in ("midi", "semitone"):
            return np.asarray(440.0 * 2.0 ** ((values - 69.0) / 12.0))
    return values
