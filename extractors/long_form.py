"""CREPE over hours: piece by piece, in bounded memory, the same posteriors bit for bit.

A frame reads 1024 samples at 16 kHz. A piece of the recording that begins on a frame
and has 512 samples more on either side therefore yields the very frames of the whole,
and the network computes every frame by itself. The recording is resampled once, before
it is cut, because a resampler's filter would notice the cuts.

With a hop of ``p / q`` samples at 16 kHz (in lowest terms), frame ``k`` lies on a whole
sample wherever ``q`` divides ``k``, and pieces begin only there; ``q`` is 1 at all
common rates (441 at 22 050 Hz with a hop of 220 samples).

Posteriors take 1440 bytes a frame, half a gigabyte an hour; they wait on disk
(:mod:`extractors.spill`), and decoding over the whole recording remains what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .audio import Audio
from .crepe.frames import SAMPLE_RATE, WINDOW
from .decoders.bins import PITCH_BINS
from .spill import SpilledRows
from .track import FrameGrid

Rows = NDArray[np.float32]
#: posteriors of clips, in order, each of shape ``(T, 360)``
Infer = Callable[[Sequence[Audio]], Iterator[Rows]]


@dataclass(frozen=True)
class Piece:
    """Frames ``first`` to ``stop`` of a recording, and the samples they come from.

    Attributes:
        first, stop: frames of the recording.
        skip: frames of the piece before ``first``, computed for their context only.
        start, end: samples at 16 kHz; ``end`` may lie behind the recording.
    """

    first: int
    stop: int
    skip: int
    start: int
    end: int


def pieces(n_frames: int, hop: Fraction, size: int) -> Iterator[Piece]:
    """Cut ``n_frames`` frames into pieces of about ``size`` frames.

    Args:
        n_frames: frames of the recording.
        hop: samples at 16 kHz between frames.
        size: frames of a piece, rounded to a multiple of ``hop.denominator``.
    """
    period = hop.denominator
    step = max(1, round(size / period)) * period
    reach = WINDOW // 2
    context = -int(-reach // (period * hop)) * period  # frames, at least 512 samples
    for first in range(0, n_frames, step):
        stop = min(first + step, n_frames)
        begin = max(0, first - context)
        last = _nearest((stop - 1) * hop)
        yield Piece(first, stop, first - begin, int(begin * hop), last + reach)


def _nearest(position: Fraction) -> int:
    return int(position + Fraction(1, 2))  # as FrameGrid.centres rounds


def posteriors_in_pieces(
    samples: Rows,
    n_frames: int,
    grid: FrameGrid,
    infer: Infer,
    piece_s: float = 60.0,
) -> SpilledRows:
    """The posteriors of one long clip.

    Args:
        samples: the recording at 16 kHz, as ``infer`` would resample it.
        n_frames: that the recording has at its own rate.
        grid: its frames; ``infer`` must lie on the same grid.
        infer: the network's answers for clips at 16 kHz.
        piece_s: seconds of a piece.

    Returns:
        float32, shape ``(T, 360)``, read by slices of rows.
    """
    hop = grid.hop_length(SAMPLE_RATE)
    whole = SpilledRows((n_frames, PITCH_BINS))
    for piece in pieces(n_frames, hop, max(1, round(piece_s / grid.hop_s))):
        (found,) = infer([Audio(_padded(samples, piece), SAMPLE_RATE)])
        count = piece.stop - piece.first
        whole[piece.first : piece.stop] = found[piece.skip : piece.skip + count]
    return whole


def _padded(samples: Rows, piece: Piece) -> Rows:
    """Samples of a piece, zeros behind the recording, as the network would see them."""
    inside = samples[piece.start : piece.end]
    return np.pad(inside, (0, piece.end - piece.start - len(inside)))
