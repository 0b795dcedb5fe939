"""A metric: a name, a unit, a direction and a formula over additive columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Pooled columns: each a scalar or an array of one shape (bootstrap replicates).
Columns = Mapping[str, NDArray[np.float64]]
Formula = Callable[[Columns], NDArray[np.float64]]

#: Ratios that are no shares of anything: far below or above 1, never shown in per cent.
PLAIN_RATIOS = ("rtf", "spectrum_relative_error")


@dataclass(frozen=True)
class Metric:
    """One quantity that a table can show and a gate rule can name.

    Attributes:
        name: stable identifier; thresholds are part of it, as in ``rpa_50c``.
        unit: ``"1"`` for a ratio, else ``cents, s, Hz, bytes, x, frames/s, 1/s`` or
            what is counted, as ``clips, copies, frames, stages``.
        direction: ``higher`` or ``lower`` is better, ``zero`` (closer to 0 is
            better), or ``none`` (descriptive, never gated by direction).
        definition: one sentence with its source.
        formula: value from pooled count columns, elementwise on arrays, NaN where
            undefined; ``None`` where the value is not made of counts (speed, memory).
        label: short column heading for tables, in the unit that tables show.
    """

    name: str
    unit: str
    direction: str
    definition: str
    formula: Formula | None = None
    label: str = ""


@dataclass(frozen=True)
class Value:
    """A summary value with its interval and the reason where it is missing.

    Attributes:
        value: the point estimate, ``None`` where undefined.
        low, high: ends of the stated interval (95 % for accuracy, 99 % for medians
            of time), ``None`` where it cannot be given.
        n: how many clips, passes or calls it rests on.
        reason: why ``value`` or the interval is missing.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "reason": self.reason,
        }
