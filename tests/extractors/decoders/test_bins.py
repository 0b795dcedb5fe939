"""Bins, cents and the part of them that an F0 range leaves open."""

import numpy as np
import pytest

from extractors.decoders.bins import (
    PITCH_BINS,
    allowed_bins,
    bins_to_cents,
    cents_to_hz,
)
from extractors.errors import ConfigError
from extractors.peers.torchaudio_stand_in import import_torchcrepe


def test_first_bin_and_octave():
    hz = cents_to_hz(bins_to_cents(np.array([0, 60])))
    assert hz[0] == pytest.approx(31.70, abs=1e-9)
    assert hz[1] / hz[0] == pytest.approx(2)


def test_no_bin_in_range():
    with pytest.raises(ConfigError, match="leave none of CREPE's bins"):
        allowed_bins(2500, 3000)


def test_range_beyond_the_bins_is_cut():
    assert allowed_bins(10, 5000) == slice(0, PITCH_BINS)
    assert allowed_bins(10, np.inf) == slice(0, PITCH_BINS)


def test_same_bins_open_as_in_torchcrepe():
    import torch

    package = import_torchcrepe()
    on_bins = cents_to_hz(bins_to_cents(np.arange(20, 340, 7)))
    for hz in [50, 60, 75, 100, 500, 550, 600, 800, 1000, 1100, 2006, *on_bins]:
        low, high = 32.0, 2006.0
        convert = package.convert.frequency_to_bins
        first = int(convert(torch.tensor(float(hz))))
        last = int(convert(torch.tensor(float(hz)), torch.ceil))
        assert allowed_bins(hz, high + 100).start == first, hz
        assert allowed_bins(low, hz).stop == last, hz
