"""Hours in pieces: the same posteriors, bit for bit."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from extractors.long_form import pieces, posteriors_in_pieces
from extractors.spill import SpilledRows
from extractors.torch_crepe_extractor import TorchCrepeExtractor
from extractors.track import FrameGrid

FIELDS = ("times", "f0", "voiced", "confidence")


def sound(seconds, sr):
    rng = np.random.default_rng(3)
    t = np.arange(round(seconds * sr)) / sr
    wave = np.sin(2 * np.pi * 140 * t) + 0.5 * np.sin(2 * np.pi * 280 * t)
    fade = np.sin(2 * np.pi * 0.7 * t) ** 2
    return (0.1 * fade * wave + 0.01 * rng.standard_normal(len(t))).astype(np.float32)


@pytest.mark.parametrize(
    ("sr", "seconds", "piece_s"),
    [
        (16000, 1.0, 0.25),
        (16000, 0.203, 0.01),
        (16000, 0.02, 0.01),
        (44100, 1.0, 0.3),
        (8000, 1.005, 0.4),
        (22050, 4.8, 4.4),  # pieces begin at multiples of 441 frames only
    ],
)
def test_in_pieces_equals_whole(sr, seconds, piece_s):
    samples = sound(seconds, sr)
    whole = TorchCrepeExtractor("tiny", "cpu")
    cut = TorchCrepeExtractor("tiny", "cpu", long_s=0.0, piece_s=piece_s)
    expected, found = whole.track(samples, sr), cut.track(samples, sr)
    assert not whole.record.pieces
    assert cut.record.pieces
    for name in FIELDS:
        np.testing.assert_array_equal(
            getattr(found, name), getattr(expected, name), name
        )


@pytest.mark.parametrize(
    ("n_frames", "hop", "size"),
    [
        (1000, Fraction(160), 7),
        (1, Fraction(160), 100),
        (5000, Fraction(70400, 441), 1000),
        (3000, Fraction(1), 2000),
    ],
)
def test_pieces_cover_every_frame_once_with_its_context(n_frames, hop, size):
    found = list(pieces(n_frames, hop, size))
    assert found[0].first == 0
    assert found[-1].stop == n_frames
    for before, after in pairwise(found):
        assert before.stop == after.first
    for piece in found:
        begin = (piece.first - piece.skip) * hop
        assert begin.denominator == 1
        assert piece.start == begin
        if piece.start:
            assert piece.first * hop - piece.start >= 512
        assert piece.end >= (piece.stop - 1) * hop + 511.5


def test_posteriors_of_pieces_wait_on_disk():
    """What was mapped into memory would count as memory once it is read."""
    samples, grid = sound(0.1, 16000), FrameGrid(0.01)
    rows = np.random.default_rng(0).random((11, 360), dtype=np.float32)
    found = posteriors_in_pieces(samples, 11, grid, lambda clips: iter([rows]))
    assert isinstance(found, SpilledRows)
    np.testing.assert_array_equal(found[0:], rows)


def test_one_hour_goes_in_pieces_by_default():
    assert TorchCrepeExtractor("tiny", "cpu").long_s == 3600
