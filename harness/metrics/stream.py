"""What the scenario ``stream`` measures: chunks of 10 ms as they would come in.

Every chunk of the timed set is handed to the extractor alone, and the call is timed.
The chunks are not held back to the pace of a microphone: a call that takes longer than
its chunk lasts misses its *deadline*, because the next chunk would be waiting.

What the stream decided, chunk by chunk, is compared with the track of the accuracy pass
at the times of that track: a frame agrees where both call it unvoiced, or both voiced
within 50 cents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.meter.statistics import median_value, percentile_value

from .base import Metric, Value

if TYPE_CHECKING:
    import pandas as pd

CHUNK_S = 0.01
PERCENTILES = (50, 95, 99)

STREAM: tuple[Metric, ...] = (
    *(
        Metric(
            f"stream_chunk_p{percent}_s",
            "s",
            "lower",
            f"{'Median' if percent == 50 else f'{percent}th percentile'} of the wall "
            "time of a chunk of 10 ms.",
            label=f"chunk p{percent} ms",
        )
        for percent in PERCENTILES
    ),
    Metric(
        "stream_deadline_miss_ratio",
        "1",
        "lower",
        "Chunks whose call took longer than the chunk lasts.",
        label="late chunks %",
    ),
    Metric(
        "stream_agreement_ratio",
        "1",
        "higher",
        "Frames of the accuracy pass that the stream decided alike: both unvoiced, or "
        "both voiced within 50 cents.",
        label="as offline %",
    ),
    Metric(
        "stream_delay_s",
        "s",
        "lower",
        "Algorithmic delay: from the centre of a frame to the sample that decides it, "
        "as the extractor states it; computing comes on top.",
        label="delay ms",
    ),
)


def stream_values(
    record: Mapping[str, Any], samples: pd.DataFrame | None, no_speed: str
) -> dict[str, Value]:
    """Every metric of :data:`STREAM` for one record.

    Args:
        record: contents of ``record.json``.
        samples: timed calls of all rounds.
        no_speed: why nothing that was timed may be stated, or an empty string.
    """
    parts = [part["stream"] for part in record.get("rounds") or () if "stream" in part]
    reason = no_speed or next((p["reason"] for p in parts if p.get("reason")), "")
    if not reason and (not parts or samples is None):
        reason = "scenario stream was not measured"
    if reason or samples is None:
        return {metric.name: Value(None, reason=reason) for metric in STREAM}
    calls = samples[samples["scenario"] == "stream"]
    wall = np.asarray(calls["wall_s"], np.float64)
    late = int((wall > np.asarray(calls["audio_s"], np.float64)).sum())
    frames = sum(part["frames"] for part in parts)
    alike = sum(part["alike"] for part in parts)
    delays = [part["delay_s"] for part in parts if part["delay_s"] is not None]
    return {
        **{f"stream_chunk_p{percent}_s": _at(wall, percent) for percent in PERCENTILES},
        "stream_deadline_miss_ratio": _ratio(late, len(wall), "no chunk was timed"),
        "stream_agreement_ratio": _ratio(alike, frames, "no stored track"),
        "stream_delay_s": Value(max(delays), n=len(delays))
        if delays
        else Value(None, reason="everything is decided at the end"),
    }


def _at(wall: Any, percent: int) -> Value:
    if not len(wall):
        return Value(None, reason="no chunk was timed")
    return median_value(wall) if percent == 50 else percentile_value(wall, percent)


def _ratio(part: int, whole: int, reason: str) -> Value:
    if not whole:
        return Value(None, reason=reason)
    return Value(part / whole, n=whole)
