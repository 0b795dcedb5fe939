"""Our pYIN answers for librosa's only after it has proven to be equal."""

from dataclasses import replace

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.pyin import Pyin
from harness.config import TaskConfig
from harness.passes import stand_in
from harness.passes.stand_in import answering
from harness.tasks import make_task
from harness.tasks.base import Item


@pytest.fixture
def task():
    return make_task(TaskConfig(fmin=100.0, fmax=400.0))


def items(count, seconds=0.2):
    t = np.arange(int(seconds * 8000)) / 8000
    for i in range(count):
        yield Item(f"clip {i}", Audio(0.1 * np.sin(2 * np.pi * (150 + i) * t), 8000))


def test_equal_on_the_first_clips(task, monkeypatch):
    read = iter(items(9))
    found = answering(task, read)
    assert found.system.name == "pyin"
    assert found.provenance == (
        "pyin, equal to librosa_pyin on the first 0.6 s of 3 clips"
    )
    assert found.fallback is None
    assert next(read).id == "clip 3"  # nothing else was decoded for it


def test_only_the_first_seconds_are_compared(task, monkeypatch):
    monkeypatch.setattr(stand_in, "SAMPLE_S", 0.1)
    found = answering(task, items(1))
    assert found.provenance.endswith("on the first 0.1 s of 1 clips")


def changed(how):
    real = Pyin.extract

    def extract(self, clips):
        return [how(track) for track in real(self, clips)]

    return extract


def moved(track):
    f0 = track.f0.copy()
    f0[5] = np.nextafter(f0[5], np.float32(1e4))
    return replace(track, f0=f0)


def flipped(track):
    voiced = track.voiced.copy()
    voiced[7] = ~voiced[7]
    return replace(track, voiced=voiced)


def doubted(track):
    return replace(track, confidence=track.confidence * np.float32(0.9999))


def shorter(track):
    columns = track.times, track.f0, track.voiced, track.confidence
    return type(track)(*(column[:-1] for column in columns))


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (moved, "clip 0: frame 5: 150"),
        (flipped, "clip 0: frame 7: "),
        (doubted, "clip 0: frame "),
        (shorter, "clip 0: 20 frames instead of 21"),
    ],
)
def test_the_smallest_difference_leaves_it_to_the_peer(task, monkeypatch, how, reason):
    monkeypatch.setattr(Pyin, "extract", changed(how))
    found = answering(task, items(1))
    assert found.system.name == "librosa_pyin"
    assert found.system.viterbi == "librosa"
    assert found.provenance == "librosa_pyin itself"
    assert found.fallback.startswith(f"pyin differs: {reason}")


def test_an_engine_that_fails_leaves_it_to_the_peer(task, monkeypatch):
    def broken(self):
        raise RuntimeError("no such processor")

    monkeypatch.setattr(Pyin, "load", broken)
    found = answering(task, items(1))
    assert found.system.name == "librosa_pyin"
    assert found.fallback == "pyin failed: RuntimeError: no such processor"


def test_nothing_is_proven_without_a_clip(task):
    found = answering(task, [])
    assert found.system.name == "librosa_pyin"
    assert found.fallback == "pyin differs: no clip to prove it on"
