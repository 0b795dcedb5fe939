"""Rows on disk: what was written is read, and long clips need no more memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.crepe import Crepe
from extractors.crepe import extractor as module
from extractors.decoders.pitch import DECODERS
from extractors.spill import SpilledRows


def test_written_rows_are_read():
    rows = np.random.default_rng(0).random((7, 3), dtype=np.float32)
    spilled = SpilledRows((10, 3))
    spilled[2:6], spilled[6:9] = rows[:4], rows[4:]
    np.testing.assert_array_equal(spilled[2:9], rows)
    np.testing.assert_array_equal(spilled[0:2], np.zeros((2, 3)))
    np.testing.assert_array_equal(spilled[8:20], [rows[6], [0, 0, 0]])
    assert (len(spilled), spilled.shape, spilled[4:4].shape) == (10, (10, 3), (0, 3))
    assert spilled[2:9].dtype == np.float32


def test_rows_of_another_number_are_refused():
    spilled = SpilledRows((10, 3))
    with pytest.raises(ValueError, match=r"shape \(2, 3\) do not fit in slice\(1, 4"):
        spilled[1:4] = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"shape \(2, 3\) do not fit"):
        spilled[9:11] = np.zeros((2, 3), np.float32)


def voice(seconds):
    t = np.arange(int(seconds * 16000)) / 16000
    phase = 2 * np.pi * 150 * t + 20 * np.sin(2 * np.pi * 0.7 * t)
    noise = 0.01 * np.random.default_rng(0).standard_normal(len(t))
    return Audio((0.3 * np.sin(phase) + noise).astype(np.float32), 16000)


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_long_clip_has_the_same_track(decoder, monkeypatch):
    clips = [voice(1.3), voice(0.1), voice(0.7)]
    subject = Crepe(model="tiny", decoder=decoder, batch_size=37)
    expected = subject.extract(clips)
    monkeypatch.setattr(module, "LONG", 50)
    kinds = [type(p.probabilities) for p in subject.infer(clips)]
    assert kinds == [SpilledRows, np.ndarray, SpilledRows]
    for ours, theirs in zip(subject.extract(clips), expected, strict=True):
        np.testing.assert_array_equal(ours.f0, theirs.f0)
        np.testing.assert_array_equal(ours.confidence, theirs.confidence)


def test_memory_does_not_grow_with_the_clip(monkeypatch):
    """Of a frame there stay its time, its bin, its F0 and its confidence."""
    monkeypatch.setattr(module, "LONG", 1000)
    subject = Crepe(model="tiny")
    subject.extract([voice(10)])
    peaks = []
    for seconds in (100, 200):
        clip = voice(seconds)
        tracemalloc.start()
        subject.extract([clip])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 10_000 * 250  # bytes; probabilities alone are 1440
