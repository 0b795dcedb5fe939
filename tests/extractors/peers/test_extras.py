"""Optional peers: sane pitch and times where installed, the pip line where not."""

import sys

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.base import check_output
from extractors.errors import MissingExtraError
from extractors.registry import build

MODULES = {"swiftf0": "swift_f0", "praat": "parselmouth"}


def glide(sr, seconds=1.0):
    """150 Hz to 350 Hz: 10 ms of delay would read as 14 cents on average."""
    t = np.arange(int(seconds * sr)) / sr
    phase = 2 * np.pi * (150 * t + 100 * t**2)
    wave = sum(np.sin(k * phase) / k for k in range(1, 8))
    return Audio(0.2 * wave, sr)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_missing_package_carries_the_pip_line(name, monkeypatch):
    monkeypatch.setitem(sys.modules, MODULES[name], None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'f0bench\[{name}\]'"):
        build(name, {}).load()


@pytest.mark.parametrize("name", sorted(MODULES))
@pytest.mark.parametrize("sr", [16000, 22050])
def test_pitch_and_clock(name, sr):
    pytest.importorskip(MODULES[name], reason=f"pip install 'f0bench[{name}]'")
    clip = glide(sr)
    (track,) = build(name, {"fmin": 60, "fmax": 600}).extract([clip])
    check_output([track], [clip])
    inside = (track.times > 0.1) & (track.times < 0.9)
    assert track.voiced[inside].all()
    true = 150 + 200 * track.times
    cents = 1200 * np.log2(track.f0 / true)[inside]
    assert abs(np.median(cents)) < 8


@pytest.mark.parametrize("name", sorted(MODULES))
@pytest.mark.parametrize("n", [1, 400, 1000])
def test_short_clips(name, n):
    pytest.importorskip(MODULES[name], reason=f"pip install 'f0bench[{name}]'")
    clip = Audio(np.zeros(n), 16000)
    tracks = build(name, {}).extract([clip])
    check_output(tracks, [clip])
    assert not tracks[0].voiced.any()
