"""Does memory grow with every call? A slope with its interval, and a verdict.

The slope is that of Theil and Sen, the median over all pairs of calls, with a 99 %
interval (:func:`scipy.stats.theilslopes`): one step, as an allocator makes when it
takes another arena, does not move it.

Successive readings are not independent, so the interval alone would call a slow wander
a leak. A leak must be *sustained* too: in each quarter of the calls the interval lies
above 0. And growth below :data:`TOLERANCE` bytes per call is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

CONFIDENCE = 0.99
#: Growth per call, in bytes, that no verdict is based on.
TOLERANCE = 1024.0
#: Calls below which a quarter has no interval worth its name.
LEAST_CALLS = 40
LEAK, NONE, UNCLEAR = "leak", "no leak", "inconclusive"
#: Exit code of each verdict.
EXITS: Mapping[str, int] = {NONE: 0, LEAK: 1, UNCLEAR: 3}
NAMES = {"rss_bytes": "resident set", "gpu_allocated_bytes": "CUDA tensors"}


@dataclass(frozen=True)
class Growth:
    """Growth of one kind of memory.

    Attributes:
        what: ``rss_bytes`` or ``gpu_allocated_bytes``.
        slope: bytes per call.
        low, high: ends of its 99 % interval.
        first, last: median of the first and of the last quarter, in bytes.
        calls: how many samples.
        verdict: ``leak``, ``no leak`` or ``inconclusive``.
        reason: one sentence.
    """

    what: str
    slope: float
    low: float
    high: float
    first: float
    last: float
    calls: int
    verdict: str
    reason: str


def growth(what: str, samples: Sequence[int]) -> Growth:
    """Judge one series.

    Args:
        what: name of the series.
        samples: bytes after each call, at least :data:`LEAST_CALLS`.
    """
    from statistics import median

    slope, low, high = slope_of(samples)
    size = len(samples) // 4
    quarters = [samples[i * size : (i + 1) * size] for i in range(4)]
    verdict, reason = _verdict(low, high, [slope_of(part) for part in quarters])
    return Growth(
        what=what,
        slope=slope,
        low=low,
        high=high,
        first=float(median(quarters[0])),
        last=float(median(quarters[-1])),
        calls=len(samples),
        verdict=verdict,
        reason=reason,
    )


def slope_of(samples: Sequence[int]) -> tuple[float, float, float]:
    """Slope per call and the ends of its 99 % interval."""
    from scipy.stats import theilslopes

    if len(set(samples)) == 1:  # scipy divides by the spread of the values
        return 0.0, 0.0, 0.0
    found = theilslopes(samples, alpha=CONFIDENCE)
    return float(found.slope), float(found.low_slope), float(found.high_slope)


def _verdict(
    low: float, high: float, quarters: Sequence[tuple[float, float, float]]
) -> tuple[str, str]:
    sustained = sum(part[1] > 0 for part in quarters)
    if high <= TOLERANCE:
        return NONE, f"the whole interval is at most {TOLERANCE:g} bytes a call"
    if low > TOLERANCE and sustained == len(quarters):
        return LEAK, "it grows in every quarter of the calls"
    if quarters[-1][2] <= TOLERANCE:
        return NONE, "it grew at first, and no more in the last quarter of the calls"
    if low > TOLERANCE:
        text = f"it grows, but only in {sustained} of {len(quarters)} quarters"
        return UNCLEAR, f"{text}; use more calls"
    return UNCLEAR, f"the interval straddles {TOLERANCE:g} bytes a call; use more calls"


def judge(found: Mapping[str, Any]) -> list[Growth]:
    """Judge what a worker answered: one entry per kind of memory that it read."""
    return [growth(what, found[what]) for what in NAMES if found.get(what)]


def verdict_of(found: Sequence[Growth]) -> str:
    """The worst of several verdicts."""
    words = [entry.verdict for entry in found]
    return next((w for w in (LEAK, UNCLEAR) if w in words), NONE)


def as_dict(found: Sequence[Growth]) -> dict[str, Any]:
    """Verdict and slopes as plain data."""
    return {"verdict": verdict_of(found), "growth": [asdict(entry) for entry in found]}


def render(label: str, found: Sequence[Growth]) -> str:
    """Lines for a terminal."""
    lines = [f"{label}: {verdict_of(found)}"]
    for entry in found:
        ends = f"[{entry.low:.1f}, {entry.high:.1f}]"
        moved = f"{entry.first / 2**20:.2f} → {entry.last / 2**20:.2f} MiB"
        lines += [
            f"  {NAMES[entry.what]:<12}  {entry.slope:+.1f} {ends} bytes a call over "
            f"{entry.calls} calls, {moved}",
            f"  {'':<12}  {entry.verdict}: {entry.reason}",
        ]
    return "\n".join(lines) + "\n"
