"""The task spectrogram: contract, storage, comparison, clock, and a whole run."""

import json
from types import MappingProxyType

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.base import Extractor
from extractors.errors import ConfigError, TrackError
from extractors.registry import build_f0
from extractors.spectrogram.definition import Spectrogram
from harness.compose import compose
from harness.config import DatasetConfig, SpectrogramConfig, TaskConfig
from harness.jobs import Job
from harness.plan import build
from harness.probe_spectrogram import probe
from harness.tasks import make_task
from harness.tasks.base import Item


class Machine:
    devices = ("cpu",)
    reasons = MappingProxyType({"cuda": "not here"})


@pytest.fixture
def task():
    return make_task(SpectrogramConfig(n_fft=64, hop_s=0.002))


def item(seconds=0.1):
    n = round(16000 * seconds)
    return Item("a", Audio(np.linspace(-1, 1, n, dtype=np.float32), 16000))


def answer(task, frames=51, scale=1.0):
    values = np.arange(33 * frames, dtype=np.float32).reshape(33, frames)
    return Spectrogram(values * np.float32(scale), task.definition)


def test_a_task_has_choices_of_its_own():
    request = compose(["task=spectrogram", "task.transform=mel", "task.n_mels=40"])
    config = request.configs[0].task
    assert isinstance(config, SpectrogramConfig)
    assert (config.transform, config.n_mels, config.fmin) == ("mel", 40, 32.7)
    with pytest.raises(ConfigError, match=r"unknown key 'task.transform'"):
        compose(["task.transform=mel"])
    with pytest.raises(ConfigError, match=r"did you mean 'task.transform'"):
        compose(["task=spectrogram", "task.transfrom=mel"])
    with pytest.raises(ConfigError, match=r"state task\.n_fft"):
        words = ["task=spectrogram", "extractor=torch_spectrogram"]
        compose([*words, "extractor.n_fft=512"])


def test_choices_of_other_tasks_leave_the_keys_of_f0_alone():
    request = compose(["task=f0"])
    fields = {"name", "fmin", "fmax", "hop_s", "resample", "agreement"}
    assert set(build(request, Machine()).cells[0].choices()["task"]) == fields


def test_systems_of_another_task_are_skipped_with_the_reason():
    words = ["task=spectrogram,f0", "extractor=torch_spectrogram,librosa_yin"]
    plan = build(compose(words, multirun=True), Machine())
    kinds = {(c.task.name, c.extractor) for c in plan.cells}
    assert kinds == {("spectrogram", "torch_spectrogram"), ("f0", "librosa_yin")}
    reasons = sorted(skipped.reason for skipped in plan.skipped)
    assert reasons[0].startswith("librosa_yin does not do the task spectrogram; use ")
    assert reasons[1].startswith(
        "torch_spectrogram does not do the task f0; use task=spectrogram or crepe"
    )
    with pytest.raises(ConfigError, match="extracts no F0"):
        build_f0("torch_spectrogram", {})


def test_a_job_keeps_the_choices_of_its_task():
    job = Job("accuracy", SpectrogramConfig(transform="cqt"), DatasetConfig())
    back = Job.from_json(job.to_json())
    assert back.task == job.task
    plain = Job("round", TaskConfig(), DatasetConfig())
    assert type(Job.from_json(plain.to_json()).task) is TaskConfig


def test_outputs_are_held_against_the_definition(task):
    task.check([item()], [answer(task)])
    task.check([item()], [answer(task, 52)])
    with pytest.raises(TrackError, match="53 frames"):
        task.check([item()], [answer(task, 53)])
    with pytest.raises(TrackError, match="ndarray, not Spectrogram"):
        task.check([item()], [np.zeros((33, 51))])
    with pytest.raises(TrackError, match="0 spectrograms"):
        task.check([item()], [])


def test_storage_is_lossless_and_differences_are_seen(task):
    first = answer(task)
    back = task.restore(task.columns(first))
    assert np.array_equal(back.values, first.values)
    assert task.difference(first, back) == {
        "frames": 33 * 51.0,
        "moved": 0.0,
        "identical": 1.0,
    }
    near = task.difference(first, answer(task, scale=1 + 1e-6))
    assert (near["moved"], near["identical"]) == (0.0, 0.0)
    assert task.difference(first, answer(task, scale=1.01))["moved"] > 1000
    assert task.difference(first, answer(task, 50))["moved"] == 33 * 51


def test_scores_need_the_reference(task):
    assert task.score(item(), answer(task)) == {}
    counts = task.score(item(), answer(task, scale=1.1), answer(task))
    assert counts["sq_error"] == pytest.approx(0.01 * counts["energy"], rel=1e-4)
    assert task.is_peer(*task.peer())
    assert not task.is_peer("librosa_spectrogram", {**task.peer()[1], "n_fft": 128})


class Late(Extractor):
    """Another spectrogram whose frames are stamped two hops early."""

    def __init__(self, system, lag):
        self.system, self.lag = system, lag
        self.definition = system.definition

    def extract(self, clips):
        found = self.system.extract(clips)
        return [
            Spectrogram(np.roll(s.values, self.lag, axis=1), s.definition)
            for s in found
        ]


@pytest.mark.parametrize("transform", ["stft", "mel", "cqt"])
def test_the_clock_is_measured(transform):
    config = SpectrogramConfig(transform=transform)
    task = make_task(config)
    system = task.build("torch_spectrogram", {**task.asked, "device": "cpu"})
    sound = probe(system, task.definition, seed=0, quick=True)
    assert abs(sound["offset_s"]) < 0.001
    assert abs(sound["drift_s_per_min"]) < 3 * sound["drift_se_s_per_min"] + 1e-4
    assert sound["order"]["identical"] and sound["repeat"]["identical"]
    late = probe(Late(system, 1), task.definition, seed=0, quick=True)
    assert late["offset_s"] == pytest.approx(config.hop_s, abs=0.001)


def test_a_run_from_composition_to_report(console, tmp_path):
    done = console(
        "run",
        "task=spectrogram",
        "extractor=torch_spectrogram",
        "device=cpu",
        "effort=smoke",
        "dataset.limit=3",
        "scenarios=[offline]",
        "--name=spec",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "setting  spectrogram 32.7–8000 Hz, hop 32 ms, transform stft" in done.stdout
    assert "error  " in done.stdout
    folder = tmp_path / "results" / "spec"
    assert (folder / "report.html").exists()
    records = [json.loads(p.read_text()) for p in folder.glob("cells/*/record.json")]
    assert {r["status"] for r in records} == {"ok"}
    assert all(abs(r["probe"]["offset_s"]) < 0.002 for r in records)
    assert json.loads((folder / "gate.json").read_text())["verdict"] == "pass"
