"""``summary.csv``: one row per cell with every choice and every metric value."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.metrics.base import Value
from harness.metrics.placement import stage_facts

from . import text
from .privacy import Scrubber
from .stages import stage_devices
from .table import Row, validity_of

_PARTS = ("", "_low", "_high", "_n")


def summary_csv(rows: Sequence[Row], scrub: Scrubber) -> str:
    """The table as text, in SI units; an undefined value is an empty field.

    Columns: run-independent choices first (``key, label, role, status, validity,
    error``, ``dataset``, ``stage_devices``, the task's settings, ``params.*``,
    ``axes.*``), then for each metric ``name, name_low, name_high, name_n``.
    """
    choices = [_choices(row) for row in rows]
    names = text.unique(name for row in rows for name in row.values)
    heads = text.unique(name for choice in choices for name in choice)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(heads + [name + part for name in names for part in _PARTS])
    for row, choice in zip(rows, choices, strict=True):
        # Only the message may name clips; a label may equal the id of one.
        cleaners = [scrub.text if name == "error" else scrub.path for name in heads]
        fields = [
            _field(choice.get(name), clean)
            for name, clean in zip(heads, cleaners, strict=True)
        ]
        writer.writerow(fields + _numbers(row.values, names))
    return buffer.getvalue()


def _choices(row: Row) -> dict[str, Any]:
    data = row.record.data
    cell = data["cell"]
    found = {
        "key": row.record.key,
        "label": row.label,
        "role": row.record.role,
        "status": row.record.status,
        "validity": validity_of(row.record),
        "error": (data.get("error") or {}).get("message"),
        "dataset": data["data"]["name"],
        "extractor": cell["extractor"],
        "voicing": cell["voicing"],
        "stage_devices": stage_devices(stage_facts(data)),
    }
    for group in ("task", "params", "axes"):
        found |= {f"{group}.{name}": value for name, value in cell[group].items()}
    return found


def _field(value: Any, clean: Callable[[str], str]) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return repr(value) if isinstance(value, float) else str(value)
    shown = text.plain(clean(value))
    # A spreadsheet would run a field that begins like a formula.
    return f"'{shown}" if shown[:1] in {"=", "+", "-", "@"} else shown


def _numbers(values: Mapping[str, Value], names: Sequence[str]) -> list[str]:
    found = []
    for name in names:
        value = values.get(name) or Value(None)
        for number in (value.value, value.low, value.high):
            found.append("" if number is None else repr(float(number)))
        found.append(str(value.n))
    return found
