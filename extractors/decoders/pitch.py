"""Four ways from pitch-bin probabilities to F0, over one whole clip.

All take ``probabilities`` float32, shape ``(T, 360)``, ``T ≥ 1``, in [0, 1], and the
open bins (:func:`extractors.decoders.bins.allowed_bins`), and return the
decoded bin of each frame and its F0. Closed bins are never chosen and never weigh in an
average. Nothing is dithered: equal input gives equal output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .bins import PITCH_BINS, bins_to_cents, cents_to_hz
from .viterbi import Band, triangular_band, viterbi_path

TRANSITION_WIDTH = 12  # bins; torchcrepe's max(12 - |i - j|, 0)
AVERAGE_REACH = 4  # bins on either side, as in the original CREPE


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
    bins = _path(probabilities, allowed)
    return Decoded(bins, cents_to_hz(bins_to_cents(bins)))


def viterbi_weighted(probabilities: Probabilities, allowed: slice) -> Decoded:
    """The smooth path, refined by the average around each of its bins."""
    bins = _path(probabilities, allowed)
    return Decoded(bins, local_average(probabilities, bins, allowed))


DECODERS: Mapping[str, Decoder] = {
    "argmax": argmax,
    "weighted_argmax": weighted_argmax,
    "viterbi": viterbi,
    "viterbi_weighted": viterbi_weighted,
}


def local_average(
    probabilities: Probabilities, bins: NDArray[np.int64], allowed: slice
) -> NDArray[np.float64]:
    """F0 in Hz, shape ``(T,)``: mean of cents within ±4 bins, weighted by probability.

    A frame whose weights are all zero keeps the centre of its bin.
    """
    window = bins[:, None] + np.arange(-AVERAGE_REACH, AVERAGE_REACH + 1)
    open_ = (window >= allowed.start) & (window < allowed.stop)
    rows = np.arange(len(bins))[:, None]
    near = probabilities[rows, window.clip(0, PITCH_BINS - 1)].astype(np.float64)
    weights = np.where(open_, near, 0.0)
    total = weights.sum(axis=1)
    offset = (weights * bins_to_cents(window)).sum(axis=1)
    centre = bins_to_cents(bins)
    return cents_to_hz(np.divide(offset, total, out=centre, where=total > 0))


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
    return probabilities[:, allowed].argmax(axis=1) + int(allowed.start)


def _path(probabilities: Probabilities, allowed: slice) -> NDArray[np.int64]:
    return viterbi_path(
        probabilities, transitions(), lambda rows: softmax_open(rows, allowed)
    )


@lru_cache(maxsize=1)
def transitions() -> Band:
    """The transition table of :func:`viterbi`, built at its first use."""
    return triangular_band(PITCH_BINS, TRANSITION_WIDTH)
