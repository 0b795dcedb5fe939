"""Workflow commands: format, escapes, and never more than are shown."""

from harness.ci.annotations import LIMIT, annotation_lines, command
from harness.verdict import GateResult, RuleVerdict, conclude


def rule(verdict, name="time_offset", blocking=True, **changes):
    values = {
        "id": name,
        "key": "abc",
        "label": "crepe tiny  cpu",
        "metric": "rpa_50c",
        "unit": "1",
        "bound": "x >= 85 %",
        "observed": 0.5,
        "low": None,
        "high": None,
        "n": 4,
        "verdict": verdict,
        "reason": "beyond the bound",
        "blocking": blocking,
    }
    return RuleVerdict(**{**values, **changes})


def test_escapes():
    found = command("error", "a: b, 5 %", "50 %\r\nmore: of, it")
    assert found == "::error title=a%3A b%2C 5 %25::50 %25%0D%0Amore: of, it"


def test_one_line_per_rule_that_did_not_pass():
    rules = [rule("pass"), rule("fail"), rule("fail", "speed", blocking=False)]
    error, warning = annotation_lines(conclude("ci", rules, "", False))
    assert error == (
        "::error title=f0bench ci%3A time_offset::fail time_offset crepe tiny cpu: "
        "rpa_50c 50 %25 (n = 4), bound x >= 85 %25; beyond the bound"
    )
    assert warning.startswith("::warning title=f0bench ci%3A speed::fail speed ")
    assert warning.endswith("(does not block)")


def test_silent_where_all_passed():
    rules = [rule("pass"), rule("improved"), rule("not applicable")]
    assert annotation_lines(conclude("ci", rules, "", False)) == []


def test_an_incomplete_run_is_an_error_and_an_idle_gate_a_warning():
    (found,) = annotation_lines(conclude("ci", [], "1 cell failed", False))
    assert found == "::error title=f0bench ci::incomplete: 1 cell failed"
    (found,) = annotation_lines(conclude("ci", [], "", False, "nothing to judge"))
    assert found == "::warning title=f0bench ci::not applicable: nothing to judge"


def test_as_many_as_are_shown():
    rules = [rule("fail", f"r{i}") for i in range(LIMIT)]
    assert len(annotation_lines(conclude("ci", rules, "", False))) == LIMIT


def test_more_than_are_shown_are_counted():
    rules = [rule("fail", f"r{i}") for i in range(13)]
    rules += [rule("inconclusive", f"w{i}") for i in range(11)]
    found = annotation_lines(conclude("ci", rules, "", False))
    errors = [text for text in found if text.startswith("::error ")]
    warnings = [text for text in found if text.startswith("::warning ")]
    assert len(errors) == len(warnings) == LIMIT
    assert "r8::" in errors[8]
    assert errors[9].endswith("::4 more of this type; the step summary has every rule")
    assert "::2 more of this type" in warnings[9]


def test_the_reason_of_an_incomplete_run_is_not_cut_away():
    rules = tuple(rule("fail", f"r{i}") for i in range(20))
    result = GateResult("ci", rules, "fail", 1, "1 cell failed")
    assert "1 cell failed" in annotation_lines(result)[0]
