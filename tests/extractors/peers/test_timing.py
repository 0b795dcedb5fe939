"""A whole number of samples per hop, by resampling and never by truncation."""

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.errors import ConfigError
from extractors.peers.timing import (
    check_whole_hop,
    noise,
    whole_hop_rate,
    with_whole_hop,
)
from extractors.track import FrameGrid


@pytest.mark.parametrize(
    ("sr", "hop_s", "rate"),
    [
        (16000, 0.01, 16000),
        (22050, 0.01, 22100),
        (44100, 0.01, 44100),
        (20000, 0.015, 20000),
        (11025, 0.005, 11200),
    ],
)
def test_next_rate_above(sr, hop_s, rate):
    grid = FrameGrid(hop_s)
    assert whole_hop_rate(sr, grid) == rate
    assert grid.hop_length(rate).denominator == 1


def test_samples_follow_the_rate():
    same, rate = with_whole_hop(noise(16000), FrameGrid(0.01))
    assert (len(same), rate) == (1600, 16000)
    moved, rate = with_whole_hop(Audio(np.ones(22050), 22050), FrameGrid(0.01))
    assert rate == 22100
    assert abs(len(moved) - 22100) <= 1


def test_odd_hop_is_refused():
    with pytest.raises(ConfigError, match="use a round hop"):
        check_whole_hop(FrameGrid(0.01160998))
