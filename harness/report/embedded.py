"""A run as a piece of a document of the user's: what ``report --into`` writes.

One table of cells, with accuracy and cost in the same row, one of the stages of a
chain, one of comparisons with their intervals as the gate judged them, and below where
and when this was measured and which command repeats it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.verdict import NOT_APPLICABLE

from . import text
from .columns import HEADLINE_CONCAT, HEADLINE_STREAM, Column, accuracy_columns
from .markdown import escape, untitled
from .page import SPACE, chained, gate_data, head_of, left_out, metrics_of, rows_of
from .privacy import Scrubber
from .stages import stage_table
from .table import (
    Head,
    Notes,
    Row,
    Table,
    TableRow,
    heads,
    notes_of,
    present,
    tabulate,
    validity_of,
)

if TYPE_CHECKING:
    from .page import Source

COLUMNS = (
    Column("pitch_f1_50c", ("F1 50c", "%"), 100),
    Column("rpa_10c", ("< 10 c", "%"), 100),
    Column("x_realtime", ("speed", "× RT"), digits=None),
    Column("x_realtime", ("99 %", "interval"), digits=None, part="interval"),
    Column("latency_1s_p50_s", ("1 s clip", "ms"), 1000, digits=None),
    Column("first_call_s", ("first call", "s"), digits=2),
    Column("peak_host_bytes", ("host", "GiB"), 2**-30, digits=2),
    Column("peak_gpu_allocated_bytes", ("GPU", "GiB"), 2**-30, digits=2),
)
#: Libraries whose versions move the numbers of engines and of their peers most.
VERSIONS = ("f0bench", "torch", "numba", "librosa", "torchcrepe", "onnxruntime")
#: Words of a command that say where results go or how they are shown.
_APART = ("--json", "--wide", "--fresh", "--debug", "--private")
#: Lines about what was asked for and is not in the table; see :func:`left_out`.
_ABSENT = ("skipped", "dropped", "missing")
_BOUNDS = {"ratio_min": "≥", "ratio_max": "≤"}
_FRACTION = 0.1  # a ratio below is easier read as 1/n


def embedded(source: Source, gate: Any) -> str:
    """The run as Markdown without headings.

    Args:
        source: the run with its metric values.
        gate: content of its ``gate.json``, ``None`` where nothing was judged.
    """
    rows = rows_of(source)
    scrub = Scrubber(source.run)
    blocks = [untitled(_cells(rows))] if rows else []
    stages = stage_table(rows) if chained(rows) else None
    blocks += [untitled(stages)] if stages else []
    compared = list(_compared(gate_data(gate), scrub))
    if compared:
        blocks.append(untitled(_comparisons(compared)))
    absent = [line for line in left_out(source.run) if line.startswith(_ABSENT)]
    if absent:
        blocks.append("\n".join(f"- {escape(scrub.text(line))}" for line in absent))
    blocks.append(escape(scrub.path("; ".join(_provenance(source)))) + ".")
    command = scrub.path(repeating(str(source.run.plan.get("command") or "")))
    blocks.append(f"```sh\n{' '.join(command.split())}\n```")
    return "\n\n".join(blocks)


def repeating(command: str) -> str:
    """A command line without the words that change nothing that is measured.

    >>> repeating("f0bench run experiment=engines --fresh --name before")
    'f0bench run experiment=engines'
    """
    words = iter(shlex.split(command))
    kept = []
    for word in words:
        if word == "--name":
            next(words, None)
        elif word not in _APART and not word.startswith(("--name=", "results_dir=")):
            kept.append(word)
    return shlex.join(kept)


def _columns(rows: Sequence[Row]) -> list[Column]:
    """Those that show something: accuracy of the task, speed, memory, scenarios."""
    scored, _ = metrics_of(rows)
    names = {metric.name for metric in scored}
    other = not any(column.metric in names for column in COLUMNS)  # a task of its own
    own = accuracy_columns(scored, present(rows), wide=False) if other else []
    return [
        column
        for column in (*own, *COLUMNS, *HEADLINE_STREAM, *HEADLINE_CONCAT)
        if any(column.show(row.values, {}) != text.UNDEFINED for row in rows)
    ]


def _cells(rows: Sequence[Row]) -> Table:
    columns = _columns(rows)
    notes = Notes()

    def cells(row: Row, first: Row) -> tuple[str, ...]:
        marks = notes.mark(text.plain(note) for note in notes_of(row.record))
        shown = tuple(column.show(row.values, {}) for column in columns)
        return (*shown, f"{validity_of(row.record)} {marks}".strip())

    headings = [*heads(columns), Head("", "validity", left=True)]
    table = tabulate("Cells", rows, headings, cells)
    return Table(table.title, table.columns, table.rows, notes.lines())


def _compared(gate: Mapping[str, Any], scrub: Scrubber) -> Iterator[tuple[str, ...]]:
    """One row for every rule that held a cell against another one."""
    for rule in gate.get("rules", ()):
        bound, to, against = str(rule.get("bound")).partition(" to ")
        if not to or rule["verdict"] == NOT_APPLICABLE:
            continue
        named = (rule.get("evidence") or {}).get("against") or against
        cells = (rule.get("label"), named, rule.get("metric"))
        yield (
            *(scrub.path(text.plain(cell or text.UNDEFINED)) for cell in cells),
            _observed(rule),
            _interval(rule),
            _bound(bound),
            str(rule["verdict"]),
        )


def _comparisons(rows: Iterable[tuple[str, ...]]) -> Table:
    columns = (
        *(Head("", name, left=True) for name in ("cell", "against", "metric")),
        *(Head("", name) for name in ("observed", "interval", "bound")),
        Head("", "verdict", left=True),
    )
    return Table("Comparisons", columns, tuple(map(TableRow, rows)))


def _observed(rule: Mapping[str, Any]) -> str:
    value = rule.get("observed")
    if value is None or isinstance(value, str):
        return value or text.UNDEFINED
    unit = "×" if rule["unit"] == "x" else rule["unit"]
    return f"{_number(rule, value)} {unit}".strip()


def _interval(rule: Mapping[str, Any]) -> str:
    ends = rule.get("low"), rule.get("high")
    if None in ends:
        return text.UNDEFINED
    return " … ".join(_number(rule, float(end)) for end in ends if end is not None)


def _number(rule: Mapping[str, Any], value: float) -> str:
    if rule["unit"] == "x":
        return _ratio(value)
    points = rule["unit"] == "points"
    scale = 100.0 if points else 1.0
    return text.number(value, scale=scale, digits=None, signed=points)


def _ratio(value: float) -> str:
    """A ratio, a small one as a fraction: 1/122 rather than 0.0082."""
    if 0 < value < _FRACTION:
        return f"1/{1 / value:.3g}"
    return text.number(value, digits=None)


def _bound(bound: str) -> str:
    kind, _, number = bound.partition(" ")
    if kind not in _BOUNDS:
        return bound
    small = float(number) < _FRACTION
    return f"{_BOUNDS[kind]} {_ratio(float(number)) if small else number} ×"


def _provenance(source: Source) -> Iterator[str]:
    """When, on what and with which versions; then data and setting."""
    plan = source.run.plan
    yield f"Measured {str(plan.get('created_utc'))[:10]}"
    (_, first), *others = head_of(source.run)
    yield first.split(SPACE)[-1]
    known = plan.get("versions") or {}
    yield ", ".join(f"{name} {known[name]}" for name in VERSIONS if name in known)
    for word, line in others:
        if word in ("data", "setting"):
            yield line
