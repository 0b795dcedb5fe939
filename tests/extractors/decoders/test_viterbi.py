"""The banded Viterbi walks librosa's path: random, flat, tied and jumping.

Every case goes through numba's kernels and through numpy's, for one block of states
(CREPE) and for two (pYIN).
"""

import warnings

import numpy as np
import pytest

from extractors import compiled
from extractors.decoders import viterbi as module
from extractors.decoders import viterbi_numpy
from extractors.decoders.band import band_of, band_of_matrix, triangular_band
from extractors.decoders.viterbi import Dense, decode, viterbi_path, viterbi_paths

SWITCH = np.array([[0.99, 0.01], [0.01, 0.99]])


@pytest.fixture(params=["numba", "numpy"], autouse=True)
def kernels(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(module, "usable_kernels", lambda: viterbi_numpy)
    return request.param


def matrix(states, width):
    index = np.arange(states)
    raw = np.maximum(width - abs(index[:, None] - index), 0).astype(float)
    return raw / raw.sum(axis=1, keepdims=True)


def oracle(observations, transition):
    import librosa

    states = len(transition)
    start = np.full(states, 1 / states)
    return librosa.sequence.viterbi(observations.T, transition, p_init=start)


def banded(observations, transition, blocks=1):
    tiny = float(np.finfo(observations.dtype).tiny)
    band = band_of_matrix(transition, tiny, blocks)
    return decode([Dense(observations, None, tiny)], band)[0]


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
    observations = np.random.default_rng(seed).random((200, 360), dtype=np.float32)
    found = viterbi_path(observations, triangular_band(360, 12))
    np.testing.assert_array_equal(found, oracle(observations, matrix(360, 12)))


@pytest.mark.parametrize("seed", range(3))
def test_forced_jumps_leave_the_band_as_librosa_does(seed):
    observations = jumps(np.random.default_rng(seed), 360, 200)
    found = viterbi_path(observations, triangular_band(360, 12))
    np.testing.assert_array_equal(found, oracle(observations, matrix(360, 12)))
    assert abs(np.diff(found)).max() > 11


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_two_blocks_equal_librosa(seed, dtype):
    """Random, sure and impossible states, with jumps over the band and the blocks."""
    rng = np.random.default_rng(seed)
    transition = np.kron(SWITCH, matrix(70, 9))
    observations = jumps(rng, 140, 150).astype(dtype)
    observations[::3] = np.maximum(observations[::3], rng.random((50, 140)) / 2)
    observations[rng.integers(0, 150, 10)] = 0
    found = banded(observations, transition, blocks=2)
    np.testing.assert_array_equal(found, oracle(observations, transition))
    assert abs(np.diff(found % 70)).max() > 8
    assert set(found // 70) == {0, 1}


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_ties_go_to_the_lowest_state(value):
    flat = np.full((50, 40), value, np.float32)
    for blocks, transition in ((1, matrix(40, 3)), (2, np.kron(SWITCH, matrix(20, 3)))):
        found = banded(flat, transition, blocks)
        np.testing.assert_array_equal(found, oracle(flat, transition))


def test_a_tie_of_jump_and_step_goes_to_the_lowest_state():
    """Equal values everywhere: a zero in the band costs as much as a jump."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        transition = np.eye(12)
        transition[0, 1] = transition[0, 0] = 0.5
        observations = rng.choice([0.0, 0.5], (12, 12)).astype(np.float32)
        found = banded(observations, transition)
        np.testing.assert_array_equal(found, oracle(observations, transition))


def test_bands_that_change_from_state_to_state():
    """Nothing is shared between targets, and wider than a row of values."""
    rng = np.random.default_rng(4)
    index = np.arange(30)
    for reach in (0, 1, 7, 29):
        raw = rng.random((30, 30)) * (abs(index[:, None] - index) <= reach) + np.eye(30)
        transition = raw / raw.sum(axis=1, keepdims=True)
        observations = rng.random((60, 30))
        found = banded(observations, transition)
        np.testing.assert_array_equal(found, oracle(observations, transition))


def test_three_states_by_hand():
    """Width 1 allows no move: the path stays where the product is largest."""
    observations = np.array([[0.5, 0.4, 0], [0.1, 0.4, 0], [0.5, 0.4, 0]], np.float32)
    assert viterbi_path(observations, triangular_band(3, 1)).tolist() == [1, 1, 1]


def test_one_frame():
    observations = np.array([[0.1, 0.9, 0.9]], np.float32)
    assert viterbi_path(observations, triangular_band(3, 2)).tolist() == [1]


def test_product_is_laid_out_as_its_matrix():
    whole = band_of_matrix(np.kron(SWITCH, matrix(50, 6)), 1e-300, blocks=2)
    product = band_of(matrix(50, 6), 1e-300, SWITCH)
    np.testing.assert_array_equal(product.near, whole.near)
    assert (product.blocks, product.places, product.states) == (2, 50, 100)
    assert (product.reach, product.floor) == (5, np.log(1e-300))


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


@pytest.mark.parametrize("width", [1, 2, 5])
def test_company_and_threads_do_not_show(width, monkeypatch):
    rng = np.random.default_rng(width)
    clips = [rng.random((n, 60), dtype=np.float32) for n in (1, 90, 2, 300, 41)]
    band = triangular_band(60, 5)
    alone = [viterbi_path(clip, band) for clip in clips]
    monkeypatch.setattr(compiled, "threads", lambda: width)
    for found, expected in zip(viterbi_paths(clips, band), alone, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_no_clip():
    assert viterbi_paths([], triangular_band(10, 2)) == []


def test_a_broken_compiler_is_said_once_and_numpy_decodes(monkeypatch, kernels):
    if kernels == "numpy":
        pytest.skip("nothing is compiled there")

    def broken(found):
        raise RuntimeError("no such processor\nat all")

    monkeypatch.setattr(module, "_try_out", broken)
    module.usable_kernels.cache_clear()
    compiled.warn_once.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match="RuntimeError: no such processor$"):
            first = viterbi_path(np.eye(5, dtype=np.float32), triangular_band(5, 2))
        assert first.tolist() == [0, 1, 2, 3, 4]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            viterbi_path(np.eye(5, dtype=np.float32), triangular_band(5, 2))
        assert module.usable_kernels() is viterbi_numpy
    finally:
        module.usable_kernels.cache_clear()
