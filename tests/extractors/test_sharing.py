"""Overlapping windows may share frames: the same values for less work."""

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.errors import ConfigError
from extractors.service_audio import service_grid
from extractors.sharing import plan_sharing, reach_of
from extractors.torch_crepe_extractor import TorchCrepeExtractor
from extractors.windows import WindowPlan, plan_windows


def glide(seconds, sr):
    """From 120 to 360 Hz with five harmonics, and noise."""
    t = np.arange(round(seconds * sr)) / sr
    phase = 2 * np.pi * (120 * t + (360 - 120) / (2 * seconds) * t**2)
    wave = sum(np.sin(k * phase) / k for k in range(1, 6))
    noise = np.random.default_rng(0).standard_normal(len(t))
    return Audio((0.1 * wave + 0.003 * noise).astype(np.float32), sr)


@pytest.fixture(scope="module")
def crepe():
    return TorchCrepeExtractor("tiny", "cpu", batch_size=512)


def both(crepe, audio, plan):
    step = audio.sr // 100
    sharing = plan_sharing(plan, audio.sr, step)
    assert sharing is not None
    tracks = list(crepe.shared_tracks(audio, plan.starts, sharing, 50.0, 550.0))
    shared_frames = crepe.record.frames
    alone = list(crepe.window_tracks(plan.cut(audio.samples), audio.sr))
    assert shared_frames == crepe.record.frames
    return tracks, alone


@pytest.mark.parametrize("length", [4800, 4873])
def test_at_16_khz_bit_for_bit(crepe, length):
    audio = glide(1.0, 16000)
    plan = WindowPlan(length, 800, 1 + (16000 - length) // 800)
    tracks, alone = both(crepe, audio, plan)
    assert len(tracks) == plan.count
    for found, expected in zip(tracks, alone, strict=True):
        for name in ("times", "f0", "voiced", "confidence"):
            np.testing.assert_array_equal(
                getattr(found, name), getattr(expected, name), name
            )


@pytest.mark.parametrize("sr", [8000, 44100, 48000])
def test_at_other_rates_probabilities_to_5e_6_and_equal_bins(crepe, sr):
    audio = glide(0.8, sr)
    plan = plan_windows(len(audio.samples), sr, 0.4, 0.1)
    tracks, alone = both(crepe, audio, plan)
    for found, expected in zip(tracks, alone, strict=True):
        np.testing.assert_allclose(found.confidence, expected.confidence, atol=5e-6)
        cents = np.abs(1200 * np.log2(found.f0 / expected.f0))
        assert cents.max() < 0.01  # another bin would be about 20


def test_the_network_does_less(crepe, monkeypatch):
    frames = []
    original = type(crepe._crepe).infer

    def counting(self, clips):
        for found in original(self, clips):
            frames.append(len(found.times))
            yield found

    monkeypatch.setattr(type(crepe._crepe), "infer", counting)
    audio = glide(1.0, 16000)
    plan = plan_windows(16000, 16000, 0.6, 0.05)
    sharing = plan_sharing(plan, 16000, 160)
    list(crepe.shared_tracks(audio, plan.starts, sharing, 50.0, 550.0))
    shared = sum(frames)
    frames.clear()
    list(crepe.window_tracks(plan.cut(audio.samples), 16000))
    assert shared < 0.5 * sum(frames)


def test_windows_that_are_all_edge_share_nothing():
    assert plan_sharing(WindowPlan(1000, 160, 3), 16000, 160) is None
    assert plan_sharing(WindowPlan(300, 160, 3), 16000, 160) is None


def test_refused_where_frames_do_not_coincide():
    with pytest.raises(ConfigError, match="use 8000 samples or share_frames=False"):
        plan_sharing(WindowPlan(16000, 8001, 3), 16000, 160)
    step = int(service_grid(22050).hop_length(22050))
    with pytest.raises(ConfigError, match=r"220 samples at 22050 Hz are 159\.637"):
        plan_sharing(WindowPlan(22050, 11000, 3), 22050, step)


def test_reach_is_half_a_window_at_16_khz():
    assert reach_of(16000) == 512
    assert reach_of(48000) > 3 * 512
