"""Decoding on tensors: the host's bins, its ties and its F0, clip by clip."""

import numpy as np
import pytest

from extractors.decoders.bins import allowed_bins
from extractors.decoders.pitch import DECODERS

torch = pytest.importorskip("torch")

from extractors.decoders import pitch_torch as module  # noqa: E402 - it needs torch

ALLOWED = allowed_bins(60, 900)


def posteriors(seed=0):
    """Peaks that wander and jump, noise, all alike, all zero, certainty, one frame."""
    rng = np.random.default_rng(seed)
    bins = np.arange(360)
    path = 180 + np.cumsum(rng.integers(-6, 7, 120)) + 90 * (np.arange(120) > 60)
    peaks = 0.9 * np.exp(-0.5 * ((bins - path[:, None]) / 2) ** 2)
    sure = np.zeros((40, 360))
    sure[np.arange(40), rng.integers(0, 360, 40)] = 1
    clips = [
        peaks + 0.05 * rng.random((120, 360)),
        rng.random((77, 360)),
        np.full((30, 360), 0.25),
        np.zeros((5, 360)),
        sure,
        rng.random((1, 360)),
    ]
    return [clip.clip(0, 1).astype(np.float32) for clip in clips]


def on_tensors(decoder, clips, allowed=ALLOWED):
    counts = [len(clip) for clip in clips]
    first = np.cumsum([0, *counts[:-1]])
    longest = np.argsort(-np.array(counts), kind="stable")
    table = module.Clips(*(torch.tensor(x) for x in (first, counts, longest)))
    stacked = torch.tensor(np.concatenate(clips))
    bins, f0 = module.TorchDecoders("cpu")(decoder, stacked, allowed, counts, table)
    ends = np.cumsum(counts)[:-1]
    return zip(np.split(bins.numpy(), ends), np.split(f0.numpy(), ends), strict=True)


@pytest.mark.parametrize("cells", [1, 200, 1 << 17])
@pytest.mark.parametrize("decoder", sorted(DECODERS))
@pytest.mark.parametrize("allowed", [ALLOWED, slice(0, 360), slice(7, 9)])
def test_equal_to_the_host(decoder, cells, allowed, monkeypatch):
    monkeypatch.setattr(module, "CELLS", cells)
    monkeypatch.setattr(module, "OBSERVED", 50)
    clips = posteriors()
    found = on_tensors(decoder, clips, allowed)
    for clip, (bins, f0) in zip(clips, found, strict=True):
        expected = DECODERS[decoder](clip, allowed)
        np.testing.assert_array_equal(bins, expected.bins)
        np.testing.assert_allclose(f0, expected.f0, rtol=1e-12)


def test_many_random_paths_are_the_hosts():
    rng = np.random.default_rng(5)
    clips = [rng.random((200, 360), dtype=np.float32) for _ in range(20)]
    for clip, (bins, _) in zip(clips, on_tensors("viterbi", clips), strict=True):
        np.testing.assert_array_equal(bins, DECODERS["viterbi"](clip, ALLOWED).bins)


def test_a_tie_goes_to_the_lower_bin():
    flat = np.full((4, 360), 0.5, np.float32)
    for decoder in ("argmax", "viterbi"):
        ((bins, _),) = on_tensors(decoder, [flat])
        np.testing.assert_array_equal(bins, DECODERS[decoder](flat, ALLOWED).bins)
    ((bins, _),) = on_tensors("argmax", [flat])
    assert (bins == ALLOWED.start).all()


def test_a_group_is_filled_by_clips_of_like_length():
    assert list(module._groups([9, 9, 1, 1])) == [(0, 4)]
    cut = module.CELLS // 10
    assert list(module._groups([cut] * 25)) == [(0, 10), (10, 20), (20, 25)]
    assert list(module._groups([2 * module.CELLS, 5, 4])) == [(0, 1), (1, 3)]


def test_long_and_short_clips_are_searched_apart(monkeypatch):
    monkeypatch.setattr(module, "LONG", 100)
    assert list(module._groups([120, 100, 99, 4])) == [(0, 2), (2, 4)]
    searched = []
    blocks = module.TorchViterbi.in_blocks
    monkeypatch.setattr(
        module.TorchViterbi,
        "in_blocks",
        lambda *given: searched.append(given[2].tolist()) or blocks(*given),
    )
    test_equal_to_the_host("viterbi_weighted", 1 << 17, ALLOWED, monkeypatch)
    assert searched == [[120]]


def test_observations_are_made_a_few_at_a_time(monkeypatch):
    made, exp = [], torch.exp

    def counted(x):
        made.append(x[..., 0].numel())
        return exp(x)

    monkeypatch.setattr(module, "OBSERVED", 50)
    monkeypatch.setattr(torch, "exp", counted)
    list(on_tensors("viterbi", [np.full((60, 360), 0.5, np.float32)] * 9))
    assert sum(made) == 9 * 60
    assert max(made) <= 50
