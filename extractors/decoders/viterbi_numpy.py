"""The kernels of the banded Viterbi in numpy, for machines where numba does not work.

Same functions, arguments and values as :mod:`extractors.decoders.viterbi_numba`, where
they are explained; some thirty times slower.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Values = NDArray[np.float64]


def forward_dense(
    observations: NDArray[np.floating],
    kinds: NDArray[np.int64],
    table: Values,
    taps: Values,
    peaks: Values,
    low: int,
    high: int,
    reach: int,
    places: int,
    floor: float,
    values: Values,
    jumps: Values,
) -> None:
    """Values of frames that follow ``values[0]``, all states observed."""
    blocks = len(kinds)
    inside = slice(reach, reach + places)
    for t, seen in enumerate(observations.reshape(-1, blocks, places)):
        # [p, 1, d, j]: the source of block p at offset d from target j
        shifted = sliding_window_view(values[t], places, axis=1)[:, : table.shape[1]]
        near = (shifted[:, None] + table[kinds][..., :places]).max(axis=(0, 2))
        jumps[t + 1] = values[t, :, inside].max() + floor
        values[t + 1] = -np.inf
        values[t + 1, :, inside] = seen + np.maximum(near, jumps[t + 1])


def forward_sparse(
    offsets: NDArray[np.int64],
    candidates: NDArray[np.int32],
    logs: Values,
    unseen: float,
    others: Values,
    kinds: NDArray[np.int64],
    table: Values,
    taps: Values,
    peaks: Values,
    low: int,
    high: int,
    reach: int,
    places: int,
    floor: float,
    values: Values,
    jumps: Values,
) -> None:
    """The same, few places of block 0 observed and all of another block alike."""
    blocks = len(kinds)
    for t, other in enumerate(others):
        row = np.full((1, blocks, places), other)
        row[0, 0] = unseen
        seen = slice(offsets[t], offsets[t + 1])
        row[0, 0, candidates[seen]] = logs[seen]
        arguments = kinds, table, taps, peaks, low, high, reach, places, floor
        forward_dense(row, *arguments, values[t : t + 2], jumps[t : t + 2])


def backward(
    values: Values,
    jumps: Values,
    kinds: NDArray[np.int64],
    table: Values,
    reach: int,
    places: int,
    floor: float,
    state: int,
    path: NDArray[np.int64],
) -> int:
    """Fill ``path`` from its end; return the state of its first frame."""
    for t in range(len(path) - 1, -1, -1):
        row = values[t, :, reach : reach + places]
        if state >= 0:
            block, place = divmod(state, places)
            first, last = max(0, place - reach), min(places, place + reach + 1)
            offsets = slice(first - place + reach, last - place + reach)
            into = np.full(row.shape, floor)
            into[:, first:last] = table[kinds[:, block], offsets, place]
            row = row + into
        state = int(row.argmax())
        path[t] = state
    return state
