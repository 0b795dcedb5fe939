"""What changed from one run to another, cell by cell, with intervals and verdicts.

Accuracy is compared on the clips that both runs scored, by a paired bootstrap over
clips: what the clips have in common cancels. Speed is compared as a ratio of medians,
on equal hardware only. A verdict is one of

- ``same``: the whole interval lies within the margin;
- ``better``, ``worse``: it reaches beyond the margin, on one side of "no change";
- ``unclear``: neither, or there is no interval;
- ``incomparable``: other data, other scoring, other hardware, or no valid speed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.metrics.base import Columns, Metric, Value
from harness.pairing import HARDWARE, common_rows, other_data

if TYPE_CHECKING:
    import pandas as pd

    from harness.records import Record, Run

#: Differences within these count as the same, by the unit of the metric.
MARGINS = {"1": 0.001, "cents": 0.5, "s": 0.0005}
#: Ratios within 1 ± this count as the same.
RATIO_MARGIN = 0.02
#: Compared as ratios; each from the timed calls of one scenario.
SPEEDS = {
    "x_realtime": "offline",
    "latency_clip_p50_s": "clip",
    "latency_1s_p50_s": "one_second",
}
#: Compared as ratios of single values, which have no interval.
SINGLE = ("first_call_s", "peak_host_bytes", "peak_gpu_allocated_bytes")


@dataclass(frozen=True, eq=False)
class Pair:
    """The same cell in both runs; ``by`` is ``key`` or ``label``."""

    a: Record
    b: Record
    by: str


@dataclass(frozen=True)
class Change:
    """One metric of one cell, from A to B.

    Attributes:
        label: the cell, as A names it.
        metric: name of the metric.
        unit: its unit.
        kind: ``difference`` (B − A) or ``ratio`` (B / A).
        a, b: the two values, ``None`` where undefined.
        change: the difference or ratio with its interval; ``n`` counts shared clips.
        verdict: see the module.
        reason: why, in words.
    """

    label: str
    metric: str
    unit: str
    kind: str
    a: float | None
    b: float | None
    change: Value
    verdict: str
    reason: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two runs side by side; the lists name cells that only one of them has."""

    a: str
    b: str
    pairs: list[Pair]
    changes: list[Change]
    only_a: list[str]
    only_b: list[str]

    @property
    def regressed(self) -> bool:
        """Something became worse."""
        return any(change.verdict == "worse" for change in self.changes)


def compare_runs(
    a: Run,
    b: Run,
    summaries: tuple[Mapping[str, Mapping[str, Value]], ...],
    metrics: Sequence[Metric],
) -> Comparison:
    """Compare the measured cells of two runs.

    Args:
        a: the older or reference run.
        b: the newer run; a positive difference is an increase from A to B.
        summaries: metric values of A and of B, by cell key.
        metrics: what to compare, accuracy and cost; descriptive ones are left out.
    """
    pairs = match(a, b)
    judged = [m for m in metrics if m.direction in {"higher", "lower", "zero"}]
    hardware = _hardware_reason(a, b)
    changes: list[Change] = []
    for pair in pairs:
        values = (summaries[0].get(pair.a.key, {}), summaries[1].get(pair.b.key, {}))
        changes += _accuracy(pair, judged, values, _groups(a), _seed(a))
        changes += _costs(pair, judged, values, hardware, _seed(a))
    used_a = {pair.a.key for pair in pairs}
    used_b = {pair.b.key for pair in pairs}
    only_a = [r.label for r in a.records if r.key not in used_a]
    only_b = [r.label for r in b.records if r.key not in used_b]
    return Comparison(a.name, b.name, pairs, changes, only_a, only_b)


def match(a: Run, b: Run) -> list[Pair]:
    """Cells that both runs have: by key, the rest by a label that is unique in both."""
    by_key = {record.key: record for record in b.records}
    found = {r.key: Pair(r, by_key[r.key], "key") for r in a.records if r.key in by_key}
    left_a = [r for r in a.records if r.key not in found]
    left_b = [r for r in b.records if r.key not in found]
    labels = _unique_labels(left_b)
    for label, record in _unique_labels(left_a).items():
        if label in labels:
            found[record.key] = Pair(record, labels[label], "label")
    return [found[r.key] for r in a.records if r.key in found]


def _unique_labels(records: Sequence[Record]) -> dict[str, Record]:
    labels = [record.label for record in records]
    return {r.label: r for r in records if labels.count(r.label) == 1}


def _groups(run: Run) -> str | None:
    tag: str | None = run.plan.get("settings", {}).get("bootstrap")
    return tag


def _seed(run: Run) -> int:
    return int(run.plan.get("settings", {}).get("seed") or 0)


Values = tuple[Mapping[str, Value], Mapping[str, Value]]


def _accuracy(
    pair: Pair,
    metrics: Sequence[Metric],
    values: Values,
    tag: str | None,
    seed: int,
) -> list[Change]:

    scored = [
        m
        for m in metrics
        if m.formula is not None and _value(values, m.name) != (None, None)
    ]
    reason = other_data(pair.a, pair.b)
    if reason:
        return [_incomparable(pair, m, values, "difference", reason) for m in scored]
    shared = common_rows(pair.a, pair.b)
    if shared[0].empty:
        return []
    column = f"tag_{tag}"
    groups = list(shared[0][column].astype(str)) if column in shared[0] else None
    tables = _columns(shared[0]), _columns(shared[1])
    return [_difference(pair, metric, tables, groups, seed) for metric in scored]


def _columns(clips: pd.DataFrame) -> Columns:
    counts = clips.select_dtypes("number")
    return {str(name): counts[name].to_numpy("float64") for name in counts}


def _difference(
    pair: Pair,
    metric: Metric,
    tables: tuple[Columns, Columns],
    groups: list[str] | None,
    seed: int,
) -> Change:
    from .metrics.bootstrap import paired_difference

    a, b = (_pooled(metric, table) for table in tables)
    change = paired_difference(tables[1], tables[0], metric, groups, seed)
    verdict, reason = judge_difference(metric, a, b, change)
    return Change(
        pair.a.label,
        metric.name,
        metric.unit,
        "difference",
        a,
        b,
        change,
        verdict,
        reason,
    )


def _pooled(metric: Metric, table: Columns) -> float | None:
    """The metric over all clips of ``table`` that have its columns."""
    import numpy as np

    assert metric.formula is not None
    sums = {name: np.array([np.nansum(column)]) for name, column in table.items()}
    try:
        value = float(metric.formula(sums)[0])
    except KeyError:
        return None
    return value if np.isfinite(value) else None


def judge_difference(
    metric: Metric, a: float | None, b: float | None, change: Value
) -> tuple[str, str]:
    """Verdict and reason for a difference B − A with its interval."""
    if change.value is None or a is None or b is None:
        return "unclear", change.reason or "undefined on one side"
    if change.low is None or change.high is None:
        return "unclear", change.reason or "no interval"
    margin = MARGINS.get(metric.unit, 0.0)
    if max(abs(change.low), abs(change.high)) <= margin:
        return "same", f"within {_margin_text(metric.unit, margin)}"
    if change.low <= 0 <= change.high:
        return "unclear", "interval holds 0"
    up = abs(b) < abs(a) if metric.direction == "zero" else change.value > 0
    good = up if metric.direction in {"higher", "zero"} else not up
    return ("better" if good else "worse"), "interval excludes 0"


def _margin_text(unit: str, margin: float) -> str:
    return f"± {100 * margin:g} points" if unit == "1" else f"± {margin:g} {unit}"


def _hardware_reason(a: Run, b: Run) -> str:
    sides = [run.plan.get("machine") or {} for run in (a, b)]
    other = [name for name in HARDWARE if sides[0].get(name) != sides[1].get(name)]
    threads = [run.plan.get("settings", {}).get("threads") for run in (a, b)]
    other += ["threads"] if threads[0] != threads[1] else []
    return f"other {', '.join(other)}" if other else ""


def _costs(
    pair: Pair,
    metrics: Sequence[Metric],
    values: Values,
    hardware: str,
    seed: int,
) -> list[Change]:
    known = {metric.name: metric for metric in metrics}
    names = [n for n in (*SPEEDS, *SINGLE) if n in known]
    reason = hardware or _invalid(pair) or other_data(pair.a, pair.b)
    samples = (pair.a.samples(), pair.b.samples())
    found = []
    for name in names:
        if _value(values, name) == (None, None):
            continue
        if reason:
            found.append(_incomparable(pair, known[name], values, "ratio", reason))
        else:
            change = _ratio(name, values, samples, seed)
            found.append(_ratio_change(pair, known[name], values, change))
    return found


def _invalid(pair: Pair) -> str:
    for side, record in (("A", pair.a), ("B", pair.b)):
        if (record.data.get("validity") or {}).get("state") == "invalid":
            return f"the measurement of {side} is invalid"
    return ""


def _ratio(
    name: str, values: Values, samples: tuple[pd.DataFrame, pd.DataFrame], seed: int
) -> Value:
    if name in SPEEDS:
        parts = [_calls(name, table) for table in samples]
        if all(len(numbers) for numbers, _ in parts):
            return _ratio_of_medians(parts[1], parts[0], seed)
    a, b = _value(values, name)
    ratio = b / a if a and b is not None else None
    return Value(ratio, reason="one value per run: no interval")


def _calls(name: str, samples: pd.DataFrame) -> tuple[list[float], list[int]]:
    """The quantity behind ``name`` of every timed call, and the round of each."""
    if samples.empty:
        return [], []
    part = samples[samples["scenario"] == SPEEDS[name]]
    speed = part["audio_s"] / part["wall_s"] if name == "x_realtime" else part["wall_s"]
    return speed.tolist(), part["round"].astype(int).tolist()


def _ratio_of_medians(
    above: tuple[list[float], list[int]],
    below: tuple[list[float], list[int]],
    seed: int,
) -> Value:
    from .meter.statistics import ratio_of_medians

    # Rounds of two runs share a number and nothing else: they are not paired.
    return ratio_of_medians(above[0], below[0], seed=seed)


def _ratio_change(pair: Pair, metric: Metric, values: Values, change: Value) -> Change:
    a, b = _value(values, metric.name)
    verdict, reason = judge_ratio(metric, change)
    return Change(
        pair.a.label, metric.name, metric.unit, "ratio", a, b, change, verdict, reason
    )


def judge_ratio(metric: Metric, change: Value) -> tuple[str, str]:
    """Verdict and reason for a ratio B / A with its interval."""
    if change.value is None:
        return "unclear", change.reason or "undefined on one side"
    if change.low is None or change.high is None:
        return "unclear", change.reason or "no interval"
    margin = f"1 ± {RATIO_MARGIN:g}"
    if max(abs(change.low - 1), abs(change.high - 1)) <= RATIO_MARGIN:
        return "same", f"within {margin}"
    if change.low <= 1 <= change.high:
        return "unclear", "interval holds 1"
    good = (change.value > 1) == (metric.direction == "higher")
    return ("better" if good else "worse"), "interval excludes 1"


def _incomparable(
    pair: Pair, metric: Metric, values: Values, kind: str, reason: str
) -> Change:
    a, b = _value(values, metric.name)
    nothing = Value(None, reason=reason)
    return Change(
        pair.a.label,
        metric.name,
        metric.unit,
        kind,
        a,
        b,
        nothing,
        "incomparable",
        reason,
    )


def _value(values: Values, name: str) -> tuple[float | None, float | None]:
    a, b = (side.get(name) for side in values)
    return (a.value if a else None), (b.value if b else None)


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain data, SI units."""
    return {
        "schema": 1,
        "a": comparison.a,
        "b": comparison.b,
        "matched": [
            {"label": pair.a.label, "a": pair.a.key, "b": pair.b.key, "by": pair.by}
            for pair in comparison.pairs
        ],
        "only_a": comparison.only_a,
        "only_b": comparison.only_b,
        "changes": [
            {**vars(change), "change": change.change.as_dict()}
            for change in comparison.changes
        ],
        "regressed": comparison.regressed,
    }
