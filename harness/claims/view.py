"""The ledger as a table for a terminal, as Markdown, as a part of a report, as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.folded import WIDTH, folded
from harness.gate_rules import UNITS
from harness.metrics.base import Value
from harness.report.privacy import Scrubber
from harness.report.table import Block, Head, Table, TableRow
from harness.report.terminal import fold

from .judge import counts
from .model import Claim, Finding, Ledger

SCHEMA = 1
HEADS = ("claim", "stated", "measured", "status", "what, where, why")


def headline(ledger: Ledger, findings: Sequence[Finding]) -> str:
    """``Claims voice_man: 2 reproduced, 31 not_measured``."""
    told = ", ".join(f"{n} {name}" for name, n in counts(findings).items())
    return f"Claims {ledger.name}: {told}"


def render(ledger: Ledger, findings: Sequence[Finding], scrub: Scrubber) -> str:
    """The ledger for a terminal, at most 100 columns wide."""
    rows = [
        (
            finding.claim.id,
            finding.claim.figure.text,
            measured(finding),
            finding.status,
            _told(finding, scrub),
        )
        for finding in findings
    ]
    shown = folded(HEADS, rows, whole=("stated", "status"), ratios={4: 5, 0: 2, 2: 2})
    about = fold(f"  {ledger.about}", WIDTH, 2)
    return "\n".join([headline(ledger, findings), *about, *shown]) + "\n"


def _told(finding: Finding, scrub: Scrubber) -> str:
    cell = f" [{scrub.path(finding.record.label)}]" if finding.record else ""
    return f"{finding.claim.text}{cell}: {scrub.text(finding.reason)}"


def block(ledger: Ledger, findings: Sequence[Finding], scrub: Scrubber) -> Block:
    """The ledger as a part of a report: a table, its reasons as notes."""
    heads = (
        Head("", ""),
        Head("", "claim", left=True),
        Head("", "stated"),
        Head("", "stated for", left=True),
        Head("", "measured"),
        Head("", "status", left=True),
    )
    rows = tuple(
        TableRow(
            (
                str(place),
                f"{finding.claim.id}: {finding.claim.text}",
                finding.claim.figure.text,
                finding.claim.hardware.text,
                measured(finding),
                finding.status,
            )
        )
        for place, finding in enumerate(findings, start=1)
    )
    notes = tuple(
        f"{place}  {_cell(finding, scrub)}{scrub.text(finding.reason)}"
        for place, finding in enumerate(findings, start=1)
    )
    table = Table("Published figures", heads, rows, notes)
    return Block((headline(ledger, findings), ledger.about), (table,))


def _cell(finding: Finding, scrub: Scrubber) -> str:
    return f"{scrub.path(finding.record.label)}: " if finding.record else ""


def markdown(ledger: Ledger, findings: Sequence[Finding], scrub: Scrubber) -> str:
    """The ledger as GitHub Markdown."""
    from harness.report.markdown import escape

    heads = (
        *("claim", "what", "source", "stated", "stated for", "tested by"),
        *("cell", "measured", "status", "reason"),
    )
    lines = [f"# {escape(headline(ledger, findings))}", "", escape(ledger.about), ""]
    lines += [_row(heads), _row([":--"] * len(heads))]
    lines += [
        _row([escape(cell) for cell in _cells(finding, scrub)]) for finding in findings
    ]
    return "\n".join(lines) + "\n"


def _cells(finding: Finding, scrub: Scrubber) -> tuple[str, ...]:
    claim = finding.claim
    return (
        *(claim.id, claim.text, claim.source, claim.figure.text, claim.hardware.text),
        claim.tested_by or "–",
        scrub.path(finding.record.label) if finding.record else "–",
        *(measured(finding), finding.status, scrub.text(finding.reason)),
    )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def measured(finding: Finding) -> str:
    """What was measured, in the unit of the figure, with its interval; or a dash."""
    value, claim = finding.value, finding.claim
    if value.value is None:
        return "–"
    shown = _in_unit(value.value, claim)
    if value.low is None or value.high is None:
        return shown
    ends = (_in_unit(end, claim).split(" ")[0] for end in (value.low, value.high))
    return f"{shown} [{', '.join(ends)}]"


def _in_unit(value: float, claim: Claim) -> str:
    """A value in the unit that the figure was stated in."""
    unit = claim.figure.unit
    return f"{value / UNITS[unit][1]:.4g} {'×' if unit == 'x' else unit}"


def as_dict(
    ledger: Ledger, findings: Sequence[Finding], scrub: Scrubber
) -> dict[str, Any]:
    """The ledger as one strict JSON document; values in SI units."""
    return {
        "schema": SCHEMA,
        "claims_file": ledger.name,
        "about": ledger.about,
        "tolerance": ledger.tolerance,
        "counts": counts(findings),
        "claims": [_entry(finding, scrub) for finding in findings],
    }


def _entry(finding: Finding, scrub: Scrubber) -> dict[str, Any]:
    claim, record = finding.claim, finding.record
    tested = claim.metric is not None
    return {
        "id": claim.id,
        "text": claim.text,
        "source": claim.source,
        "stated": claim.figure.text,
        "stated_for": claim.hardware.text,
        "metric": claim.metric.name if claim.metric else None,
        "tested_by": claim.tested_by or None,
        "key": record.key if record else None,
        "label": scrub.path(record.label) if record else None,
        "unit": claim.unit if tested else None,
        "measured": (finding.value if tested else Value(None)).as_dict(),
        "status": finding.status,
        "reason": scrub.text(finding.reason),
    }
