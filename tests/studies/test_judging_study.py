"""The study of false alarms, on hand-made rounds: does it count what it says?"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.duel import CONFIRM, MOST, START
from harness.records import load_run, write_json

ROUNDS = 2 * MOST + 2
SPEEDS = {"slow_1.1": 1.1, "slow_1.2": 1.2, "slow_1.5": 1.5}
CELL = {
    "task": {"name": "f0", "hop_s": 0.01},
    "dataset": {"name": "toy", "kind": "synthetic"},
    "extractor": "planted",
    "params": {},
    "axes": {},
}


@pytest.fixture(scope="module")
def study():
    place = Path(__file__).parent / "judging.py"
    spec = importlib.util.spec_from_file_location("judging_study", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def written(folder: Path, walls: np.ndarray, peak: int) -> None:
    """A run whose round i made one pass of ``walls[i - 1]`` s over 10 s of audio."""
    cell = {"key": "k", "label": "planted  cpu", "role": "candidate"}
    settings = {"seed": 0, "bootstrap": None}
    write_json(folder / "plan.json", {"cells": [cell], "settings": settings})
    cold = {"import_s": 1.0, "load_s": 0.1, "first_call_s": 0.1}
    rounds = []
    for number, wall in enumerate(walls.tolist(), 1):
        rows = [
            {"scenario": name, "pass": 0, "clip_id": None, "audio_s": s, "wall_s": w}
            for name, s, w in (("offline", 10.0, wall), ("one_second", 1.0, wall / 10))
        ]
        place = folder / "cells" / "k" / "rounds" / str(number)
        place.mkdir(parents=True)
        pd.DataFrame(rows).to_parquet(place / "samples.parquet")
        memory = {"host_peak_bytes": peak + number}
        rounds.append({"n": number, "cold": cold, "memory": memory})
    record = {
        **cell,
        "status": "ok",
        "cell": CELL,
        "data": {"truth": "exact"},
        "validity": {"state": "valid", "reasons": []},
        "rounds": rounds,
        "memory": rounds[-1]["memory"],
        "timed_set": ["a"],
    }
    write_json(folder / "cells" / "k" / "record.json", record)


@pytest.fixture(scope="module")
def pool(study, tmp_path_factory):
    """Rounds of every version of the study, with 0.5 % of noise."""
    folder = tmp_path_factory.mktemp("pool")
    random = np.random.default_rng(0)
    for side in study.SIDES:
        walls = SPEEDS.get(side, 1.0) * np.exp(random.normal(0, 0.005, ROUNDS))
        written(folder / side, walls, 400 << 20 if side == "memory_2" else 200 << 20)
    entries = [{"number": n, "load": [n > 1, True]} for n in range(1, ROUNDS + 1)]
    (folder / "load.jsonl").write_text("\n".join(map(json.dumps, entries)))
    return folder


def test_alarms_are_counted_by_version(study, pool, capsys, monkeypatch):
    monkeypatch.setattr(study, "WANTED", (1, 1))
    study.evaluate(pool)
    lines = capsys.readouterr().out.splitlines()
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines[2:]]
    assert {c[0]: c[2] for c in cells} == {
        "again": "0",
        "slow_1.1": "1",
        "slow_1.2": "1",
        "slow_1.5": "1",
        "memory_2": "1",
    }
    rows = {row["side"]: row for row in json.loads((pool / "cost.json").read_text())}
    assert rows["again"]["pairs"] == START
    assert rows["slow_1.5"]["pairs"] == START + CONFIRM
    assert rows["slow_1.5"]["verdicts"]["no_slower"] == "fail"
    assert rows["slow_1.5"]["verdicts"]["memory"] == "pass"
    assert rows["memory_2"]["verdicts"]["memory"] == "fail"
    assert rows["again"]["load"] == pytest.approx((0.5 + START - 1) / START)


def test_a_stretch_of_rounds_is_a_run_of_its_own(study, pool):
    whole = load_run(pool / "none").records[0]
    cut = study.Pool(load_run(pool / "none")).cut(5, {"k": 3}).records[0]
    assert [part["n"] for part in cut.data["rounds"]] == [1, 2, 3]
    peaks = [part["memory"]["host_peak_bytes"] for part in cut.data["rounds"]]
    assert peaks == [(200 << 20) + n for n in (6, 7, 8)]
    samples, every = cut.samples(), whole.samples()
    assert sorted(set(samples["round"])) == [1, 2, 3]
    expected = every[every["round"].isin([6, 7, 8])]["wall_s"]
    assert list(samples["wall_s"]) == list(expected)


def test_every_planted_fault_is_a_version(study, tmp_path):
    planted = (Path(__file__).parent / "planted.py").read_text(encoding="utf-8")
    hashes = {study.version(tmp_path, fault).hash for fault in study.ACCURACY}
    assert len(hashes) == len(study.ACCURACY)
    for fault in (*study.ACCURACY, *study.SIDES):
        assert f'"{fault}"' in planted or fault == "again"
    same = study.version(tmp_path, "again"), study.version(tmp_path, "none")
    assert same[0].hash != same[1].hash  # else both would share what they measured
