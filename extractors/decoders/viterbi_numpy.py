"""The kernels of the banded Viterbi in numpy, for machines where numba does not work.

Same functions, arguments and values as :mod:`extractors.decoders.viterbi_numba`, where
they are explained; some thirty times slower.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .band import Moves

Values = NDArray[np.float64]


def forward_dense(
    observations: NDArray[np.floating],
    moves: Moves,
    values: Values,
    jumps: Values,
) -> None:
    """Values of frames that follow ``values[0]``, all states observed."""
    kinds, table, reach, places = moves.kinds, moves.table, moves.reach, moves.places
    blocks = len(kinds)
    inside = slice(reach, reach + places)
    for t, seen in enumerate(observations.reshape(-1, blocks, places)):
        # [p, 1, d, j]: the source of block p at offset d from target j
        shifted = sliding_window_view(values[t], places, axis=1)[:, : table.shape[1]]
        near = (shifted[:, None] + table[kinds][..., :places]).max(axis=(0, 2))
        jumps[t + 1] = values[t, :, inside].max() + moves.floor
        values[t + 1] = -np.inf
        values[t + 1, :, inside] = seen + np.maximum(near, jumps[t + 1])


def forward_sparse(
    offsets: NDArray[np.int64],
    candidates: NDArray[np.int32],
    logs: Values,
    unseen: float,
    others: Values,
    moves: Moves,
    values: Values,
    jumps: Values,
) -> None:
    """The same, few places of block 0 observed and all of another block alike."""
    blocks, places = len(moves.kinds), moves.places
    for t, other in enumerate(others):
        row = np.full((1, blocks, places), other)
        row[0, 0] = unseen
        seen = slice(offsets[t], offsets[t + 1])
        row[0, 0, candidates[seen]] = logs[seen]
        forward_dense(row, moves, values[t : t + 2], jumps[t : t + 2])


def backward(
    values: Values,
    jumps: Values,
    moves: Moves,
    state: int,
    path: NDArray[np.int64],
) -> int:
    """Fill ``path`` from its end; return the state of its first frame."""
    kinds, table, reach, places = moves.kinds, moves.table, moves.reach, moves.places
    for t in range(len(path) - 1, -1, -1):
        row = values[t, :, reach : reach + places]
        if state >= 0:
            block, place = divmod(state, places)
            first, last = max(0, place - reach), min(places, place + reach + 1)
            offsets = slice(first - place + reach, last - place + reach)
            into = np.full(row.shape, moves.floor)
            into[:, first:last] = table[kinds[:, block], offsets, place]
            row = row + into
        state = int(row.argmax())
        path[t] = state
    return state
