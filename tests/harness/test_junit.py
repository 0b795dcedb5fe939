"""JUnit XML of a gate: what blocks fails, everything else stays readable."""

from xml.etree import ElementTree as ET

import pytest

from harness.junit import as_xml
from harness.verdict import RuleVerdict, conclude


def rule(verdict, blocking=True, label="crepe tiny  cpu", **changes):
    values = {
        "id": "time_offset",
        "key": "abc",
        "label": label,
        "metric": "offset_s",
        "unit": "s",
        "bound": "|x| <= 2 ms",
        "observed": 0.009,
        "low": 0.008,
        "high": 0.01,
        "n": 32,
        "verdict": verdict,
        "reason": "the whole interval is beyond the bound",
        "blocking": blocking,
    }
    return RuleVerdict(**{**values, **changes})


def suite_of(rules, incomplete="", block_doubt=False, idle=""):
    text = as_xml(conclude("validity", rules, incomplete, block_doubt, idle))
    assert text.startswith("<?xml version='1.0' encoding='utf-8'?>")
    (suite,) = ET.fromstring(text.encode("utf-8"))
    return suite


def outcome(suite, index=0):
    return suite[index][0]


@pytest.mark.parametrize(
    ("verdict", "blocking", "block_doubt", "tag"),
    [
        ("pass", True, False, "system-out"),
        ("improved", True, False, "system-out"),
        ("fail", True, False, "failure"),
        ("fail", False, False, "skipped"),
        ("missing", True, False, "failure"),
        ("inconclusive", True, False, "skipped"),
        ("inconclusive", True, True, "failure"),
        ("incomparable", True, True, "failure"),
        ("not applicable", True, True, "skipped"),
    ],
)
def test_a_case_fails_where_the_gate_would(verdict, blocking, block_doubt, tag):
    suite = suite_of([rule(verdict, blocking)], block_doubt=block_doubt)
    assert outcome(suite).tag == tag
    failed = conclude("validity", [rule(verdict, blocking)], "", block_doubt)
    assert (tag == "failure") == (failed.exit_code in (1, 3))


def test_a_failure_says_everything():
    suite = suite_of([rule("fail")])
    case = suite[0]
    assert case.get("name") == "time_offset [crepe tiny  cpu]"
    assert case.get("classname") == "f0bench.validity"
    failure = outcome(suite)
    assert failure.get("type") == "fail"
    assert failure.get("message") == "fail: the whole interval is beyond the bound"
    for part in ("offset_s 9 [8, 10] ms (n = 32)", "bound |x| <= 2 ms"):
        assert part in failure.text


def test_counts():
    rules = [rule("pass"), rule("fail"), rule("fail", False), rule("not applicable")]
    suite = suite_of(rules, incomplete="1 cell failed, first: x: y")
    found = {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")}
    assert found == {"tests": "5", "failures": "1", "errors": "1", "skipped": "2"}
    assert outcome(suite, 4).get("message") == "1 cell failed, first: x: y"


def test_nothing_to_judge_is_no_error():
    suite = suite_of([], idle="nothing to judge")
    assert outcome(suite).tag == "skipped"
    assert suite.get("errors") == "0"


def test_any_text_is_well_formed():
    label = 'a<b> & "c"\x00\x1b[31m\ud800 음성'
    suite = suite_of([rule("fail", label=label, reason="\x07beyond")])
    assert suite[0].get("name") == 'time_offset [a<b> & "c"��[31m� 음성]'
