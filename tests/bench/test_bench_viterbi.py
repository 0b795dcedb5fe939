"""Viterbi against ``librosa.sequence.viterbi``: CREPE's 360 states, 16 clips of 5 s."""

from __future__ import annotations

import numpy as np
import pytest

from extractors.decoders.viterbi import triangular_band, viterbi_paths

STATES, WIDTH = 360, 12
CLIPS, FRAMES, SECONDS = 16, 500, 5.0


def likelihoods():
    """A wandering ridge in noise, each frame of sum 1, float32 (clips, T, states)."""
    rng = np.random.default_rng(0)
    centre = 180 + np.cumsum(rng.normal(0, 2, (CLIPS, FRAMES, 1)), axis=1)
    ridge = np.exp(-0.5 * ((np.arange(STATES) - centre) / 2) ** 2)
    rows = ridge + 0.1 * rng.random((CLIPS, FRAMES, STATES))
    return (rows / rows.sum(axis=2, keepdims=True)).astype(np.float32)


def transition():
    """torchcrepe's matrix: a triangle of half width 12, each row of sum 1."""
    index = np.arange(STATES)
    matrix = np.maximum(WIDTH - np.abs(index[:, None] - index), 0).astype(float)
    return matrix / matrix.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("by", ["librosa", "ours"])
def test_sixteen_clips(pace, by):
    rows = list(likelihoods())
    if by == "ours":
        band = triangular_band(STATES, WIDTH)
        viterbi_paths(rows[:1], band)  # compiles
        call, arguments, rounds = viterbi_paths, (rows, band), 50
    else:
        from librosa.sequence import viterbi

        matrix = transition()
        columns = [np.ascontiguousarray(part.T) for part in rows]
        viterbi(columns[0][:, :10], matrix)  # compiles

        def call(parts):
            return [viterbi(part, matrix) for part in parts]

        arguments, rounds = (columns,), 3
    group = f"Viterbi, {STATES} states, {CLIPS} clips of {SECONDS:g} s"
    found = pace(group, call, *arguments, seconds=CLIPS * SECONDS, rounds=rounds)
    assert [len(path) for path in found] == [FRAMES] * CLIPS
