"""Pitch F1 with voicing thresholds learnt on other clips (``--calibrate speaker``).

Trackers whose confidence means different things can only be compared at thresholds
chosen by one rule. Each value of the tag is scored at the threshold with the highest
pitch F1 on all others, so that no clip is scored at a threshold tuned on itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from extractors.errors import UsageError, nearest
from harness.metrics.base import Value
from harness.metrics.bootstrap import pooled
from harness.metrics.f0 import ACCURACY
from harness.metrics.threshold import calibrate_across_groups

from . import text
from .table import Head, Row, Table, tabulate
from .threshold import clip_curves

METRIC = next(metric for metric in ACCURACY if metric.name == "pitch_f1_50c")
HEADS = (Head("F1 50c", "%"), Head("95 % CI", "±"), Head("threshold", "by group", True))


def calibrated_table(rows: Sequence[Row], tag: str) -> Table:
    """One row per cell: pooled pitch F1 and the threshold of each group.

    Raises:
        UsageError: no clip carries the tag, or it has one value only.
    """

    def cells(row: Row, first: Row) -> tuple[str, ...]:
        value, thresholds = _calibrated(row, tag)
        if value.value is None or value.low is None or value.high is None:
            return ("–", "–", value.reason)
        shown = ", ".join(f"{name} {theta:.2f}" for name, theta in thresholds.items())
        half = 50 * (value.high - value.low)
        return (text.number(100 * value.value), text.number(half), shown)

    title = f"Pitch F1, threshold learnt on the other {tag}s"
    return tabulate(title, rows, HEADS, cells)


def _calibrated(row: Row, tag: str) -> tuple[Value, dict[str, float]]:
    clips = row.record.clips()
    column = f"tag_{tag}"
    if column not in clips:
        names = [str(name) for name in clips.columns]
        known = [n.removeprefix("tag_") for n in names if n.startswith("tag_")]
        raise UsageError(
            f"--calibrate {tag}: no clip has this tag{nearest(tag, known)}"
        )
    clips = clips[clips["status"] == "ok"].set_index("clip_id")
    found = list(clip_curves(row, list(clips.index)))
    if not found:
        return Value(None, reason="no truth or no confidence"), {}
    groups = [str(clips[column][clip]) for clip, _ in found]
    result = calibrate_across_groups([curve for _, curve in found], groups)
    return pooled(result.columns, METRIC), result.thresholds
