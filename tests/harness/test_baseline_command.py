"""``f0bench baseline``: save, accept, diff and list, as people type them."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

from harness.cli import main


@pytest.fixture
def called(base, capsys):
    """``called(*words)``: exit code, stdout and stderr of ``f0bench baseline …``."""

    def call(*words):
        code = main(["baseline", *words])
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def saved(called, base):
    assert called("save", "base", "main")[0] == 0
    return base.parent / "baselines" / "main"


def worse(base, name="worse"):
    """A copy of the run in which every clip misses a third of its frames."""
    place = base.parent / name
    shutil.copytree(base, place)
    plan = json.loads((place / "plan.json").read_text(encoding="utf-8"))
    (place / "plan.json").write_text(json.dumps({**plan, "name": name}))
    (counts,) = place.glob("cells/*/clips.parquet")
    clips = pd.read_parquet(counts)
    clips["any_hits_50c"] *= 2 / 3
    clips.to_parquet(counts)
    return place


def judged(capsys, run="worse", gate="regression"):
    code = main(["gate", run, f"gate={gate}", "--baseline", "main"])
    return code, capsys.readouterr().out


def test_save_says_how_much_it_wrote(called, base):
    code, out, err = called("save", "base", "main")
    assert (code, err) == (0, "")
    assert out.startswith("4 files, ") and out.rstrip().endswith("baselines/main")
    again = called(
        "save", "latest" if (base.parent / "latest").exists() else "base", "v2"
    )
    assert again[0] == 0
    assert sorted(p.name for p in (base.parent / "baselines").iterdir()) == [
        "main",
        "v2",
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "baseline save RUN NAME; baseline accept"),
        (("sve", "base", "main"), "'sve'; did you mean 'save'"),
        (("save", "base"), "baseline save RUN NAME: got 1 words"),
        (("save", "bse", "main"), "did you mean 'base'"),
        (("save", "base", "../main"), "'../main'"),
        (("save", "base", "latest"), "'latest'"),
        (("diff", "main"), "baseline diff NAME RUN: got 1 words"),
        (("diff", "mian", "base"), "did you mean 'main'"),
        (("list", "main"), "baseline list: got 1 words"),
        (("accept", "acf  cpu"), "baseline accept CELL METRIC"),
        (("accept", "acf  cpu", "rpa_50c", "base"), "needs --reason TEXT"),
        (("accept", "a", "b", "base", "--reason", "  "), "needs --reason TEXT"),
        (("accept", "a", "b", "base", "--reason", "x"), "was not judged against a bas"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(called, saved, words, told):
    code, out, err = called(*words)
    assert (code, out) == (2, "")
    assert told in err and err.count("\n") == 1
    assert not (saved / "accepted.json").exists()


def test_accept_covers_what_the_gate_found(called, saved, base, capsys):
    worse(base)
    code, out = judged(capsys)
    assert code == 1
    # messages show a label without its double space, and people copy it from there
    accepting = ("accept", "acf cpu", "rpa_50c", "worse", "--reason", "a window")
    code, out, _ = called(*accepting)
    assert code == 0
    lines = out.splitlines()
    assert lines[:2] == [
        "accepted  acf  cpu: rpa: rpa_50c: a window",
        "accepted  acf  cpu: worst_clip: rpa_50c: a window",
    ]
    assert lines[2].startswith("commit ") and lines[2].endswith("main/accepted.json")
    code, out = judged(capsys)
    failing = [line for line in out.splitlines() if line.startswith("  fail")]
    assert code == 0 and len(failing) == 2
    assert all(line.endswith("(accepted: a window)") for line in failing)
    (counts,) = (base.parent / "worse").glob("cells/*/clips.parquet")
    clips = pd.read_parquet(counts)
    clips["any_hits_50c"] *= 0.5
    clips.to_parquet(counts)
    code, out = judged(capsys)
    assert code == 1 and "worse than the accepted -" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("acf", "rpa_50c"), ", acf cpu"),
        (("acf  cpu", "rpa_50"), "did you mean 'rpa_50c'"),
        (("acf  cpu", "rpa_50c", "--until", "soon"), "--until soon: expected a day"),
        (("acf  cpu", "rpa_50c", "--until", "2020-01-31"), "2020-01-31 has passed"),
    ],
)
def test_what_cannot_be_accepted(called, saved, base, capsys, words, told):
    worse(base)
    assert judged(capsys)[0] == 1
    cell, metric, *flags = words
    code, _, err = called("accept", cell, metric, "worse", "--reason", "x", *flags)
    assert code == 2 and told in err and err.count("\n") == 1
    assert not (saved / "accepted.json").exists()


def test_list_tells_of_baselines_and_acceptances(called, base, capsys):
    code, out, _ = called("list")
    assert code == 0 and "no baseline in results/baselines/" in out
    assert called("save", "base", "main")[0] == 0
    worse(base)
    judged(capsys)
    accepting = ("accept", "acf  cpu", "rpa_50c", "worse", "--reason", "a window")
    assert called(*accepting, "--until", "2999-01-31")[0] == 0
    code, out, _ = called("list", "--json")
    *shown, last = out.splitlines()
    assert shown[0].startswith("main (") and shown[0].endswith("1 cell, 2 accepted)")
    assert shown[1] == (
        "  accepted  acf  cpu: rpa: rpa_50c: a window, until 2999-01-31"
    )
    (known,) = json.loads(last)
    assert (known["name"], known["cells"]) == ("main", ["acf  cpu"])
    assert [e["rule"] for e in known["accepted"]] == ["rpa", "worst_clip"]
    place = base.parent / "baselines" / "main" / "accepted.json"
    place.write_text(place.read_text().replace("2999-01-31", "2020-01-31"))
    assert "  expired  acf  cpu: rpa: " in called("list")[1]


def changes_of(out):
    found = json.loads(out.splitlines()[-1])["changes"]
    return {entry["metric"]: entry["change"]["value"] for entry in found}


def test_diff_shows_what_a_run_changes(called, saved, base):
    worse(base)
    code, out, _ = called("diff", "main", "worse", "--json")
    assert code == 0
    changes = changes_of(out)
    assert changes["rpa_50c"] == pytest.approx(-0.33, abs=0.02)
    assert changes["vde"] == 0.0
    assert called("diff", "main", "worse", "--fail-on-regression")[0] == 1
    assert called("diff", "main", "base", "--fail-on-regression")[0] == 0


def test_diff_of_a_private_baseline_finds_the_clips(called, base):
    plan = json.loads((base / "plan.json").read_text(encoding="utf-8"))
    plan["settings"]["private"] = True
    (base / "plan.json").write_text(json.dumps(plan))
    assert called("save", "base", "main")[0] == 0
    worse(base)
    _, out, _ = called("diff", "main", "worse", "--json")
    assert changes_of(out)["rpa_50c"] == pytest.approx(-0.33, abs=0.02)
    assert "voice_low" not in out
