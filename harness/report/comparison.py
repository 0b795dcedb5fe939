"""A comparison of two runs as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.compare import Change, Comparison
from harness.metrics.base import Metric

from . import text
from .columns import HEADLINE_ACCURACY, Column, generic
from .page import SPACE, Page
from .table import Head, Table, TableRow

_HEADS = (
    Head("", ""),
    Head("", "cell", left=True),
    Head("", "metric", left=True),
    Head("", "A"),
    Head("", "B"),
    Head("B − A", "or B / A"),
    Head("interval", "95 or 99 %"),
    Head("", "verdict", left=True),
    Head("", "reason", left=True),
)


def comparison_page(
    comparison: Comparison, metrics: Sequence[Metric], wide: bool = False
) -> Page:
    """One row per cell and metric, cells in the order of A.

    Args:
        comparison: see :func:`harness.compare.compare_runs`.
        metrics: the compared metrics, for their units.
        wide: every compared metric, not only the headline and the costs.
    """
    known = {metric.name: metric for metric in metrics}
    headline = {column.metric for column in HEADLINE_ACCURACY}
    changes = [
        change
        for change in comparison.changes
        if wide or change.kind == "ratio" or change.metric in headline
    ] or comparison.changes
    rows = _rows(changes, known)
    table = Table("Changes", _HEADS, tuple(rows))
    head = (("compare", SPACE.join(_head(comparison))),)
    title = f"{comparison.a} → {comparison.b}"
    return Page(title, head, (table,), tuple(_left_out(comparison)))


def _head(comparison: Comparison) -> list[str]:
    clips = text.unique(
        str(c.change.n) for c in comparison.changes if c.kind == "difference"
    )
    shared = f"{' or '.join(clips)} shared clips" if clips else "no shared clips"
    return [f"A {comparison.a}", f"B {comparison.b}", shared]


def _rows(changes: Sequence[Change], known: Mapping[str, Metric]) -> list[TableRow]:
    numbers: dict[str, int] = {}
    rows = []
    for change in changes:
        first = change.label not in numbers
        number = numbers.setdefault(change.label, len(numbers) + 1)
        lead = (str(number), text.plain(change.label)) if first else ("", "")
        rows.append(TableRow(lead + _cells(change, generic(known[change.metric]))))
    return rows


def _cells(change: Change, column: Column) -> tuple[str, ...]:
    value, low, high = change.change.value, change.change.low, change.change.high
    if change.kind == "ratio":
        shown = [text.number(v, digits=3) for v in (value, low, high)]
    else:
        shown = [_difference(v, column) for v in (value, low, high)]
    sides = (_side(change.a, column), _side(change.b, column))
    interval = "–" if low is None or high is None else f"{shown[1]} … {shown[2]}"
    words = (text.plain(change.verdict), text.plain(change.reason))
    name = f"{change.metric}  {column.head[1]}"
    return (name, *sides, shown[0], interval, *words)


def _side(value: float | None, column: Column) -> str:
    return text.number(value, scale=column.scale, digits=_digits(column))


def _difference(value: float | None, column: Column) -> str:
    return text.number(value, scale=column.scale, digits=_digits(column), signed=True)


def _digits(column: Column) -> int | None:
    # One decimal more than in a table of values: differences are small.
    return None if column.digits is None else column.digits + 1


def _left_out(comparison: Comparison) -> list[str]:
    by_label = [pair.a.label for pair in comparison.pairs if pair.by == "label"]
    lines = [f"only in A  {label}" for label in comparison.only_a]
    lines += [f"only in B  {label}" for label in comparison.only_b]
    lines += [f"matched by label, the choices differ  {label}" for label in by_label]
    return [text.plain(line) for line in lines]
