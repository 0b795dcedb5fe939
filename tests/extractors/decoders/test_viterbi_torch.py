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


def together(rows, band):
    lengths = torch.tensor([len(part) for part in rows])
    batch = torch.zeros((len(rows), int(lengths.max()), band.states))
    for place, part in zip(batch, rows, strict=True):
        place[: len(part)] = torch.tensor(np.log(part + np.float32(TINY)))
    return module.TorchViterbi(band, "cpu")(batch, lengths)


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
