"""Pitch F1 with voicing thresholds learnt on other clips (``--calibrate speaker``).

Trackers whose confidence means different things can only be compared at thresholds
chosen by one rule. Each value of the tag is scored at the threshold with the highest
pitch F1 on all others, so that no clip is scored at a threshold tuned on itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from extractors.errors import UsageError
from harness.metrics.base import Value
from harness.metrics.bootstrap import pooled
from harness.metrics.f0 import ACCURACY
from harness.metrics.threshold import calibrate_across_groups

from . import text
from .split import PREFIX, check_tag, groups_of
from .table import Head, Row, Table, tabulate
from .threshold import clip_curves, with_truth

METRIC = next(metric for metric in ACCURACY if metric.name == "pitch_f1_50c")
HEADS = (Head("F1 50c", "%"), Head("95 % CI", "±"), Head("threshold", "by group", True))


def calibrated_table(rows: Sequence[Row], tag: str) -> Table:
    """One row per cell: pooled pitch F1 and the threshold of each group.

    A row that cannot be calibrated shows a dash and the reason.

    Raises:
        UsageError: no clip of any row carries the tag, or it has one value only in
            every row.
    """
    check_tag("--calibrate", tag, rows)
    if rows and all(row.failed or _groups(row, tag) == 1 for row in rows):
        raise UsageError(
            f"--calibrate {tag}: 1 value in every row, at least 2 are needed; "
            "choose a tag that splits the clips"
        )

    def cells(row: Row, first: Row) -> tuple[str, ...]:
        value, thresholds = _calibrated(row, tag)
        if value.value is None or value.low is None or value.high is None:
            return ("–", "–", value.reason)
        shown = ", ".join(f"{name} {theta:.2f}" for name, theta in thresholds.items())
        half = 50 * (value.high - value.low)
        return (text.number(100 * value.value), text.number(half), shown)

    title = f"Pitch F1, threshold learnt on the other {tag}s"
    return tabulate(title, rows, HEADS, cells)


def _groups(row: Row, tag: str) -> int:
    """How many values the tag has, 0 where no clip of the row has the tag."""
    clips = row.record.clips()
    return groups_of(clips, PREFIX + tag).nunique() if PREFIX + tag in clips else 0


def _calibrated(row: Row, tag: str) -> tuple[Value, dict[str, float]]:
    clips = row.record.clips()
    if PREFIX + tag not in clips:
        return Value(None, reason=f"no clip has the tag {tag}"), {}
    groups = dict(zip(clips["clip_id"], groups_of(clips, PREFIX + tag), strict=True))
    found = list(clip_curves(row, with_truth(clips)))
    if not found:
        return Value(None, reason="no truth or no confidence"), {}
    names = [groups[clip] for clip, _ in found]
    if len(set(names)) < 2:
        return Value(None, reason=f"one {tag} only: nothing to learn on"), {}
    try:
        result = calibrate_across_groups([curve for _, curve in found], names)
    except UsageError as error:  # the other groups hold no voiced reference
        return Value(None, reason=str(error)), {}
    return pooled(result.columns, METRIC), result.thresholds
