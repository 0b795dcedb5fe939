"""What a run in GitHub Actions leaves behind, and that it never costs the verdict."""

import pytest

from harness.ci import publish
from harness.verdict import RuleVerdict, conclude

RULE = RuleVerdict(
    "floor",
    "a" * 12,
    "crepe tiny  cpu",
    "rpa_50c",
    "1",
    "x >= 85 %",
    0.5,
    None,
    None,
    4,
    "fail",
    "see /mnt/clinic/x.wav",
    True,
)
RESULT = conclude("ci", [RULE], "", False)


@pytest.fixture
def summary_file(monkeypatch, tmp_path):
    place = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place))
    for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    return place


@pytest.fixture
def measured(folder, summarise):
    run = folder("one", "two").add("a" * 12, "crepe tiny  cpu", speed=9.0).load()
    return run, summarise(run)


def test_elsewhere_nothing_happens(measured, monkeypatch, tmp_path, capsys):
    run, summaries = measured
    place = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    publish(run, summaries, RESULT)
    assert capsys.readouterr() == ("", "")
    assert not place.exists() and not (run.path / "comment.md").exists()


def test_all_three(measured, summary_file, monkeypatch, capsys):
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://forge.test")
    monkeypatch.setenv("GITHUB_REPOSITORY", "me/calls")
    monkeypatch.setenv("GITHUB_RUN_ID", "17")
    run, summaries = measured
    publish(run, summaries, RESULT)
    out, err = capsys.readouterr()
    assert out.startswith("::error title=f0bench ci%3A floor::fail floor crepe tiny")
    assert err == ""
    body = (run.path / "comment.md").read_text(encoding="utf-8")
    assert body.startswith("<!-- f0bench:ci:demo -->\n<!-- state:")
    assert "(https://forge.test/me/calls/actions/runs/17)" in body
    summary = summary_file.read_text(encoding="utf-8")
    assert summary.startswith("## f0bench demo: gate ci fail (1 fail)\n")
    for text in (out, body, summary):
        assert "/mnt/clinic" not in text and "x.wav" in text


def test_the_experiment_names_the_comment(folder, summarise, summary_file):
    begun = folder("one").add("a" * 12, "crepe tiny  cpu")
    begun.plan["experiment"] = "quickstart"
    run = begun.load()
    publish(run, summarise(run), RESULT)
    body = (run.path / "comment.md").read_text(encoding="utf-8")
    assert body.startswith("<!-- f0bench:ci:quickstart -->\n")


def test_what_cannot_be_written_is_one_warning_each(measured, summary_file, capsys):
    run, summaries = measured
    summary_file.mkdir()
    (run.path / "comment.md").mkdir()
    publish(run, summaries, RESULT)
    out, err = capsys.readouterr()
    assert out.startswith("::error ")
    first, second = err.splitlines()
    assert first.startswith("f0bench: warning: the step summary was not written: ")
    assert second.startswith("f0bench: warning: comment.md was not written: ")


def test_without_a_summary_file_the_rest_is_done(
    measured, summary_file, monkeypatch, capsys
):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    run, summaries = measured
    publish(run, summaries, RESULT)
    assert (run.path / "comment.md").exists()
    assert capsys.readouterr().err == ""
