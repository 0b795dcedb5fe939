"""Numbers, durations and names as reports show them.

Undefined is an en dash. A number is never cut; ratios are shown in per cent, times
below one minute in ms or s, memory in GiB.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable

UNDEFINED = "–"
SMALL = 1e-4  # below it, leading zeros would be most of a number


def number(
    value: float | None,
    *,
    scale: float = 1.0,
    digits: int | None = 1,
    signed: bool = False,
) -> str:
    """Format ``value × scale``, or an en dash where it is undefined.

    Args:
        value: a number in SI units; ``None`` and NaN are undefined.
        scale: factor to the unit that is shown, e.g. 100 for per cent.
        digits: decimals; ``None`` is three significant digits, never fewer than the
            integer part holds, and a power of ten below 1e-4.
        signed: write a plus sign too.
    """
    if value is None or not math.isfinite(value):
        return UNDEFINED
    shown = value * scale
    if digits is None and 0 < abs(shown) < SMALL:
        mantissa, _, power = f"{shown:{'+' if signed else ''}.1e}".partition("e")
        return f"{mantissa}e{int(power)}"
    decimals = _decimals(shown) if digits is None else digits
    text = f"{shown:{'+' if signed else ''}.{decimals}f}"
    return _without_negative_zero(text, signed)


def _decimals(shown: float) -> int:
    if shown == 0:
        return 1
    magnitude = math.floor(math.log10(abs(shown)))
    return max(2 - magnitude, 0)


def _without_negative_zero(text: str, signed: bool) -> str:
    if text.startswith("-") and not text.strip("-0."):
        return ("+" if signed else "") + text[1:]
    return text


def duration(seconds: float | None) -> str:
    """``0.8 s``, ``48 s``, ``1 min 05 s``, ``2 h 03 min``; a dash where unknown."""
    if seconds is None or not math.isfinite(seconds):
        return UNDEFINED
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def plural(count: int, noun: str) -> str:
    """``1 clip``, ``2 clips``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def plain(text: object) -> str:
    """One line without control characters, so that no name can steer a terminal.

    Line ends and tabs become spaces; every other control, format or surrogate
    character becomes the replacement character.
    """
    return "".join(_plain_character(c) for c in str(text))


def _plain_character(character: str) -> str:
    if character in "\n\r\t":
        return " "
    kind = unicodedata.category(character)
    return "\ufffd" if kind in {"Cc", "Cf", "Cs", "Zl", "Zp"} else character


def unique(texts: Iterable[str]) -> list[str]:
    """The texts in their order, each once."""
    return list(dict.fromkeys(texts))


def letters(index: int) -> str:
    """Letter of note ``index``: a … z, aa, ab …"""
    text = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        text = chr(ord("a") + rest) + text
    return text
