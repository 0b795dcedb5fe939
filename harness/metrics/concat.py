"""What joining windows to one signal does to their answers; see ``extractors.concat``.

Measured by the probe, on windows of unlike voices, for a pipeline that was asked for
``batching=concat``: every other one frames its windows alone, and has none of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Metric, Value

CONCAT: tuple[Metric, ...] = (
    Metric(
        "concat_edge_error_cents",
        "cents",
        "lower",
        "Mean absolute difference from the window extracted alone, over frames that "
        "read across a join and that both voice; the drift taken out.",
        label="edge error cents",
    ),
    Metric(
        "concat_window_offset_frames",
        "frames",
        "lower",
        "Frames by which a window is read later than the one before it.",
        label="offset frames",
    ),
    Metric(
        "concat_value_error_cents",
        "cents",
        "lower",
        "Median absolute difference of the F0 of a window from that of the window "
        "extracted alone, drift included.",
        label="value error cents",
    ),
)
#: Metric to its key in the section ``concat`` of the probe.
KEYS = {
    "concat_edge_error_cents": "edge_error_cents",
    "concat_window_offset_frames": "offset_per_window",
    "concat_value_error_cents": "value_error_cents",
}


def concat_values(record: Mapping[str, Any]) -> dict[str, Value]:
    """Every metric of :data:`CONCAT` for the contents of one ``record.json``."""
    probe = record.get("probe") or {}
    found = probe.get("concat")
    if not found:
        reason = "its windows are not concatenated" if probe else "not probed"
        return {metric.name: Value(None, reason=reason) for metric in CONCAT}
    reason = "no frame is voiced in both"
    return {
        name: Value(found[key], n=found["windows"])
        if found[key] is not None
        else Value(None, reason=reason)
        for name, key in KEYS.items()
    }
