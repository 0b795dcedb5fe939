"""Summary values from additive counts, with intervals over clips or groups of clips.

Two aggregates: *pooled* (micro) adds the columns of all clips and applies the formula
once, so every frame weighs alike; the *mean over clips* (macro) applies it to each clip
and averages where it is defined, so every clip weighs alike.

The interval is the percentile bootstrap (Efron and Tibshirani, "An Introduction to the
Bootstrap", 1993, chapter 13): clips are drawn with replacement, 2000 times, and the
formula is applied to the columns of each draw. Frames of one clip are not independent,
and where several clips share a speaker the clips are not either: ``groups`` then names
the unit that is drawn whole. The draw depends on the seed and on the number of units
only, so metrics and systems are resampled alike.

A clip that lacks a column of a metric (NaN, e.g. a clip without truth) is left out of
that metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .base import Columns, Formula, Metric, Value
from .f0 import ratio

if TYPE_CHECKING:
    import pandas as pd

REPLICATES = 2000
LEVEL = 0.95
MACRO = "_macro"

_MIN_DEFINED = 0.95  # fewer defined draws than this make a percentile misleading
_BLOCK = 500_000  # weights held at once, so that memory does not grow with clips

_Floats = NDArray[np.float64]
#: Per-clip columns: a data frame, or any mapping from name to an array ``(clips,)``.
Table = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _Estimand:
    """A formula and the per-clip columns that it needs, each of shape ``(clips,)``."""

    columns: Mapping[str, _Floats]
    formula: Formula
    n: int


def summarise_counts(
    clips: pd.DataFrame,
    metrics: Sequence[Metric],
    *,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> dict[str, Value]:
    """Every metric that has a formula, pooled and as the mean over clips.

    Args:
        clips: one row per clip with count columns; other columns are ignored.
        metrics: what to compute; those without a formula are skipped.
        groups: unit of resampling of each clip, e.g. its speaker; the clip by default.
        seed: seed of the draws.

    Returns:
        ``name`` (pooled) and ``name_macro`` (mean over clips) for each metric, in the
        order of ``metrics``; ``Value(None, reason=…)`` where undefined.
    """
    table = {str(name): clips[name] for name in clips.columns}
    labels = _labels(groups, len(clips))
    found: dict[str, Value] = {}
    batches: dict[bytes, dict[str, _Estimand]] = {}
    for metric in metrics:
        if metric.formula is None:
            continue
        found |= {metric.name: Value(None), metric.name + MACRO: Value(None)}
        estimands = _prepared(table, metric)
        if isinstance(estimands, Value):
            found |= {metric.name: estimands, metric.name + MACRO: estimands}
        else:
            kept, named = estimands
            batches.setdefault(kept.tobytes(), {}).update(named)
    for mask, batch in batches.items():
        found |= _estimate(batch, labels[np.frombuffer(mask, np.bool_)], seed)
    return found


def pooled(
    columns: Table,
    metric: Metric,
    *,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> Value:
    """One metric over all clips together (micro), with its interval.

    Args:
        columns: per-clip count columns, each of shape ``(clips,)``.
        metric: a metric with a formula.
        groups, seed: as in :func:`summarise_counts`.
    """
    return _one(columns, metric, metric.name, groups, seed)


def macro(
    columns: Table,
    metric: Metric,
    *,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> Value:
    """Mean of one metric over the clips where it is defined, with its interval.

    Arguments as in :func:`pooled`; ``n`` counts the clips where it is defined.
    """
    return _one(columns, metric, metric.name + MACRO, groups, seed)


def paired_difference(
    columns_a: Table,
    columns_b: Table,
    metric: Metric,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> Value:
    """Pooled metric of A minus that of B on the same clips, with its interval.

    Both sides are recomputed from the same draws of clips, so what the clips have in
    common cancels.

    Args:
        columns_a, columns_b: per-clip count columns; row i of both is the same clip
            (see :func:`common_clips`).
        metric: a metric with a formula.
        groups: unit of resampling of each clip; the clip by default.
        seed: seed of the draws.

    Raises:
        ValueError: the two sides hold different numbers of clips.
    """
    formula = _formula(metric)
    sides = [_needed(columns, metric) for columns in (columns_a, columns_b)]
    for side in sides:
        if isinstance(side, Value):
            return side
    a, b = (side for side in sides if not isinstance(side, Value))
    if _rows(a) != _rows(b):
        raise ValueError(f"{_rows(a)} clips against {_rows(b)}; join them first")
    labels = _labels(groups, _rows(a))
    both = {f"a/{k}": v for k, v in a.items()} | {f"b/{k}": v for k, v in b.items()}
    kept = _complete(both)

    def difference(c: Columns) -> _Floats:
        return formula(_side(c, "a/")) - formula(_side(c, "b/"))

    estimand = _Estimand(_masked(both, kept), difference, int(kept.sum()))
    return _estimate({metric.name: estimand}, labels[kept], seed)[metric.name]


def common_clips(
    clips_a: pd.DataFrame, clips_b: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of both tables whose ``clip_id`` occurs in both, in the order of the first.

    ``clip_id`` is unique in each table by the contract of a data set.
    """
    ids = clips_a["clip_id"][clips_a["clip_id"].isin(clips_b["clip_id"])]
    a, b = (clips.set_index("clip_id") for clips in (clips_a, clips_b))
    return a.loc[ids].reset_index(), b.loc[ids].reset_index()


def replicates(
    matrix: _Floats, labels: NDArray[Any], seed: int = 0, draws: int = REPLICATES
) -> _Floats:
    """Column sums of bootstrap draws.

    Args:
        matrix: additive columns, shape ``(clips, K)``.
        labels: unit of each clip, shape ``(clips,)``; equal labels are drawn together.
        seed: seed of the draws.
        draws: number of draws R.

    Returns:
        Shape ``(R, K)``.
    """
    units = _unit_sums(matrix, labels)
    size = len(units)
    rng = np.random.default_rng(seed)
    rows = max(1, _BLOCK // size)
    blocks = [
        _weights(rng, min(rows, draws - start), size) @ units
        for start in range(0, draws, rows)
    ]
    return np.concatenate(blocks)


def _weights(rng: np.random.Generator, rows: int, size: int) -> _Floats:
    """How often each unit is drawn: multinomial weights, shape ``(rows, size)``."""
    drawn = rng.integers(size, size=(rows, size))
    flat = drawn + size * np.arange(rows)[:, None]
    counts = np.bincount(flat.ravel(), minlength=rows * size)
    return counts.reshape(rows, size).astype(np.float64)


def _unit_sums(matrix: _Floats, labels: NDArray[Any]) -> _Floats:
    names, unit = np.unique(labels, return_inverse=True)
    sums = np.zeros((len(names), matrix.shape[1]))
    np.add.at(sums, unit.ravel(), matrix)
    return sums


def _one(
    columns: Table,
    metric: Metric,
    name: str,
    groups: Sequence[str] | None,
    seed: int,
) -> Value:
    prepared = _prepared(columns, metric)
    if isinstance(prepared, Value):
        return prepared
    kept, estimands = prepared
    labels = _labels(groups, len(kept))[kept]
    return _estimate({name: estimands[name]}, labels, seed)[name]


def _prepared(
    columns: Table, metric: Metric
) -> tuple[NDArray[np.bool_], dict[str, _Estimand]] | Value:
    """The clips that have what the metric needs, and its two estimands over them."""
    needed = _needed(columns, metric)
    if isinstance(needed, Value):
        return needed
    formula = _formula(metric)
    kept = _complete(needed)
    if not kept.any():
        return Value(None, reason=f"no clip was counted for {metric.name}")
    own = _masked(needed, kept)
    each = np.broadcast_to(formula(own), kept.sum())
    defined = ~np.isnan(each)
    top, bottom = f"{metric.name}/sum", f"{metric.name}/n"
    mean = {top: np.where(defined, each, 0.0), bottom: defined.astype(np.float64)}
    return kept, {
        metric.name: _Estimand(own, formula, int(kept.sum())),
        metric.name + MACRO: _Estimand(
            mean, lambda c: ratio(c[top], c[bottom]), int(defined.sum())
        ),
    }


def _formula(metric: Metric) -> Formula:
    if metric.formula is None:
        raise ValueError(f"{metric.name} is not made of counts")
    return metric.formula


class _Asked(dict[str, _Floats]):
    """Answers every column and so learns which ones a formula asks for."""

    def __missing__(self, name: str) -> _Floats:
        self[name] = np.ones(1)
        return self[name]


def needed_columns(metrics: Sequence[Metric]) -> list[str]:
    """Count columns that the formulas of ``metrics`` ask for, each once, in order."""
    asked = _Asked()
    for metric in metrics:
        if metric.formula is not None:
            metric.formula(asked)
    return list(asked)


def _needed(columns: Table, metric: Metric) -> dict[str, _Floats] | Value:
    asked = _Asked()
    _formula(metric)(asked)
    missing = [name for name in asked if name not in columns]
    if missing:
        return Value(None, reason=f"{metric.name} was not counted (no {missing[0]})")
    return {name: np.asarray(columns[name], dtype=np.float64) for name in asked}


def _rows(columns: Mapping[str, _Floats]) -> int:
    return len(next(iter(columns.values())))


def _complete(columns: Mapping[str, _Floats]) -> NDArray[np.bool_]:
    kept: NDArray[np.bool_] = np.all(
        np.isfinite(np.stack(list(columns.values()))), axis=0
    )
    return kept


def _masked(
    columns: Mapping[str, _Floats], kept: NDArray[np.bool_]
) -> dict[str, _Floats]:
    return {name: column[kept] for name, column in columns.items()}


def _side(columns: Columns, prefix: str) -> Columns:
    return {
        name.removeprefix(prefix): column
        for name, column in columns.items()
        if name.startswith(prefix)
    }


def _labels(groups: Sequence[str] | None, clips: int) -> NDArray[Any]:
    if groups is None:
        return np.arange(clips)
    if len(groups) != clips:
        raise ValueError(f"{len(groups)} groups for {clips} clips")
    return np.array([str(group) for group in groups])


def _estimate(
    batch: Mapping[str, _Estimand], labels: NDArray[Any], seed: int
) -> dict[str, Value]:
    """Point values and intervals of estimands over the same clips, in one pass."""
    columns = {k: v for estimand in batch.values() for k, v in estimand.columns.items()}
    matrix = np.column_stack(list(columns.values()))
    units = len(np.unique(labels))
    total = dict(zip(columns, matrix.sum(axis=0), strict=True))
    draws: Columns | None = None
    if units >= 2:
        draws = dict(zip(columns, replicates(matrix, labels, seed).T, strict=True))
    return {
        name: _value(name, estimand, total, draws, units)
        for name, estimand in batch.items()
    }


def _value(
    name: str, estimand: _Estimand, total: Columns, draws: Columns | None, units: int
) -> Value:
    point = float(estimand.formula(total))
    if not np.isfinite(point):
        return Value(None, n=estimand.n, reason=f"{name} is undefined on these clips")
    if draws is None:
        reason = f"no interval: {units} clip or group, at least 2 needed"
        return Value(point, n=estimand.n, reason=reason)
    drawn = estimand.formula(draws)
    defined = drawn[np.isfinite(drawn)]
    if len(defined) < _MIN_DEFINED * len(drawn):
        reason = (
            f"no interval: undefined in {len(drawn) - len(defined)} of {len(drawn)}"
        )
        return Value(point, n=estimand.n, reason=reason + " draws")
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return Value(point, float(low), float(high), estimand.n)
