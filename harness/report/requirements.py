"""What a gate says of requirements, as a part of a report: all, with evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from harness.traceability import evidence
from harness.verdict import RuleVerdict

from . import text
from .table import Block, Head, Table, TableRow

_FIELDS = frozenset(field.name for field in fields(RuleVerdict))


def requirement_block(gate: Mapping[str, Any]) -> Block | None:
    """The traceability table of ``gate.json``; ``None`` of a gate without any.

    Evidence stands in notes, numbered as the rows: a report has no narrow columns.
    """
    rules = [rule for rule in gate.get("rules", ()) if rule.get("requirement")]
    if not rules:
        return None
    heads = (
        Head("", ""),
        Head("", "requirement", left=True),
        Head("", "on", left=True),
        Head("", "verdict", left=True),
    )
    rows, notes = [], []
    for place, rule in enumerate(rules, start=1):
        blocks = "" if rule["blocking"] else " (does not block)"
        cells = (
            str(place),
            f"{rule['id']}: {rule['requirement']}",
            text.plain(rule.get("label") or text.UNDEFINED),
            f"{rule['verdict']}{blocks}",
        )
        rows.append(TableRow(cells))
        known = RuleVerdict(**{k: v for k, v in rule.items() if k in _FIELDS})
        notes.append(f"{place}  {text.plain(evidence(known))}")
    table = Table("Requirement and evidence", heads, tuple(rows), tuple(notes))
    return Block((f"Requirements by gate {gate.get('gate') or ''}".strip(),), (table,))
