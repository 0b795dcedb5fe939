"""What a reduced precision changes: a cell's tracks against those of its fp32 twin.

The twin is the cell of the same run that differs by its precision alone, so its frames
lie at the same times and are compared one to one. With ``c`` the pitch minus the
twin's, in cents, over frames that both voice: the median and the 95th percentile of
``|c|``; and the share of all frames whose voicing changes. Neither side is the truth:
accuracy stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from extractors.track import F0Track

from .base import Metric, Value

PRECISION: tuple[Metric, ...] = (
    Metric(
        "delta_fp32_p50_cents",
        "cents",
        "lower",
        "Median absolute pitch difference from the cell in fp32, over frames that both "
        "voice.",
        label="to fp32 p50 cents",
    ),
    Metric(
        "delta_fp32_p95_cents",
        "cents",
        "lower",
        "95th percentile of the absolute pitch difference from the cell in fp32, over "
        "frames that both voice.",
        label="to fp32 p95 cents",
    ),
    Metric(
        "delta_fp32_voicing_ratio",
        "1",
        "lower",
        "Frames whose voicing differs from that of the cell in fp32.",
        label="to fp32 voicing %",
    ),
)


def without(reason: str) -> dict[str, Value]:
    """No value, and why."""
    return {metric.name: Value(None, reason=reason) for metric in PRECISION}


def delta_values(pairs: Iterable[tuple[F0Track, F0Track]]) -> dict[str, Value]:
    """Every metric of :data:`PRECISION`.

    Args:
        pairs: for every clip the track of the cell and that of its twin.
    """
    cents: list[NDArray[np.float64]] = []
    frames = changed = 0
    for ours, theirs in pairs:
        if not np.array_equal(ours.times, theirs.times):
            return without("the frames of both do not lie at the same times")
        both = ours.voiced & theirs.voiced
        ratio = ours.f0[both].astype(np.float64) / theirs.f0[both]
        cents.append(np.abs(1200 * np.log2(ratio)))
        frames += len(both)
        changed += int((ours.voiced != theirs.voiced).sum())
    if not frames:
        return without("no clip was answered by both")
    pooled = np.concatenate(cents)
    median, high = (_percentile(pooled, percent) for percent in (50, 95))
    voicing = Value(changed / frames, n=frames)
    return dict(zip((m.name for m in PRECISION), (median, high, voicing), strict=True))


def _percentile(cents: NDArray[np.float64], percent: int) -> Value:
    if not len(cents):
        return Value(None, reason="no frame is voiced in both")
    return Value(float(np.percentile(cents, percent)), n=len(cents))
