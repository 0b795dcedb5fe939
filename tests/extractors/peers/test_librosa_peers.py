"""librosa's trackers: their own answers, on a clock that does not drift."""

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.base import check_output
from extractors.errors import ConfigError
from extractors.peers.librosa_common import frame_length_for
from extractors.peers.librosa_pyin import LibrosaPyin
from extractors.peers.librosa_yin import LibrosaYin

BOTH = [LibrosaPyin, LibrosaYin]


def tone(hz, sr, seconds=0.5):
    t = np.arange(int(seconds * sr)) / sr
    wave = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 6))
    return Audio(0.2 * wave, sr)


@pytest.mark.parametrize(
    ("sr", "fmin", "length"),
    [(16000, 60, 1024), (20000, 60, 1024), (44100, 65, 2048), (16000, 62.5, 1024)],
)
def test_frame_length_rule(sr, fmin, length):
    assert frame_length_for(sr, fmin) == length
    assert length // 2 > sr / fmin


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("sr", [16000, 22050])
def test_tone(cls, sr):
    clip = tone(220, sr)
    (track,) = cls(fmin=60, fmax=500).extract([clip])
    check_output([track], [clip])
    np.testing.assert_allclose(track.times, np.arange(51) / 100, atol=1e-12)
    middle = slice(6, -6)
    assert track.voiced[middle].all()
    assert abs(1200 * np.log2(track.f0[middle] / 220)).max() < 10


def test_pyin_keeps_librosas_arrays():
    import librosa

    rng = np.random.default_rng(0)
    samples = np.concatenate([tone(150, 16000).samples, rng.normal(0, 0.1, 6000)])
    clip = Audio(samples, 16000)
    (track,) = LibrosaPyin(fmin=60, fmax=500).extract([clip])
    f0, voiced, probability = librosa.pyin(
        clip.samples,
        fmin=60,
        fmax=500,
        sr=16000,
        frame_length=1024,
        hop_length=160,
        fill_na=None,
    )
    np.testing.assert_array_equal(track.f0, f0.astype(np.float32))
    np.testing.assert_array_equal(track.voiced, voiced)
    np.testing.assert_allclose(track.confidence, probability.clip(0, 1), atol=1e-6)
    assert 0 < track.voiced.sum() < len(track)


def test_yin_is_voiced_everywhere():
    (track,) = LibrosaYin().extract([Audio(np.zeros(1600), 16000)])
    assert track.voiced.all()
    assert (track.confidence == 1).all()


@pytest.mark.parametrize("cls", BOTH)
def test_one_sample(cls):
    clip = Audio(np.array([0.1]), 16000)
    (track,) = cls().extract([clip])
    assert len(track) == 1


def test_stated_frame_length_is_used_and_shown():
    subject = LibrosaPyin(frame_length=4096)
    assert subject.describe()["frame_length"] == "4096 samples, stated"
    assert subject._length(16000) == 4096
    with pytest.raises(ConfigError, match="frame_length=3"):
        LibrosaPyin(frame_length=3)


@pytest.mark.parametrize("cls", BOTH)
def test_wrong_range(cls):
    with pytest.raises(ConfigError, match="0 < fmin < fmax"):
        cls(fmin=500, fmax=60)
