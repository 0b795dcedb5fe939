"""The summary of a step: what it says, and that GitHub does not drop it."""

from dataclasses import replace

from harness.ci.step_summary import LIMIT_BYTES, NOTICE, append, cut, step_summary
from harness.report.page import Source, build_page
from harness.verdict import RuleVerdict, conclude


def rule(number, verdict="fail"):
    return RuleVerdict(
        f"rule{number}",
        "abc",
        "crepe tiny  cpu",
        "rpa_50c",
        "1",
        "x >= 85 %",
        0.5,
        0.4,
        0.6,
        4,
        verdict,
        "beyond the bound",
        True,
    )


def test_head_gate_and_tables(demo):
    run, summaries = demo
    result = conclude("ci", [rule(1, "pass"), rule(2)], "1 cell failed: @x", False)
    result = replace(result, notes=("Holm over 2 comparisons",))
    text = step_summary(build_page([Source(run, summaries)]), result)
    lines = text.splitlines()
    assert lines[0] == "## f0bench demo: gate ci fail (1 pass, 1 fail)"
    assert lines[2] == "1 cell failed: @\u200bx"
    assert lines[4].startswith("- **cells** 3 cells: 2 measured, 1 failed, 1 skipped")
    rows = [line for line in lines if "| rule" in line]
    assert [row.split(" | ")[1] for row in rows] == ["rule", "rule2", "rule1"]
    assert "- Holm over 2 comparisons" in lines
    folded = text[text.index("<details>") :]
    assert "crepe tiny cpu" in folded and "| --: |" in folded
    assert text.endswith("</details>\n")
    assert text.count("**setting**") == 1


def test_what_is_longer_than_the_limit_says_so(demo, tmp_path):
    run, summaries = demo
    rules = [rule(i) for i in range(10_000)]
    text = step_summary(
        build_page([Source(run, summaries)]), conclude("ci", rules, "", False)
    )
    assert len(text.encode()) > LIMIT_BYTES
    place = tmp_path / "summary.md"
    place.write_text("earlier: ×\n", encoding="utf-8")
    append(place, text)
    found = place.read_text(encoding="utf-8")
    assert found.startswith("earlier: ×\n## f0bench demo")
    assert found.endswith(f"beyond the bound |\n\n{NOTICE}\n")
    assert LIMIT_BYTES - 300 < place.stat().st_size <= LIMIT_BYTES


def test_a_second_summary_of_the_same_step_is_appended(tmp_path):
    place = tmp_path / "summary.md"
    append(place, "one\n")
    append(place, "two\n")
    assert place.read_text() == "one\ntwo\n"


def test_nothing_is_added_to_a_full_summary(tmp_path):
    place = tmp_path / "summary.md"
    place.write_bytes(b"x" * (LIMIT_BYTES - 10))
    append(place, "a line\n" * 100)
    assert place.stat().st_size == LIMIT_BYTES - 10


def test_cut_counts_bytes_and_keeps_whole_lines():
    text = "×" * 20 + "\n"  # 41 bytes
    assert cut(text, 41, "cut") == text
    assert cut(text * 3, 82, "cut") == text + "\ncut\n"


def test_cut_closes_what_was_opened():
    text = "<details>\n" + "row\n" * 100 + "</details>\n"
    found = cut(text, 100, "cut")
    assert found.endswith("row\n\ncut\n\n</details>\n")
    assert len(found) <= 100
