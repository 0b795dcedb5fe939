"""What every voicing threshold would have given, from the stored confidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

from .figures import Figure, colour, layout, line, row_name
from .table import Row

if TYPE_CHECKING:
    from harness.metrics.threshold import ThresholdCurve

#: Clips that the curves rest on at most: their shape needs no more.
CLIPS = 200


def threshold_curves(rows: Sequence[Row]) -> Figure | None:
    """Pitch F1 over the threshold, for rows whose voicing is one.

    Args:
        rows: rows of the report.

    Returns:
        ``None`` where no row has a threshold, or no clip a truth.
    """
    traces: list[dict[str, Any]] = []
    for index, row in enumerate(rows):
        threshold = (row.record.data.get("voicing") or {}).get("threshold")
        if threshold is None or row.failed:
            continue
        curve = _total(row)
        if curve is not None and curve.ref_voiced > 0:
            traces += _traces(index, row, curve, float(threshold))
    if not traces:
        return None
    theta = {"title": {"text": "threshold on the confidence"}, "range": [0, 1]}
    score = {"title": {"text": "F1 50c, %"}, "rangemode": "tozero"}
    return {"data": traces, "layout": layout(theta, score)}


def _traces(
    index: int, row: Row, curve: ThresholdCurve, threshold: float
) -> list[dict[str, Any]]:
    import numpy as np

    score = 100 * curve.pitch_f1
    defined = np.isfinite(score)
    used = float(np.interp(threshold, curve.thresholds[defined], score[defined]))
    name = row_name(index, row)
    base = {"type": "scatter", "legendgroup": name, "name": name}
    style = {"mode": "lines", "line": line(index)}
    marker = {"color": colour(index), "size": 10}
    return [
        {
            **base,
            **style,
            "x": np.round(curve.thresholds[defined], 4).tolist(),
            "y": np.round(score[defined], 3).tolist(),
            "hovertemplate": "θ %{x:.2f}: %{y:.1f} %<extra>%{fullData.name}</extra>",
        },
        {
            **base,
            "mode": "markers",
            "showlegend": False,
            "x": [threshold],
            "y": [round(used, 3)],
            "marker": marker,
            "hovertemplate": "in use: θ %{x:.2f}, %{y:.1f} %<extra></extra>",
        },
    ]


def _total(row: Row) -> ThresholdCurve | None:
    clips = row.record.clips()
    if clips.empty:
        return None
    ids = list(clips["clip_id"][clips["status"] == "ok"])[:CLIPS]
    curves = [curve for _, curve in clip_curves(row, ids)]
    return reduce(add, curves) if curves else None


def clip_curves(row: Row, ids: Sequence[str]) -> Iterator[tuple[str, ThresholdCurve]]:
    """Counts of the named clips at every threshold, where they have a truth."""
    from extractors.track import F0Track
    from harness.metrics.threshold import threshold_curve

    references, tracks = row.record.references(ids), row.record.tracks(ids)
    if references.empty or tracks.empty or "confidence" not in tracks.columns:
        return
    truth = references[references["source"] == "truth"]
    rule = row.record.data["cell"]["task"].get("resample", "f0bench")
    stored = {clip: part for clip, part in tracks.groupby("clip_id", sort=False)}
    for clip, part in truth.groupby("clip_id", sort=False):
        if clip not in stored:
            continue
        own, ref = stored[clip].sort_values("time_s"), part.sort_values("time_s")
        # Not the stored flags: a native decision is no function of the confidence.
        hertz = own["f0_hz"].to_numpy()
        times, level = own["time_s"].to_numpy(), own["confidence"].to_numpy()
        track = F0Track(times, hertz, hertz > 0, level)
        yield (
            str(clip),
            threshold_curve(
                ref["time_s"], ref["f0_hz"], ref["voiced"], track, rule=rule
            ),
        )
