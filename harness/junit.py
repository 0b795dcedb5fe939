"""A gate's result as JUnit XML, which CI systems show without a plug-in.

One test case per rule and cell. JUnit knows no undecided and no advisory outcome, so a
case fails exactly where the gate would not pass for it: what does not block, or does
not apply, is ``skipped`` with its verdict and reason, and stays readable.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from . import verdict as verdicts
from .verdict import GateResult, RuleVerdict, line

#: What XML 1.0 cannot hold, not even escaped (its section 2.2).
UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_xml(result: GateResult) -> str:
    """The whole document.

    Args:
        result: of :func:`harness.gate.judge`; its exit code decides whether a doubtful
            rule counts as failed.
    """
    suites = ET.Element("testsuites", name="f0bench")
    suite = ET.SubElement(suites, "testsuite", name=_text(f"gate {result.gate}"))
    blocks = result.exit_code == verdicts.INCONCLUSIVE_EXIT
    for rule in result.rules:
        _case(suite, result.gate, rule, blocks)
    if result.verdict == verdicts.INCOMPLETE or result.reason:
        _complete(suite, result)
    for element in (suites, suite):
        for name, tag in (
            ("tests", "testcase"),
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ):
            element.set(name, str(sum(1 for _ in suite.iter(tag))))
    ET.indent(suites)
    found: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return found.decode("utf-8") + "\n"


def _case(suite: ET.Element, gate: str, rule: RuleVerdict, blocks: bool) -> None:
    name = f"{rule.id} [{rule.label}]" if rule.label else rule.id
    case = ET.SubElement(
        suite, "testcase", classname=_text(f"f0bench.{gate}"), name=_text(name)
    )
    if rule.fails or (blocks and rule.doubtful):
        _outcome(case, "failure", rule)
    elif rule.verdict not in (verdicts.PASS, verdicts.IMPROVED):
        _outcome(case, "skipped", rule)
    else:
        ET.SubElement(case, "system-out").text = _text(line(rule).strip())


def _outcome(case: ET.Element, tag: str, rule: RuleVerdict) -> None:
    message = f"{rule.verdict}: {rule.reason}"
    if tag == "skipped" and not rule.blocking:
        message += " (does not block)"
    found = ET.SubElement(case, tag, message=_text(message))
    if tag == "failure":
        found.set("type", rule.verdict)
    found.text = _text(line(rule).strip())


def _complete(suite: ET.Element, result: GateResult) -> None:
    """Whether the run was complete, or why nothing was judged: a case of its own."""
    case = ET.SubElement(
        suite, "testcase", classname=_text(f"f0bench.{result.gate}"), name="complete"
    )
    tag = "skipped" if result.exit_code == 0 else "error"
    found = ET.SubElement(case, tag, message=_text(result.reason))
    if tag == "error":
        found.set("type", result.verdict)


def _text(text: str) -> str:
    return UNPRINTABLE.sub("�", text)
