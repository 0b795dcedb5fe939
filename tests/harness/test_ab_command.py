"""``ab`` and ``calibrate`` as a user calls them, with quick trackers and few rounds."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness import ab_command, calibrate_command, fingerprint
from harness.cli import main
from harness.duel import Budget
from harness.records import Record

STUDIES = Path(__file__).parent.parent / "studies"
PROJECT = """[project]
name = "planted"
[project.entry-points."f0bench.extractors"]
planted = "planted:Planted"
"""
QUICK = (
    *("task.agreement=false", "dataset.seconds=8", "dataset.limit=4"),
    *("effort.timed_s=2", "effort.min_passes=3", "effort.cap_s=0.1"),
)
CRASH = """
import os, pathlib, sys
if sys.argv[0].endswith("worker.py"):
    if '"kind": "round"' in pathlib.Path(sys.argv[1]).read_text():
        os._exit(7)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Versions of the tracker, and the results folder that all tests share."""
    folder = tmp_path_factory.mktemp("ab")
    text = (STUDIES / "planted.py").read_text(encoding="utf-8")
    constant = text.replace('FAULT = "none"', 'FAULT = "constant"')
    assert constant != text
    sources = {
        "sound": text,
        "copy": text,
        "constant": constant,
        "broken": f"{text}\nraise ValueError('half a merge')\n",
        "crashes": f"{text}\n{CRASH}",
    }
    for name, source in sources.items():
        (folder / name).mkdir()
        (folder / name / "planted.py").write_text(source, encoding="utf-8")
        (folder / name / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    return folder


def forget() -> None:
    from extractors import registry

    registry.targets.cache_clear()
    fingerprint.package_hash.cache_clear()
    sys.modules.pop("planted", None)


@pytest.fixture
def f0bench(home, monkeypatch, capsys):
    """Run a command line in ``home`` with few rounds: exit code, stdout, stderr."""
    monkeypatch.chdir(home)
    monkeypatch.setattr(ab_command, "Budget", lambda: Budget(1, 1, 1, 1))
    monkeypatch.setattr(calibrate_command, "PAIRS", 1)

    def call(*words):
        with monkeypatch.context() as inside:
            inside.setattr(sys, "path", list(sys.path))  # ab puts HEAD on it
            forget()
            code = main(words)
        forget()
        out, err = capsys.readouterr()
        return code, out, err

    return call


def folder_in(out: str) -> Path:
    (line,) = (line for line in out.splitlines() if line.startswith("files "))
    return Path(line.removeprefix("files ")).parent


def rule(document, name):
    return next(entry for entry in document["rules"] if entry["id"] == name)


@pytest.mark.slow
def test_identical_code_passes_and_is_not_measured_twice(f0bench, home, monkeypatch):
    monkeypatch.setattr(ab_command, "Budget", lambda: Budget(3, 1, 3, 3))
    words = ("ab", "sound", "copy", "extractor=planted", *QUICK)
    code, out, err = f0bench(*words, "--json", "--explain", "no_slower")
    assert code == 0, out + err
    document = json.loads(out.splitlines()[-1])
    assert rule(document, "same_outputs")["observed"] == "identical"
    assert rule(document, "no_slower")["n"] >= 3
    assert {r["verdict"] for r in document["rules"] if r["blocking"]} <= {
        *("pass", "improved", "inconclusive", "not applicable"),
    }
    assert "rounds of baseline sound: " in out and "rounds of the run: " in out
    assert "pairs of rounds: " in out and "exit 0" in out.splitlines()
    folder = folder_in(out)
    assert folder.parent == home / "results"
    assert json.loads((folder / "head/gate.json").read_text()) == document
    assert len(list(folder.glob("*/cells/*/rounds/*/round.json"))) >= 6
    times = {place: place.stat().st_mtime_ns for place in folder.rglob("round.json")}
    # Of the rounds on disk, only those that the budget takes may count.
    monkeypatch.setattr(ab_command, "Budget", lambda: Budget(2, 1, 2, 2))
    _, fewer, _ = f0bench(*words, "--json")
    assert rule(json.loads(fewer.splitlines()[-1]), "no_slower")["n"] == 2
    assert times == {
        place: place.stat().st_mtime_ns for place in folder.rglob("round.json")
    }


@pytest.mark.slow
def test_a_constant_answer_fails_by_name(f0bench):
    code, out, err = f0bench("ab", "sound", "constant", "extractor=planted", *QUICK)
    assert code == 1, out + err
    failed = [line.split()[1] for line in out.splitlines() if "  fail " in f" {line}"]
    assert "pitch_f1" in failed and "rpa" in failed
    assert out.splitlines()[0].startswith("Gate regression  fail")
    assert out.splitlines()[-1] == "exit 1"


@pytest.mark.parametrize("sides", [("sound", "broken"), ("broken", "sound")])
def test_a_version_that_cannot_be_imported_is_named(f0bench, sides):
    code, out, err = f0bench("ab", *sides, "extractor=planted", *QUICK)
    assert code in (1, 2)
    told = [line for line in (out + err).splitlines() if "half a merge" in line]
    assert told and "Traceback" not in out + err


@pytest.mark.slow
def test_a_version_that_crashes_when_timed_fails(f0bench):
    code, out, err = f0bench("ab", "sound", "crashes", "extractor=planted", *QUICK)
    assert code == 1, out + err
    (line,) = (line for line in out.splitlines() if " no_error " in line)
    assert line.split()[0] == "fail" and "code 7" in line


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "ab takes two versions, BASE and HEAD, got 0"),
        (("sound", "extractor=planted"), "BASE and HEAD, got 1"),
        (("sound", "copy", "constant"), "BASE and HEAD, got 3"),
        (("sound", "v9", "extractor=planted"), "'v9' is neither a folder nor a rev"),
        (("sound", "."), "no Python package"),
        (("sound", "copy"), "nothing to measure: state extractor=NAME"),
        (("sound", "copy", "extractor=plantd"), "did you mean 'planted'"),
        (("sound", "copy", "extractor=planted", "gate=regresion"), "'regression'"),
        (
            ("sound", "copy", "extractor=planted", "--explain", "no_slwer"),
            "did you mean 'no_slower'",
        ),
    ],
)
def test_usage_errors(f0bench, words, text):
    code, out, err = f0bench("ab", *words)
    assert (code, out) == (2, "")
    assert text in err and len(err.splitlines()) == 1


def test_a_key_is_a_version_where_it_is_a_folder(home, monkeypatch):
    monkeypatch.chdir(home)
    (home / "tau=2").mkdir(exist_ok=True)
    names, rest = ab_command.split_words(["sound", "a=b", "tau=2"])
    assert (names, rest) == (("sound", "tau=2"), ["a=b"])


@pytest.mark.slow
def test_calibration_is_a_floor_of_later_comparisons(acf, f0bench, home):
    words = ("calibrate", "extractor=acf", *QUICK, "--name", "aa")
    code, first, err = f0bench(*words)
    assert code == 0, first + err
    assert "x_realtime" in first and "one session" in first
    assert "1 session in " in first
    (place,) = (home / "results" / "floors").iterdir()
    code, second, _ = f0bench(*words)
    assert "2 sessions in " in second and "one session" not in second
    sessions = json.loads(place.read_text())["sessions"]
    speeds = [next(iter(s["cells"].values()))["x_realtime"] for s in sessions]
    assert [len(entry["old"]) for entry in speeds] == [1, 1]
    assert speeds[0] != speeds[1]  # measured anew
    levels = [max(*entry["old"], *entry["new"]) for entry in speeds]  # the fast one
    assert f"{100 * (max(levels) / min(levels) - 1):.1f}" in second
    # a run of another job, judged with the floor between jobs
    assert f0bench("baseline", "save", "results/aa/base", "old")[0] == 0
    gate = ("gate", "results/aa/head", "gate=regression", "--baseline", "old")
    _, out, _ = f0bench(*gate, "--explain", "no_slower_than_then")
    assert "2 calibrated sessions" in out and "rounds of baseline old" in out


class Untimed:
    """Stands for a duel of one cell whose rounds all failed."""

    def __init__(self, taken):
        self.taken = taken

    def __call__(self, *words):
        return self

    def prepare(self, most):
        assert most == 0  # rounds of an older session are dropped

    def measure(self, keys, pairs):
        assert keys is self.taken

    def close(self):
        pass

    def runs(self):
        record = Record(Path("nowhere"), {"key": "a", "label": "toy", "rounds": []})
        return (SimpleNamespace(records=[record]),) * 2


@pytest.mark.parametrize("taken", [{}, {"a": 1}])
def test_what_cannot_be_timed_gives_no_floor(tmp_path, monkeypatch, capsys, taken):
    cell = SimpleNamespace(key="a", label="toy  cpu")
    settings = SimpleNamespace(results_dir=str(tmp_path), name="aa")
    plan = SimpleNamespace(settings=settings, cells=[cell])
    found = (None, plan, SimpleNamespace(gpu=None))
    monkeypatch.setattr(calibrate_command, "planned", lambda *words: found)
    monkeypatch.setattr(calibrate_command, "Duel", Untimed(taken))
    flags = SimpleNamespace(command_line="f0bench calibrate")
    assert calibrate_command.main(flags, []) == 4
    out = capsys.readouterr().out
    assert out == f"not timed  toy  cpu: see {tmp_path}/aa/base\n"
    assert not (tmp_path / "floors").exists()
