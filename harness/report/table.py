"""Tables of already formatted cells: one structure for terminal, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.metrics.base import Metric, Value
from harness.metrics.precision import PRECISION

from . import text
from .columns import Column, accuracy_columns, cost_columns

if TYPE_CHECKING:
    from harness.records import Record


@dataclass(frozen=True)
class Head:
    """Heading of a column: two lines, and whether its cells are aligned left."""

    top: str
    bottom: str
    left: bool = False

    @property
    def line(self) -> str:
        """Both lines as one."""
        return f"{self.top} {self.bottom}".strip()


@dataclass(frozen=True)
class TableRow:
    """Cells of one row; ``message`` stands in place of the cells that are missing."""

    cells: tuple[str, ...]
    message: str = ""


@dataclass(frozen=True)
class Table:
    """A titled table; column 0 is the row number and column 1 the cell's label."""

    title: str
    columns: tuple[Head, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """Lines and tables that belong together, below the gate."""

    lines: tuple[str, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True, eq=False)
class Row:
    """One cell of a run on its way into tables.

    Attributes:
        record: what was measured.
        values: its metrics.
        label: shown name, unique in the report.
        context: what differs between rows besides the cell, e.g. the data set.
        hardware: speeds are compared between rows of equal hardware only.
        groups: tag whose values are resampled together, empty for single clips.
    """

    record: Record
    values: Mapping[str, Value]
    label: str
    context: str = ""
    hardware: str = ""
    groups: str = ""

    @property
    def failed(self) -> bool:
        """Nothing of this cell was measured."""
        return self.record.status in {"error", "skipped"}

    @property
    def message(self) -> str:
        """The named error of a failed cell, else nothing."""
        if not self.failed:
            return ""
        return f"{self.record.status}: {error_text(self.record.data.get('error'))}"


def error_text(error: Mapping[str, Any] | None) -> str:
    """``kind: message (clip id)`` of a record's error."""
    if not error:
        return "no reason recorded"
    clip = f" (clip {error['clip_id']})" if error.get("clip_id") else ""
    return f"{error.get('kind', 'error')}: {error.get('message', '')}{clip}"


@dataclass
class Notes:
    """Footnotes of one report: equal texts share a letter."""

    texts: list[str] = field(default_factory=list)

    def mark(self, texts: Iterable[str]) -> str:
        """Letters of ``texts``, adding those that are new."""
        return ",".join(self._letter(t) for t in text.unique(texts))

    def _letter(self, note: str) -> str:
        if note not in self.texts:
            self.texts.append(note)
        return text.letters(self.texts.index(note))

    def lines(self) -> tuple[str, ...]:
        """``a  text``, in the order of the letters."""
        return tuple(f"{text.letters(i)}  {note}" for i, note in enumerate(self.texts))


def notes_of(record: Record) -> list[str]:
    """What a reader must know about the numbers of ``record``."""
    data = record.data
    found = [str(n) for n in data.get("notes", ())]
    missed = data.get("data", {}).get("clips_missed", 0)
    if record.status == "partial":
        why = error_text(data.get("error"))
        found.append(f"{text.plural(missed, 'clip')} failed, counted as missed: {why}")
    validity = data.get("validity") or {}
    if validity.get("state") != "valid":
        found += [str(r) for r in validity.get("reasons", ())]
    return text.unique(found)


def precision_notes(values: Mapping[str, Value]) -> list[str]:
    """Why a cell of reduced precision is not compared with fp32."""
    value = values.get(PRECISION[0].name)
    missing = value is not None and value.value is None
    return [f"not compared with fp32: {value.reason}"] if value and missing else []


def validity_of(record: Record) -> str:
    """``valid``, ``noisy``, ``invalid`` or ``not measured``."""
    return str((record.data.get("validity") or {}).get("state", "not measured"))


Cells = Callable[[Row, Row], tuple[str, ...]]


def tabulate(
    title: str, rows: Sequence[Row], heads: Sequence[Head], cells: Cells
) -> Table:
    """Number and label ``rows`` and fill their cells.

    Args:
        title: what the table shows.
        rows: in the order of the request.
        heads: headings of what ``cells`` returns.
        cells: formatted cells of a row, given that row and row 1.
    """
    context = any(row.context for row in rows)
    front = [Head("", "", left=False), Head("", "cell", left=True)]
    if context:
        front.append(Head("", "on", left=True))
    body = []
    for index, row in enumerate(rows):
        lead: tuple[str, ...] = (str(index + 1), text.plain(row.label))
        lead += (text.plain(row.context),) if context else ()
        if row.failed:
            body.append(TableRow(lead, text.plain(row.message)))
        else:
            body.append(TableRow(lead + cells(row, rows[0])))
    return Table(title, (*front, *heads), tuple(body))


#: Fields of a task that may be swept without making it other work.
_RANGE = ("fmin", "fmax", "hop_s")


def _work(row: Row) -> dict[str, Any]:
    task = row.record.data["cell"]["task"]
    return {name: value for name, value in task.items() if name not in _RANGE}


def metric_cells(columns: Sequence[Column]) -> Cells:
    """Cells of ``columns``; a ratio only between rows of one hardware and one work."""

    def cells(row: Row, first: Row) -> tuple[str, ...]:
        alike = row.hardware == first.hardware and _work(row) == _work(first)
        base = first.values if alike else {}
        return tuple(column.show(row.values, base) for column in columns)

    return cells


def heads(columns: Sequence[Column]) -> list[Head]:
    """Headings of metric columns."""
    return [Head(*column.head) for column in columns]


def present(rows: Iterable[Row]) -> set[str]:
    """Names of the metrics that have a value in at least one row."""
    return {
        name
        for row in rows
        for name, value in row.values.items()
        if value.value is not None
    }


def result_tables(
    rows: Sequence[Row],
    scored: Sequence[Metric],
    cost: Sequence[Metric],
    wide: bool = False,
) -> list[Table]:
    """The accuracy table and, where something was timed, the cost table.

    Args:
        rows: in the order of the request.
        scored: metrics that the tasks of the rows score.
        cost: metrics of speed, memory and behaviour.
        wide: show every metric that has a value.

    Returns:
        One or two tables; the last one carries the validity and the notes.
    """
    known = present(rows)
    accuracy = accuracy_columns(scored, known, wide)
    costs = cost_columns(cost, known, wide)
    if not known & {c.metric for c in costs}:
        return [_last("Accuracy", rows, accuracy)]
    first = tabulate("Accuracy", rows, heads(accuracy), metric_cells(accuracy))
    return [first, _last("Cost", rows, costs, "see above")]


def _last(
    title: str, rows: Sequence[Row], columns: Sequence[Column], failed: str = ""
) -> Table:
    notes = Notes()
    plain_cells = metric_cells(columns)

    def cells(row: Row, first: Row) -> tuple[str, ...]:
        told = [*notes_of(row.record), *precision_notes(row.values)]
        marks = notes.mark(text.plain(note) for note in told)
        return (*plain_cells(row, first), f"{validity_of(row.record)} {marks}".strip())

    headings = [*heads(columns), Head("", "validity", left=True)]
    table = tabulate(title, rows, headings, cells)
    body = table.rows
    if failed:  # the named error stands in the first table
        body = tuple(TableRow(r.cells, r.message and failed) for r in body)
    return Table(table.title, table.columns, body, notes.lines())
