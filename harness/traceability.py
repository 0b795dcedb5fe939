"""The traceability table of a gate: requirement, evidence and verdict, row by row."""

from __future__ import annotations

from .folded import folded
from .verdict import QUIET, GateResult, RuleVerdict, headline, line, observed

HEADS = ("id", "requirement", "evidence", "verdict")


def render(result: GateResult, full: bool = False) -> str:
    """The gate as a head and one row per requirement; other rules as lines below.

    Args:
        result: with rules that state a ``requirement``.
        full: every rule; otherwise those that did not pass.
    """
    shown = [r for r in result.rules if full or r.verdict not in QUIET]
    traced = [rule for rule in shown if rule.requirement]
    others = [line(rule) for rule in shown if not rule.requirement]
    head = [headline(result), *(f"  {note}" for note in result.notes)]
    rows = [row(rule) for rule in traced]
    table = folded(HEADS, rows, whole=("id", "verdict"), ratios={1: 3, 2: 5})
    return "\n".join([*head, *table, *others])


def row(rule: RuleVerdict) -> tuple[str, str, str, str]:
    """Cells of one requirement, in the order of :data:`HEADS`."""
    word = rule.verdict if rule.blocking else f"{rule.verdict}\n(does not block)"
    return rule.id, rule.requirement, evidence(rule), word


def evidence(rule: RuleVerdict) -> str:
    """What a verdict rests on: test and outcome, metric and bound, or the reason."""
    if rule.metric == "not measured":
        return rule.reason
    if rule.metric == "test":
        tests = [test.rpartition("/")[2] for test in rule.bound.split(", ")]
        names = ", ".join(test.replace("::", " ") for test in tests)
        return f"{names}: {rule.reason}"
    if rule.observed is None:
        return f"{rule.metric}, bound {rule.bound}: {rule.reason}"
    where = f"{rule.label}: " if rule.label else ""
    return f"{where}{rule.metric} {observed(rule)}, bound {rule.bound}"
