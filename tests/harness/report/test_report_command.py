"""``report``, ``compare`` and ``export`` as the command line calls them."""

import pytest

from extractors.errors import UsageError
from harness.flags import Flags
from harness.records import load_run
from harness.report.command import compare, export, report
from harness.summary import summarise_run


@pytest.fixture(scope="module")
def results_dir(run_folder, tmp_path_factory):
    """Two runs of the same two cells; the second is worse, and on equal hardware."""
    place, clips = tmp_path_factory.mktemp("results"), ("one", "two", "three", "four")
    good = run_folder(place, clips, "old").add("a" * 12, "crepe  cpu", speed=10.0)
    good.add("b" * 12, "other  cpu", speed=5.0).load()
    bad = run_folder(place, clips, "new").add(
        "a" * 12, "crepe  cpu", octaves=40, speed=10.0
    )
    bad.add("b" * 12, "other  cpu", speed=4.0).load()
    return place


@pytest.fixture(scope="module")
def values(results_dir):
    """The real summaries of both runs, computed once."""
    runs = [load_run(results_dir / name) for name in ("old", "new")]
    return {run.name: summarise_run(run) for run in runs}


@pytest.fixture
def results(results_dir, values, monkeypatch):
    monkeypatch.setattr("harness.summary.summarise_run", lambda run: values[run.name])
    return Flags(results_dir=str(results_dir))


def with_flags(flags, **changes):
    return Flags(**{**vars(flags), **changes})


def test_report_writes_and_prints(results, results_dir, capsys):
    assert report(results, ["old"]) == 0
    out = capsys.readouterr().out
    assert "f0bench old" in out
    assert "{report.html, report.md, summary.csv}" in out
    assert (results_dir / "old" / "report.html").is_file()


def test_report_ends_with_one_strict_document(results, capsys, strict_json):
    report(with_flags(results, json=True), ["old"])
    found = strict_json(capsys.readouterr().out.splitlines()[-1])
    assert found["name"] == "old"
    assert found["cells"][0]["metrics"]["rpa_50c"]["value"] == 1.0


def test_several_runs_become_one_table(results, capsys, tmp_path):
    out = tmp_path / "both"
    report(with_flags(results, out=out), ["old", "new"])
    text = capsys.readouterr().out
    assert " 1  old: crepe  cpu" in text
    assert " 3  new: crepe  cpu" in text
    assert sorted(p.name for p in out.iterdir()) == [
        "report.html",
        "report.md",
        "summary.csv",
    ]


def test_by_splits_the_accuracy_table(results, capsys):
    report(with_flags(results, by=("speaker",)), ["new"])
    text = capsys.readouterr().out
    assert "Accuracy by speaker" in text
    assert "a (2)" in text
    assert "b (2)" in text


def test_unknown_tag_names_the_nearest(results):
    with pytest.raises(UsageError, match="did you mean 'speaker'"):
        report(with_flags(results, by=("speker",)), ["new"])


def test_compare_exits_1_on_regression_only_if_asked(results, capsys):
    assert compare(results, ["old", "new"]) == 0
    asked = with_flags(results, fail_on_regression=True)
    assert compare(asked, ["old", "new"]) == 1
    assert compare(asked, ["new", "old"]) == 0
    assert "worse" in capsys.readouterr().out


def test_compare_document(results, capsys, strict_json):
    compare(with_flags(results, json=True), ["old", "new"])
    found = strict_json(capsys.readouterr().out.splitlines()[-1])
    changes = {(c["label"], c["metric"]): c for c in found["changes"]}
    assert changes["crepe  cpu", "rpa_50c"]["verdict"] == "worse"
    assert changes["other  cpu", "rpa_50c"]["verdict"] == "same"
    assert changes["other  cpu", "x_realtime"]["change"]["value"] == pytest.approx(0.8)


@pytest.mark.parametrize("words", [[], ["old"], ["old", "new", "old"]])
def test_compare_needs_two_runs(results, words):
    with pytest.raises(UsageError, match="needs two runs"):
        compare(results, words)


def test_export_writes_below_the_run(results, results_dir, capsys):
    assert export(with_flags(results, format="crepe"), ["old"]) == 0
    assert "8 files in" in capsys.readouterr().out
    assert len(list((results_dir / "old" / "export" / "crepe").glob("*/*.csv"))) == 8


def test_export_for_trackers_writes_headline_metrics(results, tmp_path, strict_json):
    out = tmp_path / "out"
    assert export(with_flags(results, format="bmf", out=out), ["old"]) == 0
    found = strict_json((out / "bmf.json").read_text())
    assert list(found) == ["crepe cpu", "other cpu"]
    assert found["crepe cpu"]["x-realtime"]["value"] == pytest.approx(10.0)
    assert found["crepe cpu"]["rpa-50c"]["value"] == 1.0


def test_export_needs_a_format(results):
    with pytest.raises(UsageError, match="--format"):
        export(results, ["old"])


def test_calibrate_learns_on_the_other_groups(results, capsys):
    report(with_flags(results, calibrate="speaker"), ["old"])
    text = capsys.readouterr().out
    assert "Pitch F1, threshold learnt on the other speakers" in text
    lines = [part for part in text.splitlines() if "a 0." in part]
    assert len(lines) == 2
    assert all("b 0." in line for line in lines)
    assert all(" 100.0 " in line for line in lines)  # the tracks are exact


def test_calibrate_refuses_an_unknown_tag(results):
    with pytest.raises(UsageError, match=r"--calibrate speker.*'speaker'"):
        report(with_flags(results, calibrate="speker"), ["old"])
