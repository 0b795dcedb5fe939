"""Requirements of a gate inside a report: every one, with its evidence."""

from harness.report.markdown import markdown
from harness.report.page import Source, build_page
from harness.verdict import GateResult, RuleVerdict, as_dict


def rule(name, verdict, **more):
    known = {
        "key": "",
        "label": "",
        "metric": "rtf",
        "unit": "1",
        "bound": "x < 0.1",
        "observed": None,
        "low": None,
        "high": None,
        "n": 0,
        "blocking": True,
        "reason": "no cell matches crepe full cuda",
        **more,
    }
    return RuleVerdict(id=name, verdict=verdict, **known)


RULES = (
    rule("valid", "fail"),
    rule(
        "REQ-1",
        "pass",
        requirement="audio is taken",
        metric="test",
        bound="tests/test_a.py::test_b",
        observed="passed",
        reason="1 passed",
    ),
    rule("REQ-2", "missing", requirement="it is fast", blocking=False),
    rule(
        "REQ-3",
        "pass",
        requirement="it is fast",
        label="crepe tiny  cpu",
        observed=0.05,
    ),
)


def test_requirements_are_a_table_and_no_lines(demo):
    gate = as_dict(GateResult("spec", RULES, "fail", 1))
    page = build_page([Source(*demo)], gate)
    (told,) = page.gate[1:]
    assert "valid" in told
    (block,) = page.changes
    assert block.lines == ("Requirements by gate spec",)
    (table,) = block.tables
    assert [row.cells[1:] for row in table.rows] == [
        ("REQ-1: audio is taken", "–", "pass"),
        ("REQ-2: it is fast", "–", "missing (does not block)"),
        ("REQ-3: it is fast", "crepe tiny  cpu", "pass"),
    ]
    assert table.notes == (
        "1  test_a.py test_b: 1 passed",
        "2  rtf, bound x < 0.1: no cell matches crepe full cuda",
        "3  crepe tiny  cpu: rtf 5 %, bound x < 0.1",
    )
    assert "REQ-1: audio is taken" in markdown(page)


def test_other_gates_have_no_such_table(demo):
    gate = as_dict(GateResult("validity", RULES[:1], "fail", 1))
    assert build_page([Source(*demo)], gate).changes == ()
