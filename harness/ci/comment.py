"""The body of a comment on a pull request that speaks up only when something changed.

Its first line is a marker by which a workflow finds its earlier comment again, its
second one says which state it describes. Both are HTML comments, which nobody sees::

    <!-- f0bench:ci:quickstart -->
    <!-- state:quiet -->

A state is ``quiet`` where every rule passed or does not apply, else a digest of the
verdicts. Numbers are no part of it: they differ from run to run, and a comment that
follows them would be noise.
"""

from __future__ import annotations

import hashlib
import json
import re

from harness import verdict as verdicts
from harness.verdict import GateResult

from .rules import table, text_cell, told, worst_first
from .step_summary import cut, headline

QUIET = "quiet"
#: A comment may have 65 536 characters; bytes are never fewer.
LIMIT_BYTES = 65_000
NOTICE = "_Cut: the step summary of the workflow run has every rule._"


def comment(name: str, result: GateResult, link: str = "") -> str:
    """The whole body, to be sent as it is.

    Args:
        name: experiment or run that is judged; part of the marker.
        result: cleaned by :func:`harness.ci.rules.cleaned`.
        link: address of the workflow run.
    """
    found = state(result)
    lines = [marker(result.gate, name), f"<!-- state:{found} -->"]
    if found == QUIET:
        lines.append(f"f0bench gate {text_cell(result.gate)}: no change")
        return "\n".join(lines) + "\n"
    where = f" – [details]({link})" if link else ""
    lines.append(f"**f0bench {headline(result)}**{where}")
    texts = [*([result.reason] if result.reason else []), *result.notes]
    if texts:
        lines += ["", *(f"- {text_cell(text)}" for text in texts)]
    rules = [rule for rule in worst_first(result) if told(rule, result)]
    if rules:
        lines += ["", table(rules)]
    return cut("\n".join(lines) + "\n", LIMIT_BYTES, NOTICE)


def marker(gate: str, name: str) -> str:
    """``<!-- f0bench:GATE:NAME -->``: equal for every run of one gate and name."""
    return f"<!-- f0bench:{_plain(gate)}:{_plain(name)} -->"


def _plain(text: str) -> str:
    # Two hyphens would end the comment.
    return re.sub(r"-{2,}", "-", re.sub(r"[^\w.-]", "-", text)).strip("-") or "-"


def state(result: GateResult) -> str:
    """``quiet``, or twelve hexadecimal digits of what is worth a comment."""
    found = [
        [rule.id, rule.key or rule.label, rule.verdict, rule.blocking]
        for rule in result.rules
        if told(rule, result)
    ]
    if not found and result.verdict == verdicts.PASS:
        return QUIET
    text = json.dumps([result.verdict, sorted(found)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def changed(body: str, previous_body: str | None) -> bool:
    """Whether ``body`` must be sent.

    Args:
        body: of :func:`comment`.
        previous_body: the earlier comment with the same marker, ``None`` without one.

    Returns:
        True where the state differs, and where there is something to say for the first
        time. What was said before and holds no longer is a change too.
    """
    if previous_body is None:
        return _state_line(body) != f"<!-- state:{QUIET} -->"
    return _state_line(body) != _state_line(previous_body)


def _state_line(body: str) -> str:
    # A forge may send line ends of its own.
    lines = body.splitlines()
    return lines[1].strip() if len(lines) > 1 else ""
