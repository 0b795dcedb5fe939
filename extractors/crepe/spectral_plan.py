"""Lengths of the spectral engine: which transform serves which convolution.

CREPE's layers 2 to 6 convolve 64 taps with 128, 64, 32, 16 and 8 samples, zeros around
them. A circular convolution gives the same if what wraps around meets zeros only. One
run of zeros serves both ends, and taps further away than the signal is long never meet
a sample, so ``min(length, 32)`` zeros are enough: transforms of 160, 96, 64, 32 and 16
points. Layer 1 takes every fourth output of 512 taps on 1024 samples; split by the
remainder of the sample's number by 4, it is the sum of four convolutions (*phases*) of
128 taps with 256 samples, and 64 zeros are enough: 320 points.

Signals are real. One of ``n`` samples is transformed as ``n / 2`` complex numbers,
``x[2m] + i x[2m + 1]``, and its spectrum is put together from theirs (see
:mod:`extractors.crepe.transforms`), so every frame is computed by itself.

A transform of ``m`` complex points is a sequence of passes, one per factor of ``m``.
Forward (decimation in frequency) they take samples in order to bins in digit-reversed
order; inverse, the same passes backwards (decimation in time) take such bins to samples
in order, so that nothing is ever reordered. With factors ``f1, f2, …`` position ``q1 ·
m/f1 + q2 · m/(f1 f2) + …`` holds bin ``q1 + f1 q2 + f1 f2 q3 + …``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

PHASES = 4  # the stride of layer 1
WINDOW = 1024  # samples of a frame
BINS = 360  # outputs of the network

KINDS = 11  # of bins in layer 1: 0 … 10, see `transforms.lone_kinds`
DEPTH = 128  # most channels that one product sums over; 3 × 128 × 32 weights fit in L2
ROW = 2 * DEPTH * 4  # bytes of a row of inputs: real and imaginary part
FEATURES = DEPTH * 4  # bytes of a row of features, the inputs of the dense layer
TOGETHER = 4  # channel vectors of one frame that are done one after the other
# Bytes between bins. Without them the places of one number in all bins would fall into
# the same few sets of the first cache.
APART = 64
SIZES = (320, 160, 96, 64, 32, 16)  # samples of the transform of layer 1 … 6
LENGTHS = {320: 256, 160: 128, 96: 64, 64: 32, 32: 16, 16: 8}  # samples, in and out

# Factors of half the size. The last one must be even (see `transforms.lone_kinds`), and
# the first one of a layer must fit that of the layer before (see `transforms.bridge`).
FACTORS: dict[int, tuple[int, ...]] = {
    320: (5, 4, 8),
    160: (5, 4, 4),
    96: (3, 4, 4),
    64: (4, 8),
    32: (4, 4),
    16: (2, 4),
}


@dataclass(frozen=True)
class Pass:
    """One pass over a transform: ``blocks`` times ``columns`` butterflies.

    Attributes:
        radix: points of a butterfly.
        columns: distance between the points of a butterfly, and butterflies in a block.
        blocks: how many stretches of ``radix · columns`` points there are.
    """

    radix: int
    columns: int
    blocks: int

    def twiddles(self) -> np.ndarray:
        """``cos, sin`` of ``2π · column · q / points`` for ``q = 1 … radix - 1``.

        float64, shape ``(columns, radix - 1, 2)``.
        """
        points = self.radix * self.columns
        turns = np.outer(np.arange(self.columns), np.arange(1, self.radix)) / points
        return np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], axis=-1)


def passes(size: int) -> list[Pass]:
    """The passes of the forward transform of ``size`` samples, in order."""
    return list(_passes(size))


def _passes(size: int) -> Iterator[Pass]:
    points = size // 2
    for radix in FACTORS[size]:
        yield Pass(radix, points // radix, size // 2 // points)
        points //= radix


def depth_of(channels: int, width: int) -> int:
    """Channels that one product sums over: whole vectors, all products alike."""
    return max(
        depth
        for depth in range(width, min(channels, DEPTH) + 1, width)
        if channels % depth == 0
    )
