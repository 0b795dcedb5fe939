"""The table of stages: on which device each ran, its share of time, and the copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from extractors.stages import DIRECTIONS
from harness.metrics.placement import (
    NOT_STATED,
    Facts,
    stage_facts,
    stages_by_device,
)

from . import text
from .table import Head, Row, Table, TableRow, tabulate

#: Heading of the stages that state a device, or none.
_HEADS = {
    "cpu": ("on the CPU", "%"),
    "cuda": ("on the GPU", "%"),
    NOT_STATED: (f"device {NOT_STATED}", "%"),
}
_COPIES = tuple(f"{way}_copies" for way in DIRECTIONS)
_BYTES = tuple(f"{way}_bytes" for way in DIRECTIONS)


def stage_table(rows: Sequence[Row]) -> Table | None:
    """Stages by device with their share of the wall time; ``None`` without stages.

    Columns of devices and copies that no row has are left out.
    """
    heard = [row for row in rows if not row.failed and stage_facts(row.record.data)]
    if not heard:
        return None
    known = [stages_by_device(stage_facts(row.record.data) or {}) for row in heard]
    devices = text.unique(name for found in known for name in found)
    devices.sort(key=lambda name: (name == NOT_STATED, name))
    copies = any(_value(row, name) for row in heard for name in _COPIES)

    def cells(row: Row, first: Row) -> tuple[str, ...]:
        found = stages_by_device(stage_facts(row.record.data) or {})
        shown = [_stages(row, found.get(device, [])) for device in devices]
        return (*shown, *(_copied(row) if copies else ()))

    heads = [
        Head(*_HEADS.get(name, (f"on {name}", "%")), left=True) for name in devices
    ]
    if copies:
        heads += [Head(way, unit) for way in DIRECTIONS for unit in ("copies", "MiB")]
    table = tabulate("Stages, % of the time", rows, heads, cells)
    # the named error stands in the first table
    body = (TableRow(row.cells, row.message and "see above") for row in table.rows)
    return Table(table.title, table.columns, tuple(body))


def _stages(row: Row, names: Sequence[str]) -> str:
    """``network 71, decode 12``, or a dash for none."""
    shares = [text.number(_value(row, f"stage_{n}_share"), scale=100) for n in names]
    shown = [f"{name} {share}" for name, share in zip(names, shares, strict=True)]
    return ", ".join(shown) or text.UNDEFINED


def _copied(row: Row) -> Iterator[str]:
    """Copies in one pass over the timed set and their MiB, there and back."""
    for count, size in zip(_COPIES, _BYTES, strict=True):
        yield text.number(_value(row, count), digits=0)
        yield text.number(_value(row, size), scale=2**-20)


def _value(row: Row, name: str) -> float | None:
    value = row.values.get(name)
    return None if value is None else value.value


def stage_devices(facts: Facts | None) -> str | None:
    """``cpu: resample, decode; cuda: network``, one field of a CSV."""
    if facts is None:
        return None
    by_device = stages_by_device(facts)
    return "; ".join(f"{name}: {', '.join(of)}" for name, of in by_device.items())
