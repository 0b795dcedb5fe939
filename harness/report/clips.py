"""Scores per clip across the rows of a report, worst first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.metrics.base import Metric

from .columns import CLIP_METRICS
from .table import Row

if TYPE_CHECKING:
    import pandas as pd

#: Longest per-clip table of a report; all clips are in ``clips.parquet``.
MAX_CLIPS = 500


@dataclass(frozen=True)
class ClipScores:
    """One clip: what every row scored on it.

    Attributes:
        dataset: name of its data set.
        clip_id: its id there.
        seconds: duration.
        tags: its tags as ``name=value``.
        scores: one per row of the report, ``None`` where undefined.
        missed: whether that row's extractor failed on it, one per row.
    """

    dataset: str
    clip_id: str
    seconds: float
    tags: str
    scores: tuple[float | None, ...]
    missed: tuple[bool, ...]

    @property
    def mean(self) -> float | None:
        """Mean of the scores that are defined."""
        known = [score for score in self.scores if score is not None]
        return sum(known) / len(known) if known else None


def clip_metric(metrics: Sequence[Metric], rows: Sequence[Row]) -> Metric | None:
    """The metric that per-clip scores use: the first that has a value in any row."""
    known = {m.name: m for m in metrics if m.formula is not None}
    order = [name for name in CLIP_METRICS if name in known] or list(known)
    for name in order:
        values = (row.values.get(name) for row in rows)
        if any(value is not None and value.value is not None for value in values):
            return known[name]
    return None


def worst_first(rows: Sequence[Row], metric: Metric) -> list[ClipScores]:
    """Every clip of ``rows``, the worst mean score first, undefined ones last."""
    found: dict[tuple[str, str], dict[int, tuple[float | None, bool]]] = {}
    facts: dict[tuple[str, str], tuple[float, str]] = {}
    for index, row in enumerate(rows):
        clips = row.record.clips()
        if row.failed or clips.empty:
            continue
        scores = per_clip(clips, metric)
        dataset = str(row.record.data["data"]["name"])
        plain: Any = clips.to_dict("records")
        for clip, score in zip(plain, scores, strict=True):
            key = (dataset, str(clip["clip_id"]))
            found.setdefault(key, {})[index] = (score, clip["status"] == "missed")
            facts.setdefault(key, (float(clip["seconds"]), _tags(clip)))
    scored = [_scores(key, facts[key], found[key], len(rows)) for key in found]
    sign = -1.0 if metric.direction == "lower" else 1.0
    return sorted(scored, key=lambda c: _rank(c, sign))


def per_clip(clips: pd.DataFrame, metric: Metric) -> list[float | None]:
    """Value of ``metric`` on every clip alone; ``None`` where undefined."""
    import numpy as np

    assert metric.formula is not None
    counts = clips.select_dtypes("number")
    columns = {str(name): counts[name].to_numpy(np.float64) for name in counts}
    try:
        values = np.asarray(metric.formula(columns), dtype=np.float64)
    except KeyError:  # these clips were scored without the columns it needs
        return [None] * len(clips)
    return [float(v) if np.isfinite(v) else None for v in values]


def _tags(clip: Mapping[str, Any]) -> str:
    names = [name for name in clip if str(name).startswith("tag_")]
    known = [name for name in names if isinstance(clip[name], str) and clip[name]]
    return ", ".join(f"{name.removeprefix('tag_')}={clip[name]}" for name in known)


def _scores(
    key: tuple[str, str],
    facts: tuple[float, str],
    scores: Mapping[int, tuple[float | None, bool]],
    count: int,
) -> ClipScores:
    cells = [scores.get(index, (None, False)) for index in range(count)]
    values, missed = zip(*cells, strict=True)
    return ClipScores(*key, *facts, values, missed)


def _rank(clip: ClipScores, sign: float) -> tuple[float, str, str]:
    mean = clip.mean
    place = math.inf if mean is None else sign * mean
    return (place, clip.dataset, clip.clip_id)
