"""Running plans with extractors that fail in every way, killed runs, reruns."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.api import measure
from harness.compose import Request
from harness.config import DatasetConfig, EffortConfig, RunConfig, Settings, TaskConfig
from harness.environment import Inventory
from harness.plan import build
from harness.records import Run, load_run

ACCURACY = EffortConfig(name="accuracy", rounds=0)
SMOKE = EffortConfig("smoke", 10.0, 1, 0.0, 3, 0.0, None, 10.0)


def run(
    names: Sequence[str],
    folder: Path,
    *,
    effort: EffortConfig = ACCURACY,
    limit: int = 2,
    timeout_s: float = 60.0,
    task: str = "f0",
    fresh: bool = False,
    budget_s: float | None = None,
    scenarios: tuple[str, ...] = ("offline", "single_stream", "cold"),
) -> tuple[Run, dict[str, int]]:
    """Measure the named extractors on the first clips of the synthetic set."""
    settings = Settings(
        effort=effort,
        results_dir=str(folder),
        name="run",
        timeout_s=timeout_s,
        fresh=fresh,
        budget_s=budget_s,
        scenarios=scenarios,
    )
    configs = [
        RunConfig(
            extractor=name,
            task=TaskConfig(name=task, agreement=False),
            dataset=DatasetConfig(limit=limit),
            settings=settings,
        )
        for name in names
    ]
    return measure(build(Request(configs), Inventory()), command="test")


def statuses(found: Run) -> dict[str, str]:
    return {r.data["cell"]["extractor"]: r.status for r in found.records}


def test_every_failure_is_named_and_stops_nothing(faulty, tmp_path):
    wrong = {
        "aborts": ("crash", "SIGABRT"),
        "exits": ("exit", "sys.exit(3)"),
        "hard_exits": ("exit", "code 7"),
        "returns_nan": ("contract", "NaN"),
        "wrong_length": ("contract", "cover the whole clip"),
        "unsorted": ("contract", "must increase"),
        "too_few": ("contract", "0 tracks for 1 clips"),
        "leaks": ("oom", "1.0 PiB"),
    }
    found, _ = run([*wrong, "constant"], tmp_path)
    records = {r.data["cell"]["extractor"]: r.data for r in found.records}
    for name, (kind, text) in wrong.items():
        assert records[name]["status"] == "error", name
        assert records[name]["error"]["kind"] == kind, name
        assert text in records[name]["error"]["message"], name
    assert records["constant"]["status"] == "ok"


def test_hanging_worker_is_ended(faulty, tmp_path):
    began = time.monotonic()
    found, _ = run(["hangs", "constant"], tmp_path, timeout_s=2)
    assert time.monotonic() - began < 60
    assert statuses(found) == {"hangs": "error", "constant": "ok"}
    assert found.records[0].data["error"]["kind"] == "hang"
    assert "timeout_s" in found.records[0].data["error"]["message"]


def test_clip_that_only_one_extractor_fails_on_is_missed(faulty, tmp_path):
    every = 9  # the eighth clip is silence, which is what this one fails on
    found, _ = run(["picky", "constant"], tmp_path, limit=every)
    picky, constant = found.records
    assert (picky.status, constant.status) == ("partial", "ok")
    clips = picky.clips().set_index("clip_id")
    missed = clips[clips["status"] == "missed"]
    assert 0 < len(missed) < every
    assert missed["error"].str.contains("too quiet").all()
    whole = constant.clips().set_index("clip_id")
    same = missed.index
    assert (clips.loc[same, "ref_voiced"] == whole.loc[same, "ref_voiced"]).all()
    assert (clips.loc[same, "est_voiced"] == 0).all()
    assert set(picky.tracks()["clip_id"]) == set(clips.index) - set(same)


def test_second_run_measures_nothing_and_fresh_everything(faulty, tmp_path):
    _, first = run(["constant"], tmp_path, effort=SMOKE)
    found, second = run(["constant"], tmp_path, effort=SMOKE)
    assert first == {"measured": 1, "reused": 0}
    assert second == {"measured": 0, "reused": 1}
    assert all(r.data["rounds"] for r in found.records)
    _, third = run(["constant"], tmp_path, effort=SMOKE, fresh=True)
    assert third == {"measured": 1, "reused": 0}


def test_changed_code_invalidates_a_record(faulty, tmp_path):
    run(["constant"], tmp_path)
    from harness import fingerprint

    source = tmp_path / "site" / "faulty.py"
    source.write_text(source.read_text() + "\n# changed\n")
    fingerprint.package_hash.cache_clear()
    _, counts = run(["constant"], tmp_path)
    assert counts == {"measured": 1, "reused": 0}


def test_second_run_keeps_the_rounds_on_disk_at_every_moment(
    faulty, tmp_path, monkeypatch
):
    run(["constant"], tmp_path, effort=SMOKE)
    before = json.loads(record_file(tmp_path).read_text())

    def stop(self, group):
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.execute.Execution._rounds", stop)
    with pytest.raises(KeyboardInterrupt):
        run(["constant"], tmp_path, effort=SMOKE)
    assert json.loads(record_file(tmp_path).read_text()) == before


def record_file(folder: Path) -> Path:
    (found,) = (folder / "run" / "cells").glob("*/record.json")
    return found


def test_latency_alone_can_be_measured(faulty, tmp_path):
    found, _ = run(["constant"], tmp_path, effort=SMOKE, scenarios=("single_stream",))
    record = found.records[0]
    assert set(record.samples()["scenario"]) == {"clip", "one_second"}
    assert "speed" not in " ".join(record.data["validity"]["reasons"])


def test_constructor_that_fails_is_the_error_of_its_cell(faulty, tmp_path):
    found, _ = run(["refuses", "constant"], tmp_path)
    assert statuses(found) == {"refuses": "error", "constant": "ok"}
    assert "no such weights" in found.records[0].data["error"]["message"]


def test_failed_cell_is_measured_again(faulty, tmp_path):
    run(["exits", "constant"], tmp_path)
    _, counts = run(["exits", "constant"], tmp_path)
    assert counts == {"measured": 1, "reused": 1}


KILLED = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_execute import run
run(["constant", "slow"], Path({folder!r}), limit=24)
"""


@pytest.mark.slow
def test_killed_run_loses_nothing_that_was_measured(faulty, tmp_path):
    script = KILLED.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    records = tmp_path / "run" / "cells"
    deadline = time.monotonic() + 60
    while not list(records.glob("*/record.json")):
        assert time.monotonic() < deadline, "no record within a minute"
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = load_run(tmp_path / "run")
    assert {r.status for r in kept.records} == {"ok"}
    _, counts = run(["constant", "slow"], tmp_path, limit=24)
    assert counts == {"measured": 1, "reused": 1}


def test_full_disk_keeps_finished_records(faulty, tmp_path, monkeypatch):
    from extractors.errors import F0BenchError
    from harness import execute

    write, calls = execute.write_json, []

    def full(path, value):
        calls.append(path)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        write(path, value)

    monkeypatch.setattr(execute, "write_json", full)
    with pytest.raises(F0BenchError, match=r"No space left.*run again"):
        run(["constant", "meter"], tmp_path)
    assert len(load_run(tmp_path / "run").records) == 1
    monkeypatch.setattr(execute, "write_json", write)
    _, counts = run(["constant", "meter"], tmp_path)
    assert counts["measured"] <= 1


def test_busy_wait_is_recorded_within_one_percent(faulty, tmp_path):
    effort = EffortConfig("check", 2.0, 1, 0.2, 20, 0.5, None, 20.0)
    found, _ = run(["busy_wait"], tmp_path, effort=effort, limit=1)
    samples = found.records[0].samples()
    offline = samples[samples["scenario"] == "offline"]
    assert len(offline) >= 20
    # the quietest call: on a busy machine a wait that is pre-empted does take longer
    assert offline["wall_s"].min() == pytest.approx(0.020, rel=0.01)
    assert (offline["stage_network_s"] <= offline["wall_s"]).all()
    said = found.records[0].data["rounds"][0]["stages"]
    assert said["network"]["calls"] == 1  # the block of one pass, whatever came before
    assert said["network"]["devices"] == [""]


def test_budget_shrinks_the_timed_set_and_says_so(faulty, tmp_path):
    effort = EffortConfig("check", 60.0, 1, 0.0, 3, 0.0, None, 60.0)
    found, _ = run(["slow"], tmp_path, effort=effort, limit=16, budget_s=7.0)
    record = found.records[0].data
    assert 0 < record["timed_set_s"] < 20
    assert any("budget" in note for note in record["notes"])


def test_toy_task_runs_on_the_same_spine(faulty, tmp_path):
    found, _ = run(["meter"], tmp_path, task="loudness", effort=SMOKE)
    record = found.records[0]
    assert record.status == "ok"
    from harness.summary import summarise

    values = summarise(record)
    assert values["loudness_error_db"].value == pytest.approx(1.0, abs=1e-5)
    assert values["x_realtime"].value > 0
    assert list(record.tracks()["level_db"])


def test_records_are_strict_json(faulty, tmp_path):
    found, _ = run(["constant", "returns_nan"], tmp_path, effort=SMOKE)

    def refuse(text):
        raise AssertionError(text)

    for place in found.path.rglob("*.json"):
        json.loads(place.read_text(), parse_constant=refuse)


def test_worker_ends_when_its_parent_is_killed(faulty, tmp_path):
    script = KILLED.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    script = script.replace('["constant", "slow"]', '["hangs"]')
    parent = subprocess.Popen([sys.executable, "-c", script])
    mine = f"{tmp_path}/site"
    deadline = time.monotonic() + 60
    while not workers(mine):
        assert time.monotonic() < deadline, "no worker within a minute"
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    while workers(mine):
        assert time.monotonic() < deadline, "the worker outlived its parent"
        time.sleep(0.05)


def workers(mark: str) -> list[str]:
    """Worker processes whose PYTHONPATH holds ``mark``."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes()
            environment = (place / "environ").read_bytes()
        except OSError:
            continue
        if b"harness.worker" in command and mark.encode() in environment:
            found.append(place.name)
    return found
