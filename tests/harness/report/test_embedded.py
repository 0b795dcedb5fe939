"""What a document of the user's shows of a run, and the command that puts it there."""

import json
import re

import pytest

from extractors.errors import UsageError
from harness.cli import main
from harness.flags import Flags
from harness.report.command import report
from harness.report.embedded import embedded, repeating
from harness.report.page import Source

RULE = {
    "label": "crepe tiny  cpu",
    "metric": "x_realtime",
    "unit": "x",
    "bound": "ratio_min 40 to torchcrepe tiny",
    "observed": 52.31,
    "low": 50.04,
    "high": 55.5,
    "verdict": "pass",
    "evidence": {"against": "torchcrepe tiny  cpu"},
}


def gate(*rules):
    return {"gate": "engines", "verdict": "pass", "rules": list(rules)}


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "page.md"
    begin, end = "<!-- f0bench:engines -->", "<!-- /f0bench:engines -->"
    path.write_text(f"# T\n{begin}\nold\n{end}\nz\n")
    return path


@pytest.fixture
def results(folder):
    """A results folder with the run ``demo`` of the experiment ``engines``."""
    begun = folder(name="demo").add("a" * 12, "crepe tiny  cpu", speed=10.0)
    begun.plan["experiment"] = "engines"
    run = begun.load()
    (run.path / "gate.json").write_text(json.dumps(gate(RULE)))
    return run.path.parent


def test_cells_have_accuracy_speed_and_interval_in_one_row(demo):
    text = embedded(Source(*demo), None)
    head, rule, first, *_ = text.splitlines()
    assert head.startswith("|  | cell | F1 50c % | &lt; 10 c % | speed × RT | 99 %")
    assert set(rule) <= set("|:- ")
    cells = [cell.strip() for cell in first.strip("|").split("|")]
    assert cells[:6] == ["1", "crepe tiny cpu", "100.0", "100.0", "10.0", "9.90–10.1"]
    assert cells[-1] == "valid"
    assert "error: ExtractorError: it broke (clip two)" in text
    assert "- skipped crepe tiny cuda: no CUDA device" in text
    assert not re.search("^#", text, re.MULTILINE)  # headings are the document's


def test_comparisons_show_ratio_interval_and_bound(demo):
    shown = embedded(Source(*demo), gate(RULE))
    assert (
        "| crepe tiny cpu | torchcrepe tiny cpu | x\\_realtime | 52.3 × | 50.0 … 55.5 "
        "| ≥ 40 × | pass |"
    ) in shown


@pytest.mark.parametrize(
    ("changes", "cells"),
    [
        (
            {"unit": "points", "observed": 0.0334, "low": -0.001, "high": 0.05}
            | {"bound": "margin 0.5 points to x", "evidence": None, "metric": "vde"},
            "| x | vde | +3.34 points | -0.100 … +5.00 | margin 0.5 points |",
        ),
        (
            {"unit": "", "observed": "identical", "low": None, "high": None}
            | {"bound": "outputs identical to librosa_pyin", "evidence": None}
            | {"metric": "outputs"},
            "| librosa\\_pyin | outputs | identical | – | outputs identical | pass |",
        ),
        (
            {"observed": None, "low": None, "high": None, "verdict": "missing"},
            "| – | – | ≥ 40 × | missing |",
        ),
        (
            {"bound": "ratio_max 0.014285 to x", "evidence": None, "metric": "rtf"}
            | {"observed": 0.00821, "low": 0.008, "high": 0.125},
            "| x | rtf | 1/122 × | 1/125 … 0.125 | ≤ 1/70 × | pass |",
        ),
    ],
)
def test_comparisons_of_other_kinds(demo, changes, cells):
    assert cells in embedded(Source(*demo), gate({**RULE, **changes}))


def test_rules_that_compare_nothing_or_do_not_apply_are_left_out(demo):
    absolute = {**RULE, "bound": "x <= 60 ms"}
    idle = {**RULE, "verdict": "not applicable"}
    assert "observed" not in embedded(Source(*demo), gate(absolute, idle))


def test_machine_date_versions_and_command_stand_below_without_paths(demo):
    *_, facts, _, first, second, third = embedded(Source(*demo), None).splitlines()
    assert facts == (
        "Measured 2026-01-02; 2 cores, Test CPU, no GPU; torch 2.13.0; toy: 4 clips, "
        "8.0 s, exact truth; f0 50–1100 Hz, hop 10 ms, effort smoke."
    )
    assert (first, third) == ("```sh", "```")
    assert second == "f0bench run dataset.root=…/my calls"


def test_the_command_that_repeats_a_run_leaves_out_where_and_how_shown():
    line = "f0bench run -m experiment=x --fresh --name n --json results_dir='/a b'"
    assert repeating(f"{line} a='b c'") == "f0bench run -m experiment=x 'a=b c'"
    assert repeating("f0bench run --name=n --wide threads=1") == "f0bench run threads=1"
    assert repeating("run_cell") == "run_cell"


def test_report_into_fills_the_place_of_the_experiment(results, place, capsys):
    flags = Flags(results_dir=str(results), into=place)
    assert report(flags, ["demo"]) == 0
    text = place.read_text()
    assert text.startswith("# T\n<!-- f0bench:engines -->\n\n|  | cell |")
    assert text.endswith("```\n\n<!-- /f0bench:engines -->\nz\n")
    assert "52.3 ×" in text and "old" not in text
    assert f"{place}: engines now holds this run" in capsys.readouterr().out


def test_another_marker_may_be_stated(results, place):
    place.write_text(place.read_text().replace("engines", "mine"))
    assert main(["report", "demo", "--results-dir", str(results)]) == 0
    words = ["report", "demo", f"--into={place}", "--results-dir", str(results)]
    assert main(words) == 2
    assert "old" in place.read_text()
    assert main([*words, "--marker", "mine"]) == 0
    assert "old" not in place.read_text()


def test_a_run_without_an_experiment_goes_by_its_name(folder, place):
    begun = folder(name="plain").add("a" * 12, "crepe  cpu")
    place.write_text(place.read_text().replace("engines", "plain"))
    report(Flags(results_dir=str(begun.load().path.parent), into=place), ["plain"])
    assert "old" not in place.read_text()


def test_nothing_is_written_where_the_place_is_wrong(results, tmp_path, capsys):
    path = tmp_path / "none.md"
    code = main(["report", "demo", "--into", str(path), "--results-dir", str(results)])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith("f0bench: error: --into ") and err.count("\n") == 1
    assert not (results / "demo" / "report.html").exists()


def test_one_run_at_a_time_and_a_marker_needs_a_file(results, place):
    flags = Flags(results_dir=str(results), into=place)
    with pytest.raises(UsageError, match="--into takes one run, got 2"):
        report(flags, ["demo", "demo"])
    with pytest.raises(UsageError, match="add --into FILE"):
        report(Flags(results_dir=str(results), marker="x"), ["demo"])
