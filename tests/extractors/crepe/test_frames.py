"""Framing: whole rounds, exact centres, rows that know nothing of their company."""

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.crepe.frames import Framer, Part, normalise, rounds, surrounded
from extractors.track import FrameGrid


def test_rounds_by_hand():
    assert list(rounds([3, 1, 4], 4)) == [
        [Part(0, 0, 3), Part(1, 0, 1)],
        [Part(2, 0, 4)],
    ]
    assert list(rounds([5], 2)) == [[Part(0, 0, 2)], [Part(0, 2, 4)], [Part(0, 4, 5)]]
    assert list(rounds([], 2)) == []


def test_normalise_by_hand():
    """Mean 2, sum of squares 2, n - 1 = 2: standard deviation 1."""
    found = normalise(np.array([[1, 2, 3]], np.float32))
    assert found.tolist() == [[-1, 0, 1]]


def test_constant_rows_become_zero():
    assert not normalise(np.full((2, 1024), 0.1, np.float32)).any()


def test_row_is_the_same_in_any_company():
    rows = np.random.default_rng(0).standard_normal((33, 1024)).astype(np.float32)
    whole = normalise(rows)
    for i in (0, 7, 32):
        np.testing.assert_array_equal(normalise(rows[i : i + 1])[0], whole[i])


def impulse(n, sr, place):
    samples = np.zeros(n, np.float32)
    samples[place] = 1
    return Audio(samples, sr)


def test_frame_is_centred_on_its_time():
    """An impulse at 0.1 s stands in the middle (sample 512) of frame 10."""
    framer = Framer([impulse(3200, 16000, 1600)], FrameGrid(0.01))
    row = framer.rows([Part(0, 10, 11)])[0]
    assert row.argmax() == 512
    assert framer.counts == [21]


def test_no_drift_at_22050():
    """Frame 6000 lies at 60 s although 22 050 Hz · 10 ms is 220.5 samples."""
    framer = Framer([impulse(22050 * 60 + 1000, 22050, 22050 * 60)], FrameGrid(0.01))
    row = framer.rows([Part(0, 6000, 6001)])[0]
    assert row.argmax() == 512


@pytest.mark.parametrize("n", [1, 159, 160, 1023])
def test_short_clips_have_frames(n):
    framer = Framer([Audio(np.ones(n, np.float32), 16000)], FrameGrid(0.01))
    assert framer.counts == [1 + n // 160]
    assert framer.rows([Part(0, 0, framer.counts[0])]).shape == (1 + n // 160, 1024)


def test_rows_equal_torchcrepe_preprocess():
    import torch

    from extractors.peers.torchaudio_stand_in import import_torchcrepe

    samples = np.random.default_rng(1).standard_normal(4000).astype(np.float32)
    framer = Framer([Audio(samples, 16000)], FrameGrid(0.01))
    ours = framer.rows([Part(0, 0, framer.counts[0])])
    theirs = import_torchcrepe().preprocess(torch.tensor(samples)[None], 16000, 160)
    np.testing.assert_allclose(ours, next(iter(theirs)).numpy(), atol=2e-6)


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        ([10, 20], (1034, 0, 0)),  # inside: a view
        ([-512, -352], (1184, 512, 0)),
        ([-512, 1500], (3036, 512, 524)),
        ([1900], (1024, 0, 924)),
        ([2100], (1024, 0, 1024)),  # behind the signal altogether
    ],
)
def test_stretch_around_frames(starts, expected):
    samples = np.arange(1, 2001, dtype=np.float32)
    stretch, places = surrounded(samples, np.array(starts))
    length, before, after = expected
    assert (len(stretch), places[0]) == (length, 0)
    assert places[-1] - places[0] == starts[-1] - starts[0]
    assert not stretch[:before].any() and not stretch[length - after :].any()
    inside = stretch[before : length - after]
    first = max(starts[0], 0)
    np.testing.assert_array_equal(inside, samples[first : first + len(inside)])
    assert np.shares_memory(stretch, samples) == (before == after == 0)
