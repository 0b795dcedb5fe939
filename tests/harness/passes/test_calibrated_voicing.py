"""Thresholds learnt on clips that are not scored: pass, rounds, console, reuse."""

from __future__ import annotations

import io
import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from extractors.audio import Audio
from extractors.errors import ExtractorError
from extractors.track import F0Track
from harness.cli import main
from harness.config import DatasetConfig, EffortConfig, TaskConfig
from harness.datasets.base import Truth
from harness.environment import Inventory
from harness.jobs import Job, System, Teller
from harness.metrics.threshold import ThresholdCurve, best_threshold
from harness.passes import accuracy
from harness.passes.accuracy import accuracy_pass
from harness.passes.common import Answer
from harness.passes.learning import Learner
from harness.passes.outputs import OutputWriter
from harness.passes.rounds import timed_round
from harness.records import load_run
from harness.tasks import make_task
from harness.tasks.base import Item
from harness.voicing import Calibration

PLUGIN = Path(__file__).parents[2] / "plugin"
#: Of the first ten synthetic clips four are voices, the first one among them.
VOICES = {"00000-voice_low", "00004-voice_white_20db", "00006-voice_babble_20db"}
VOICES |= {"00008-voice_high"}
RULE = "calibrated(kind=voice)"
TASK = TaskConfig(agreement=False)


def teller() -> Teller:
    return Teller(io.StringIO())


def system(folder: Path, name: str, voicing: str = "native", **params) -> System:
    return System(name, "acf", params, str(folder / name), voicing=voicing)


def job(*systems: System, **more) -> Job:
    return Job("accuracy", TASK, DatasetConfig(limit=10), systems, **more)


def clips_of(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / name / "clips.parquet").set_index("clip_id")


@pytest.fixture
def learnt(acf, tmp_path):
    """Folder and voicing of a calibrated cell."""
    found = accuracy_pass(job(system(tmp_path, "learnt", RULE)), teller())
    return tmp_path, found["cells"]["learnt"]


def test_learning_clips_are_not_scored_and_the_others_are(learnt):
    folder, cell = learnt
    clips = clips_of(folder, "learnt")
    assert len(clips) == cell["clips"] == 6
    assert not VOICES & set(clips.index)
    tracks = pd.read_parquet(folder / "learnt" / "tracks.parquet")
    assert set(tracks["clip_id"]) == set(clips.index)
    kept = pd.read_parquet(folder / "learnt" / "learning.parquet")
    assert set(kept["clip_id"]) == VOICES
    taught = cell["voicing"]["learnt_on"]
    assert (taught["clips"], taught["clips_missed"]) == (4, 0)
    assert taught["frames"] == 1200  # four clips of 3 s, 10 ms a frame
    assert cell["seconds"] == sum(clips["seconds"]) == 13.0


def test_threshold_is_the_best_of_the_learning_clips_alone(learnt):
    folder, cell = learnt
    voicing = cell["voicing"]
    accuracy_pass(job(system(folder, "native")), teller())
    tracks = pd.read_parquet(folder / "native" / "tracks.parquet")
    task, total = make_task(TASK), None
    for item in items():
        if item.id in VOICES:
            own = tracks[tracks["clip_id"] == item.id]
            track = task.restore({name: own[name].to_numpy() for name in own})
            curve = task.threshold_curve(item, track)
            total = curve if total is None else total + curve
    best = best_threshold(total)
    assert voicing["threshold"] == best.threshold != 0.5
    assert voicing["learnt_on"]["pitch_f1"] == best.pitch_f1
    stored = ThresholdCurve.from_dict(voicing["learnt_on"]["curve"])
    np.testing.assert_array_equal(stored.hits, total.hits)
    np.testing.assert_array_equal(stored.est_voiced, total.est_voiced)
    assert voicing["rule"] == RULE
    theta = f"{best.threshold:g}"
    assert voicing["source"] == f"calibrated {theta} (learnt on kind voice, 4 clips)"


def items():
    from harness.passes.common import Reader

    return list(Reader(job(), make_task(TASK)).items())


def test_scores_are_those_of_the_extractor_at_that_threshold(learnt):
    folder, cell = learnt
    theta = cell["voicing"]["threshold"]
    accuracy_pass(job(system(folder, "fixed", threshold=theta)), teller())
    ours, theirs = clips_of(folder, "learnt"), clips_of(folder, "fixed")
    pd.testing.assert_frame_equal(ours, theirs.loc[ours.index])
    own = pd.read_parquet(folder / "learnt" / "tracks.parquet")
    assert (own["voiced"] == (own["confidence"] >= np.float32(theta))).all()
    assert (ours["est_voiced"] > 0).any()


class Counting:
    """Two stages, as a network and its decoder; counts clips that were inferred."""

    threshold, threshold_source = 0.5, "default 0.5"
    inferred = 0

    def __init__(self, name="acf", params=None):
        from extractors.registry import build

        self.inner = build("acf", params or {})

    def load(self):
        pass

    def reseed(self, seed):
        pass

    def describe(self):
        return {}

    def infer(self, clips):
        Counting.inferred += len(clips)
        return iter(self.inner.extract(clips))

    def decode(self, posteriors):
        return posteriors

    def extract(self, clips):
        return list(map(self.decode, self.infer(clips)))


def test_cells_that_share_an_inference_are_scored_as_alone(learnt, monkeypatch):
    folder, alone = learnt
    monkeypatch.setattr("harness.tasks.f0.build_f0", Counting)
    monkeypatch.setattr(accuracy, "_is_random", lambda system: False)
    monkeypatch.setattr(Counting, "inferred", 0)
    other = "calibrated(kind=tone)"
    names = {"s_learnt": RULE, "s_tone": other, "s_native": "native"}
    systems = [system(folder, name, rule) for name, rule in names.items()]
    found = accuracy_pass(job(*systems), teller())["cells"]
    assert Counting.inferred == 10 + 6  # every clip once, and what is learnt on
    assert found["s_learnt"]["voicing"] == alone["voicing"]
    pd.testing.assert_frame_equal(
        clips_of(folder, "s_learnt"), clips_of(folder, "learnt")
    )
    assert len(clips_of(folder, "s_native")) == 10
    assert found["s_native"]["voicing"]["threshold"] == 0.5
    tones = {"00001-tone_mid", "00009-tone_low"}
    assert set(clips_of(folder, "s_tone").index) == {i.id for i in items()} - tones
    assert not (folder / "s_native" / "learning.parquet").exists()


def test_agreement_survives_clips_that_are_passed_over(acf, tmp_path):
    peers = tmp_path / "references.parquet"
    accuracy_pass(job(system(tmp_path, "peer")), teller())
    tracks = pd.read_parquet(tmp_path / "peer" / "tracks.parquet")
    columns = ["time_s", "f0_hz", "voiced", "confidence"]
    with OutputWriter(peers) as writer:
        for clip_id, part in tracks.groupby("clip_id", sort=True, observed=True):
            writer.add(str(clip_id), part[columns].to_dict("series"), source="peer")
    itself = replace(system(tmp_path, "itself", RULE), is_peer=True)
    asked = job(system(tmp_path, "learnt", RULE), itself, peer_outputs=str(peers))
    accuracy_pass(replace(asked, task=replace(TASK, agreement=True)), teller())
    clips = clips_of(tmp_path, "learnt")
    assert len(clips) == 6
    assert clips["agreement_frames"].notna().all()
    same = clips_of(tmp_path, "itself")  # the peer says nothing of itself
    assert not any(name.startswith("agreement_") for name in same)
    pd.testing.assert_frame_equal(same, clips[same.columns])


def consistency(folder: Path, threshold: float | None) -> dict[str, float]:
    """What a timed round says of its answers and those that were stored."""
    place = replace(system(folder, "learnt", RULE), threshold=threshold)
    effort = EffortConfig("smoke", None, 1, 0.0, 1, 0.0, None, 1.0)
    timed = tuple(item.id for item in items()[:3])
    asked = replace(job(place), kind="round", effort=effort, timed_set=timed)
    scenarios = ("offline",)
    return timed_round(replace(asked, scenarios=scenarios), teller())["consistency"]


def test_timed_answers_are_held_against_the_learnt_voicing(learnt):
    folder, cell = learnt
    same = consistency(folder, cell["voicing"]["threshold"])
    assert same["clips"] % 3 == 0  # the learning clip among the three is compared too
    assert same["clips"] > 0
    assert same["identical"] == same["clips"]
    assert same["moved"] == 0
    native = consistency(folder, None)
    assert native["identical"] < native["clips"]


def learner(tmp_path: Path, stack) -> Learner:
    place = system(tmp_path, "one", RULE)
    return Learner(job(), make_task(TASK), place, Calibration("kind", "voice"), stack)


def toy_item(voiced=(True, True, False, False)) -> Item:
    times = np.arange(4) * 0.01
    f0 = np.where(voiced, 100.0, np.nan)
    return Item(
        min(VOICES),
        Audio(np.zeros(8000, np.float32), 8000),
        Truth(times, f0, np.array(voiced), 0.01),
    )


def toy_track(levels) -> F0Track:
    return F0Track(np.arange(4) * 0.01, np.full(4, 100.0), np.ones(4, bool), levels)


def test_threshold_of_four_frames_by_hand(tmp_path):
    with ExitStack() as stack:
        found = learner(tmp_path, stack)
        found.learn([toy_item()], [Answer(toy_track([0.9, 0.6, 0.3, 0.1]))])
        voicing = found.freeze()
        # Exactly the voiced frames are called so for .3 < θ <= .6: the middle one of
        # 0.31, 0.32, …, 0.60.
        assert voicing["threshold"] == 0.45
        assert voicing["learnt_on"]["pitch_f1"] == 1.0
        levels = [0.45, 0.4499, 0.46, 0.0]
        (answer,) = found.revoice([Answer(toy_track(levels))])
        assert answer.output.voiced.tolist() == [True, False, True, False]
        failed = Answer(error={"kind": "E", "message": "m"})
        assert found.revoice([failed]) == [failed]


def test_clip_without_an_answer_counts_as_missed(tmp_path):
    with ExitStack() as stack:
        found = learner(tmp_path, stack)
        broken = Answer(error={"kind": "E", "message": "m"})
        ids = sorted(VOICES)
        pair = [toy_item(), replace(toy_item(), id=ids[1])]
        found.learn(pair, [Answer(toy_track([0.9, 0.6, 0.3, 0.1])), broken])
        voicing = found.freeze()
    assert voicing["learnt_on"]["clips_missed"] == 1
    assert voicing["learnt_on"]["curve"]["ref_voiced"] == 4.0
    # 2H / (P + V) = 4 / (2 + 4)
    assert voicing["learnt_on"]["pitch_f1"] == pytest.approx(2 / 3)
    assert voicing["source"].endswith("(learnt on kind voice, 2 clips, 1 missed)")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Answer(toy_track([0.7] * 4)), "acf has the same confidence in all frames"),
        (Answer(toy_track([1.0] * 4)), "acf has the same confidence in all frames"),
        (Answer(error={"kind": "E", "message": "m"}), "acf failed on all 1 clips"),
    ],
)
def test_nothing_to_learn_from_is_an_error(tmp_path, answer, text):
    with ExitStack() as stack, pytest.raises(ExtractorError) as caught:
        found = learner(tmp_path, stack)
        found.learn([toy_item()], [answer])
        found.freeze()
    assert text in str(caught.value)
    assert "use voicing=native" in str(caught.value)


def test_a_track_without_f0_is_never_voiced():
    f0 = np.array([100.0, np.nan, 100.0, 100.0])
    track = F0Track(np.arange(4) * 0.01, f0, np.zeros(4, bool), np.full(4, 0.9))
    found = make_task(TASK).revoice(track, 0.0)
    assert found.voiced.tolist() == [True, False, True, True]
    np.testing.assert_array_equal(found.confidence, track.confidence)


SR = 16000


def record(folder: Path, name: str, f0: float, noise: float) -> str:
    """A second of a noisy tone and half a second of noise, labelled every 10 ms."""
    rng = np.random.default_rng(int(f0))
    t = np.arange(SR * 3 // 2) / SR
    tone = sum(np.sin(2 * np.pi * k * f0 * t) / k for k in range(1, 6))
    samples = 0.2 * (t < 1) * tone + noise * rng.standard_normal(len(t))
    soundfile.write(folder / f"{name}.wav", samples.astype(np.float32), SR)
    rows = [f"{i / 100:.2f},{f0 if i < 100 else 0}" for i in range(150)]
    (folder / f"{name}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return f"{name},{name}.wav,{name}.csv"


@pytest.fixture
def here(acf, tmp_path, monkeypatch) -> Path:
    """A working directory with a manifest of two splits and two speakers."""
    rows = ["id,audio_path,truth_path,split,speaker"]
    for place, name in enumerate("abcd"):
        split, noise = ("train", 0.3) if place < 2 else ("test", 0.02)
        line = record(tmp_path, name, 150.0 + 40 * place, noise)
        rows.append(f"{line},{split},{name}")
    (tmp_path / "clips.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harness.api.available", lambda threads=None: Inventory())
    return tmp_path


COMMON = (
    *("run", "extractor=acf", "--config-dir", str(PLUGIN / "conf")),
    *("dataset=manifest", "dataset.manifest=clips.csv", "dataset.labels=csv"),
    *("effort=accuracy", "task.agreement=false", "task.fmin=80", "--name", "one"),
)


def test_console_learns_on_one_split_and_scores_the_other(here, capsys):
    voicing = "voicing='calibrated(split=train)'"
    assert main([*COMMON, voicing, "--json"]) == 0
    out, err = capsys.readouterr()
    (cell,) = json.loads(out.splitlines()[-1])["cells"]
    assert cell["voicing"] == "calibrated(split=train)"
    used = cell["voicing_used"]
    assert f"voicing  acf calibrated {used['threshold']:g} (learnt on split train" in (
        out + err
    )
    assert used["learnt_on"]["clips"] == 2
    assert used["threshold"] != 0.5
    assert cell["data"]["clips"] == 2
    (found,) = load_run(here / "results" / "one").records
    assert set(found.clips()["clip_id"]) == {"c", "d"}
    assert "θ was learnt on the others (split train)" in " ".join(found.data["notes"])
    html = (here / "results" / "one" / "report.html").read_text(encoding="utf-8")
    assert "(learnt on split train, 2 clips)" in html
    key = found.key
    assert main([*COMMON, voicing]) == 0  # nothing is measured again
    assert "1 reused" in capsys.readouterr().out
    (again,) = load_run(here / "results" / "one").records
    assert again.key == key
    assert again.data["voicing"] == found.data["voicing"]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("calibrated(splt=train)", "has the tag splt; did you mean 'split'?"),
        ("calibrated(split=trian)", "has split trian; did you mean 'train'?"),
        ("calibrated(train)", "expected calibrated(TAG=VALUE)"),
    ],
)
def test_console_refuses_what_cannot_be_learnt(here, capsys, rule, text):
    assert main([*COMMON, f"voicing={rule}"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"f0bench: error: voicing={rule}: ")
    assert text in err
    assert err.count("\n") == 1
    assert not (here / "results" / "one" / "cells").exists()


def test_task_without_voicing_skips_the_cell(faulty):
    from harness.compose import Request
    from harness.config import RunConfig
    from harness.plan import build

    tasks = [TaskConfig(name="loudness"), TASK]
    configs = [RunConfig("constant", task=t, voicing=RULE) for t in tasks]
    plan = build(Request(configs), Inventory())
    assert [cell.task.name for cell in plan.cells] == ["f0"]
    (skipped,) = plan.skipped
    assert skipped.reason.startswith("task loudness has no voicing, so")


@pytest.mark.parametrize(("scored", "taught"), [(1, 0), (0, 1), (0, 0)])
def test_a_pass_that_failed_on_a_learning_clip_is_not_kept(scored, taught):
    from harness.work import Work

    voicing = {"threshold": 0.5, "learnt_on": {"clips_missed": taught}}
    work = Work(None, None, None, {}, {"clips_missed": scored, "voicing": voicing})
    assert work.clips_missed == scored + taught
