"""The body of a comment: silent where nothing changed, found again, bounded."""

from dataclasses import replace

import pytest

from harness.ci.comment import LIMIT_BYTES, changed, comment, marker, state
from harness.verdict import RuleVerdict, conclude

RULE = RuleVerdict(
    "as_good",
    "abc",
    "crepe tiny  cpu",
    "rpa_50c",
    "1",
    "0.5 points",
    -0.02,
    -0.03,
    -0.01,
    24,
    "pass",
    "within",
    True,
)


def judged(*words, **changes):
    rules = [replace(RULE, verdict=word, **changes) for word in words]
    return conclude("ci", rules, "", False)


def test_quiet_where_nothing_changed():
    body = comment("quickstart", judged("pass", "not applicable"))
    assert body.splitlines() == [
        "<!-- f0bench:ci:quickstart -->",
        "<!-- state:quiet -->",
        "f0bench gate ci: no change",
    ]


@pytest.mark.parametrize(
    "word", ["fail", "improved", "inconclusive", "incomparable", "missing"]
)
def test_everything_else_is_told(word):
    first, second, *rest = comment("q", judged("pass", word)).splitlines()
    assert first == "<!-- f0bench:ci:q -->"
    assert second != "<!-- state:quiet -->"
    assert sum("as\\_good" in line for line in rest) == 1
    assert any(line.startswith(f"| {word} | as") for line in rest)


def test_a_gate_that_judged_nothing_is_not_quiet():
    assert state(conclude("ci", [], "", False, "nothing to judge")) != "quiet"
    assert state(conclude("ci", [], "1 cell failed", False)) != "quiet"


def test_an_accepted_failure_is_quiet():
    assert state(judged("fail", accepted="known")) == "quiet"


def test_the_state_is_made_of_verdicts_and_not_of_numbers():
    here = state(judged("fail", "pass"))
    assert here == state(judged("fail", observed=-0.1, n=3, reason="other"))
    assert here != state(judged("inconclusive"))
    assert here != state(judged("fail", key="other"))
    assert here != state(judged("fail", "improved"))


def test_changed():
    quiet, bad = comment("q", judged("pass")), comment("q", judged("fail"))
    same = comment("q", judged("fail", observed=-0.1))
    assert not changed(quiet, None)
    assert changed(bad, None)
    assert not changed(same, bad)
    assert not changed(same, bad.replace("\n", "\r\n"))
    assert changed(quiet, bad) and changed(bad, quiet)
    assert not changed(quiet, quiet)


def test_the_marker_stays_a_comment():
    assert marker("rules/a.yaml", "a--> b") == "<!-- f0bench:rules-a.yaml:a-b -->"
    assert marker("ci", "--") == "<!-- f0bench:ci:- -->"


def test_the_link_is_no_part_of_the_state():
    one, two = (comment("q", judged("fail"), f"https://x.test/{i}") for i in (1, 2))
    assert "[details](https://x.test/1)" in one
    assert not changed(two, one)


def test_notes_are_told():
    result = replace(judged("fail"), notes=("Holm over 12 comparisons",))
    assert "- Holm over 12 comparisons" in comment("q", result).splitlines()


def test_a_long_comment_is_cut():
    rules = [replace(RULE, id=f"r{i}", verdict="fail") for i in range(3000)]
    body = comment("q", conclude("ci", rules, "", False))
    assert len(body.encode()) <= LIMIT_BYTES
    assert "| fail | r0 |" in body and "_Cut:" in body.splitlines()[-1]
