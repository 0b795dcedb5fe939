"""One self-contained HTML file: tables, figures and contours; opens offline.

Every text goes through the template's autoescape; data for the figures are JSON whose
``<``, ``>`` and ``&`` are escaped, so that no clip name can close the script element.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any

from harness.metrics.base import Metric

from . import text
from .clips import MAX_CLIPS, ClipScores, clip_metric, worst_first
from .contours import ROWS, SPAN_S, worst_contours
from .figures import (
    Figure,
    accuracy_speed,
    colour,
    error_histogram,
    stage_shares,
)
from .page import Page, Source, metrics_of
from .privacy import Scrubber
from .stages import stage_table
from .table import Row
from .threshold import threshold_curves, threshold_scope

TEMPLATE = "report.html.j2"


def html(page: Page, sources: Sequence[Source]) -> str:
    """The page of ``sources`` as an HTML document.

    Args:
        page: built from ``sources``.
        sources: the runs; tracks and references are read for ten clips.
    """
    import jinja2
    from markupsafe import Markup

    folder = resources.files(__package__)
    loader = jinja2.FunctionLoader(
        lambda name: (folder / name).read_text(encoding="utf-8")
    )
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined
    )
    values = _content(page, sources)
    # The library and the escaped JSON are the only texts that skip the autoescape.
    script = Markup(_plotly_js())
    data = Markup(script_json(values.pop("figures")))
    template = environment.get_template(TEMPLATE)
    return template.render(**values, figures_json=data, plotly_js=script)


def script_json(value: Any) -> str:
    """Strict JSON that is safe inside a ``script`` element."""
    raw = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        raw = raw.replace(character, f"\\u{ord(character):04x}")
    return raw


def _plotly_js() -> str:
    from plotly.offline import get_plotlyjs

    source: str = get_plotlyjs()
    return source.replace("</script", "<\\/script")


def _content(page: Page, sources: Sequence[Source]) -> dict[str, Any]:
    rows = page.rows
    scrub = Scrubber(*(source.run for source in sources))
    scored, _ = metrics_of(rows)
    metric = clip_metric(scored, rows)
    clips = worst_first(rows, metric) if metric else []
    contours = worst_contours(rows, clips)
    figures = _figures(rows, metric)
    shown = [_shown(clip, scrub) for clip in clips[:MAX_CLIPS]]
    stages = stage_table(rows)
    drawn = {f"contour-{i}": figure for i, (_, figure) in enumerate(contours)}
    return {
        "page": page,
        "overview": [(name, title, note) for name, title, note, _ in figures],
        "figures": {name: figure for name, _, _, figure in figures} | drawn,
        "contours": [
            (f"contour-{i}", _shown(clip, scrub))
            for i, (clip, _) in enumerate(contours)
        ],
        "clips": _clip_table(shown, len(clips), metric),
        "legend": _legend(rows),
        "stages": stages,
        # that of the stages stands below its figure, where it may fold
        "tables": [t for t in page.tables if not stages or t.title != stages.title],
        "span_s": SPAN_S,
        "score": text.number,
        "environment": scrub.data(_environment(sources)),
        "cells": scrub.data([_cell(i, row.record.data) for i, row in enumerate(rows)]),
    }


def _legend(rows: Sequence[Row]) -> list[tuple[str, str]]:
    names = [f"{index + 1}  {text.plain(row.label)}" for index, row in enumerate(rows)]
    return [
        (colour(index), names[index])
        for index, row in enumerate(rows)
        if not row.failed
    ][:ROWS]


def _figures(
    rows: Sequence[Row], metric: Metric | None
) -> list[tuple[str, str, str, Figure]]:
    """Name, title, explanation and figure, those that have data."""
    agreement = metric is not None and metric.name.startswith("agreement_")
    prefix = "agreement_" if agreement else ""
    candidates = [
        (
            "speed",
            "Accuracy and speed",
            f"Numbers are those of the tables; {_better(metric)} is better.",
            accuracy_speed(rows, metric) if metric else None,
        ),
        (
            "errors",
            "Pitch error",
            "Over frames with a voiced reference and an estimate, whatever its "
            "voicing. A gap is a bin without frames.",
            error_histogram(rows, prefix),
        ),
        (
            "stages",
            "Where the time goes",
            "Wall time per stage of a timed call; “other” is what no stage covers.",
            stage_shares(rows),
        ),
        (
            "voicing",
            "Voicing threshold",
            "What every threshold on the stored confidence would give: F1 within 50 "
            "cents and its parts; the marker is the threshold in use, and hovering "
            "tells where it comes from. A faint curve is F1 on the clips that a "
            "threshold was learnt on, which are not scored. A click in the legend "
            "shows or hides. " + threshold_scope(),
            threshold_curves(rows),
        ),
    ]
    return [(n, t, note, f) for n, t, note, f in candidates if f is not None]


def _better(metric: Metric | None) -> str:
    """Where in the plane of accuracy over speed the better cells lie."""
    low = metric is not None and metric.direction in ("lower", "zero")
    return f"{'down' if low else 'up'} and to the right"


def _shown(clip: ClipScores, scrub: Scrubber) -> ClipScores:
    place, tags = scrub.path(clip.dataset), scrub.path(clip.tags)
    return replace(clip, clip_id=scrub.clip(clip.clip_id), dataset=place, tags=tags)


def _clip_table(
    clips: Sequence[ClipScores], total: int, metric: Metric | None
) -> dict[str, Any]:
    scale = 100.0 if metric is not None and metric.unit == "1" else 1.0
    return {
        "metric": metric.name if metric else "",
        "unit": "%" if scale == 100 else (metric.unit if metric else ""),
        "scale": scale,
        "total": total,
        "shown": list(clips),
        "datasets": len({clip.dataset for clip in clips}) > 1,
    }


def _environment(sources: Sequence[Source]) -> list[dict[str, Any]]:
    found = []
    for source in sources:
        plan = source.run.plan
        found.append(
            {
                "run": source.run.name,
                "command": plan.get("command") or "",
                "created": plan.get("created_utc") or "",
                "machine": dict(plan.get("machine") or {}),
                "versions": dict(plan.get("versions") or {}),
            }
        )
    return found


def _cell(index: int, data: Mapping[str, Any]) -> dict[str, Any]:
    """What the report says of one cell besides its numbers."""
    cell = data["cell"]
    choices = {**cell["params"], **{f"axis {k}": v for k, v in cell["axes"].items()}}
    return {
        "number": index + 1,
        "label": text.plain(data["label"]),
        "key": data["key"],
        "role": data["role"],
        "choices": {k: v for k, v in choices.items() if v is not None},
        "describe": dict(data.get("describe") or {}),
    }
