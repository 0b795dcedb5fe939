"""Verdicts as CI shows them: levels, order, table, and what must not get out."""

from dataclasses import replace

import pytest

from harness.ci.rules import cleaned, level, table, told, worst_first
from harness.report.privacy import Scrubber
from harness.verdict import RuleVerdict, conclude

RULE = RuleVerdict(
    id="time_offset",
    key="abc",
    label="crepe tiny  cpu",
    metric="offset_s",
    unit="s",
    bound="|x| <= 2 ms",
    observed=0.009,
    low=0.008,
    high=0.01,
    n=32,
    verdict="fail",
    reason="the whole interval is beyond the bound",
    blocking=True,
)


def rule(verdict, **changes):
    return replace(RULE, verdict=verdict, **changes)


def judged(*rules, block_doubt=False, incomplete=""):
    return conclude("ci", rules, incomplete, block_doubt)


@pytest.mark.parametrize(
    ("found", "block_doubt", "expected"),
    [
        (rule("fail"), False, "error"),
        (rule("missing"), False, "error"),
        (rule("missing", incomplete=True), False, "warning"),
        (rule("fail", blocking=False), False, "warning"),
        (rule("fail", accepted="known"), False, ""),
        (rule("inconclusive"), False, "warning"),
        (rule("inconclusive"), True, "error"),
        (rule("incomparable"), True, "error"),
        (rule("incomparable", blocking=False), True, "warning"),
        (rule("pass"), True, ""),
        (rule("improved"), False, ""),
        (rule("not applicable"), False, ""),
    ],
)
def test_level(found, block_doubt, expected):
    result = judged(found, block_doubt=block_doubt)
    assert level(found, result) == expected
    assert (expected == "error") == (result.exit_code in (1, 3))


def test_an_improvement_is_told_and_a_pass_is_not():
    result = judged(rule("improved"), rule("pass"))
    assert [told(found, result) for found in result.rules] == [True, False]


def test_worst_first_keeps_the_order_of_the_gate_within_a_level():
    words = ["pass", "improved", "inconclusive", "fail", "not applicable", "missing"]
    result = judged(*(rule(word) for word in words))
    assert [found.verdict for found in worst_first(result)] == [
        *("fail", "missing", "inconclusive", "improved", "pass", "not applicable"),
    ]


def test_a_row_holds_everything():
    row = table([RULE]).splitlines()[2]
    assert row == (
        r"| fail | time\_offset | crepe tiny cpu | offset\_s | \|x\| &lt;= 2 ms "
        "| 9 ms | 8 ms … 10 ms | 32 | the whole interval is beyond the bound |"
    )


def test_a_row_without_numbers_and_of_an_advisory_rule():
    found = replace(RULE, observed=None, low=None, n=0, label="", blocking=False)
    row = table([found]).splitlines()[2]
    assert row.startswith(r"| fail (does not block) | time\_offset | – | offset\_s |")
    assert "| – | – | – | the whole" in row


def test_an_accepted_failure_says_why():
    row = table([rule("fail", accepted="known since 1.2")]).splitlines()[2]
    assert row.startswith("| fail (accepted: known since 1.2) |")


def test_nobody_is_notified_by_the_name_of_a_data_set():
    text = table([replace(RULE, label="crepe @octocat  cpu")])
    assert "@octocat" not in text
    assert "@\u200boctocat" in text


def test_private_text_is_cleaned(folder):
    begun = folder("one", "Anna").add("a" * 12, "crepe  cpu")
    begun.plan["settings"]["private"] = True
    scrub = Scrubber(begun.load())
    found = replace(RULE, reason="Anna in /mnt/clinic/calls\x1b[31m")
    result = replace(judged(found), reason="see Anna", notes=("/mnt/clinic/base",))
    shown = cleaned(result, scrub)
    texts = [shown.rules[0].reason, shown.reason, *shown.notes]
    assert not [t for t in texts if "Anna" in t or "/mnt" in t or "\x1b" in t]
    assert texts[1].startswith("see clip-")
    assert texts[2] == "…/base"
