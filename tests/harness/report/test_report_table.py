"""Tables, terminal, Markdown, CSV and JSON of one run."""

import csv
import io
import re

import pandas as pd
import pytest
from rich.console import Console

from extractors.errors import UsageError
from harness.metrics.base import Metric, Value
from harness.report import show
from harness.report.columns import HEADLINE_ACCURACY, HEADLINE_COST, generic
from harness.report.csvfile import summary_csv
from harness.report.document import document
from harness.report.markdown import markdown
from harness.report.page import Source, build_page
from harness.report.privacy import Scrubber
from harness.report.terminal import cells, lines

GATE = {
    "gate": "validity",
    "verdict": "fail",
    "rules": [
        {"id": "no_error", "label": "x", "verdict": "pass", "reason": "fine"},
        {"id": "offset", "label": "y", "verdict": "fail", "reason": "3 ms"},
    ],
}


def page_of(demo, **options):
    return build_page([Source(*demo)], **options)


def text_of(page, width=None):
    return [line for line, _ in lines(page, width)]


def test_headline_metrics_exist():
    from harness.metrics import all_metrics

    known = all_metrics()
    for column in HEADLINE_ACCURACY + HEADLINE_COST:
        assert column.metric in known


def test_rows_stand_in_the_order_of_the_request(demo):
    for table in page_of(demo).tables:
        labels = [row.cells[:2] for row in table.rows]
        assert labels == [
            ("1", "crepe tiny  cpu"),
            ("2", "torchcrepe tiny  cpu"),
            ("3", "broken  cpu"),
        ]


def test_accuracy_values_are_those_of_the_counts(demo):
    first, second, _ = page_of(demo).tables[0].rows
    # 16 of 160 voiced frames an octave up; 30 cents is a hit at 50, none at 10.
    assert first.cells[2:8] == ("100.0", "0.0", "100.0", "100.0", "0.0", "0.0")
    assert second.cells[2:8] == ("90.0", "0.0", "90.0", "0.0", "10.0", "0.0")
    assert first.cells[8:] == ("–", "–")  # neither offset nor agreement was measured


def test_speed_is_set_against_row_1(demo):
    first, second, _ = page_of(demo).tables[1].rows
    assert (first.cells[2], first.cells[4]) == ("10.0", "–")
    assert (second.cells[2], second.cells[4]) == ("5.00", "0.500")


def test_speeds_of_unlike_machines_have_no_ratio(folder, summarise):
    runs = []
    for name, cpu in (("old", "CPU A"), ("new", "CPU B")):
        begun = folder(name=name).add("a" * 12, "crepe  cpu", speed=4.0)
        begun.plan["machine"]["cpu"] = cpu
        runs.append(begun.load())
    page = build_page([Source(run, summarise(run)) for run in runs])
    rows = page.tables[1].rows
    assert [row.cells[1] for row in rows] == ["old: crepe  cpu", "new: crepe  cpu"]
    assert rows[1].cells[2] == "4.00"
    assert rows[1].cells[4] == "–"


def test_failed_cell_shows_its_named_error(demo):
    row = page_of(demo).tables[0].rows[2]
    assert row.message == "error: ExtractorError: it broke (clip two)"
    assert "see above" in page_of(demo).tables[1].rows[2].message


def test_notes_share_letters(folder, summarise):
    begun = folder()
    why = "load average 9 over 2 cores"
    noisy = {"state": "noisy", "reasons": [why]}
    begun.add("a" * 12, "one  cpu", speed=1.0, validity=noisy)
    begun.add("b" * 12, "two  cpu", speed=1.0, validity=noisy, notes=["peer"])
    begun.add("c" * 12, "three  cpu", speed=1.0, missed=(1,))
    run = begun.load()
    table = build_page([Source(run, summarise(run))]).tables[-1]
    assert [row.cells[-1] for row in table.rows] == ["noisy a", "noisy b,a", "valid c"]
    assert table.notes[0] == f"a  {why}"
    assert table.notes[2].startswith("c  1 clip failed, counted as missed")


def test_without_timing_validity_stands_in_the_accuracy_table(folder, summarise):
    run = folder().add("a" * 12, "crepe  cpu").load()
    tables = build_page([Source(run, summarise(run))]).tables
    assert [table.title for table in tables] == ["Accuracy"]
    assert tables[0].columns[-1].bottom == "validity"
    assert tables[0].rows[0].cells[-1] == "valid"


def test_head_names_constants_once(demo):
    text = "\n".join(text_of(page_of(demo)))
    assert "3 cells: 2 measured, 1 failed, 1 skipped" in text
    assert text.count("toy: 4 clips, 8.0 s, exact truth") == 1
    assert text.count("f0 50–1100 Hz, hop 10 ms, effort smoke") == 1
    assert "crepe 0.50 default" in text
    assert "skipped  crepe tiny  cuda: no CUDA device" in text


def test_what_differs_between_rows_stands_in_a_column(folder, summarise):
    begun = folder().add("a" * 12, "crepe  cpu")
    other = {"name": "other", "clips": 4, "clips_missed": 0}
    begun.add("b" * 12, "crepe  cpu", data=other)
    run = begun.load()
    table = build_page([Source(run, summarise(run))]).tables[0]
    assert table.columns[2].bottom == "on"
    assert [row.cells[2] for row in table.rows] == ["toy", "other"]


def test_unmeasured_cell_is_missing_not_forgotten(folder, summarise):
    begun = folder().add("a" * 12, "crepe  cpu")
    begun.plan["cells"].append({"key": "f" * 12, "label": "later", "role": "peer"})
    run = begun.load()
    page = build_page([Source(run, summarise(run))])
    assert any(line.startswith("missing  later") for line in page.left_out)
    assert "2 cells: 1 measured, 1 missing" in page.head[0][1]


def test_normal_table_fits_100_columns_and_folds_labels_below(demo):
    assert max(map(cells, text_of(page_of(demo), 100))) <= 100
    narrow = text_of(page_of(demo), 92)
    whole = text_of(page_of(demo))
    numbers = re.compile(r"\d+\.\d+")
    assert numbers.findall(" ".join(narrow)) == numbers.findall(" ".join(whole))
    table = [line for line in narrow if "torchcrepe" in line and "90.0" in line]
    assert len(table) == 1


def test_columns_align_with_wide_characters(folder, summarise):
    begun = folder().add("a" * 12, "통화  cpu").add("b" * 12, "crepe  cpu")
    run = begun.load()
    rendered = text_of(build_page([Source(run, summarise(run))]))
    rows = [line for line in rendered if re.match(r" *[12]  ", line)]
    assert cells(rows[0].split("100.0")[0]) == cells(rows[1].split("100.0")[0])


def test_terminal_prints_names_as_they_are(folder, summarise):
    run = folder().add("a" * 12, "[red]x[/red] \x1b[31m  cpu").load()
    buffer = io.StringIO()
    console = Console(file=buffer, width=100, force_terminal=True, color_system=None)
    show(run, summarise(run), GATE, console=console, exit_code=1)
    text = buffer.getvalue()
    assert "[red]x[/red]" in text
    assert "\x1b[31m" not in text
    assert re.search(r"Gate validity +fail", text)
    assert "fail  offset  y: 3 ms" in text
    assert "no_error" not in text
    assert "exit 1" in text


def test_wide_shows_every_metric_with_a_value(demo):
    table = page_of(demo, wide=True).tables[0]
    heads = {head.top for head in table.columns}
    assert {"rca_50c", "voicing_recall", "fpe_std_cents"} <= heads
    assert not any(head.startswith("agreement_") for head in heads)


def test_generic_column_shows_the_unit_of_tables():
    def head(name, unit):
        return generic(Metric(name, unit, "lower", "")).head[1]

    assert head("gpe_20pct", "1") == "%"
    assert head("latency_1s_p90_s", "s") == "ms"
    assert head("load_s", "s") == "s"
    assert head("peak_host_bytes", "bytes") == "GiB"


def test_markdown_holds_the_same_cells_and_escapes_pipes(folder, summarise):
    run = folder().add("a" * 12, "a|b <i>*x*  cpu").load()
    page = build_page([Source(run, summarise(run))], GATE)
    text = markdown(page)
    row = next(line for line in text.splitlines() if line.startswith("| 1 |"))
    assert "a\\|b &lt;i&gt;\\*x\\* cpu" in row
    unescaped = re.sub(r"\\.", "", row)
    heads = next(line for line in text.splitlines() if line.startswith("|  | cell"))
    assert unescaped.count("|") == heads.count("|")
    assert "**Gate validity: fail**" in text


def test_summary_csv_has_a_row_per_cell_in_si_units(demo):
    page = page_of(demo)
    text = summary_csv(page.rows, Scrubber(demo[0]))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["label"] for row in rows] == [r.label for r in page.rows]
    assert float(rows[1]["rpa_50c"]) == pytest.approx(0.9)
    assert float(rows[0]["x_realtime_low"]) < float(rows[0]["x_realtime"])
    assert rows[2]["rpa_50c"] == ""
    assert rows[2]["error"] == "it broke"
    assert rows[0]["params.model"] == "tiny"


def test_summary_csv_defuses_formulas(folder, summarise):
    run = folder().add("a" * 12, "=1+1").load()
    rows = build_page([Source(run, summarise(run))]).rows
    assert ",'=1+1," in summary_csv(rows, Scrubber(run))


def test_document_is_strict_and_complete(demo, strict_json):
    from harness.records import dumps

    run, summaries = demo
    summaries["a" * 12]["odd"] = Value(float("nan"))
    found = strict_json(dumps(document(run, summaries, GATE)))
    assert [cell["key"] for cell in found["cells"]] == [r.key for r in run.records]
    metrics = found["cells"][1]["metrics"]
    assert metrics["rpa_50c"]["value"] == pytest.approx(0.9)
    assert found["cells"][0]["metrics"]["odd"]["value"] is None
    assert found["cells"][2]["error"]["kind"] == "ExtractorError"
    assert found["gate"]["verdict"] == "fail"
    assert "/home/someone" not in dumps(found)


def test_no_report_names_absolute_paths(demo):
    run, _ = demo
    text = markdown(page_of(demo)) + "\n".join(text_of(page_of(demo)))
    assert "/home/" not in text
    assert str(run.path) not in text


def test_a_gate_result_is_taken_as_it_is(demo):
    from harness.verdict import GateResult, RuleVerdict

    numbers = (0.003, None, None, 4)
    rule = RuleVerdict(
        "offset", "k", "crepe", "offset_s", "s", "x", *numbers, "fail", "late", True
    )
    result = GateResult("validity", (rule,), "fail", 1)
    page = page_of(demo, gate=result)
    assert page.verdict == "fail"
    (head, line) = page.gate
    assert head == "Gate validity"
    assert line.split(maxsplit=3)[:3] == ["fail", "offset", "crepe:"]
    assert line.endswith("bound x; late")
    buffer = io.StringIO()
    show(*demo, result, console=Console(file=buffer))
    assert buffer.getvalue().splitlines()[-1].endswith("exit 1")


@pytest.mark.parametrize(
    ("threshold", "source", "shown"),
    [
        (0.5, "default", "crepe 0.50 default"),
        (0.5, "default 0.5", "crepe default 0.5"),
        (None, "native HMM", "crepe native HMM"),
    ],
)
def test_head_states_each_voicing_rule_once(folder, threshold, source, shown):
    voicing = {"threshold": threshold, "source": source}
    begun = folder("one").add("a" * 12, "crepe a", voicing=voicing)
    run = begun.add("b" * 12, "crepe b", voicing=voicing).load()
    head = dict(build_page([Source(run, {})]).head)
    assert head["voicing"] == shown


def test_lines_end_without_blanks(folder, summarise):
    error = {"kind": "E", "message": "it broke  "}
    begun = folder().add("a" * 12, "crepe", error=error).add("b" * 12, "other")
    begun.plan["notes"] = ["ends with a blank "]
    run = begun.load()
    buffer = io.StringIO()
    show(run, summarise(run), None, console=Console(file=buffer))
    assert not [t for t in buffer.getvalue().splitlines() if t.endswith(" ")]


def retagged(begun, key, change):
    """Rewrite the clips table of a cell."""
    place = begun.folder / "cells" / key / "clips.parquet"
    change(pd.read_parquet(place)).to_parquet(place)


@pytest.fixture
def uneven(folder, summarise):
    """Cell a has the tag, b lacks it, c has one value of it."""
    begun = folder()
    for key in "abc":
        begun.add(key * 12, key)
    retagged(begun, "b" * 12, lambda clips: clips.drop(columns="tag_speaker"))
    retagged(begun, "c" * 12, lambda clips: clips.assign(tag_speaker="x"))
    run = begun.load()
    return run, summarise(run)


def test_a_row_without_the_tag_is_shown_as_one_part(uneven):
    table = page_of(uneven, by=["speaker"]).tables[0]
    parts = [row.cells[1:3] for row in table.rows]
    assert parts == [
        ("a", "a (2)"),
        ("a", "b (2)"),
        ("b", "(none) (4)"),
        ("c", "x (4)"),
    ]


def test_a_row_that_cannot_be_calibrated_says_why(uneven):
    first, second, third = page_of(uneven, calibrate="speaker").tables[1].rows
    assert first.cells[2] == "100.0"
    assert second.cells[2:] == ("–", "–", "no clip has the tag speaker")
    assert third.cells[2:] == ("–", "–", "one speaker only: nothing to learn on")


def test_calibrating_needs_two_values_somewhere(folder, summarise):
    begun = folder().add("a" * 12, "crepe")
    retagged(begun, "a" * 12, lambda clips: clips.assign(tag_speaker="x"))
    run = begun.load()
    with pytest.raises(UsageError, match="at least 2"):
        page_of((run, summarise(run)), calibrate="speaker")


@pytest.mark.parametrize("option", [{"by": ["speker"]}, {"calibrate": "speker"}])
def test_a_tag_of_no_row_is_refused(uneven, option):
    with pytest.raises(UsageError, match=r"speker: no clip.*'speaker'"):
        page_of(uneven, **option)


def test_calibration_does_not_reward_missed_clips(folder, summarise):
    begun = folder().add("a" * 12, "crepe").add("b" * 12, "crashes", missed=(0,))
    run = begun.load()
    first, second = page_of((run, summarise(run)), calibrate="speaker").tables[1].rows
    assert first.cells[2] == "100.0"
    # 3 of 4 clips of 160 voiced frames: 2 · 480 / (480 + 640)
    assert second.cells[2] == "85.7"
