"""The extractor ``pyin`` gives what the peer gives, through the same clock."""

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.base import check_output
from extractors.errors import ConfigError
from extractors.peers.librosa_pyin import LibrosaPyin
from extractors.registry import build


def clip(sr, seconds=0.3):
    rng = np.random.default_rng(0)
    t = np.arange(int(seconds * sr)) / sr
    wave = sum(np.sin(2 * np.pi * 180 * k * t) / k for k in range(1, 6))
    noise = 0.01 * rng.standard_normal(len(t))
    return Audio(0.2 * wave * (t < 0.2) + noise, sr)


@pytest.mark.parametrize("viterbi", ["librosa", "banded"])
def test_tracks_equal_the_peers(viterbi):
    """22 050 Hz is resampled by both: 10 ms are no whole number of samples there."""
    clips = [clip(16000), clip(22050), clip(16000, 0.1)]
    peer = LibrosaPyin(fmin=70, fmax=500, viterbi=viterbi)
    found = build("pyin", {"fmin": 70, "fmax": 500}).extract(clips)
    check_output(found, clips)
    for ours, theirs in zip(found, peer.extract(clips), strict=True):
        np.testing.assert_array_equal(ours.times, theirs.times)
        np.testing.assert_array_equal(ours.f0, theirs.f0)
        np.testing.assert_array_equal(ours.voiced, theirs.voiced)
        np.testing.assert_allclose(ours.confidence, theirs.confidence, atol=1e-6)
    assert found[0].voiced.any()
    assert not found[0].voiced.all()


def test_one_sample():
    one = Audio(np.array([0.1]), 16000)
    (track,) = build("pyin", {}).extract([one])
    assert len(track) == 1


def test_no_clip():
    assert build("pyin", {}).extract([]) == []


def test_stated_frame_length_is_used_and_shown():
    subject = build("pyin", {"frame_length": 4096})
    assert subject.describe()["frame_length"] == "4096 samples, stated"
    assert subject.parameters(16000).frame_length == 4096
    assert build("pyin", {}).parameters(16000).frame_length == 1024


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fmin": 500, "fmax": 60}, "0 < fmin < fmax"),
        ({"frame_length": 3}, "frame_length=3"),
        ({"switch_prob": 2}, "switch_prob=2 must lie in"),
        ({"resolutoin": 0.1}, "did you mean 'resolution'"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ConfigError, match=message):
        build("pyin", options)
