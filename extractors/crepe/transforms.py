"""Fourier transforms of the spectral engine: one frame, one vector of channels.

A real signal ``x`` of ``n = 2m`` samples is handled as ``m`` complex numbers ``z[j] =
x[2j] + i x[2j + 1]``. With their transform ``Z``, ``w = exp(-2πi / n)`` and ``Z[m] =
Z[0]``, the spectrum of ``x`` is, up to a factor of 2,

    A = Z[k] + conj(Z[m - k]),  B = -i (Z[k] - conj(Z[m - k]))
    X[k] = A + w^k B,  X[m - k] = conj(A - w^k B)

and back again, up to another factor of 2,

    P = Y[k] + conj(Y[m - k]),  Q = i w^-k (Y[k] - conj(Y[m - k]))
    Z[k] = P + Q,  Z[m - k] = conj(P - Q).

The factors, and the ``m`` of an unscaled transform, are in the weights. A signal on its
way is an array of complex vectors, real lanes before imaginary lanes. The last pass
forward goes on to the spectrum ``X``, the first pass inverse starts from ``Y``. And the
last pass inverse, the activation, the pooling by 2 and the first pass of the next
layer's transform work on one set of columns, in registers (:func:`bridge`): a complex
number is a pair of samples that are pooled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .butterflies import FORWARD, INVERSE, Complex, transform
from .lanes import BYTES, Index, Lanes
from .spectral_plan import FACTORS, LENGTHS, SIZES, Pass, passes


@dataclass(frozen=True, eq=False)
class Spectrum:
    """One channel vector of one frame among the bins ``0 … n/2`` of all.

    Attributes:
        base: address of the real part in bin 0.
        bin, plane: bytes to the next bin, and to the imaginary part.
    """

    lanes: Lanes
    base: Index
    bin: Index
    plane: Index

    def read(self, place: Index) -> Complex:
        """The bin at an address."""
        load = self.lanes.load
        behind = self.lanes.at(place, (1, self.plane))
        return Complex(self.lanes, load(place), load(behind))

    def write(self, number: Complex, place: Index) -> None:
        """Write the bin at an address."""
        self.lanes.store(number.re, place)
        self.lanes.store(number.im, self.lanes.at(place, (1, self.plane)))


@dataclass(frozen=True, eq=False)
class Activation:
    """Bias, ReLU and batch normalisation of one channel vector."""

    lanes: Lanes
    bias: Any
    scale: Any
    shift: Any

    @classmethod
    def load(cls, lanes: Lanes, address: Index) -> Activation:
        """From three vectors that lie one behind the other."""
        places = [lanes.at(address, (n, lanes.bytes)) for n in range(3)]
        return cls(lanes, *map(lanes.load, places))

    def pooled(self, pair: Complex) -> Any:
        """The larger one of two neighbours, after the activation."""
        return self.lanes.largest(self._of(pair.re), self._of(pair.im))

    def _of(self, x: Any) -> Any:
        lanes = self.lanes
        positive = lanes.largest(lanes.add(x, self.bias), lanes.zeros)
        return lanes.fma(positive, self.scale, self.shift)


@dataclass(frozen=True, eq=False)
class Kind:
    """The bins ``number + q · step`` of a transform, with their counterparts.

    The last pass has ``radix`` points and finds these bins in one block, ``q = 0 …
    radix - 1`` in order. The counterparts ``m - k`` are in another block, or, for the
    kinds 0 and ``step / 2``, in the same.

    Attributes:
        number: of the kind, at most ``step / 2``; known now or an LLVM value.
        blocks: the block of these bins, and the other one if there is one.
        pairs: ``q`` of every bin, and ``(block, q)`` of its counterpart; ``None`` is
            for bin ``m``, which is made of ``Z[0]`` like bin 0.
    """

    number: Any
    blocks: tuple[Any, ...]
    pairs: tuple[tuple[int, tuple[int, int] | None], ...]


def lone_kinds(size: int) -> list[Kind]:
    """The kinds 0 and ``step / 2``."""
    radix = FACTORS[size][-1]
    half = size // 2 // radix // 2
    folded = [(q, (0, radix - q)) for q in range(1, radix // 2 + 1)]
    mirrored = [(q, (0, radix - 1 - q)) for q in range(radix // 2)]
    block = _block(None, half, size)
    return [
        Kind(0, (0,), ((0, None), *folded)),
        Kind(half, (block,), tuple(mirrored)),
    ]


def twin_kind(lanes: Lanes, number: Any, size: int) -> Kind:
    """A kind between them, ``number`` an LLVM value."""
    radix = FACTORS[size][-1]
    other = lanes.builder.sub(lanes.index(size // 2 // radix), number)
    blocks = _block(lanes, number, size), _block(lanes, other, size)
    pairs = tuple((q, (1, radix - 1 - q)) for q in range(radix))
    return Kind(number, blocks, pairs)


def _kinds(lanes: Lanes, size: int) -> Iterator[Kind]:
    """All kinds; emits a loop over those that are alike."""
    first, last = lone_kinds(size)
    yield first
    yield last
    if last.number > 1:
        with lanes.loop(last.number - 1) as turn:
            number = lanes.builder.add(turn, lanes.index(1))
            yield twin_kind(lanes, number, size)


def _block(lanes: Lanes | None, number: Any, size: int) -> Any:
    """The block of the last pass that holds a kind: its digits in reverse order."""
    leading = FACTORS[size][:-1]
    if len(leading) == 1:
        return number
    if lanes is None:
        return number % leading[0] * leading[1] + number // leading[0]
    builder, first = lanes.builder, lanes.index(leading[0])
    rest, major = builder.urem(number, first), builder.udiv(number, first)
    return lanes.at(major, (rest, leading[1]))


def bin_places(lanes: Lanes, kind: Kind, size: int, base: Index, stride: Index) -> Any:
    """Addresses of the bins of every pair of a kind."""
    half, step = size // 2, size // 2 // FACTORS[size][-1]
    number = lanes.index(kind.number)
    back = lanes.builder.neg(lanes.at(0, (number, stride)))
    for q, _ in kind.pairs:
        below = lanes.at(base, (number, stride), (q * step, stride))
        above = lanes.at(base, (1, back), (half - q * step, stride))
        yield below, above


def _root(lanes: Lanes, kind: Kind, q: int, size: int) -> tuple[Any, Any]:
    """Cosine and sine of ``2πk / size`` for bin ``q`` of a kind."""
    step = size // 2 // FACTORS[size][-1]
    turns = 2 * np.pi * np.arange(size // 2) / size
    table = lanes.table(f"roots_{size}", np.stack([np.cos(turns), np.sin(turns)], 1))
    row = lanes.at(table, (kind.number, 2 * BYTES), (q * step, 2 * BYTES))
    return lanes.spread(row), lanes.spread(lanes.at(row, (1, BYTES)))


def _split(lanes: Lanes, kind: Kind, q: int, size: int, z: Any) -> Any:
    """``X[k], X[m - k]`` from ``Z[k], Z[m - k]``."""
    cos, sin = _root(lanes, kind, q, size)
    mirrored = z[1].conjugate()
    even, odd = z[0] + mirrored, (z[0] - mirrored).quarter(FORWARD)
    odd = odd.turned(cos, sin, FORWARD)
    return even + odd, (even - odd).conjugate()


def merged_pair(lanes: Lanes, kind: Kind, q: int, size: int, y: Any) -> Any:
    """``Z[k], Z[m - k]`` from ``Y[k], Y[m - k]``."""
    cos, sin = _root(lanes, kind, q, size)
    mirrored = y[1].conjugate()
    even = y[0] + mirrored
    odd = (y[0] - mirrored).turned(cos, sin, INVERSE).quarter(INVERSE)
    return even + odd, (even - odd).conjugate()


def into_spectrum(lanes: Lanes, signal: Index, target: Spectrum, size: int) -> None:
    """The last pass of a forward transform, and on to the spectrum."""
    for kind in _kinds(lanes, size):
        places = block_places(lanes, signal, kind, size)
        found = [
            transform([Complex.load(lanes, place) for place in block], FORWARD)
            for block in places
        ]
        bins = bin_places(lanes, kind, size, target.base, target.bin)
        for (q, partner), (below, above) in zip(kind.pairs, bins, strict=True):
            block, p = partner or (0, 0)
            pair = found[0][q], found[block][p]
            here, there = _split(lanes, kind, q, size, pair)
            target.write(here, below)
            if pair[0] is not pair[1] or partner is None:
                target.write(there, above)


def from_spectrum(lanes: Lanes, source: Spectrum, signal: Index, size: int) -> None:
    """From the spectrum to the first pass of an inverse transform."""
    for kind in _kinds(lanes, size):
        points: list[dict[int, Complex]] = [{} for _ in kind.blocks]
        bins = bin_places(lanes, kind, size, source.base, source.bin)
        for (q, partner), places in zip(kind.pairs, bins, strict=True):
            pair = [source.read(place) for place in places]
            points[0][q], there = merged_pair(lanes, kind, q, size, pair)
            if partner is not None:
                points[partner[0]].setdefault(partner[1], there)
        _finish(lanes, signal, kind, size, points)


def _finish(
    lanes: Lanes, signal: Index, kind: Kind, size: int, points: Sequence[Any]
) -> None:
    """The first inverse pass on the blocks of a kind."""
    places = block_places(lanes, signal, kind, size)
    for block, found in zip(places, points, strict=True):
        ordered = [found[q] for q in range(len(found))]
        store_points(transform(ordered, INVERSE), block)


def block_places(lanes: Lanes, signal: Index, kind: Kind, size: int) -> Any:
    """Addresses of the points of a kind's blocks."""
    step = passes(size)[-1]
    starts = (
        lanes.at(signal, (block, step.radix * 2 * lanes.bytes)) for block in kind.blocks
    )
    return [butterfly_places(lanes, start, step) for start in starts]


def forward(lanes: Lanes, signal: Index, size: int) -> None:
    """The pass of a forward transform between the first and the last, in place."""
    for step in passes(size)[1:-1]:
        for places, column in _butterflies(lanes, signal, step):
            points = [Complex.load(lanes, place) for place in places]
            points = twisted(transform(points, FORWARD), step, column, FORWARD)
            store_points(points, places)


def inverse(lanes: Lanes, signal: Index, size: int) -> None:
    """The pass of an inverse transform between the first and the last, in place."""
    for step in passes(size)[1:-1]:
        for places, column in _butterflies(lanes, signal, step):
            points = [Complex.load(lanes, place) for place in places]
            points = twisted(points, step, column, INVERSE)
            store_points(transform(points, INVERSE), places)


def bridge(
    lanes: Lanes, source: Index, activation: Activation, target: Index, sizes: Any
) -> None:
    """From the last inverse pass of one layer to the first forward pass of the next.

    Turn ``i`` finishes the numbers ``2i + q · columns`` and their right neighbours.
    Pooled, two neighbours are number ``i + q · columns / 2`` of the next layer, and
    these are the inputs of whole butterflies. Those behind the end of the signal are
    zeros.

    Args:
        source, target: signals of ``sizes[0]`` and ``sizes[1]`` samples.
    """
    behind = passes(sizes[1])[0]
    stride = passes(sizes[0])[0].columns // 2
    merged = behind.columns // stride
    for i, pooled in _pooled(lanes, source, activation, sizes[0]):
        inputs = [Complex(lanes, *pair) for pair in pooled]
        missing = behind.radix * merged - len(inputs)
        inputs += [Complex(lanes, None, None)] * missing
        for t in range(merged):
            column = lanes.builder.add(i, lanes.index(t * stride))
            points = transform(inputs[t::merged], FORWARD)
            start = lanes.at(target, (column, 2 * lanes.bytes))
            points = twisted(points, behind, column, FORWARD)
            store_points(points, butterfly_places(lanes, start, behind))


def embed(
    lanes: Lanes, source: Index, activation: Activation, target: Index, sample: Index
) -> None:
    """From the last inverse pass of the last layer to its pooled samples.

    Args:
        sample: bytes from one sample to the next in target.
    """
    columns = passes(SIZES[-1])[0].columns
    for i, pooled in _pooled(lanes, source, activation, SIZES[-1]):
        for q, pair in enumerate(pooled):
            place = lanes.at(target, (i, sample), (i, sample), (q * columns, sample))
            lanes.store(pair[0], place)
            lanes.store(pair[1], lanes.at(place, (1, sample)))


def _pooled(
    lanes: Lanes, source: Index, activation: Activation, size: int
) -> Iterator[tuple[Any, list[tuple[Any, Any]]]]:
    """Emit a loop over ``i``; yields the pooled ``2i + q · columns`` and the next."""
    step = passes(size)[0]
    alive = LENGTHS[size] // 2 // step.columns
    with lanes.loop(step.columns // 2) as i:
        sides = []
        for side in range(2):
            column = lanes.at(side, (i, 2))
            start = lanes.at(source, (column, 2 * lanes.bytes))
            points = [
                Complex.load(lanes, p) for p in butterfly_places(lanes, start, step)
            ]
            points = twisted(points, step, column, INVERSE)
            found = transform(points, INVERSE)[:alive]
            sides.append([activation.pooled(pair) for pair in found])
        yield i, list(zip(*sides, strict=True))


def _butterflies(
    lanes: Lanes, signal: Index, step: Pass
) -> Iterator[tuple[list[Any], Any]]:
    """Emit the loops of a pass; yields the places of the points, and the column."""
    with lanes.loop(step.blocks) as block, lanes.loop(step.columns) as column:
        start = lanes.at(
            signal,
            (block, step.radix * step.columns * 2 * lanes.bytes),
            (column, 2 * lanes.bytes),
        )
        yield butterfly_places(lanes, start, step), column


def butterfly_places(lanes: Lanes, start: Index, step: Pass) -> list[Any]:
    """Where the points of the butterfly that begins at ``start`` are."""
    apart = step.columns * 2 * lanes.bytes
    return [lanes.at(start, (q, apart)) for q in range(step.radix)]


def twisted(
    points: Sequence[Complex], step: Pass, column: Any, sign: int
) -> list[Complex]:
    """Times the twiddle factors of a column of a pass."""
    lanes = points[0].lanes
    table = lanes.table(f"twiddles_{step.radix}_{step.columns}", step.twiddles())
    row = lanes.at(table, (column, (step.radix - 1) * 2 * BYTES))
    found = [points[0]]
    for q, point in enumerate(points[1:]):
        place = lanes.at(row, (q, 2 * BYTES))
        cos, sin = lanes.spread(place), lanes.spread(lanes.at(place, (1, BYTES)))
        found.append(point.turned(cos, sin, sign))
    return found


def store_points(points: Sequence[Complex], places: Sequence[Any]) -> None:
    """Write every point to its place."""
    for point, place in zip(points, places, strict=True):
        point.store(place)
