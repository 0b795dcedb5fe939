"""Verdicts of rules as CI shows them: without private text, by level, as a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness import verdict as verdicts
from harness.report.markdown import escape
from harness.report.text import plain
from harness.verdict import GateResult, RuleVerdict, number

if TYPE_CHECKING:
    from harness.report.privacy import Scrubber

ERROR, WARNING = "error", "warning"
NONE = "–"
#: Heading and alignment of the columns of a table of rules.
COLUMNS = (
    *(("verdict", ":--"), ("rule", ":--"), ("cell", ":--"), ("metric", ":--")),
    *(("bound", ":--"), ("observed", "--:"), ("interval", ":--"), ("n", "--:")),
    ("reason", ":--"),
)


def cleaned(result: GateResult, scrub: Scrubber) -> GateResult:
    """The result without absolute paths, private ids of clips and control characters.

    Labels and names hold no clip, but may equal the id of one: they keep it.
    """
    rules = tuple(
        replace(
            rule,
            id=plain(scrub.path(rule.id)),
            label=plain(scrub.path(rule.label)),
            bound=plain(scrub.path(rule.bound)),
            reason=plain(scrub.text(rule.reason)),
            accepted=plain(scrub.text(rule.accepted)),
        )
        for rule in result.rules
    )
    return replace(
        result,
        gate=plain(scrub.path(result.gate)),
        rules=rules,
        reason=plain(scrub.text(result.reason)),
        notes=tuple(plain(scrub.text(note)) for note in result.notes),
    )


def level(rule: RuleVerdict, result: GateResult) -> str:
    """``error`` where the rule fails the gate, ``warning`` where it deserves a look.

    Empty where it passed, does not apply, or where its failure was accepted.
    """
    blocks = result.exit_code == verdicts.INCONCLUSIVE_EXIT
    if rule.fails or (blocks and rule.doubtful):
        return ERROR
    if rule.verdict in verdicts.QUIET or rule.accepted:
        return ""
    return WARNING


def told(rule: RuleVerdict, result: GateResult) -> bool:
    """Whether somebody who asks for what changed wants to read of the rule."""
    return bool(level(rule, result)) or rule.verdict == verdicts.IMPROVED


def worst_first(result: GateResult) -> list[RuleVerdict]:
    """All rules: errors, warnings, improvements, the rest, each in the gate's order."""

    def rank(rule: RuleVerdict) -> int:
        order = [ERROR, WARNING]
        found = level(rule, result)
        if found:
            return order.index(found)
        return len(order) + (rule.verdict != verdicts.IMPROVED)

    return sorted(result.rules, key=rank)


def table(rules: Iterable[RuleVerdict]) -> str:
    """One Markdown row per rule; ends without a newline."""
    heads, marks = zip(*COLUMNS, strict=True)
    return "\n".join(_row(cells) for cells in (heads, marks, *map(_cells, rules)))


def _cells(rule: RuleVerdict) -> Sequence[str]:
    return [
        text_cell(part)
        for part in (
            _verdict(rule),
            rule.id,
            rule.label or NONE,
            rule.metric,
            rule.bound,
            _observed(rule),
            _interval(rule),
            str(rule.n) if rule.n else NONE,
            rule.reason,
        )
    ]


def _verdict(rule: RuleVerdict) -> str:
    if rule.accepted:
        return f"{rule.verdict} (accepted: {rule.accepted})"
    silent = rule.blocking or rule.verdict in verdicts.QUIET
    return rule.verdict if silent else f"{rule.verdict} (does not block)"


def _observed(rule: RuleVerdict) -> str:
    if rule.observed is None:
        return NONE
    if isinstance(rule.observed, str):
        return rule.observed
    return number(rule.observed, rule.unit)


def _interval(rule: RuleVerdict) -> str:
    if rule.low is None or rule.high is None:
        return NONE
    return f"{number(rule.low, rule.unit)} … {number(rule.high, rule.unit)}"


def text_cell(text: str) -> str:
    """``text`` without meaning to Markdown, HTML or GitHub.

    Labels name a data set as ``@name``, which must not notify whoever has that name: a
    zero-width space after the sign keeps it from being read as one.
    """
    return re.sub(r"@(?=\w)", "@\u200b", escape(text))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
