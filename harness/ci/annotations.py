"""Annotations of GitHub Actions: one line of stdout each, escaped by its rules.

Format and escapes are those of workflow commands: ``::error title=TITLE::MESSAGE``,
where ``%``, CR and LF are percent-encoded everywhere, ``:`` and ``,`` in properties.
"""

from __future__ import annotations

from harness import verdict as verdicts
from harness.verdict import GateResult, RuleVerdict, line

from .rules import ERROR, WARNING, level

#: GitHub shows so many of a type and step, and drops the rest without a word.
LIMIT = 10


def annotation_lines(result: GateResult) -> list[str]:
    """Errors for what fails the gate, warnings for what deserves a look.

    Args:
        result: cleaned by :func:`harness.ci.rules.cleaned`.

    Returns:
        At most :data:`LIMIT` lines of each type; where there is more, the last one says
        how much.
    """
    found: dict[str, list[str]] = {ERROR: [], WARNING: []}
    title = f"f0bench {result.gate}"
    if result.reason:
        harmless = result.verdict == verdicts.NOT_APPLICABLE
        message = f"{result.verdict}: {result.reason}"
        found[WARNING if harmless else ERROR].append(
            command(WARNING if harmless else ERROR, title, message)
        )
    for rule in result.rules:
        kind = level(rule, result)
        if kind:
            found[kind].append(_of_rule(kind, title, rule))
    return [
        shown for kind, lines in found.items() for shown in _limited(kind, title, lines)
    ]


def _of_rule(kind: str, title: str, rule: RuleVerdict) -> str:
    message = " ".join(line(rule).split())
    return command(kind, f"{title}: {rule.id}", message)


def _limited(kind: str, title: str, lines: list[str]) -> list[str]:
    if len(lines) <= LIMIT:
        return lines
    left = len(lines) - (LIMIT - 1)
    more = f"{left} more of this type; the step summary has every rule"
    return [*lines[: LIMIT - 1], command(kind, title, more)]


def command(kind: str, title: str, message: str) -> str:
    """One workflow command: ``::error title=…::message``."""
    return f"::{kind} title={escape_property(title)}::{escape_data(message)}"


def escape_data(text: str) -> str:
    """``text`` as a message may hold it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """``text`` as the value of a property may hold it."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")
