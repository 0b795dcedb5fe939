"""A small run folder in the format of the records, with counts of real tracks."""

from __future__ import annotations

import json
import shutil
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from extractors.track import F0Track
from harness.metrics.alignment import align
from harness.metrics.base import Value
from harness.metrics.counts import count, missed_counts
from harness.metrics.f0 import ACCURACY
from harness.records import Run, load_run, write_json

TASK = {
    "name": "f0",
    "fmin": 50.0,
    "fmax": 1100.0,
    "hop_s": 0.01,
    "resample": "f0bench",
    "agreement": True,
}
MACHINE = {"cpu": "Test CPU", "cores": 2, "gpu": None, "os": "Linux", "python": "3.11"}
FRAMES = 200
ROUND = {
    "n": 1,
    "passes": 12,
    "stop": "passes",
    "warmup_s": 0.1,
    "env_before": {},
    "env_after": {},
    "consistency": {"clips": 4, "identical": 4, "frames": 800, "moved": 0},
}
# Few, because every one is bootstrapped for every cell of every test.
METRICS = [
    metric
    for metric in ACCURACY
    if metric.name
    in {
        "pitch_f1_50c",
        "rpa_50c",
        "rpa_10c",
        "rca_50c",
        "octave_error_rate",
        "vde",
        "voicing_recall",
        "fpe_std_cents",
    }
]


@lru_cache
def truth(clip: int) -> pd.DataFrame:
    """Frames 20–179 voiced, a glide from 100·(clip+1) Hz one octave up."""
    times = np.arange(FRAMES) * 0.01
    voiced = (np.arange(FRAMES) >= 20) & (np.arange(FRAMES) < 180)
    hertz = np.where(voiced, 100.0 * (clip + 1) * 2 ** (times / 2), np.nan)
    return pd.DataFrame({"time_s": times, "f0_hz": hertz, "voiced": voiced})


def track(clip: int, cents: float, octaves: int = 0) -> F0Track:
    """The truth moved by ``cents``, its first ``octaves`` voiced frames doubled."""
    frame = truth(clip)
    voiced = frame["voiced"].to_numpy()
    filled = np.nan_to_num(frame["f0_hz"].to_numpy(), nan=100.0)
    hertz = filled * 2 ** (cents / 1200)
    hertz[20 : 20 + octaves] *= 2
    level = np.where(voiced, 0.9, 0.1)
    return F0Track(frame["time_s"].to_numpy(), hertz, voiced, level)


def counts(clip: int, estimate: F0Track | None) -> dict[str, float]:
    """Counts of one clip; ``None`` is a clip on which the extractor failed."""
    frame = truth(clip)
    columns = (frame["time_s"], frame["f0_hz"], frame["voiced"])
    reference = [column.to_numpy() for column in columns]
    if estimate is None:
        return missed_counts(*reference, 0.01)
    return count(align(*reference, estimate), 0.01)


class RunFolder:
    """Builds a run cell by cell; ``load`` reads it back through the public reader."""

    def __init__(self, folder: Path, clip_ids: tuple[str, ...], name: str = "demo"):
        self.folder = folder / name
        self.clip_ids = clip_ids
        self.plan = {
            "schema": 1,
            "name": name,
            "experiment": None,
            "command": "f0bench run dataset.root=/home/someone/my calls",
            "created_utc": "2026-01-02T03:04:05Z",
            "wall_s": 48.4,
            "settings": {
                "effort": {"name": "smoke"},
                "seed": 0,
                "threads": None,
                "bootstrap": None,
            },
            "cells": [],
            "skipped": [],
            "merged": [],
            "notes": [],
            "machine": dict(MACHINE),
            "versions": {"torch": "2.13.0"},
            "groups": [
                {
                    "task": TASK,
                    "dataset": {
                        "name": "toy",
                        "kind": "folder",
                        "clips": len(clip_ids),
                        "seconds": 2.0 * len(clip_ids),
                        "truth": "exact truth",
                        "seconds_scored": 2.0 * len(clip_ids),
                        "dropped": [],
                    },
                }
            ],
        }

    def add(
        self,
        key: str,
        label: str,
        *,
        cents: float = 0.0,
        octaves: int = 0,
        missed: tuple[int, ...] = (),
        speed: float | None = None,
        error: dict | None = None,
        **record,
    ) -> RunFolder:
        """One cell: every clip off by ``cents``, timed at ``speed`` × real time."""
        self.plan["cells"].append({"key": key, "label": label, "role": "candidate"})
        place = self.folder / "cells" / key
        tracks = {
            i: None if i in missed else track(i, cents, octaves)
            for i in range(len(self.clip_ids))
        }
        if error is None:
            self._tables(place, tracks)
        if speed is not None:
            self._samples(place, speed)
            record = {"rounds": [ROUND], **record}
        status = "error" if error else "partial" if missed else "ok"
        data = _record(key, label, status, error, len(self.clip_ids), len(missed))
        write_json(place / "record.json", data | record)
        return self

    def _tables(self, place: Path, tracks: dict[int, F0Track | None]) -> None:
        rows, frames = [], []
        for i, clip_id in enumerate(self.clip_ids):
            found = tracks[i]
            status = "missed" if found is None else "ok"
            row = {"clip_id": clip_id, "seconds": 2.0, "status": status, "error": None}
            row["tag_speaker"] = "ab"[i % 2]
            rows.append(row | counts(i, found))
            if found is not None:
                frames.append(_frames(clip_id, found))
        place.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), place / "clips.parquet")
        if frames:
            pq.write_table(pa.concat_tables(frames), place / "tracks.parquet")

    def _samples(self, place: Path, speed: float) -> None:
        audio = 2.0 * len(self.clip_ids)
        spread = np.array([0.99, 1.0, 1.01] * 4)
        wall = audio / speed * spread
        offline = pd.DataFrame({"scenario": "offline", "pass": range(12)})
        offline = offline.assign(clip_id=None, audio_s=audio, wall_s=wall)
        second = offline.assign(
            scenario="one_second", audio_s=1.0, wall_s=spread / speed
        )
        samples = pd.concat([offline, second], ignore_index=True)
        samples["stage_network_s"] = samples["wall_s"] * 0.75
        target = place / "rounds" / "1" / "samples.parquet"
        target.parent.mkdir(parents=True)
        samples.to_parquet(target)

    def load(self) -> Run:
        """Write the plan and the references, and read everything back."""
        write_json(self.folder / "plan.json", self.plan)
        references = [
            truth(i).assign(clip_id=clip_id, source="truth")
            for i, clip_id in enumerate(self.clip_ids)
        ]
        (self.folder / "references").mkdir(exist_ok=True)
        place = self.folder / "references" / "toy.parquet"
        pd.concat(references).to_parquet(place)
        return load_run(self.folder)


def _frames(clip_id: str, found: F0Track) -> pa.Table:
    return pa.table(
        {
            "clip_id": [clip_id] * len(found),
            "frame": np.arange(len(found)),
            "time_s": found.times,
            "f0_hz": found.f0,
            "voiced": found.voiced,
            "confidence": found.confidence,
        }
    )


def _record(key, label, status, error, clips, missed) -> dict:
    return {
        "schema": 1,
        "key": key,
        "label": label,
        "role": "candidate",
        "status": status,
        "error": error,
        "fingerprint": {"hash": "0"},
        "cell": {
            "task": TASK,
            "dataset": {"kind": "folder", "root": "/home/someone/my calls"},
            "extractor": label.split()[0],
            "params": {"model": "tiny"},
            "axes": {"device": "cpu"},
            "voicing": "native",
        },
        "peer": False,
        "accuracy_only": False,
        "data": {
            "name": "toy",
            "clips": clips,
            "clips_scored": clips,
            "clips_missed": missed,
            "seconds": 2.0 * clips,
            "seconds_scored": 2.0 * clips,
            "truth": "exact",
        },
        "voicing": {"threshold": 0.5, "source": "default"},
        "cold": None,
        "references": "toy.parquet",
        "read_s": 0.1,
        "accuracy_pass_s": 0.2,
        "rounds": [],
        "timed_set": [],
        "timed_set_s": 0.0,
        "memory": {},
        "seeds": None,
        "probe": None,
        "validity": {"state": "valid", "reasons": []},
        "notes": [],
        "describe": {"weights": "tiny.pth"},
        "environment": {},
        "started_utc": "2026-01-02T03:04:05Z",
        "wall_s": 1.0,
    }


def summarise(run: Run) -> dict[str, dict[str, Value]]:
    """Accuracy from the counts; speed and stages straight from the samples."""
    from harness.meter.statistics import median_value
    from harness.metrics.bootstrap import summarise_counts

    found = {}
    for record in run.records:
        clips, samples = record.clips(), record.samples()
        values = {} if clips.empty else summarise_counts(clips, METRICS)
        if not samples.empty:
            passes = samples[samples["scenario"] == "offline"]
            values["x_realtime"] = median_value(passes["audio_s"] / passes["wall_s"])
            values["stage_network_share"] = Value(0.75)
            values["stage_other_share"] = Value(0.25)
        found[record.key] = values
    return found


@pytest.fixture
def folder(tmp_path):
    """``folder(*clip_ids, name=…)`` begins a run folder."""

    def begin(*clip_ids: str, name: str = "demo") -> RunFolder:
        return RunFolder(tmp_path, clip_ids or ("one", "two", "three", "four"), name)

    return begin


@pytest.fixture(scope="session")
def _demo(tmp_path_factory):
    begun = RunFolder(tmp_path_factory.mktemp("demo"), ("one", "two", "three", "four"))
    begun.add("a" * 12, "crepe tiny  cpu", speed=10.0)
    begun.add("b" * 12, "torchcrepe tiny  cpu", cents=30.0, octaves=16, speed=5.0)
    error = {"kind": "ExtractorError", "message": "it broke", "clip_id": "two"}
    begun.add("c" * 12, "broken  cpu", error=error)
    begun.plan["skipped"] = [{"label": "crepe tiny  cuda", "reason": "no CUDA device"}]
    run = begun.load()
    return run, summarise(run)


@pytest.fixture
def demo(_demo):
    """A good cell, a bad one and a failed one, as ``(run, summaries)``."""
    run, summaries = _demo
    return run, {key: dict(values) for key, values in summaries.items()}


@pytest.fixture
def strict_json():
    """Parse JSON that must not hold NaN or Infinity."""

    def refuse(name):
        raise AssertionError(f"{name} in strict JSON")

    return lambda text: json.loads(text, parse_constant=refuse)


@pytest.fixture(scope="session")
def run_folder():
    """The builder itself, for fixtures that outlive one test."""
    return RunFolder


PLUGIN = Path(__file__).parents[1] / "plugin" / "conf"
#: Four clips, three short rounds: seconds, and everything that a gate can look at.
MEASURE = (
    *("run", "extractor=acf", "--config-dir", str(PLUGIN), "dataset.limit=4"),
    *("task.agreement=false", "effort=smoke", "effort.rounds=3", "--name", "base"),
    "scenarios=[offline,single_stream]",
)


@pytest.fixture(scope="session")
def measured(console, tmp_path_factory):
    """A folder with ``results/base``, measured once; the finished process with it."""
    place = tmp_path_factory.mktemp("measured")
    done = console(*MEASURE, cwd=place)
    assert "Traceback" not in done.stderr, done.stderr
    return SimpleNamespace(folder=place, run=place / "results" / "base", process=done)


@pytest.fixture
def base(measured, tmp_path, monkeypatch):
    """A copy of the measured run, to be edited, below the working directory."""
    monkeypatch.chdir(tmp_path)
    copied = tmp_path / "results" / "base"
    shutil.copytree(measured.run, copied, ignore=shutil.ignore_patterns("report.*"))
    return copied


@pytest.fixture(name="summarise", scope="session")
def _summarise():
    return summarise
