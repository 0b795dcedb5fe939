"""What a reduced precision changes, from tracks whose differences are known."""

import csv
import io

import numpy as np
import pytest

from extractors.track import F0Track
from harness.cli import main
from harness.metrics import all_metrics
from harness.metrics.precision import PRECISION, delta_values
from harness.precision_delta import NO_TWIN, precision_values
from harness.report import markdown as forms
from harness.report.page import Source, build_page
from harness.summary import summarise_run

NAMES = [metric.name for metric in PRECISION]


def track(cents=(), voiced=(), start=0.0):
    f0 = np.float32(200 * 2 ** (np.array(cents, float) / 1200))
    times = start + np.arange(len(cents)) * 0.01
    decided = np.array(voiced, bool)
    return F0Track(times, f0, decided, np.float32(decided))


def numbers(*pairs):
    found = delta_values(pairs)
    return [found[name].value for name in NAMES]


def test_percentiles_are_over_frames_that_both_voice():
    # |c| = 0, 2, 4, 6 cents where both voice; 600 cents where one does not
    exact = track([0, 0, 0, 0, 0], [1, 1, 1, 1, 0])
    other = track([0, 2, -4, 6, 600], [1, 1, 1, 1, 1])
    median, high, changed = numbers((other, exact))
    assert median == pytest.approx(3.0, abs=1e-3)
    assert high == pytest.approx(np.percentile([0, 2, 4, 6], 95), abs=1e-3)
    assert changed == pytest.approx(1 / 5)


def test_clips_are_pooled_by_frames():
    long, short = track([1] * 9, [1] * 9), track([5], [1])
    exact = track([0] * 9, [1] * 9), track([0], [0])
    median, _, changed = numbers((long, exact[0]), (short, exact[1]))
    assert median == pytest.approx(1.0, abs=1e-3)
    assert changed == pytest.approx(1 / 10)


def test_equal_tracks_differ_by_nothing():
    same = track([0, 10], [1, 0])
    assert numbers((same, same)) == [0.0, 0.0, 0.0]


def test_reasons_stand_in_for_values():
    silent = track([0, 0], [0, 0])
    found = delta_values([(silent, silent)])
    assert found[NAMES[0]].reason == "no frame is voiced in both"
    assert found[NAMES[2]].value == 0.0
    late = track([0, 0], [1, 1], start=0.005)
    assert "same times" in delta_values([(late, silent)])[NAMES[2]].reason
    assert "no clip" in delta_values([])[NAMES[0]].reason


def test_a_gate_can_name_them():
    assert set(NAMES) <= set(all_metrics())


@pytest.fixture
def run(folder):
    """fp32, bf16 8 cents off, and a tiny model in bf16 without a twin."""
    begun = folder()
    for key, cents in (("a" * 12, 0.0), ("b" * 12, 8.0), ("c" * 12, 1.0)):
        begun.add(key, f"crepe {key[0]}  cpu", cents=cents)
    found = begun.load()
    axes = [("full", "fp32"), ("full", "bf16"), ("tiny", "bf16")]
    for record, (model, precision) in zip(found.records, axes, strict=True):
        named = {"device": "cpu", "model": model, "precision": precision}
        # as a plan writes it: parameters hold the axes too
        record.data["cell"] = {**record.data["cell"], "axes": named, "params": named}
    return found


def test_the_twin_differs_by_precision_alone(run):
    exact, reduced, alone = run.records
    assert precision_values(exact, run) == {}
    found = precision_values(reduced, run)
    assert found[NAMES[0]].value == pytest.approx(8.0, abs=0.01)
    assert found[NAMES[2]].value == 0.0
    missing = precision_values(alone, run)
    assert {(v.value, v.reason) for v in missing.values()} == {(None, NO_TWIN)}


def test_cells_without_a_precision_have_no_such_values(demo):
    run, _ = demo
    assert all(precision_values(record, run) == {} for record in run.records)


def test_columns_and_the_reason_are_in_the_tables(run):
    page = build_page([Source(run, summarise_run(run))])
    first = page.tables[0]
    shown = [head.line for head in first.columns].index("to fp32 p50 c")
    cells = [row.cells[shown : shown + 3] for row in first.rows]
    assert cells == [("–", "–", "–"), ("8.00", "8.00", "0.00"), ("–", "–", "–")]
    assert f"not compared with fp32: {NO_TWIN}" in forms.markdown(page)


def test_without_reduced_precision_there_are_no_columns(demo):
    heads = [head.line for head in build_page([Source(*demo)]).tables[0].columns]
    assert not [head for head in heads if "fp32" in head]


def test_a_run_over_precisions_measures_the_difference(
    faulty, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    words = ["run", "-m", "extractor=rounded", "precision=fp32,bf16", "--name", "run"]
    words += ["effort=accuracy", "dataset.limit=2", "task.agreement=false"]
    assert main(words) == 1  # the gate fails: 220 Hz is wrong nearly everywhere
    summary = (tmp_path / "results" / "run" / "summary.csv").read_text()
    exact, reduced = csv.DictReader(io.StringIO(summary))
    assert exact["delta_fp32_p95_cents"] == ""
    assert float(reduced["delta_fp32_p50_cents"]) == pytest.approx(5.0, abs=0.01)
    assert float(reduced["delta_fp32_voicing_ratio"]) == pytest.approx(0.1, abs=0.01)
    assert "to fp32" in capsys.readouterr().out
