"""The comparison shows what it is kept for: edge errors, drift, lost windows."""

import numpy as np
import pytest

from extractors.concat import compare, split, window_offsets
from extractors.service import GPUAudioBackend
from extractors.track import F0Track
from extractors.windows import summarise


def track_of(f0, voiced=None):
    n = len(f0)
    flags = np.ones(n, bool) if voiced is None else np.array(voiced)
    return F0Track(np.arange(n) / 100, f0, flags, np.full(n, 0.9))


def test_offsets_add_up():
    assert window_offsets(4, 16000, 160).tolist() == [0, 1, 2, 3]
    assert window_offsets(3, 16000, 512).tolist() == [0, 0.75, 1.5]
    assert window_offsets(3, 159, 160).tolist() == pytest.approx([0, 1 / 160, 2 / 160])


def test_split_reads_later_and_later_and_runs_out():
    joined = track_of(np.arange(1, 11))  # 3 windows of 3 frames, and the last
    parts = list(split(joined, 3, 480, 160))
    assert [part.f0.tolist() for part in parts] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]


def compared(alone, joined, n_samples):
    parts = split(joined, len(alone), n_samples, 160)
    values = summarise(alone), summarise(parts)
    return compare(alone, joined, values, n_samples=n_samples, sr=16000, hop=160)


def test_hand_computed():
    """Two windows of 20 frames; frames 0–3 and 17–20 of each read across the join."""
    alone = [track_of([100.0] * 21), track_of([200.0] * 21)]
    f0 = np.array([100.0] * 20 + [200.0] * 21)
    f0[19] = 200.0  # an octave, at the edge
    f0[10] = 100.0 * 2 ** (12 / 1200)  # 12 cents, inside
    found = compared(alone, track_of(f0), 3200)
    # frame 20 of the first window is the octave too: its place is the second's first
    assert (found.edge_frames, found.inner_frames) == (16, 26)
    assert found.edge_error_cents == pytest.approx(2 * 1200 / 16)
    assert found.edge_error_max_cents == pytest.approx(1200)
    assert found.inner_error_cents == pytest.approx(12 / 26, rel=1e-4)
    assert found.offset_frames == 1
    assert found.value_error_max_cents == pytest.approx(0)
    assert found.values_lost == 0


def test_drift_gives_values_of_later_windows_and_loses_the_last():
    hz = [100.0, 200.0, 300.0, 400.0, 500.0, 600.0]
    alone = [track_of([h] * 3) for h in hz]  # 2 frames a window, and the last
    joined = track_of(np.repeat(hz, 2))
    found = compared(alone, joined, 320)
    assert found.offset_frames == 5
    assert found.values_lost == 2
    assert found.value_error_max_cents > 500


def test_voicing_that_changes_at_an_edge_is_counted():
    alone = [track_of([100.0] * 21), track_of([100.0] * 21)]
    voiced = [True] * 41
    voiced[18] = False
    found = compared(alone, track_of([100.0] * 41, voiced), 3200)
    assert found.edge_voicing_changes == 1
    assert found.edge_frames == 15


def tone(hz, seconds=0.25, sr=16000):
    t = np.arange(round(seconds * sr)) / sr
    wave = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 6))
    noise = np.random.default_rng(0).standard_normal(len(t))
    return (0.1 * (wave + 0.01 * noise)).astype(np.float32)


def test_measured_on_real_posteriors():
    windows = np.stack([tone(hz) for hz in (110, 220, 330, 150, 500, 100)])
    backend = GPUAudioBackend(use_gpu=False, model="tiny")
    found = backend.compare_concat(windows, 16000.0)  # a whole number all the same
    assert found.offset_frames == 5
    assert found.edge_error_cents > 10 * max(found.inner_error_cents, 0.1)
    concat, _ = backend.extract_f0_batch(windows, 16000, batching="concat")
    assert backend.record.batching == "concat"
    assert concat.shape == (6,)


def test_no_windows():
    backend = GPUAudioBackend(use_gpu=False, model="tiny")
    f0, confidence = backend.extract_f0_batch(
        np.empty((0, 1600)), 16000, batching="concat"
    )
    assert f0.shape == confidence.shape == (0,)
