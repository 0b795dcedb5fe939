"""The banded Viterbi walks librosa's path: random, flat, tied and jumping."""

import numpy as np
import pytest

from extractors.decoders import viterbi as module
from extractors.decoders.viterbi import triangular_band, viterbi_path


def matrix(states, width):
    index = np.arange(states)
    raw = np.maximum(width - abs(index[:, None] - index), 0).astype(float)
    return raw / raw.sum(axis=1, keepdims=True)


def oracle(observations, width):
    import librosa

    states = observations.shape[1]
    return librosa.sequence.viterbi(observations.T, matrix(states, width))


def jumps(rng, states, frames):
    """One sure state at a time, now and then another far away."""
    out = np.zeros((frames, states), np.float32)
    state = 0
    for t in range(frames):
        if t % int(rng.integers(5, 30)) == 0:
            state = int(rng.integers(states))
        out[t, state] = rng.choice([1.0, 0.5, 0.1])
    return out


@pytest.mark.parametrize("seed", range(3))
def test_random_path_equals_librosa(seed):
    rng = np.random.default_rng(seed)
    observations = rng.random((200, 360), dtype=np.float32)
    found = viterbi_path(observations, triangular_band(360, 12))
    np.testing.assert_array_equal(found, oracle(observations, 12))


@pytest.mark.parametrize("seed", range(3))
def test_forced_jumps_leave_the_band_as_librosa_does(seed):
    observations = jumps(np.random.default_rng(seed), 360, 200)
    found = viterbi_path(observations, triangular_band(360, 12))
    np.testing.assert_array_equal(found, oracle(observations, 12))
    assert abs(np.diff(found)).max() > 11


def test_ties_go_to_the_lowest_state():
    for observations in (np.zeros((50, 40)), np.ones((50, 40)), np.full((50, 40), 0.5)):
        flat = observations.astype(np.float32)
        found = viterbi_path(flat, triangular_band(40, 3))
        np.testing.assert_array_equal(found, oracle(flat, 3))


def test_three_states_by_hand():
    """Width 1 allows no move: the path stays where the product is largest."""
    observations = np.array([[0.5, 0.4, 0], [0.1, 0.4, 0], [0.5, 0.4, 0]], np.float32)
    assert viterbi_path(observations, triangular_band(3, 1)).tolist() == [1, 1, 1]


def test_one_frame():
    observations = np.array([[0.1, 0.9, 0.9]], np.float32)
    assert viterbi_path(observations, triangular_band(3, 2)).tolist() == [1]


@pytest.mark.parametrize("block", [2, 64, 199, 200, 201])
def test_blocks_do_not_show(block, monkeypatch):
    rng = np.random.default_rng(9)
    observations = np.maximum(
        rng.random((200, 60), dtype=np.float32) / 4, jumps(rng, 60, 200)
    )
    band = triangular_band(60, 5)
    whole = viterbi_path(observations, band)
    calls = []

    def observe(rows):
        calls.append(len(rows))
        return rows

    monkeypatch.setattr(module, "BLOCK", block)
    np.testing.assert_array_equal(viterbi_path(observations, band, observe), whole)
    assert max(calls) <= block + 1
