"""Decoders on probabilities small enough to check by hand, and against torchcrepe."""

import numpy as np
import pytest

from extractors.decoders.bins import allowed_bins, bins_to_cents, cents_to_hz
from extractors.decoders.pitch import (
    DECODERS,
    argmax,
    local_average,
    softmax_open,
    viterbi,
    viterbi_weighted,
    weighted_argmax,
)
from extractors.peers.torchaudio_stand_in import import_torchcrepe

ALL = slice(0, 360)


def hz(cents):
    return cents_to_hz(np.asarray(cents, dtype=float))


def frames(*peaks):
    """One frame per dictionary of ``{bin: probability}``."""
    out = np.zeros((len(peaks), 360), np.float32)
    for row, peak in zip(out, peaks, strict=True):
        for place, value in peak.items():
            row[place] = value
    return out


def test_argmax_takes_the_first_of_equals_at_its_centre():
    found = argmax(frames({100: 0.5, 200: 0.5}), ALL)
    assert found.bins.tolist() == [100]
    assert found.f0[0] == pytest.approx(hz(2000 + 1997.3794084376191))


def test_weighted_average_by_hand():
    """Weights 1 and 3 on neighbours 20 cents apart: three quarters of the way."""
    found = weighted_argmax(frames({100: 0.25, 101: 0.75}), ALL)
    assert found.bins.tolist() == [101]
    expected = bins_to_cents(np.array([100])) + 15
    assert found.f0 == pytest.approx(hz(expected))


def test_average_reaches_four_bins_and_not_five():
    near = weighted_argmax(frames({100: 0.5, 104: 0.5}), ALL).f0
    far = weighted_argmax(frames({100: 0.5, 105: 0.5}), ALL).f0
    assert near == pytest.approx(hz(bins_to_cents(np.array([102]))))
    assert far == pytest.approx(hz(bins_to_cents(np.array([100]))))


def test_closed_bins_are_neither_chosen_nor_averaged():
    probabilities = frames({99: 0.9, 100: 0.4, 101: 0.4, 102: 0.8})
    found = weighted_argmax(probabilities, slice(100, 102))
    assert found.bins.tolist() == [100]
    assert found.f0 == pytest.approx(hz(bins_to_cents(np.array([100])) + 10))


def test_average_at_the_edge_of_the_bins():
    for edge in (0, 359):
        found = weighted_argmax(frames({edge: 0.5}), ALL)
        assert found.f0 == pytest.approx(hz(bins_to_cents(np.array([edge]))))


def test_no_weight_keeps_the_centre():
    f0 = local_average(np.zeros((1, 360), np.float32), np.array([100]), ALL)
    assert f0 == pytest.approx(hz(bins_to_cents(np.array([100]))))


def test_path_bridges_an_octave_slip_that_argmax_follows():
    probabilities = frames(
        *([{100: 0.8}] * 5 + [{100: 0.7, 160: 0.8}] + [{100: 0.8}] * 5)
    )
    assert argmax(probabilities, ALL).bins[5] == 160
    assert viterbi(probabilities, ALL).bins.tolist() == [100] * 11


def test_weighted_path_has_the_bins_of_the_path():
    rng = np.random.default_rng(0)
    probabilities = rng.random((50, 360), dtype=np.float32)
    open_ = slice(40, 300)
    path, refined = (
        viterbi(probabilities, open_),
        viterbi_weighted(probabilities, open_),
    )
    np.testing.assert_array_equal(path.bins, refined.bins)
    assert path.bins.min() >= 40
    assert path.bins.max() < 300
    cents = abs(1200 * np.log2(refined.f0 / path.f0))
    assert 0 < cents.max() <= 80


def test_softmax_is_zero_outside_and_one_in_sum():
    rows = softmax_open(np.ones((2, 360), np.float32), slice(10, 20))
    assert rows.sum(axis=1) == pytest.approx(1)
    assert rows[:, 10:20] == pytest.approx(0.1)
    assert not rows[:, :10].any()
    assert not rows[:, 20:].any()


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_inputs_stay_as_they_were(name):
    probabilities = np.random.default_rng(1).random((20, 360), dtype=np.float32)
    before = probabilities.copy()
    DECODERS[name](probabilities, slice(40, 300))
    np.testing.assert_array_equal(probabilities, before)


@pytest.mark.parametrize("name", ["argmax", "viterbi"])
def test_bins_equal_torchcrepe(name):
    import torch

    package = import_torchcrepe()
    rng = np.random.default_rng(2)
    probabilities = rng.random((150, 360), dtype=np.float32) ** 4
    open_ = allowed_bins(60, 500)
    masked = torch.tensor(probabilities.T[None].copy())
    masked[:, : open_.start] = -float("inf")
    masked[:, open_.stop :] = -float("inf")
    theirs, _ = getattr(package.decode, name)(masked)
    ours = DECODERS[name](probabilities, open_).bins
    np.testing.assert_array_equal(ours, theirs[0].numpy())
