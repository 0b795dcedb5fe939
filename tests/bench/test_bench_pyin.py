"""pYIN against ``librosa.pyin``: one process, one input, 65 to 2093 Hz every 10 ms."""

from __future__ import annotations

import numpy as np
import pytest

SYSTEMS = ["librosa", "pyin"]
SETTING = {
    "fmin": 65.0,
    "fmax": 2093.0,
    "sr": 16000,
    "frame_length": 2048,
    "hop_length": 160,
}


def functions(by):
    """The function, and the extractor that gives it many clips at once."""
    if by == "librosa":
        import librosa

        return librosa.pyin, None
    from extractors.pyin import pyin
    from extractors.registry import build

    options = {"fmin": SETTING["fmin"], "fmax": SETTING["fmax"]}
    return pyin, build("pyin", {**options, "frame_length": SETTING["frame_length"]})


@pytest.mark.parametrize("by", SYSTEMS)
def test_eight_clips(pace, clips, by):
    function, system = functions(by)

    def one_by_one(batch):
        return [function(clip.samples, **SETTING) for clip in batch]

    track = one_by_one if system is None else system.extract
    track(clips[:1])  # compiles
    seconds = sum(clip.seconds for clip in clips)
    group = f"pYIN, {len(clips)} clips, {seconds:g} s"
    rounds = 3 if by == "librosa" else 20
    assert len(pace(group, track, clips, seconds=seconds, rounds=rounds)) == len(clips)


@pytest.mark.parametrize("by", SYSTEMS)
def test_one_clip(pace, voice, by, one_thread):
    function, _ = functions(by)
    group = f"pYIN, one clip, one thread, {voice.seconds:g} s"
    rounds = 5 if by == "librosa" else 50

    def track(samples):
        return function(samples, **SETTING)

    track(voice.samples)  # compiles
    f0, _, _ = pace(group, track, voice.samples, seconds=voice.seconds, rounds=rounds)
    assert np.isfinite(f0).any()
