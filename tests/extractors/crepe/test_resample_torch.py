"""Resampling on tensors: as good as soxr HQ, and the same samples in any company."""

import numpy as np
import pytest
import soxr

torch = pytest.importorskip("torch")

from extractors.crepe.resample_torch import (  # noqa: E402 - it needs torch
    PASS_BAND,
    Resampler,
    output_length,
    windows,
)

RATES = [8000, 11025, 22050, 44100, 48000]
EDGE = 2000  # samples: filters ring at both ends of a clip


@pytest.fixture(scope="module")
def resamplers():
    return {sr: Resampler(sr, "cpu") for sr in RATES}


def together(signals, resampler, sr):
    """Resample signals of one rate as one batch; what lies around them is not zero."""
    sizes = [len(x) for x in signals]
    lengths = [output_length(n, sr) for n in sizes]
    raw = torch.tensor(np.concatenate([[9.0], *signals, [9.0]]).astype(np.float32))
    starts = [1 + sum(sizes[:i]) for i in range(len(sizes))]
    places = [sum(lengths[:i]) for i in range(len(sizes))]
    target = torch.full((sum(lengths) + 1,), torch.nan)
    total = sum(resampler.periods(n) for n in lengths)
    begin, end = torch.tensor([starts, places]), torch.tensor([sizes, lengths])
    resampler(raw, begin, end, target, total)
    return [
        target[start : start + n].numpy()
        for start, n in zip(places, lengths, strict=True)
    ]


def sine(hz, sr, seconds=1.0):
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * sr)) / sr + 0.3).astype(
        np.float32
    )


def decibel(value):
    return 20 * np.log10(max(float(value), 1e-12))


@pytest.mark.parametrize("sr", RATES)
def test_levels_and_distortion_in_the_pass_band(sr, resamplers):
    for part in (0.01, 0.5, 0.9, PASS_BAND):
        hz = part * min(sr, 16000) / 2
        (found,) = together([sine(hz, sr)], resamplers[sr], sr)
        t = np.arange(len(found)) / 16000
        exact = np.sin(2 * np.pi * hz * t + 0.3)
        inside = slice(EDGE, -EDGE)
        level = found[inside] @ exact[inside] / (exact[inside] @ exact[inside])
        assert abs(decibel(level)) < 0.001
        rest = found[inside] - exact[inside]  # phase errors, images and noise
        assert decibel(np.sqrt(2 * np.mean(np.square(rest)))) < -115


@pytest.mark.parametrize("sr", [22050, 44100, 48000])
def test_aliases_are_110_db_down(sr, resamplers):
    for hz in np.linspace(8000, 0.99 * sr / 2, 8):
        (found,) = together([sine(hz, sr)], resamplers[sr], sr)
        assert decibel(np.abs(found[EDGE:-EDGE]).max()) < -110


@pytest.mark.parametrize("sr", RATES)
def test_equals_soxr_but_for_soxrs_own_levels(sr, resamplers):
    """A sweep up to 0.85 of the lower Nyquist frequency; soxr is off by 0.003 dB."""
    n, top = sr, 0.85 * min(sr, 16000) / 2
    sweep = np.sin(np.pi * top * np.square(np.arange(n) / sr)).astype(np.float32)
    theirs = soxr.resample(sweep, sr, 16000, quality="HQ")
    (ours,) = together([sweep], resamplers[sr], sr)
    assert len(ours) == len(theirs)
    assert decibel(np.abs(ours - theirs)[EDGE:-EDGE].max()) < -70


@pytest.mark.parametrize("sr", [8000, 44100])
@pytest.mark.parametrize("size", [1, 2, 3, 100, 441, 8191])
def test_as_many_samples_as_soxr_gives(sr, size):
    theirs = soxr.resample(np.zeros(size, np.float32), sr, 16000, quality="HQ")
    assert output_length(size, sr) == len(theirs)


@pytest.mark.parametrize("sr", RATES)
def test_a_constant_stays_what_it_is(sr, resamplers):
    (found,) = together([np.full(sr, 0.5, np.float32)], resamplers[sr], sr)
    np.testing.assert_allclose(found[EDGE:-EDGE], 0.5, rtol=3e-6)


@pytest.mark.parametrize("sr", [11025, 44100])
def test_company_and_place_do_not_show(sr, resamplers):
    rng = np.random.default_rng(0)
    signals = [
        rng.standard_normal(n).astype(np.float32) for n in (1, 5000, 90000, 30, 441)
    ]
    whole = together(signals, resamplers[sr], sr)
    assert not np.isnan(np.concatenate(whole)).any()
    for signal, found in zip(signals, whole, strict=True):
        (alone,) = together([signal], resamplers[sr], sr)
        np.testing.assert_array_equal(found, alone)


def test_a_rate_without_common_factor_is_cut_into_tiles():
    resampler = Resampler(16001, "cpu")
    tiles, _, outputs = resampler._weights.shape
    assert tiles * outputs == resampler.period[0] == 16000
    (found,) = together([sine(440, 16001)], resampler, 16001)
    t = np.arange(len(found)) / 16000
    exact = np.sin(2 * np.pi * 440 * t + 0.3)
    assert np.abs(found - exact)[EDGE:-EDGE].max() < 1e-5


def test_windows_see_zeros_outside_their_clip():
    signal = torch.arange(1.0, 9.0)
    begin, length = torch.tensor([2, 2, 5]), torch.tensor([3, 3, 3])
    found = windows(signal, begin, length, torch.tensor([-1, 2, 0]), 3)
    assert found.tolist() == [[0, 3, 4], [5, 0, 0], [6, 7, 8]]
