"""Banded transitions, in the logarithm and laid out for decoding.

A chain has ``b`` blocks of ``n`` states; state ``p · n + k`` is place ``k`` of block
``p``. From there to place ``j`` of block ``q`` the transition probability is
``switch[p, q] · within[k, j]``, where ``within`` is zero for ``|k − j| > reach``: the
Kronecker product of a small matrix and a banded one. CREPE has one block, pYIN two
(voiced, unvoiced).

librosa adds the smallest normal number of the observations' type to every probability
before the logarithm. So a transition outside the band does not cost infinity but
``floor = log(tiny)``, the same for all, and a path may jump.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

#: Kernels take so many targets at once; rows of values are padded to a multiple.
TARGETS = 32


@dataclass(frozen=True, eq=False)
class Band:
    """Log transition probabilities of ``b`` blocks of ``n`` states.

    Attributes:
        near: float64, shape ``(b, b, 2 · reach + 1, n)``; entry ``[p, q, d, j]`` is the
            transition from place ``j - reach + d`` of block ``p`` to place ``j`` of
            block ``q``, −inf where that place does not exist.
        floor: log probability of every transition outside the band.
        start: log probability of every state in the first frame.
        tiny: added to observations before their logarithm.
    """

    near: Values
    floor: float
    start: float
    tiny: float

    @property
    def blocks(self) -> int:
        """Number of blocks, ``b``."""
        return self.near.shape[0]

    @property
    def places(self) -> int:
        """States of one block, ``n``."""
        return self.near.shape[3]

    @property
    def states(self) -> int:
        """Number of states, ``b · n``."""
        return self.blocks * self.places

    @property
    def reach(self) -> int:
        """Half width of the band in places."""
        return self.near.shape[2] // 2

    @cached_property
    def layout(self) -> Layout:
        """The same numbers as kernels want them."""
        return _layout(self.near)

    @cached_property
    def moves(self) -> Moves:
        """All that kernels are told of the transitions."""
        own = self.layout
        return Moves(
            own.kinds,
            own.table,
            own.taps,
            own.peaks,
            own.low,
            own.high,
            self.reach,
            self.places,
            self.floor,
        )


@dataclass(frozen=True, eq=False)
class Layout:
    """Transitions for kernels that walk over offsets with a run of targets held fixed.

    A row of values carries −inf before and after its ``n`` places, so that every offset
    reads it in full; places are padded to ``m``, a multiple of :data:`TARGETS`. Pairs
    of blocks with the same transitions share a table: pYIN's two tables fill a good
    part of a second-level cache. CREPE's targets see the same numbers but near the ends
    of a row, where the band is cut; in pYIN the sums that librosa divides rows by
    differ in their last bit, so that no two targets need agree.

    Attributes:
        kinds: int64, ``(b, b)``; the table of every pair of blocks.
        table: float64, ``(u, 2 · reach + 1, m)``: the different ones of ``near``,
            padded by −inf.
        taps: float64, ``(u, 2 · reach + 1)``: the column that targets ``low …
            high - 1`` share.
        peaks: float64, ``(u,)``: the largest entry of each table.
        low, high: see ``taps``.
        width: numbers in a padded row of values, a multiple of :data:`TARGETS`.
    """

    kinds: NDArray[np.int64]
    table: Values
    taps: Values
    peaks: Values
    low: int
    high: int
    width: int


class Moves(NamedTuple):
    """Transitions as one argument of a kernel.

    Attributes:
        kinds, table, taps, peaks, low, high: of a :class:`Layout`.
        reach, places, floor: of a :class:`Band`.
    """

    kinds: NDArray[np.int64]
    table: Values
    taps: Values
    peaks: Values
    low: int
    high: int
    reach: int
    places: int
    floor: float


def _layout(near: Values) -> Layout:
    blocks, _, offsets, places = near.shape
    pairs = near.reshape(blocks * blocks, -1)
    different, kinds = np.unique(pairs, axis=0, return_inverse=True)
    different = different.reshape(-1, offsets, places)
    padding = -places % TARGETS
    middle = places // 2
    differs = (different != different[..., middle : middle + 1]).any(axis=(0, 1))
    below = np.flatnonzero(differs[:middle])
    above = np.flatnonzero(differs[middle:])
    return Layout(
        kinds.reshape(blocks, blocks).astype(np.int64),
        np.pad(different, [(0, 0), (0, 0), (0, padding)], constant_values=-np.inf),
        np.ascontiguousarray(different[..., middle]),
        different.max(axis=(1, 2)),
        int(below[-1]) + 1 if len(below) else 0,
        middle + int(above[0]) if len(above) else places,
        -(-(places + padding + offsets) // TARGETS) * TARGETS,
    )


def band_of(within: Values, tiny: float, switch: Values | None = None) -> Band:
    """Lay out ``switch ⊗ within``.

    Args:
        within: float64, ``(n, n)``, probability from row to column; no more than a band
            around the diagonal is non-zero.
        tiny: smallest normal number of the observations' type.
        switch: float64, ``(b, b)``, from block to block; ``None`` for one block.
    """
    switch = np.ones((1, 1)) if switch is None else np.asarray(switch, np.float64)
    diagonals = _diagonals(within, _reach(within))
    return _band(switch[:, :, None, None] * diagonals, tiny)


def band_of_matrix(transition: Values, tiny: float, blocks: int) -> Band:
    """Lay out a full matrix, float64, ``(b · n, b · n)``, every block of it banded."""
    places = len(transition) // blocks
    parts = transition.reshape(blocks, places, blocks, places).swapaxes(1, 2)
    reach = max(_reach(part) for row in parts for part in row)
    near = [[_diagonals(part, reach) for part in row] for row in parts]
    return _band(np.array(near), tiny)


def _band(near: Values, tiny: float) -> Band:
    logs = np.log(near + tiny)
    states = near.shape[0] * near.shape[3]
    return Band(
        np.where(np.isnan(logs), -np.inf, logs),
        float(np.log(0.0 + tiny)),
        float(np.log(1.0 / states + tiny)),
        tiny,
    )


def _reach(matrix: Values) -> int:
    rows, columns = np.nonzero(matrix)
    return int(np.abs(rows - columns).max(initial=0))


def _diagonals(matrix: Values, reach: int) -> Values:
    """``[d, j]``: from ``j - reach + d`` to ``j``, NaN where the source is none."""
    places = len(matrix)
    padded = np.full((places + 2 * reach, places), np.nan)
    padded[reach : reach + places] = matrix
    target = np.arange(places)
    return padded[target + np.arange(2 * reach + 1)[:, None], target]


def triangular_band(states: int, width: int) -> Band:
    """torchcrepe's transition ``max(width - |i - j|, 0)``, each row of sum 1.

    Its observations are float32.
    """
    index = np.arange(states)
    matrix = np.maximum(width - np.abs(index[:, None] - index), 0).astype(np.float64)
    matrix /= matrix.sum(axis=1, keepdims=True)
    return band_of(matrix, float(np.finfo(np.float32).tiny))
