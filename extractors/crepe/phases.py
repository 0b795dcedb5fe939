"""Layer 1 of the spectral engine: its stride of 4 as four convolutions.

The four *phases* of a frame (:mod:`extractors.crepe.spectral_plan`) are transformed
side by side, as lanes of one vector; a bin is the sum of theirs times weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .butterflies import FORWARD, INVERSE, Complex, transform
from .lanes import BYTES, Index, Lanes
from .spectral_plan import FACTORS, LENGTHS, PHASES, SIZES, WINDOW, passes
from .transforms import (
    Kind,
    Spectrum,
    bin_places,
    block_places,
    butterfly_places,
    forward,
    into_spectrum,
    merged_pair,
    store_points,
    twisted,
)


def spectra(lanes: Lanes, rows: Index, signal: Index, target: Spectrum) -> None:
    """Spectra of the four phases of ``width / 4`` frames at once.

    Lane ``4 · frame + phase`` holds the samples ``4t + phase`` of that frame.

    Args:
        rows: address of the frames.
        signal: room for a transform.
    """
    size = SIZES[0]
    first, quad = passes(size)[0], Lanes(lanes.builder, PHASES)
    alive = LENGTHS[size] // 2 // first.columns
    frames = range(lanes.width // PHASES)
    with lanes.loop(first.columns) as column:
        points = [Complex(lanes, None, None)] * first.radix
        for q in range(alive):
            pair = 2 * quad.bytes
            place = lanes.at(rows, (column, pair), (q * first.columns, pair))
            parts = []
            for side in range(2):
                spots = (
                    lanes.at(place, (side, quad.bytes), (n, WINDOW * BYTES))
                    for n in frames
                )
                parts.append(lanes.joined([quad.load(spot) for spot in spots]))
            points[q] = Complex(lanes, *parts)
        points = twisted(transform(points, FORWARD), first, column, FORWARD)
        start = lanes.at(signal, (column, 2 * lanes.bytes))
        store_points(points, butterfly_places(lanes, start, first))
    forward(lanes, signal, size)
    into_spectrum(lanes, signal, target, size)


def strided(
    lanes: Lanes,
    kind: Kind,
    spectra: Sequence[Index],
    weights: Index,
    signals: Sequence[Index],
    targets: Sequence[Spectrum],
) -> None:
    """Layer 1 on the bins of one kind, and the first inverse pass, for some frames.

    The spectra that the next layer will write lie far apart, and half of the time would
    be spent on waiting for them; so their cache lines are asked for meanwhile.

    Args:
        spectra: per frame, the address of its first phase in bin 0 of :func:`spectra`.
        weights: vectors of channels, for the two bins of every pair, phase by phase.
        signals: receive the result, per frame.
        targets: where the spectra of the next layer go, per frame.
    """
    size, entry = SIZES[0], 2 * lanes.bytes
    lines = [_lines(lanes, kind, target) for target in targets]
    blocks = [block_places(lanes, signal, kind, size) for signal in signals]
    places = [list(bin_places(lanes, kind, size, base, entry)) for base in spectra]
    for number, (q, partner) in enumerate(kind.pairs):
        found = []
        for side in range(2):
            first = (2 * number + side) * PHASES
            spots = (lanes.at(weights, (first + n, entry)) for n in range(PHASES))
            kernel = [Complex.load(lanes, spot) for spot in spots]
            for line in lines:
                lanes.fetch(line[number][side], 1, write=True)
            found.append([_filtered(lanes, p[number][side], kernel) for p in places])
        for own, pair in zip(blocks, zip(*found, strict=True), strict=True):
            here, there = merged_pair(lanes, kind, q, size, pair)
            here.store(own[0][q])
            if partner not in (None, (0, q)):
                there.store(own[partner[0]][partner[1]])
    for block in (block for own in blocks for block in own):
        points = [Complex.load(lanes, place) for place in block]
        store_points(transform(points, INVERSE), block)


def _lines(lanes: Lanes, kind: Kind, target: Spectrum) -> list[tuple[Any, Any]]:
    """A place in a spectrum of half as many bins for every bin of a kind.

    Bin ``k`` stands for the real or, if odd, the imaginary part in bin ``k // 2``.
    """
    builder, at, one = lanes.builder, lanes.at, lanes.index(1)
    number = lanes.index(kind.number)
    odd, below = builder.and_(number, one), builder.lshr(number, one)
    above = builder.sub(builder.neg(below), odd)
    base = at(target.base, (odd, target.plane))
    step = SIZES[0] // 4 // FACTORS[SIZES[0]][-1]
    bins = SIZES[1] // 2
    return [
        (
            at(base, (below, target.bin), (q * step, target.bin)),
            at(base, (above, target.bin), (bins - q * step, target.bin)),
        )
        for q, _ in kind.pairs
    ]


def _filtered(lanes: Lanes, spectra: Index, kernel: Sequence[Complex]) -> Complex:
    """The sum of the phases of one bin, each times its weights."""
    real = imaginary = None
    for phase, weight in enumerate(kernel):
        place = lanes.at(spectra, (phase, BYTES))
        re, im = lanes.spread(place), lanes.spread(lanes.at(place, (1, lanes.bytes)))
        real = lanes.fma(weight.re, re, real)
        imaginary = lanes.fma(weight.im, re, imaginary)
        real = lanes.fma(lanes.neg(weight.im), im, real)
        imaginary = lanes.fma(weight.re, im, imaginary)
    return Complex(lanes, real, imaginary)
