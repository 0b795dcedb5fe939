"""The torch decoder walks the path of the others, for clips of any lengths together."""

import numpy as np
import pytest

from extractors.decoders.band import band_of, triangular_band
from extractors.decoders.viterbi import Dense, decode

torch = pytest.importorskip("torch")

from extractors.decoders import viterbi_torch as module  # noqa: E402 - it needs torch

SWITCH = np.array([[0.9, 0.1], [0.1, 0.9]])
TINY = float(np.finfo(np.float32).tiny)


def within(places, width):
    index = np.arange(places)
    raw = np.maximum(width - abs(index[:, None] - index), 0).astype(float)
    return raw / raw.sum(axis=1, keepdims=True)


BANDS = {
    "crepe": triangular_band(360, 12),
    "two blocks": band_of(within(50, 6), TINY, SWITCH),
    "no reach": band_of(within(20, 1), TINY, SWITCH),
}


def clips(states):
    """Random, sure with jumps, all alike."""
    rng = np.random.default_rng(0)
    sure = np.zeros((70, states), np.float32)
    sure[np.arange(70), rng.integers(0, states, 70)] = 1
    flat = np.full((31, states), 0.5, np.float32)
    return [rng.random((90, states), dtype=np.float32), sure, flat, flat[:1]]


def together(rows, band, search="__call__"):
    lengths = torch.tensor([len(part) for part in rows])
    batch = torch.zeros((len(rows), int(lengths.max()), band.states))
    for place, part in zip(batch, rows, strict=True):
        place[: len(part)] = torch.tensor(np.log(part + np.float32(TINY)))
    return getattr(module.TorchViterbi(band, "cpu"), search)(batch, lengths)


@pytest.mark.parametrize("block", [1, 30, 8192])
@pytest.mark.parametrize("name", sorted(BANDS))
def test_equal_to_the_cpu(name, block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    band = BANDS[name]
    rows = clips(band.states)
    expected = decode([Dense(part, None, TINY) for part in rows], band)
    found = together(rows, band)
    for path, part in zip(found.numpy(), expected, strict=True):
        np.testing.assert_array_equal(path[: len(part)], part)
        assert (path[len(part) :] == -1).all()


def test_company_does_not_show():
    band = BANDS["two blocks"]
    rows = clips(band.states)
    alone = together(rows[1:2], band)
    np.testing.assert_array_equal(together(rows, band)[1, :70], alone[0])


# clips whose blocks step side by side


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(module, "STRETCH", 8)
    monkeypatch.setattr(module, "SIDE_BY_SIDE", 3)


def blockwise(rows, band):
    return together(rows, band, "in_blocks")


@pytest.mark.parametrize("name", sorted(BANDS))
def test_blocks_walk_the_same_path(name, small):
    band = BANDS[name]
    random, sure, *_ = clips(band.states)
    rows = [part[:count] for part in (random, sure) for count in (1, 8, 24, 25, 70)]
    expected = decode([Dense(part, None, TINY) for part in rows], band)
    found = blockwise(rows, band).numpy()
    for path, clip, part in zip(found, rows, expected, strict=True):
        assert (path[len(part) :] == -1).all()
        # moves between two sure states may come in any order: rounding decides
        own, best = (likelihood(p, clip, band) for p in (path[: len(part)], part))
        assert own == pytest.approx(best, abs=1e-9)
        if part is not sure:
            assert (path[: len(part)] == part).mean() > 0.8


def likelihood(path, clip, band):
    """Logarithm of a path's probability, with a floor under all transitions."""
    into = module._into(band)[: band.states]
    seen = np.log(clip + np.float32(TINY), dtype=np.float64)
    moves = into[path[1:], path[:-1]].sum()
    return band.start + seen[np.arange(len(path)), path].sum() + moves


def test_blocks_wait_for_what_is_far_away(small):
    """A sure frame decides hundreds of frames that say next to nothing, both ways."""
    band = BANDS["crepe"]
    rng = np.random.default_rng(1)
    faint = np.zeros((400, 360), np.float32)  # the first and last states are closed
    faint[:, 100:260] = 0.5 + 1e-5 * rng.random((400, 160))
    for place, state in ((0, 120), (399, 240), (200, 180)):
        clip = faint.copy()
        clip[place] = 0
        clip[place, state] = 1
        (expected,) = decode([Dense(clip, None, TINY)], band)
        assert abs(expected - state).max() < 20  # it decides about all of them
        np.testing.assert_array_equal(blockwise([clip], band)[0], expected)


def test_most_blocks_settle_at_once(monkeypatch):
    monkeypatch.setattr(module, "STRETCH", 64)
    monkeypatch.setattr(module, "SIDE_BY_SIDE", 16)
    band, rng = BANDS["crepe"], np.random.default_rng(2)
    path = 180 + np.cumsum(rng.integers(-5, 6, 1000))
    peaks = np.exp(-0.5 * ((np.arange(360) - path[:, None]) / 2) ** 2)
    decoder, rounds = module.TorchViterbi(band, "cpu"), []
    forward = decoder._forward
    monkeypatch.setattr(
        decoder, "_forward", lambda *given: rounds.append(1) or forward(*given)
    )
    seen = torch.tensor(np.log(peaks.astype(np.float32) + np.float32(TINY)))
    found = decoder.in_blocks(seen[None], torch.tensor([1000]))[0].numpy()
    (expected,) = decode([Dense(peaks.astype(np.float32), None, TINY)], band)
    np.testing.assert_array_equal(found, expected)
    assert len(rounds) <= 4  # of 16 blocks: twice or three times, and for the path


def test_a_blocks_path_does_not_depend_on_company(small):
    band = BANDS["crepe"]
    rng = np.random.default_rng(3)
    flat = np.full((90, 360), 0.5, np.float32)  # ties wherever one looks
    faint = flat + 1e-6 * rng.random((90, 360), dtype=np.float32)
    noise = rng.random((130, 360), dtype=np.float32)
    rows = [flat, noise, faint[:50], flat[:33]]
    for path, clip in zip(blockwise(rows, band), rows, strict=True):
        np.testing.assert_array_equal(path[: len(clip)], blockwise([clip], band)[0])


def test_what_lies_behind_a_clip_asks_for_no_round(small, monkeypatch):
    band, rng = BANDS["crepe"], np.random.default_rng(4)
    decoder, rounds = module.TorchViterbi(band, "cpu"), []
    forward = decoder._forward
    monkeypatch.setattr(
        decoder, "_forward", lambda *given: rounds.append(1) or forward(*given)
    )
    clip = rng.random((9, 360), dtype=np.float32)  # a block, and a frame of the next
    counts = []
    for behind in (np.eye(15, 360, dtype=np.float32), np.full((15, 360), 0.5)):
        rows = np.concatenate([clip, behind]).astype(np.float32) + np.float32(TINY)
        found = decoder.in_blocks(torch.tensor(np.log(rows))[None], torch.tensor([9]))
        np.testing.assert_array_equal(found[0, :9], blockwise([clip], band)[0])
        counts.append(len(rounds))
        rounds.clear()
    assert counts == [3, 3]  # two until they agree, one for the path


def test_values_of_one_frame_keep_no_others(small):
    decoder = module.TorchViterbi(BANDS["crepe"], "cpu")
    kept, relative = [], decoder._relative
    decoder._relative = lambda values: kept.append(values) or relative(values)
    decoder.in_blocks(torch.zeros((1, 24, 360)), torch.tensor([24]))
    assert kept
    for values in kept:
        assert values.untyped_storage().nbytes() == values.nbytes
