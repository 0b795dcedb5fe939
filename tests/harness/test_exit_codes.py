"""Every exit code of a gate, from the console script and what it reads from disk.

One small run is measured; each test edits a copy of it. Where a path has two variants
that differ only by a word of the gate file, the second is judged in this process.
"""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta

import pandas as pd
import pytest

from harness.cli import main

ACCURATE = "{id: accurate, metric: rpa_50c, margin: 1 points, to: baseline}"
QUICK = "{id: quick, metric: x_realtime, change_min: -99 %, to: baseline}"
SOUND = "{id: sound, state: status, is: ok}"


def edit(path, change):
    """Let ``change`` work on the content of a JSON file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def record_of(run):
    (found,) = run.glob("cells/*/record.json")
    return found


def worsen(run, share, every=1):
    """Let every clip, or every second one, miss a share of the frames that it hit."""
    (place,) = run.glob("cells/*/clips.parquet")
    clips = pd.read_parquet(place)
    clips.loc[::every, "any_hits_50c"] *= 1.0 - share
    clips.to_parquet(place)


def gate(*rules, inconclusive="report"):
    """Write ``gate.yaml`` into the working directory, and return its word."""
    lines = [f"inconclusive: {inconclusive}", "rules:", *(f"  - {r}" for r in rules)]
    with open("gate.yaml", "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    return "gate=gate.yaml"


@pytest.fixture
def judged(console, base, tmp_path):
    """``judged(*words)``: exit code, content of ``gate.json``, the finished process."""

    def judge(*words):
        (base / "gate.json").unlink(missing_ok=True)
        done = console("gate", "base", *words, cwd=tmp_path)
        place = base / "gate.json"
        content = json.loads(place.read_text("utf-8")) if place.exists() else None
        assert content is None or content["exit_code"] == done.returncode
        assert content is None or f"exit {done.returncode}\n" in done.stdout
        return done.returncode, content, done

    return judge


@pytest.fixture
def saved(base, capsys):
    """The measured run as the baseline ``main``."""
    assert main(["baseline", "save", "base", "main"]) == 0
    capsys.readouterr()
    return base.parent / "baselines" / "main"


def words_of(content):
    return {rule["id"]: rule["verdict"] for rule in content["rules"]}


def test_0_a_measured_run_passes(measured):
    assert measured.process.returncode == 0, measured.process.stdout
    assert "Gate validity" in measured.process.stdout
    content = json.loads((measured.run / "gate.json").read_text(encoding="utf-8"))
    assert (content["verdict"], content["exit_code"]) == ("pass", 0)
    assert words_of(content)["accuracy_floor"] == "pass"


def test_1_a_blocking_rule_fails(judged, base, saved):
    worsen(base, 0.5)
    code, content, done = judged(gate(ACCURATE, SOUND), "--baseline", "main")
    assert (code, content["verdict"]) == (1, "fail")
    assert words_of(content) == {"accurate": "fail", "sound": "pass"}
    assert done.stdout.startswith("Gate gate  fail")
    advisory = ACCURATE.replace("}", ", blocking: false}")
    assert main(["gate", "base", gate(advisory), "--baseline", "main"]) == 0


def test_2_a_wrong_gate_file(judged):
    code, content, done = judged(gate(ACCURATE.replace("rpa_50c", "rpa_50")))
    assert (code, content, done.stdout) == (2, None, "")
    assert done.stderr.count("\n") == 1
    assert "rule accurate: metric: unknown 'rpa_50'; did you mean 'rpa_50c'" in (
        done.stderr
    )


def test_2_a_baseline_that_does_not_exist(judged, saved):
    code, content, done = judged(gate(ACCURATE), "--baseline", "mian")
    assert (code, content, done.stdout) == (2, None, "")
    assert "no baseline 'mian'" in done.stderr
    assert "did you mean 'main'" in done.stderr and done.stderr.count("\n") == 1


def test_3_undecided_where_the_gate_blocks_on_that(judged, base):
    worsen(base, 0.5, every=2)
    rule = '{id: floor, metric: rpa_50c, abs: "x >= 80 %", confident: true}'
    code, content, _ = judged(gate(rule, inconclusive="block"))
    assert (code, content["verdict"]) == (3, "inconclusive")
    (found,) = content["rules"]
    assert found["low"] < 0.8 < found["high"]


def test_0_undecided_where_the_gate_only_reports(judged, base):
    worsen(base, 0.5, every=2)
    rule = '{id: floor, metric: rpa_50c, abs: "x >= 80 %", confident: true}'
    code, content, done = judged(gate(rule))
    assert (code, content["verdict"]) == (0, "inconclusive")
    assert "Gate gate  inconclusive" in done.stdout


def test_4_a_planned_cell_has_no_record(judged, base):
    more = {"key": "0" * 12, "label": "acf other", "role": "candidate"}
    edit(base / "plan.json", lambda plan: plan["cells"].append(more))
    code, content, _ = judged(gate(SOUND))
    assert (code, content["verdict"]) == (4, "incomplete")
    assert content["reason"] == "1 planned cells have no record, first: acf other"
    assert words_of(content) == {"sound": "pass"}


def test_4_no_baseline_is_stated(judged):
    code, content, _ = judged(gate(ACCURATE, SOUND))
    assert (code, content["verdict"]) == (4, "incomplete")
    assert words_of(content) == {"accurate": "missing", "sound": "pass"}
    assert "--baseline NAME" in content["reason"]


def test_4_every_cell_is_skipped(console, tmp_path):
    words = ("extractor=crepe_tiny", "device=cuda", "dataset.limit=1")
    done = console(
        *("run", *words, "task.agreement=false", "effort=accuracy", "--name", "gone"),
        cwd=tmp_path,
        CUDA_VISIBLE_DEVICES="",
    )
    assert done.returncode == 4, done.stderr
    content = json.loads((tmp_path / "results/gone/gate.json").read_text("utf-8"))
    assert content["exit_code"] == 4 and content["verdict"] == "incomplete"
    assert content["reason"].startswith("nothing was measured")
    assert {rule["verdict"] for rule in content["rules"]} == {"not applicable"}
    assert "crepe tiny  cuda" in done.stdout


def test_4_nothing_was_measured(judged, base):
    failed = {"role": "peer", "status": "error", "rounds": []}
    failed["error"] = {"kind": "crash", "message": "it died"}
    edit(record_of(base), lambda record: record.update(failed))
    for path in base.glob("cells/*/*.parquet"):
        path.unlink()
    code, content, _ = judged(gate(SOUND))
    assert (code, content["verdict"]) == (4, "incomplete")
    assert content["reason"].startswith("nothing was measured")
    shutil.rmtree(base / "cells")
    assert main(["gate", "base", gate(SOUND)]) == 4


def test_other_hardware_leaves_accuracy_to_be_judged(judged, base, saved, capsys):
    edit(record_of(base), lambda r: r["environment"].update(cpu="Another CPU"))
    rules = (ACCURATE, QUICK)
    code, content, _ = judged(gate(*rules), "--baseline", "main")
    assert (code, content["verdict"]) == (0, "inconclusive")
    assert words_of(content) == {"accurate": "pass", "quick": "incomparable"}
    assert "here Another CPU" in content["rules"][1]["reason"]
    again = ["gate", "base", "--baseline", "main"]
    assert main([*again, gate(*rules, inconclusive="block")]) == 3
    worsen(base, 0.5)
    assert main([*again, gate(*rules)]) == 1
    assert "incomparable    quick" in capsys.readouterr().out


def test_an_acceptance_and_its_expiry(judged, base, saved, capsys):
    worsen(base, 0.5)
    words = (gate(ACCURATE), "--baseline", "main")
    assert main(["gate", "base", *words]) == 1
    today = date.today()
    accepting = ("baseline", "accept", "acf  cpu", "rpa_50c", "base")
    accepting = (*accepting, "--reason", "a cheaper window")
    assert main([*accepting, f"--until={today - timedelta(days=1)}"]) == 2
    assert "has passed" in capsys.readouterr().err
    assert not (saved / "accepted.json").exists()
    assert main([*accepting, f"--until={today + timedelta(days=9)}"]) == 0
    assert main(["gate", "base", *words]) == 0
    told = capsys.readouterr().out
    assert "Gate gate  pass  (1 fail)" in told
    assert "(accepted: a cheaper window, until" in told

    def expire(content):
        content["accepted"][0]["until"] = "2020-01-31"

    edit(saved / "accepted.json", expire)
    code, content, _ = judged(*words)
    assert (code, content["verdict"]) == (1, "fail")
    assert "expired on 2020-01-31" in content["rules"][0]["reason"]
