"""Requirements that rest on tests, and the table that shows them."""

from __future__ import annotations

import json

import pytest

from extractors.errors import ConfigError, UsageError
from harness.cli import main
from harness.gate_evidence import (
    parse_evidence,
    read_results,
    why_absent,
    without_cell,
)
from harness.gate_file import parse_gate
from harness.gate_rules import Rule
from harness.metrics import all_metrics

TEST = "tests/test_mine.py::test_a"
SOURCE = """
def test_a(): ...
def helper(): ...
class TestGroup:
    def test_b(self): ...
"""
#: Name of a case below its module, and what the case holds.
CASES = {
    "pass": ("", "test_a", ""),
    "case": ("", "test_a[1]", ""),
    "fail": ("", "test_a[2]", "<failure/>"),
    "error": ("", "test_a", "<error/>"),
    "skip": ("", "test_a[3]", "<skipped/>"),
    "why": ("", "test_a[4]", '<skipped message="unavailable: no extra"/>'),
    "other": ("", "test_ab", ""),
    "group": (".TestGroup", "test_b", ""),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_mine.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def results(place, *names):
    head = '<testsuites><testsuite timestamp="2026-03-04T05:06:07.8+00:00">'
    text = "".join(
        f'<testcase classname="tests.test_mine{group}" name="{name}">{held}</testcase>'
        for group, name, held in map(CASES.get, names)
    )
    (place / "tests.xml").write_text(f"{head}{text}</testsuite></testsuites>")
    return read_results(place / "tests.xml")


@pytest.mark.parametrize(
    ("names", "verdict", "reason"),
    [
        (["pass"], "pass", "1 passed"),
        (["case", "skip"], "pass", "1 passed, 1 skipped"),
        (["case", "fail"], "fail", "1 failed, 1 passed"),
        (["error"], "fail", "1 failed"),
        (["skip"], "missing", "1 skipped"),
        (["why"], "missing", "1 skipped: unavailable: no extra"),
        (["skip", "why"], "missing", "2 skipped: unavailable: no extra"),
        (["case", "why"], "pass", "1 passed, 1 skipped"),
        (["other"], "missing", "test_a is not among the results"),
    ],
)
def test_the_result_decides(here, names, verdict, reason):
    found = without_cell(Rule("R", tests=(TEST,)), results(here, *names))
    assert (found.verdict, found.reason) == (verdict, reason)
    assert found.fails == (verdict in ("fail", "missing"))


def test_a_test_without_a_result_is_inconclusive(here):
    found = without_cell(Rule("R", tests=(TEST,)), None)
    assert found.verdict == "inconclusive" and not found.fails
    assert "no result is given" in found.reason


def test_the_worst_of_several_tests_counts(here):
    rule = Rule("R", tests=(TEST, "tests/test_mine.py::TestGroup::test_b"))
    assert without_cell(rule, results(here, "pass", "group")).verdict == "pass"
    found = without_cell(rule, results(here, "fail", "group"))
    assert (found.verdict, found.observed) == ("fail", "failed")


@pytest.mark.parametrize(
    ("test", "told"),
    [
        (TEST, ""),
        ("tests/test_mine.py::TestGroup::test_b", ""),
        ("tests/test_mine.py::test_aa", "did you mean 'test_a'"),
        ("tests/test_mine.py::helper", "defines no helper"),
        ("tests/test_gone.py::test_a", "there is no tests/test_gone.py here"),
    ],
)
def test_existence_is_read_from_the_source(here, test, told):
    found = why_absent(test)
    assert told in found and bool(told) == bool(found)
    verdict = without_cell(Rule("R", tests=(test,)), None).verdict
    assert verdict == ("missing" if told else "inconclusive")


def test_what_is_not_measured_is_missing_and_blocks():
    found = without_cell(Rule("R", not_measured="no such machine"), None)
    assert (found.verdict, found.fails) == ("missing", True)
    assert found.reason == "not measured: no such machine"
    loose = Rule("R", not_measured="no such machine", blocking=False)
    assert not without_cell(loose, None).fails


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"test": "tests/a.py"}, "expected e.g. tests/test_a.py::test_b"),
        ({"test": "tests/a.py::test b"}, "expected e.g."),
        ({"test": [3]}, "expected e.g."),
        ({"test": []}, "names none"),
        ({"test": TEST, "abs": "x < 1"}, "'abs' needs a metric or a state"),
        ({"test": TEST, "where": {}}, "'where' needs a metric or a state"),
        ({"not_measured": ""}, "needs the reason"),
        ({"not_measured": True}, "needs the reason"),
    ],
)
def test_malformed_evidence_is_refused(entry, told):
    with pytest.raises(ConfigError) as caught:
        parse_evidence("gate g: rule r", entry)
    assert told in str(caught.value)


def test_two_kinds_of_evidence_need_two_rules():
    rule = {"id": "r", "test": TEST, "not_measured": "x"}
    with pytest.raises(ConfigError, match="not test and not_measured"):
        parse_gate("mine", [rule], all_metrics())


@pytest.mark.parametrize("text", ["", "<a", "<testsuites/>"])
def test_results_that_cannot_be_read(here, text):
    (here / "tests.xml").write_text(text)
    with pytest.raises(UsageError, match=r"gate\.tests="):
        read_results("tests.xml")


GATE = """
- {id: REQ-1, requirement: it answers, state: status, is: ok}
- {id: REQ-2, requirement: mono is asked for, test: tests/test_mine.py::test_a}
- {id: REQ-3, requirement: for ARM64, not_measured: no such machine, blocking: false}
- {id: plain, state: validity, not: invalid}
"""


@pytest.fixture
def traced(base, here):
    (here / "spec.yaml").write_text(GATE)
    return here


def judged(capsys, *words):
    code = main(["gate", "base", "gate=spec.yaml", "--json", *words])
    *text, last = capsys.readouterr().out.splitlines()
    return code, "\n".join(text), json.loads(last)


def test_the_traceability_table(traced, capsys):
    results(traced, "pass")
    code, text, document = judged(capsys, "gate.tests=tests.xml")
    assert code == 0
    assert "tests: 1 results from tests.xml of 2026-03-04T05:06:07" in text
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "mono is asked for" in rows["REQ-2"] and "1 passed" in text
    assert "pass" in rows["REQ-2"] and "missing" in rows["REQ-3"]
    assert "no such machine" in text and "(does not block)" in " ".join(text.split())
    assert "pass            plain  acf" in text  # a rule without requirement: a line
    assert "id " in text
    told = {rule["id"]: rule for rule in document["rules"]}
    assert told["REQ-2"]["requirement"] == "mono is asked for"
    assert told["REQ-2"]["bound"] == TEST and told["REQ-2"]["observed"] == "passed"


def test_a_failed_test_fails_the_gate_and_none_leaves_it_open(traced, capsys):
    results(traced, "fail")
    assert judged(capsys, "gate.tests=tests.xml")[0] == 1
    code, text, document = judged(capsys)
    assert (code, document["verdict"]) == (0, "inconclusive")
    assert "looked up only" in text


def test_a_missing_file_of_results_is_one_line(traced, capsys):
    assert main(["gate", "base", "gate=spec.yaml", "gate.tests=none.xml"]) == 2
    err = capsys.readouterr().err
    assert "gate.tests=none.xml: No such file" in err and err.count("\n") == 1
