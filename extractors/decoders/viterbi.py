"""Exact Viterbi decoding for a banded transition matrix, in numpy.

The path equals that of ``librosa.sequence.viterbi`` on the same arrays, ties included:
probabilities get the smallest normal number of their type added before the logarithm,
so a transition outside the band costs log(tiny), not infinity, and a path may jump.

librosa evaluates all ``n²`` transitions of a step. Here a step costs ``n · band``:
every off-band predecessor has the same log probability, below all in-band ones, so the
best of them is the best state overall. Only values are kept on the way forward; the
winning predecessor is searched for the visited states alone, on the way back, over a
full column, which keeps librosa's rule that the lowest state wins a tie.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Values = NDArray[np.float64]
Likelihoods = NDArray[np.float32]

#: Frames whose values are held at once (times 8 bytes per state). Longer clips are
#: walked forward twice, from checkpoints this far apart.
BLOCK = 8192

# librosa adds the smallest normal number of the observations' type, here float32
_TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True, eq=False)
class Band:
    """Log transition probabilities of ``n`` states, laid out for the banded step.

    Attributes:
        column: float64, shape ``(n, n)``; row ``j`` holds all transitions *into* ``j``.
        near: float64, shape ``(2 · reach + 1, n)``; entry ``[d, j]`` is the transition
            from ``j - reach + d`` to ``j``, −inf where that state does not exist.
        floor: log probability of every transition outside the band.
        reach: half width of the band in states.
    """

    column: Values
    near: Values
    floor: float
    reach: int

    @property
    def states(self) -> int:
        """Number of states."""
        return len(self.column)


def triangular_band(states: int, width: int) -> Band:
    """torchcrepe's transition ``max(width - |i - j|, 0)``, each row of sum 1."""
    index = np.arange(states)
    matrix = np.maximum(width - np.abs(index[:, None] - index), 0).astype(np.float64)
    matrix /= matrix.sum(axis=1, keepdims=True)
    column = np.ascontiguousarray(np.log(matrix + _TINY).T)
    reach = width - 1
    padded = np.full((states, states + 2 * reach), -np.inf)
    padded[:, reach : reach + states] = column
    near = np.stack([padded[j, j : j + 2 * reach + 1] for j in range(states)], axis=1)
    return Band(column, near, float(np.log(0.0 + _TINY)), reach)


def viterbi_path(
    outputs: Likelihoods,
    band: Band,
    observe: Callable[[Likelihoods], Likelihoods] | None = None,
) -> NDArray[np.int64]:
    """Most probable state sequence under a uniform initial distribution.

    Args:
        outputs: float32, shape ``(T, n)``, ``T ≥ 1``.
        band: transitions over ``n`` states.
        observe: turns rows of ``outputs`` into likelihoods of the states, float32 of
            the same shape, row by row; called on blocks, so that an hour needs no
            second copy. ``None`` where they are likelihoods already.

    Returns:
        int64, shape ``(T,)``. Time is linear in ``T``; beside the arguments about
        ``8 · n · (BLOCK + T / BLOCK)`` bytes are held.
    """
    starts = list(range(0, len(outputs), BLOCK))
    blocks = _Blocks(outputs, observe, band)
    saved = [blocks.log(0, 1)[0] + np.log(1.0 / band.states + _TINY)]
    for start in starts[1:]:
        saved.append(blocks.values(start - BLOCK, start + 1, saved[-1])[-1].copy())
    path = np.empty(len(outputs), dtype=np.int64)
    follower: int | None = None
    for start in reversed(starts):
        values = blocks.values(start, start + BLOCK, saved.pop())
        follower = _backward(values, band, path[start : start + BLOCK], follower)
    return path


@dataclass(frozen=True, eq=False)
class _Blocks:
    outputs: Likelihoods
    observe: Callable[[Likelihoods], Likelihoods] | None
    band: Band

    def log(self, start: int, stop: int) -> Likelihoods:
        rows = self.outputs[start:stop]
        return np.log((rows if self.observe is None else self.observe(rows)) + _TINY)

    def values(self, start: int, stop: int, first: Values) -> Values:
        """Best log probability of ending in each state, shape ``(stop - start, n)``."""
        return _forward(self.log(start, stop), self.band, first)


def _forward(observations: Likelihoods, band: Band, first: Values) -> Values:
    n, reach = band.states, band.reach
    values = np.empty(observations.shape)
    values[0] = first
    padded = np.full(n + 2 * reach, -np.inf)
    here, shifted = padded[reach : reach + n], sliding_window_view(padded, n)
    candidates, best = np.empty_like(band.near), np.empty(n)
    for t in range(1, len(values)):
        here[:] = values[t - 1]
        np.add(shifted, band.near, out=candidates)
        candidates.max(axis=0, out=best)
        np.maximum(best, here.max() + band.floor, out=best)
        np.add(observations[t], best, out=values[t])
    return values


def _backward(
    values: Values, band: Band, path: NDArray[np.int64], follower: int | None
) -> int | None:
    """Fill ``path`` from its end; return the state of its first frame."""
    for t in range(len(values) - 1, -1, -1):
        into = 0.0 if follower is None else band.column[follower]
        follower = int((values[t] + into).argmax())
        path[t] = follower
    return follower
