"""Acknowledged regressions: committed beside a baseline, with a reason and an expiry.

An acceptance covers what one rule found of one cell, as far as it had fallen when it
was made: a further fall fails again, and so does the same one after its day. Another
rule on the same metric asks something else (all clips, or the worst one).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from extractors.errors import UsageError, nearest

from .records import SCHEMA, read_json, write_json
from .verdict import FAIL, RuleVerdict, number

FILE = "accepted.json"


@dataclass(frozen=True)
class Acceptance:
    """One acknowledged regression.

    Attributes:
        key, label: the cell.
        metric: metric or state.
        rule: id of the rule that failed.
        reason: why it is accepted.
        until: last day (ISO) on which it holds, ``None`` for ever.
        accepted: day (ISO) on which it was written.
        unit: unit of ``worst``.
        worst: end of the interval on the bad side when it was accepted; ``None`` for a
            state.
        low_is_bad: smaller values are worse.
    """

    key: str
    label: str
    metric: str
    rule: str
    reason: str
    until: str | None
    accepted: str
    unit: str = ""
    worst: float | None = None
    low_is_bad: bool = True

    @property
    def told(self) -> str:
        """The reason, and until when it holds."""
        return self.reason + (f", until {self.until}" if self.until else "")

    def names(self, verdict: RuleVerdict) -> bool:
        """Whether a verdict is of this cell, metric and rule."""
        asked = (verdict.key, verdict.metric, verdict.id)
        return (self.key, self.metric, self.rule) == asked

    def refusal(self, verdict: RuleVerdict, today: date) -> str:
        """Why a failure is not covered, empty where it is."""
        if self.until and today > date.fromisoformat(self.until):
            return f"its acceptance ({self.reason}) expired on {self.until}"
        if self.worst is None or not isinstance(verdict.observed, float):
            return ""
        worse = verdict.observed - self.worst
        if (worse < 0) if self.low_is_bad else (worse > 0):
            return f"worse than the accepted {number(self.worst, self.unit)}"
        return ""


def read_acceptances(folder: Path) -> list[Acceptance]:
    """Acceptances beside the baseline in ``folder``."""
    place = folder / FILE
    if not place.exists():
        return []
    return [Acceptance(**entry) for entry in read_json(place)["accepted"]]


def accept(
    folder: Path,
    gate: Mapping[str, Any],
    cell: str,
    metric: str,
    *,
    reason: str,
    until: date | None,
    today: date,
    lower_is_better: bool,
) -> list[Acceptance]:
    """Acknowledge what a gate found, and write it beside the baseline.

    Every rule on the metric that failed for the cell gets an entry of its own.

    Args:
        folder: of the baseline.
        gate: content of the ``gate.json`` in which the rule failed.
        cell: key or label.
        metric: metric or state of the rule.
        lower_is_better: direction of the metric.

    Raises:
        UsageError: no rule on the metric failed for this cell, or ``until`` has passed.
    """
    if until is not None and until < today:
        raise UsageError(f"--until {until} has passed (today is {today}); a later day")
    failed = [r for r in gate["rules"] if r["verdict"] == FAIL and _to_baseline(r)]
    named = _squeezed(cell)
    found = [r for r in failed if named in (r["key"], _squeezed(r["label"]))]
    hits = [r for r in found if r["metric"] == metric]
    if not hits:
        raise UsageError(_nothing(cell, metric, failed, found))
    entries = [_entry(hit, reason, until, today, lower_is_better) for hit in hits]
    replaced = {(entry.key, entry.metric, entry.rule) for entry in entries}
    kept = [
        known
        for known in read_acceptances(folder)
        if (known.key, known.metric, known.rule) not in replaced
    ]
    content = [asdict(known) for known in (*kept, *entries)]
    write_json(folder / FILE, {"schema": SCHEMA, "accepted": content})
    return entries


def _squeezed(label: str) -> str:
    """A label as messages and shells show it, without its double spaces."""
    return " ".join(label.split())


def _to_baseline(rule: Mapping[str, Any]) -> bool:
    return str(rule["bound"]).endswith("to baseline")


def _nothing(
    cell: str,
    metric: str,
    failed: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
) -> str:
    if not failed:
        return "no rule against the baseline failed: there is nothing to accept"
    if not found:
        cells = dict.fromkeys(str(r[name]) for name in ("label", "key") for r in failed)
        return f"no rule against the baseline failed for '{cell}'{nearest(cell, cells)}"
    metrics = dict.fromkeys(str(r["metric"]) for r in found)
    return f"{metric} did not fail for {cell}{nearest(metric, metrics)}"


def _entry(
    rule: Mapping[str, Any],
    reason: str,
    until: date | None,
    today: date,
    lower_is_better: bool,
) -> Acceptance:
    ends = [rule[name] for name in ("low", "observed", "high")]
    values = [float(v) for v in ends if isinstance(v, (int, float))]
    pick = max if lower_is_better else min
    return Acceptance(
        key=rule["key"],
        label=rule["label"],
        metric=rule["metric"],
        rule=rule["id"],
        reason=reason,
        until=None if until is None else until.isoformat(),
        accepted=today.isoformat(),
        unit=rule["unit"],
        worst=pick(values) if values else None,
        low_is_bad=not lower_is_better,
    )
