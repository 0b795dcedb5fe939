"""Figures of the HTML report as plotly specifications: plain data, no work in plotly.

Every text in a figure passes :func:`label`, because plotly reads ``<b>`` and ``<a>``
in texts as markup.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.metrics.base import Metric, Value

from . import text
from .table import Row

if TYPE_CHECKING:
    import pandas as pd

Figure = dict[str, Any]
#: Distinguishable with common colour deficiencies, on light and on dark ground.
COLOURS = (
    "#0077bb",
    "#ee7733",
    "#009988",
    "#cc3311",
    "#aa66cc",
    "#33aadd",
    "#998811",
    "#888888",
)
_DASHES = ("solid", "dash", "dot", "dashdot")
_GRID = "rgba(128,128,128,0.25)"


def label(value: object) -> str:
    """A text that plotly shows as it is."""
    return html.escape(text.plain(value), quote=False)


def row_name(index: int, row: Row) -> str:
    """Number and label of a row, as in the tables."""
    where = f" ({row.context})" if row.context else ""
    return label(f"{index + 1}  {row.label}{where}")


def colour(index: int) -> str:
    """Colour of row ``index``; they repeat after eight."""
    return COLOURS[index % len(COLOURS)]


def line(index: int, width: float = 1.6) -> dict[str, Any]:
    """Line style of row ``index``: another dash each time the colours repeat."""
    dash = _DASHES[index // len(COLOURS) % len(_DASHES)]
    return {"color": colour(index), "width": width, "dash": dash}


def layout(x: Mapping[str, Any], y: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Common layout: transparent ground, quiet grid, legend below the title."""
    axis = {"gridcolor": _GRID, "zerolinecolor": _GRID, "linecolor": _GRID}
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 60, "r": 20, "t": 20, "b": 50},
        "xaxis": {**axis, **x},
        "yaxis": {**axis, **y},
        "height": 380,
        **more,
    }


def ticks(low: int, high: int, steps: Sequence[float]) -> dict[str, Any]:
    """Labels of a logarithmic axis: ``steps`` times each power of ten.

    plotly's own labels leave an axis of less than a decade with one label or none.
    """
    values = [step * 10.0**power for power in range(low, high + 1) for step in steps]
    return {"tickvals": values, "ticktext": [f"{value:.10g}" for value in values]}


def accuracy_speed(rows: Sequence[Row], metric: Metric) -> Figure | None:
    """Accuracy over speed, both with their intervals; ``None`` where none was timed."""
    points = [
        _point(index, row, metric)
        for index, row in enumerate(rows)
        if _known(row, metric.name) and _known(row, "x_realtime")
    ]
    if not points:
        return None
    speed = {
        "type": "log",
        "title": {"text": "speed, × real time (99 % interval)"},
        **ticks(-3, 5, (1, 2, 5)),
    }
    axis = {"title": {"text": f"{label(metric.name)}, {_unit(metric)} (95 % interval)"}}
    return {"data": points, "layout": layout(speed, axis, height=420)}


def _known(row: Row, name: str) -> bool:
    value = row.values.get(name)
    return value is not None and value.value is not None


def _scale(metric: Metric) -> float:
    return 100.0 if metric.unit == "1" else 1.0


def _unit(metric: Metric) -> str:
    return "%" if metric.unit == "1" else label(metric.unit)


def _point(index: int, row: Row, metric: Metric) -> dict[str, Any]:
    scale = _scale(metric)
    speed, score = row.values["x_realtime"], row.values[metric.name]
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": row_name(index, row),
        "x": [speed.value],
        "y": [_scaled(score.value, scale)],
        "error_x": _bars(speed, 1.0),
        "error_y": _bars(score, scale),
        "text": [str(index + 1)],
        "textposition": "top right",
        "marker": {"size": 10, "color": colour(index), "symbol": index // 8},
        "hovertemplate": "%{x:.3~g} × RT, %{y:.1f}<extra>%{fullData.name}</extra>",
    }


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale


def _bars(value: Value, scale: float) -> dict[str, Any]:
    if value.value is None or value.low is None or value.high is None:
        return {"visible": False}
    return {
        "type": "data",
        "symmetric": False,
        "array": [(value.high - value.value) * scale],
        "arrayminus": [(value.value - value.low) * scale],
        "thickness": 1.2,
        "width": 4,
    }


def error_histogram(rows: Sequence[Row], prefix: str = "") -> Figure | None:
    """Share of frames per 10 cents of error; ``None`` where there are no counts.

    Args:
        rows: rows of the report.
        prefix: ``agreement_`` for errors against the second reference.
    """
    lines = [
        trace
        for index, row in enumerate(rows)
        if (trace := _error_line(index, row, prefix)) is not None
    ]
    if not lines:
        return None
    error = {"title": {"text": "error, cents (10-cent bins)"}, "range": [-310, 310]}
    share = {
        "type": "log",
        "title": {"text": "% of voiced frames"},
        **ticks(-4, 2, (1,)),
    }
    return {"data": lines, "layout": layout(error, share)}


def _error_line(index: int, row: Row, prefix: str) -> dict[str, Any] | None:
    from harness.metrics.counts import histogram

    clips = row.record.clips()
    if row.failed or f"{prefix}any_hist_under" not in clips.columns:
        return None
    pooled = clips.select_dtypes("number").sum().to_dict()
    edges, frames = histogram({str(k): v for k, v in pooled.items()}, "any", prefix)
    total = float(frames.sum())
    if total == 0:
        return None
    centres = (edges[1:-2] + edges[2:-1]) / 2
    # A bin without frames has no place on a logarithmic axis: the line has a gap.
    shares = [float(f) / total * 100 if f else None for f in frames[1:-1]]
    beyond = float(frames[0] + frames[-1]) / total * 100
    name = f"{row_name(index, row)} (beyond ± 600 c: {beyond:.1f} %)"
    return {
        "type": "scatter",
        # A bin between two empty ones has no line: its marker shows it.
        "mode": "lines+markers",
        "marker": {"size": 3},
        "name": name,
        "x": centres.tolist(),
        "y": [None if s is None else round(s, 5) for s in shares],
        "line": {**line(index), "shape": "hvh"},
        "hovertemplate": "%{x} c: %{y:.3~g} %<extra></extra>",
    }


def stage_shares(rows: Sequence[Row]) -> Figure | None:
    """Share of time per stage, one bar per row; ``None`` where nothing was timed."""
    timed = [(index, row) for index, row in enumerate(rows) if _stages(row)]
    if not timed:
        return None
    names = text.unique(stage for _, row in timed for stage in _stages(row))
    names.sort(key=lambda name: name == "other")  # the rest closes the bar
    bars = [_stage_bar(name, index, timed) for index, name in enumerate(names)]
    share = {"title": {"text": "% of the time per call"}, "range": [0, 100]}
    cells = {"autorange": "reversed", "automargin": True}
    height = 110 + 34 * len(timed)
    return {
        "data": bars,
        "layout": layout(share, cells, barmode="stack", height=height),
    }


def _stages(row: Row) -> dict[str, float]:
    found = {}
    for name, value in row.values.items():
        if name.startswith("stage_") and name.endswith("_share") and value.value:
            found[name.removeprefix("stage_").removesuffix("_share")] = value.value
    return found


def _stage_bar(
    stage: str, number: int, timed: Iterable[tuple[int, Row]]
) -> dict[str, Any]:
    rows = list(timed)
    shares = [100 * _stages(row).get(stage, 0.0) for _, row in rows]
    return {
        "type": "bar",
        "orientation": "h",
        "name": label(stage),
        "x": [round(share, 3) for share in shares],
        "y": [row_name(index, row) for index, row in rows],
        "marker": {"color": "#999999" if stage == "other" else colour(number)},
        "hovertemplate": f"{label(stage)}: %{{x:.1f}} %<extra></extra>",
    }


def contour(curves: Sequence[dict[str, Any]]) -> Figure:
    """F0 contours of one clip on a logarithmic frequency axis."""
    time = {"title": {"text": "s"}}
    hertz = {
        "type": "log",
        "title": {"text": "Hz"},
        **ticks(1, 4, (1, 1.5, 2, 3, 5, 7)),
    }
    figure = layout(time, hertz, height=260, showlegend=False)
    figure["margin"] = {"l": 55, "r": 10, "t": 8, "b": 40}
    return {"data": list(curves), "layout": figure}


def curve(frames: pd.DataFrame, name: str, style: Mapping[str, Any]) -> dict[str, Any]:
    """One contour; unvoiced frames and holes in time are gaps, never bridged.

    Args:
        frames: columns ``time_s, f0_hz, voiced``, in the order of time.
        name: name shown on hovering.
        style: plotly line style.
    """
    import numpy as np

    times = frames["time_s"].to_numpy(np.float64)
    hertz = frames["f0_hz"].to_numpy(np.float64)
    shown = frames["voiced"].to_numpy(bool) & (hertz > 0)
    values = [
        round(float(f), 2) if s else None for f, s in zip(hertz, shown, strict=True)
    ]
    places = np.round(times, 4).tolist()
    steps = np.diff(times)
    if len(steps):
        holes = np.flatnonzero(steps > 1.5 * np.median(steps))
        for hole in holes[::-1]:
            places.insert(int(hole) + 1, places[hole])
            values.insert(int(hole) + 1, None)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": label(name),
        "x": places,
        "y": values,
        "line": dict(style),
        "connectgaps": False,
        "hovertemplate": "%{x:.3f} s: %{y:.1f} Hz<extra>%{fullData.name}</extra>",
    }
