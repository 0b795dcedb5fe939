"""The tables of pYIN against the libraries that librosa takes them from."""

import librosa
import numpy as np
import pytest
import scipy.stats

from extractors.pyin.model import (
    pitch_transitions,
    threshold_prior,
    trough_prior,
    voicing_transitions,
)


@pytest.mark.parametrize("width", [1, 2, 5, 6, 11, 30])
@pytest.mark.parametrize("bins", [30, 31, 77])
def test_pitch_transitions(bins, width):
    expected = librosa.sequence.transition_local(bins, width, window="triangle")
    np.testing.assert_array_equal(pitch_transitions(bins, width), expected)


@pytest.mark.parametrize("switch_prob", [0.01, 0.3])
def test_voicing_transitions(switch_prob):
    expected = librosa.sequence.transition_loop(2, 1 - switch_prob)
    np.testing.assert_array_equal(voicing_transitions(switch_prob), expected)


@pytest.mark.parametrize("shape", [(2, 18), (1, 8), (2.5, 3.5)])
def test_threshold_prior(shape):
    thresholds, mass = threshold_prior(100, shape)
    edges = np.linspace(0, 1, 101)
    expected = np.diff(scipy.stats.beta.cdf(edges, *shape))
    np.testing.assert_array_equal(thresholds, edges[1:])
    np.testing.assert_allclose(mass, expected, rtol=1e-12, atol=1e-16)
    assert mass.sum() == pytest.approx(1)


@pytest.mark.parametrize("steepness", [0.5, 2])
def test_trough_prior(steepness):
    share, decay = trough_prior(steepness, 41)
    assert len(share) == len(decay) + 1 == 22
    for count in (1, 2, 7, 21):
        rank = np.arange(count)
        expected = scipy.stats.boltzmann.pmf(rank, steepness, count)
        np.testing.assert_allclose(share[count] * decay[rank], expected, rtol=1e-14)
