"""Products of matrices, tile by tile, with the tile's sums held in registers.

A tile is a few rows (frames) times a few vectors of outputs. Rows of the left matrix
are ``DEPTH`` numbers apart, whatever part of them is used, so that one address serves
all rows of a tile. The right matrix is packed: all vectors of a panel for the first
input, then for the second, and so on.

A complex product takes three real ones instead of four (Gauss):
``(a + ib)(c + id) = (s c - b (c + d)) + i (s c + a (d - c))`` with ``s = a + b``. The
sums ``s`` come with the left matrix, the planes ``c``, ``-(c + d)``, ``d - c`` with the
right one. The shared product is carried in the registers into both others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .lanes import BYTES, FLAG, Index, Lanes
from .spectral_plan import DEPTH

SOON = 6  # turns, of 12 clock cycles or more: longer than the second cache takes


class Tile:
    """Emits the products of one tile.

    Args:
        rows, vectors: its size.
        depth: inputs that are summed over, at least 1.
        ahead: address and bytes to go on in every turn, of weights that are needed
            later and asked for meanwhile.
    """

    def __init__(
        self, lanes: Lanes, rows: int, vectors: int, depth: Index, ahead: Any
    ) -> None:
        self.lanes = lanes
        self.rows = rows
        self.vectors = vectors
        self.depth = depth
        self.ahead = ahead

    def product(self, x: Index, w: Index, start: Sequence[Any] | None = None) -> list:
        """``start + x · w``, row by row; without ``start`` the product alone."""
        lanes, width = self.lanes, self.vectors * self.lanes.bytes
        place, pace = self.ahead
        self.ahead = lanes.at(place, (self.depth, pace)), pace
        if start is None:
            start = [lanes.zeros] * (self.rows * self.vectors)

        def step(turn: Any, sums: Sequence[Any]) -> list[Any]:
            lanes.fetch(lanes.at(place, (turn, pace)), 2)
            there = lanes.at(w, (turn, width))
            for n in range(self.vectors):
                lanes.fetch(lanes.at(there, (SOON, width), (n, lanes.bytes)), 1)
            weights = [
                lanes.load(lanes.at(there, (n, lanes.bytes)))
                for n in range(self.vectors)
            ]
            found, rest = [], iter(sums)
            for row in range(self.rows):
                number = lanes.spread(lanes.at(x, (turn, BYTES), (row, DEPTH * BYTES)))
                found += [lanes.fma(number, weight, next(rest)) for weight in weights]
            return found

        return lanes.folded(self.depth, start, step)

    def complex_product(self, x: Index, w: Index) -> tuple[list[Any], list[Any]]:
        """Real and imaginary part of ``x · w``.

        Args:
            x: rows as :meth:`pack` leaves them.
            w: planes as the module says, one behind the other.
        """
        at, lanes = self.lanes.at, self.lanes
        plane = self.rows * DEPTH * BYTES
        panel = at(0, (self.depth, self.vectors * lanes.bytes))
        shared = self.product(at(x, (2, plane)), w)
        real = self.product(at(x, (1, plane)), at(w, (1, panel)), shared)
        return real, self.product(x, at(w, (2, panel)), shared)

    def keep(self, sums: Sequence[Any], y: Index, row: Index, fresh: Any) -> None:
        """Write a tile, or add it to what is there unless ``fresh``.

        Args:
            row: bytes from one row of ``y`` to the next.
            fresh: whether ``y`` holds nothing yet, an integer.
        """
        lanes, builder = self.lanes, self.lanes.builder
        places = [
            lanes.at(y, (r, row), (n, lanes.bytes))
            for r in range(self.rows)
            for n in range(self.vectors)
        ]
        with builder.if_else(builder.trunc(lanes.index(fresh), FLAG)) as (new, old):
            with new:
                for value, place in zip(sums, places, strict=True):
                    lanes.store(value, place)
            with old:
                for value, place in zip(sums, places, strict=True):
                    lanes.store(lanes.add(value, lanes.load(place)), place)


def pack(lanes: Lanes, x: Index, target: Index, rows: int, depth: Index) -> None:
    """Lay out rows for a tile: planes real, imaginary and sum, row by row.

    Args:
        x: rows of two planes, ``DEPTH`` numbers each.
        depth: how much of each is used, a multiple of the width.
    """
    vectors = lanes.builder.udiv(lanes.index(depth), lanes.index(lanes.width))
    plane = DEPTH * BYTES
    with lanes.loop(rows) as row, lanes.loop(vectors) as vector:
        there = lanes.at(x, (row, 2 * plane), (vector, lanes.bytes))
        real, imaginary = lanes.load(there), lanes.load(lanes.at(there, (1, plane)))
        there = lanes.at(target, (row, plane), (vector, lanes.bytes))
        lanes.store(real, there)
        lanes.store(imaginary, lanes.at(there, (1, rows * plane)))
        lanes.store(lanes.add(real, imaginary), lanes.at(there, (2, rows * plane)))
