"""Candidates of pitch in numba: from autocorrelations to pitch bins.

Every operation rounds as in librosa 0.11, in the type of the samples up to the
cumulated difference, in float64 from its mean on. What else librosa does, and what is
therefore done here:

- the thresholds' masses are summed by a product of BLAS, a matrix of all troughs of a
  frame with a vector, or two vectors where there is one trough: BLAS adds in an order
  of its own, and the last bit of a probability decides between unvoiced paths that
  take the same steps in another order;
- the energy that is subtracted from lag 1 is 0 instead of the first sample's;
- the first lag is a trough if it lies below the second, the last if below the one
  before; a plateau is a trough at its first lag;
- a parabola shifts a trough by less than one lag, else not at all, and not at the ends;
- where two troughs fall into one bin, the longer period counts;
- a candidate above the last bin is dropped, one below ``fmin`` counts for bin 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from extractors.compiled import jit

Values = NDArray[np.float64]
Samples = NDArray[np.floating]
Indices = NDArray[np.int64]

TINY = float(np.finfo(np.float64).tiny)


@jit()
def to_power(spectrum: NDArray[np.complexfloating]) -> None:
    """Replace a complex spectrum, ``(frames, bins)``, by its squared magnitude."""
    for f in range(spectrum.shape[0]):
        row = spectrum[f]
        for k in range(len(row)):
            row[k] = complex(row[k].real * row[k].real + row[k].imag * row[k].imag, 0.0)


@jit()
def find_troughs(
    samples: Samples,
    hop: int,
    correlations: Samples,
    periods: tuple[int, int],
    thresholds: Values,
    share: Values,
    decay: Values,
    difference: Values,
    offsets: Indices,
    lags: Indices,
    first: Indices,
    prior: Values,
) -> None:
    """Difference functions of some frames, their troughs, and the prior over these.

    Args:
        samples: frame ``f`` begins at ``f · hop``.
        correlations: autocorrelation of each frame, ``(frames, ≥ max_period + 1)``.
        periods: shortest and longest period in samples.
        thresholds, share, decay: see :mod:`extractors.pyin.model`.
        difference: filled; ``(frames, lags)``, lag 0 being the shortest period.
        offsets: filled; frame ``f`` has the troughs ``offsets[f] … offsets[f + 1] - 1``
            of the arrays that follow.
        lags: filled with the lag of each trough.
        first: filled with the first threshold above each trough, their number where
            there is none.
        prior: filled; ``[a, i]`` is the share of trough ``a`` in threshold ``i``.
    """
    raw = np.empty(periods[1], samples.dtype)
    below = np.empty(len(thresholds), np.int64)
    rank = np.empty(len(thresholds), np.int64)
    offsets[0] = 0
    for f in range(len(correlations)):
        _differences(samples[f * hop :], correlations[f], raw)
        _normalise(raw, periods[0], difference[f])
        start = offsets[f]
        stop = start + _troughs(difference[f], lags[start:])
        offsets[f + 1] = stop
        _first_thresholds(
            difference[f], lags[start:stop], thresholds, first[start:stop]
        )
        _share_out(first[start:stop], share, decay, below, rank, prior[start:stop])


@jit()
def weigh(prior: Values, offsets: Indices, mass: Values, weights: Values) -> None:
    """Fill ``weights`` with the probability of each trough, over all thresholds.

    Args:
        prior, offsets: see :func:`find_troughs`.
        mass: see :mod:`extractors.pyin.model`.
    """
    for f in range(len(offsets) - 1):
        start, stop = offsets[f], offsets[f + 1]
        if stop == start + 1:
            weights[start] = np.dot(prior[start], mass)
        elif stop > start:
            np.dot(prior[start:stop], mass, weights[start:stop])


@jit()
def to_candidates(
    difference: Values,
    offsets: Indices,
    lags: Indices,
    first: Indices,
    missed: Values,
    weights: Values,
    shortest: int,
    pitch: tuple[float, float, float, int],
    counts: Indices,
    bins: NDArray[np.int32],
    probabilities: Values,
    voiced: Values,
) -> int:
    """From troughs and their probabilities to pitch bins.

    Args:
        difference, offsets, lags, first: see :func:`find_troughs`.
        missed: see :mod:`extractors.pyin.model`.
        weights: probability of each trough; changed.
        shortest: shortest period in samples.
        pitch: sampling rate and ``fmin`` in Hz, bins of an octave, number of bins.
        counts: filled with the number of candidates of each frame.
        bins, probabilities: filled with the candidates of all frames in order, those
            of one frame by falling bin.
        voiced: filled with the probability that each frame is voiced.

    Returns:
        The number of candidates.
    """
    total = 0
    for f in range(len(difference)):
        own = slice(offsets[f], offsets[f + 1])
        _add_missed(difference[f], lags[own], first[own], missed, weights[own])
        counts[f] = _to_bins(
            difference[f],
            lags[own],
            weights[own],
            shortest,
            pitch,
            bins[total:],
            probabilities[total:],
        )
        voiced[f] = _sum_from_low(probabilities[total : total + counts[f]])
        total += counts[f]
    return total


@jit()
def _differences(frame: Samples, correlation: Samples, raw: Samples) -> None:
    """``raw[k - 1]``, the difference function at lag ``k``, from 1 on."""
    energy = frame[0] * frame[0]
    for k in range(1, len(raw) + 1):
        half = correlation[0] - correlation[k]
        raw[k - 1] = half + half
        if k > 1:
            energy += frame[k - 1] * frame[k - 1]
            raw[k - 1] -= energy


@jit()
def _normalise(raw: Samples, shortest: int, difference: Values) -> None:
    """Divide by the mean of all shorter lags and the own one."""
    total = raw[0]
    if shortest == 1:
        difference[0] = raw[0] / (np.float64(total) + TINY)
    for k in range(2, len(raw) + 1):
        total += raw[k - 1]
        if k >= shortest:
            mean = np.float64(total) / np.float64(k)
            difference[k - shortest] = np.float64(raw[k - 1]) / (mean + TINY)


@jit()
def _troughs(difference: Values, troughs: Indices) -> int:
    """Write the lags of all troughs; return their number."""
    last = len(difference) - 1
    found = 0
    if difference[0] < difference[1]:
        troughs[0] = 0
        found = 1
    for k in range(1, last):
        falls = difference[k] < difference[k - 1]
        if falls and difference[k] <= difference[k + 1]:
            troughs[found] = k
            found += 1
    if difference[last] < difference[last - 1]:
        troughs[found] = last
        found += 1
    return found


@jit()
def _first_thresholds(
    difference: Values, troughs: Indices, thresholds: Values, first: Indices
) -> None:
    """The first threshold above each trough, their number where there is none."""
    count = len(thresholds)
    for a in range(len(troughs)):
        height = difference[troughs[a]]
        if not height < thresholds[-1]:
            first[a] = count
            continue
        # thresholds lie at (i + 1) / count: one too early at most, by rounding
        i = max(int(height * count) - 1, 0) if height > 0 else 0
        while not height < thresholds[i]:
            i += 1
        first[a] = i


@jit()
def _share_out(
    first: Indices,
    share: Values,
    decay: Values,
    below: Indices,
    rank: Indices,
    prior: Values,
) -> None:
    """Share every threshold out among the troughs below it, by their rank."""
    below[:] = 0
    for a in range(len(first)):
        for i in range(first[a], len(below)):
            below[i] += 1
    rank[:] = 0
    for a in range(len(first)):
        prior[a, : first[a]] = 0.0
        for i in range(first[a], len(below)):
            prior[a, i] = share[below[i]] * decay[rank[i]]
            rank[i] += 1


@jit()
def _add_missed(
    difference: Values,
    troughs: Indices,
    first: Indices,
    missed: Values,
    weights: Values,
) -> None:
    """Give the lowest trough its part of the thresholds that have none below them."""
    if len(troughs) == 0:
        return
    lowest = 0
    for a in range(1, len(troughs)):
        if difference[troughs[a]] < difference[troughs[lowest]]:
            lowest = a
    weights[lowest] += missed[first[lowest]]


@jit()
def _to_bins(
    difference: Values,
    troughs: Indices,
    weights: Values,
    shortest: int,
    pitch: tuple[float, float, float, int],
    bins: NDArray[np.int32],
    probabilities: Values,
) -> int:
    """Write bin and probability of each trough that has any; return their number.

    Troughs are two lags apart and shifts smaller than one, so periods rise and bins
    never do: troughs in one bin follow each other, and the last of them counts.
    """
    sr, fmin, per_octave, count = pitch
    found = 0
    for a in range(len(troughs)):
        if weights[a] == 0.0:
            continue
        period = np.float64(shortest + troughs[a]) + _shift(difference, troughs[a])
        place = np.rint(per_octave * np.log2((sr / period) / fmin))
        if not place < count:
            continue
        bin_ = np.int32(max(place, 0.0))
        if found > 0 and bins[found - 1] == bin_:
            found -= 1
        bins[found] = bin_
        probabilities[found] = weights[a]
        found += 1
    return found


@jit()
def _shift(difference: Values, lag: int) -> float:
    """Lags to the vertex of the parabola through three neighbours, if within ±1."""
    if lag == 0 or lag == len(difference) - 1:
        return 0.0
    before, here, after = difference[lag - 1], difference[lag], difference[lag + 1]
    bend = after + before - 2 * here
    slope = (after - before) / 2
    if abs(slope) >= abs(bend):
        return 0.0
    return -slope / bend


@jit()
def _sum_from_low(probabilities: Values) -> float:
    """Sum over rising bins, at most 1."""
    total = 0.0
    for i in range(len(probabilities) - 1, -1, -1):
        total += probabilities[i]
    return min(max(total, 0.0), 1.0)
