"""What every voicing threshold would have given, from the stored confidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import frames
from .figures import Figure, colour, layout, line, row_name
from .table import Row

if TYPE_CHECKING:
    import pandas as pd

    from harness.metrics.threshold import ThresholdCurve

#: Clips that the curves rest on at most: their shape needs no more.
CLIPS = 200
#: Seconds of audio that they rest on at most.
SECONDS = 7200.0


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


def threshold_scope() -> str:
    """What the figure rests on, as a sentence for its reader."""
    hours = SECONDS / 3600
    return f"Of every cell at most the first {CLIPS} clips or {hours:g} h with a truth."


def with_truth(clips: pd.DataFrame) -> pd.DataFrame:
    """The clips that were scored against a truth, those without an output too."""
    if "ref_voiced" not in clips.columns:
        return clips.iloc[:0]
    return clips[clips["ref_voiced"].notna()]


def _first(clips: pd.DataFrame) -> pd.DataFrame:
    """At most ``CLIPS`` clips of ``SECONDS`` together, at least one."""
    first = clips.head(CLIPS)
    kept = int((first["seconds"].cumsum() <= SECONDS).sum())
    return first.head(max(kept, 1))


def _total(row: Row) -> ThresholdCurve | None:
    clips = row.record.clips()
    if clips.empty:
        return None
    total: ThresholdCurve | None = None
    for _, curve in clip_curves(row, _first(with_truth(clips))):
        total = curve if total is None else total + curve
    return total


def clip_curves(row: Row, clips: pd.DataFrame) -> Iterator[tuple[str, ThresholdCurve]]:
    """Counts at every threshold of the clips that have a truth.

    A clip that the extractor failed on counts with all its voiced frames missed. The
    frames of about ten minutes are held at once.

    Args:
        row: a row of the report.
        clips: of its table of clips, those wanted.
    """
    missed = set(clips["clip_id"][clips["status"] == "missed"])
    known = "confidence" in frames.columns(frames.tracks_path(row.record))
    if not known and len(missed) < len(clips):
        return  # outputs without a confidence, or none kept
    for ids in frames.batches(clips["clip_id"], clips["seconds"]):
        yield from _batch(row, ids)


def _batch(row: Row, ids: Sequence[str]) -> Iterator[tuple[str, ThresholdCurve]]:
    truth = frames.references(row.record, ids, source="truth")
    if truth.empty:
        return
    rule = row.record.data["cell"]["task"].get("resample", "f0bench")
    tracks = frames.tracks(row.record, ids)
    stored = (
        {}
        if tracks.empty
        else {clip: part for clip, part in tracks.groupby("clip_id", observed=True)}
    )
    for clip, part in truth.groupby("clip_id", sort=False, observed=True):
        yield str(clip), _curve(part.sort_values("time_s"), stored.get(clip), rule)


def _curve(ref: pd.DataFrame, own: pd.DataFrame | None, rule: str) -> ThresholdCurve:
    from extractors.track import F0Track
    from harness.metrics.threshold import missed_curve, threshold_curve

    reference = (ref["time_s"], ref["f0_hz"], ref["voiced"])
    if own is None:
        return missed_curve(*reference, rule=rule)
    own = own.sort_values("time_s")
    # Not the stored flags: a native decision is no function of the confidence.
    hertz = own["f0_hz"].to_numpy()
    times, level = own["time_s"].to_numpy(), own["confidence"].to_numpy()
    return threshold_curve(
        *reference, F0Track(times, hertz, hertz > 0, level), rule=rule
    )
