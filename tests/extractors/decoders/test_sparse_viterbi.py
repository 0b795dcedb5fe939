"""Paths equal librosa's, bit for bit, on every kind of matrix and sequence."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from extractors.audio import Audio
from extractors.decoders.sparse_viterbi import sparse_viterbi
from extractors.peers.librosa_pyin import LibrosaPyin

N = 40


def pyin_matrix(states: int = N, width: int = 7) -> np.ndarray:
    local = librosa.sequence.transition_local(states, width, window="triangle")
    return np.kron(librosa.sequence.transition_loop(2, 0.99), local)


def both(prob: np.ndarray, transition: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p_init = np.full(len(transition), 1 / len(transition))
    expected = librosa.sequence.viterbi(prob, transition, p_init=p_init)
    return sparse_viterbi(prob, transition, p_init=p_init), expected


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_random_likelihoods(seed, dtype):
    rng = np.random.default_rng(seed)
    prob = rng.random((2 * N, 200)).astype(dtype)
    path, expected = both(prob, pyin_matrix())
    assert np.array_equal(path, expected)


@pytest.mark.parametrize("seed", range(5))
def test_forced_jumps_off_the_band(seed):
    rng = np.random.default_rng(seed)
    prob = np.zeros((2 * N, 120))  # all but one state impossible in every frame
    prob[rng.integers(0, 2 * N, 120), np.arange(120)] = 1.0
    path, expected = both(prob, pyin_matrix())
    assert np.array_equal(path, expected)
    assert (np.abs(np.diff(expected.astype(int))) > 7).any()


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_ties_go_to_the_lowest_index(value):
    path, expected = both(np.full((2 * N, 50), value), pyin_matrix())
    assert np.array_equal(path, expected)


def test_dense_matrix_and_single_frame():
    rng = np.random.default_rng(0)
    dense = rng.random((6, 6))
    dense /= dense.sum(axis=1, keepdims=True)
    for steps in (1, 2, 30):
        path, expected = both(rng.random((6, steps)), dense)
        assert np.array_equal(path, expected)


def test_pyin_with_it_equals_librosas_pyin():
    rng = np.random.default_rng(0)
    t = np.arange(16000) / 16000
    f0 = 150 * 2 ** (0.5 * np.sin(2 * np.pi * t))
    tone = np.sin(2 * np.pi * np.cumsum(f0) / 16000) * (t < 0.7)
    clip = Audio(0.3 * tone + 0.01 * rng.standard_normal(len(t)), 16000)
    (plain,) = LibrosaPyin(fmin=60, fmax=500).extract([clip])
    (sparse,) = LibrosaPyin(fmin=60, fmax=500, viterbi="sparse").extract([clip])
    assert np.array_equal(plain.f0, sparse.f0, equal_nan=True)
    assert np.array_equal(plain.voiced, sparse.voiced)
    assert np.array_equal(plain.confidence, sparse.confidence)
    assert plain.voiced.any()
    assert not plain.voiced.all()
