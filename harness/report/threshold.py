"""What every voicing threshold would have given, from the stored confidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import frames, text
from .figures import Figure, colour, label, layout, line, row_name
from .table import Row

if TYPE_CHECKING:
    import pandas as pd

    from harness.metrics.threshold import ThresholdCurve

#: Clips that the curves rest on at most: their shape needs no more.
CLIPS = 200
#: Seconds of audio that they rest on at most.
SECONDS = 7200.0
#: Rows up to which precision and recall are drawn at once.
MANY = 3
#: Curves besides F1, and their dashes.
SIDES = {"precision": "dash", "recall": "dot"}


def threshold_curves(rows: Sequence[Row]) -> Figure | None:
    """Pitch F1, precision and recall over the threshold, for rows that have one.

    A row is one entry of the legend, and so are precision and recall of all rows, which
    begin hidden where there are many rows. A marker stands at the threshold in use; a
    threshold that was learnt has its learning curve beside it.

    Args:
        rows: rows of the report.

    Returns:
        ``None`` where no row has a threshold, or no clip a truth.
    """
    found: list[tuple[int, Row, ThresholdCurve]] = []
    for index, row in enumerate(rows):
        if row.failed or _voicing(row).get("threshold") is None:
            continue
        curve = _total(row)
        if curve is not None and curve.ref_voiced > 0:
            found.append((index, row, curve))
    if not found:
        return None
    shown = True if len(found) <= MANY else "legendonly"
    traces = [_key(name, shown) for name in SIDES]
    for index, row, curve in found:
        traces += _sides(index, row, curve, shown) + _learning(index, row)
    for index, row, curve in found:  # above everything else
        traces += _traces(index, row, curve)
    theta = {"title": {"text": "threshold on the confidence"}, "range": [0, 1]}
    score = {"title": {"text": "F1 50c, precision, recall, %"}, "rangemode": "tozero"}
    return {"data": traces, "layout": layout(theta, score, height=460)}


def _voicing(row: Row) -> Mapping[str, Any]:
    return row.record.data.get("voicing") or {}


def _key(name: str, shown: bool | str) -> dict[str, Any]:
    """What the legend says of one kind of line, and a click on it toggles."""
    style = {"color": "#888888", "width": 1.2, "dash": SIDES[name]}
    base = {"type": "scatter", "mode": "lines", "name": name, "legendgroup": name}
    return {**base, "x": [None], "y": [None], "line": style, "visible": shown}


def _sides(
    index: int, row: Row, curve: ThresholdCurve, shown: bool | str
) -> list[dict[str, Any]]:
    """Precision and recall of one row, thinner than its F1."""
    return [
        {
            **_line(curve.thresholds, getattr(curve, name), f"{name} "),
            "name": row_name(index, row),
            "legendgroup": name,
            "showlegend": False,
            "visible": shown,
            "line": {"color": colour(index), "width": 1.0, "dash": dash},
        }
        for name, dash in SIDES.items()
    ]


def _line(thresholds: Any, scores: Any, what: str = "") -> dict[str, Any]:
    """The defined part of one curve, in percent."""
    import numpy as np

    defined = np.isfinite(scores)
    return {
        "type": "scatter",
        "mode": "lines",
        "x": np.round(thresholds[defined], 4).tolist(),
        "y": np.round(100 * scores[defined], 3).tolist(),
        "hovertemplate": f"θ %{{x:.2f}}: {what}%{{y:.1f}} %"
        "<extra>%{fullData.name}</extra>",
    }


def _traces(index: int, row: Row, curve: ThresholdCurve) -> list[dict[str, Any]]:
    name = row_name(index, row)
    base = {"legendgroup": name, "name": name}
    drawn = {
        **_line(curve.thresholds, curve.pitch_f1),
        **base,
        "line": line(index, width=2.0),
    }
    threshold, where = float(_voicing(row)["threshold"]), label(_origin(row))
    marker = {
        **_marker(index, threshold, drawn["x"], drawn["y"]),
        **base,
        "hovertemplate": f"θ %{{x:.2f}} ({where}): %{{y:.1f}} %<extra></extra>",
    }
    return [drawn, marker]


def _marker(
    index: int, threshold: float, x: Sequence[float], y: Sequence[float]
) -> dict[str, Any]:
    import numpy as np

    return {
        "type": "scatter",
        "mode": "markers",
        "showlegend": False,
        "x": [threshold],
        "y": [round(float(np.interp(threshold, x, y)), 3)],
        "marker": {"color": colour(index), "size": 10},
    }


def _origin(row: Row) -> str:
    """Where the threshold of a row comes from, in words."""
    voicing = _voicing(row)
    learnt = voicing.get("learnt_on")
    if learnt:
        clips = text.plural(int(learnt["clips"]), "clip")
        return f"learnt on {learnt['tag']} {learnt['value']}, {clips}"
    source = str(voicing.get("source", ""))
    if voicing.get("rule", "").startswith("fixed") or source == "stated":
        return "fixed"
    return "default" if source.startswith("default") else source


def _learning(index: int, row: Row) -> list[dict[str, Any]]:
    """F1 on the clips that a threshold was learnt on: faint, its maximum hollow."""
    learnt = _voicing(row).get("learnt_on")
    if not learnt:
        return []
    from harness.metrics.threshold import ThresholdCurve

    curve = ThresholdCurve.from_dict(learnt["curve"])
    where = label(f"{_origin(row)}: ")
    base = {"legendgroup": row_name(index, row), "name": row_name(index, row)}
    faint = {
        **_line(curve.thresholds, curve.pitch_f1, where),
        **base,
        "showlegend": False,
        "opacity": 0.4,
        "line": {"color": colour(index), "width": 1.0},
    }
    threshold = float(_voicing(row)["threshold"])
    top = {
        **_marker(index, threshold, faint["x"], faint["y"]),
        **base,
        "marker": {"color": colour(index), "size": 8, "symbol": "circle-open"},
        "hovertemplate": f"{where}θ %{{x:.2f}}, %{{y:.1f}} % there<extra></extra>",
    }
    return [faint, top]


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
