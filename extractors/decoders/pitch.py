"""Four ways from pitch-bin probabilities to F0, over one whole clip.

All take ``probabilities`` float32, shape ``(T, 360)``, ``T ≥ 1``, in [0, 1] (an array,
or anything that gives slices of its rows as arrays), and the open bins
(:func:`extractors.decoders.bins.allowed_bins`), and return the decoded bin of each
frame and its F0. Closed bins are never chosen and never weigh in an average. Nothing is
dithered: equal input gives equal output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .band import Band, triangular_band
from .bins import CENTS_PER_BIN, PITCH_BINS, bins_to_cents, cents_to_hz
from .viterbi import viterbi_paths

TRANSITION_WIDTH = 12  # bins; torchcrepe's max(12 - |i - j|, 0)
AVERAGE_REACH = 4  # bins on either side, as in the original CREPE
BLOCK = 4096  # frames that are looked at together: 6 MB


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a decoder found.

    Attributes:
        bins: int64, shape ``(T,)``; the bin whose probability is the confidence.
        f0: float64, Hz, shape ``(T,)``.
    """

    bins: NDArray[np.int64]
    f0: NDArray[np.float64]


Probabilities = NDArray[np.float32]
Decoder = Callable[[Probabilities, slice], Decoded]


def argmax(probabilities: Probabilities, allowed: slice) -> Decoded:
    """The most probable open bin of each frame, at its centre frequency."""
    bins = _peak(probabilities, allowed)
    return Decoded(bins, cents_to_hz(bins_to_cents(bins)))


def weighted_argmax(probabilities: Probabilities, allowed: slice) -> Decoded:
    """The most probable open bin, refined by the average around it."""
    bins = _peak(probabilities, allowed)
    return Decoded(bins, local_average(probabilities, bins, allowed))


def viterbi(probabilities: Probabilities, allowed: slice) -> Decoded:
    """torchcrepe's smooth path, over the whole clip, at bin centres."""
    return decode_clips("viterbi", [probabilities], allowed)[0]


def viterbi_weighted(probabilities: Probabilities, allowed: slice) -> Decoded:
    """The smooth path, refined by the average around each of its bins."""
    return decode_clips("viterbi_weighted", [probabilities], allowed)[0]


DECODERS: Mapping[str, Decoder] = {
    "argmax": argmax,
    "weighted_argmax": weighted_argmax,
    "viterbi": viterbi,
    "viterbi_weighted": viterbi_weighted,
}


def decode_clips(
    decoder: str, clips: Sequence[Probabilities], allowed: slice
) -> list[Decoded]:
    """One of :data:`DECODERS` over many clips; paths are searched in parallel.

    Each clip gets what it would get alone.
    """
    if decoder not in ("viterbi", "viterbi_weighted"):
        return [DECODERS[decoder](clip, allowed) for clip in clips]
    paths = viterbi_paths(
        clips, transitions(), lambda rows: softmax_open(rows, allowed)
    )
    if decoder == "viterbi":
        return [Decoded(path, cents_to_hz(bins_to_cents(path))) for path in paths]
    return [
        Decoded(path, local_average(clip, path, allowed))
        for clip, path in zip(clips, paths, strict=True)
    ]


def local_average(
    probabilities: Probabilities, bins: NDArray[np.int64], allowed: slice
) -> NDArray[np.float64]:
    """F0 in Hz, shape ``(T,)``: mean of cents within ±4 bins, weighted by probability.

    A frame whose weights are all zero keeps the centre of its bin.
    """
    return np.concatenate(
        [
            _average(probabilities[part], bins[part], allowed)
            for part in blocks(len(bins))
        ]
    )


def _average(
    probabilities: Probabilities, bins: NDArray[np.int64], allowed: slice
) -> NDArray[np.float64]:
    distance = np.arange(-AVERAGE_REACH, AVERAGE_REACH + 1)
    window = bins[:, None] + distance
    first = np.arange(0, probabilities.size, PITCH_BINS)[:, None]
    inside = window.clip(0, PITCH_BINS - 1)
    near = probabilities.take(first + inside).astype(np.float64)
    near[(window < allowed.start) | (window >= allowed.stop)] = 0.0
    total = np.einsum("ij->i", near)
    shift = np.einsum("ij,j->i", near, distance.astype(np.float64))
    np.divide(shift, total, out=shift, where=total > 0)
    return cents_to_hz(bins_to_cents(bins) + CENTS_PER_BIN * shift)


def confidences(
    probabilities: Probabilities, bins: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The probability of the decoded bin, float32, shape ``(T,)``."""
    return np.concatenate(
        [
            np.take_along_axis(probabilities[part], bins[part, None], axis=1)[:, 0]
            for part in blocks(len(bins))
        ]
    )


def blocks(frames: int) -> list[slice]:
    """All frames, :data:`BLOCK` at a time; one slice if there are none."""
    starts = range(0, max(frames, 1), BLOCK)
    return [slice(start, min(start + BLOCK, frames)) for start in starts]


def softmax_open(probabilities: Probabilities, allowed: slice) -> Probabilities:
    """torchcrepe's observation model: softmax over the open bins, 0 elsewhere.

    The network's outputs are sigmoids, so the result is nearly flat; that is what the
    transition weights were chosen for.

    Returns:
        float32, shape ``(T, 360)``, each row of sum 1.
    """
    inside = probabilities[:, allowed]
    weights = np.exp(inside - inside.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    observations = np.zeros_like(probabilities)
    observations[:, allowed] = weights
    return observations


def _peak(probabilities: Probabilities, allowed: slice) -> NDArray[np.int64]:
    parts = (probabilities[part] for part in blocks(len(probabilities)))
    peaks = [rows[:, allowed].argmax(axis=1) for rows in parts]
    return np.concatenate(peaks) + int(allowed.start)


@lru_cache(maxsize=1)
def transitions() -> Band:
    """The transitions of :func:`viterbi`, built at its first use."""
    return triangular_band(PITCH_BINS, TRANSITION_WIDTH)
