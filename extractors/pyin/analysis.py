"""The front end of pYIN: what every frame of a clip says of its pitch.

The autocorrelation is scipy's FFT of librosa's length and type, which makes it equal
bit for bit; the rest is :mod:`extractors.pyin.kernels`. Few frames have more than some
tens of candidates, so a clip is kept as a list of them: about 200 MB for three hours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from extractors.compiled import shared_out
from extractors.decoders.band import Band

from . import kernels
from .model import TINY, Model
from .parameters import Parameters

Values = NDArray[np.float64]
Samples = NDArray[np.floating]

#: Frames of one FFT call: at 4 096 points their spectra fill half a megabyte, about
#: half of a second-level cache.
TOGETHER = 32
#: Frames whose troughs are weighed together: at 40 troughs and 100 thresholds a frame
#: their prior fills a quarter of a megabyte.
WEIGHED = 8
#: Frames that a thread takes at once.
SHARE = 512


@dataclass(frozen=True, eq=False)
class Candidates:
    """What the frames of one clip say; the emissions of its Viterbi decoding.

    Attributes:
        offsets: int64, ``(T + 1,)``; frame ``t`` has the candidates ``offsets[t] …
            offsets[t + 1] - 1``.
        bins: int32, pitch bin of each candidate, falling within a frame.
        logs: float64, log probability of each candidate.
        unvoiced: float64, log probability of each unvoiced state, ``(T,)``.
        voiced: float64 in [0, 1], ``(T,)``: probability that the frame is voiced.
        pitch_bins: number of pitch bins, ``n``.
    """

    offsets: NDArray[np.int64]
    bins: NDArray[np.int32]
    logs: Values
    unvoiced: Values
    voiced: Values
    pitch_bins: int

    def __len__(self) -> int:
        return len(self.voiced)

    def rows(self, start: int, stop: int) -> Values:
        """Log likelihoods, voiced before unvoiced, ``(stop - start, 2 n)``."""
        rows = np.full((stop - start, 2, self.pitch_bins), np.log(TINY))
        rows[:, 1] = self.unvoiced[start:stop, None]
        for row, t in zip(rows, range(start, stop), strict=True):
            seen = slice(self.offsets[t], self.offsets[t + 1])
            row[0, self.bins[seen]] = self.logs[seen]
        return rows.reshape(stop - start, -1)

    def advance(
        self, kernels: ModuleType, band: Band, values: Values, jumps: Values, start: int
    ) -> None:
        """See :class:`extractors.decoders.viterbi.Emissions`."""
        frames = slice(start, start + len(values) - 1)
        kernels.forward_sparse(
            self.offsets[start : frames.stop + 1],
            self.bins,
            self.logs,
            band.floor,
            self.unvoiced[frames],
            band.moves,
            values,
            jumps,
        )


@dataclass(frozen=True, eq=False)
class _Part:
    """Consecutive frames; see :class:`Candidates`, ``kernels.to_candidates``."""

    counts: NDArray[np.int64]
    bins: NDArray[np.int32]
    probabilities: Values
    voiced: Values


def analyse(
    clips: Sequence[Samples], parameters: Parameters, model: Model
) -> list[Candidates]:
    """Candidates of every clip; frames of all clips are shared out among threads.

    Args:
        clips: float32 or float64, ``(n,)`` each, long enough for one frame.
    """
    padded = [Padded(samples, parameters) for samples in clips]
    parts: list[list[Any]] = [
        [None] * -(-clip.frames // SHARE) for clip in padded
    ]  # each filled by the thread that takes it
    places = [(i, j) for i, own in enumerate(parts) for j in range(len(own))]

    def work(queue: Iterator[tuple[int, int]]) -> None:
        analyser = _Analyser(parameters, model)
        for clip, part in queue:
            start = part * SHARE
            stop = min(start + SHARE, padded[clip].frames)
            parts[clip][part] = analyser.part(padded[clip].cut(start, stop))

    shared_out(work, places)
    return [_joined(own, parameters.pitch_bins) for own in parts]


def _joined(parts: Sequence[_Part], pitch_bins: int) -> Candidates:
    voiced = np.concatenate([part.voiced for part in parts])
    if len(voiced) == 1:  # numpy sums a single column pairwise, several one by one
        row = np.zeros(pitch_bins)
        row[parts[0].bins] = parts[0].probabilities
        voiced = row.sum(keepdims=True).clip(0, 1)
    counts = np.concatenate([part.counts for part in parts])
    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    return Candidates(
        offsets,
        np.concatenate([part.bins for part in parts]),
        np.log(np.concatenate([part.probabilities for part in parts]) + TINY),
        np.log((1 - voiced) / pitch_bins + TINY),
        voiced,
        pitch_bins,
    )


class Padded:
    """A clip that can be cut into runs of frames, without a padded copy of it."""

    def __init__(self, samples: Samples, parameters: Parameters) -> None:
        self.length = parameters.frame_length
        self.hop = parameters.hop_length
        self.frames = parameters.frames(len(samples))
        options = parameters.options
        self.samples, self.before = samples, 0
        if options.center and options.pad_mode == "constant":
            self.before = self.length // 2
        elif options.center:
            edge = self.length // 2
            mode: Any = options.pad_mode
            self.samples = np.pad(samples, edge, mode=mode)

    def cut(self, start: int, stop: int) -> Samples:
        """The samples of frames ``start … stop - 1``, contiguous."""
        first = start * self.hop - self.before
        last = (stop - 1) * self.hop - self.before + self.length
        out = np.zeros(last - first, self.samples.dtype)
        inside = self.samples[max(first, 0) : max(last, 0)]
        out[max(-first, 0) : max(-first, 0) + len(inside)] = inside
        return out


@lru_cache(maxsize=8)
def products_agree(length: int) -> bool:
    """Whether the compiled product of matrix and vector equals numpy's bit for bit.

    numba calls the BLAS of scipy, librosa that of numpy, and these may be of different
    builds. A compiled one lets the threads of several clips run past each other.

    Args:
        length: number of thresholds.
    """
    rng = np.random.default_rng(0)
    most = 64  # troughs; BLAS works in small groups of rows
    offsets = np.cumsum(np.arange(most + 1))  # frames with 0, 1, 2 … troughs
    prior = rng.random((offsets[-1], length)) * (rng.random((offsets[-1], 1)) < 0.8)
    mass = rng.random(length) ** 8
    weights = np.empty((2, offsets[-1]))
    weigh_in_numpy(prior, offsets, mass, weights[0])
    kernels.weigh(prior, offsets, mass, weights[1])
    return np.array_equal(*weights)


def weigh_in_numpy(
    prior: Values, offsets: NDArray[np.int64], mass: Values, weights: Values
) -> None:
    """``kernels.weigh`` by the very calls of librosa."""
    for start, stop in pairwise(offsets.tolist()):
        if start < stop:
            prior[start:stop].dot(mass, out=weights[start:stop])


class _Analyser:
    """Finds candidates with buffers of its own: one for every thread."""

    def __init__(self, parameters: Parameters, model: Model) -> None:
        self.parameters, self.model = parameters, model
        length = parameters.frame_length
        self.points = scipy.fft.next_fast_len(2 * length - 1, real=True)
        most = parameters.lags // 2 + 1  # troughs of a frame
        self.difference = np.empty((WEIGHED, parameters.lags))
        self.offsets = np.empty(WEIGHED + 1, np.int64)
        self.lags = np.empty(WEIGHED * most, np.int64)
        self.first = np.empty(WEIGHED * most, np.int64)
        self.prior = np.empty((WEIGHED * most, len(model.mass)))
        self.weights = np.empty(WEIGHED * most)
        same = products_agree(len(model.mass))
        self.weigh = kernels.weigh if same else weigh_in_numpy
        self.bins = np.empty(SHARE * most, np.int32)
        self.probabilities = np.empty(SHARE * most)
        self.pitch = (
            float(parameters.sr),
            float(parameters.fmin),
            float(parameters.bins_per_octave),
            parameters.pitch_bins,
        )

    def part(self, samples: Samples) -> _Part:
        """Candidates of the frames that ``samples`` hold, at most :data:`SHARE`."""
        length, hop = self.parameters.frame_length, self.parameters.hop_length
        frames = sliding_window_view(samples, length)[::hop]
        counts = np.empty(len(frames), np.int64)
        voiced = np.empty(len(frames))
        found = 0
        for start in range(0, len(frames), WEIGHED):
            if start % TOGETHER == 0:
                several = self._autocorrelation(frames[start : start + TOGETHER])
            some = several[start % TOGETHER :][:WEIGHED]
            self._weigh_troughs(samples[start * hop :], some)
            found += kernels.to_candidates(
                self.difference[: len(some)],
                self.offsets,
                self.lags,
                self.first,
                self.model.missed,
                self.weights,
                self.parameters.min_period,
                self.pitch,
                counts[start : start + len(some)],
                self.bins[found:],
                self.probabilities[found:],
                voiced[start : start + len(some)],
            )
        bins, probabilities = self.bins[:found], self.probabilities[:found]
        return _Part(counts, bins.copy(), probabilities.copy(), voiced)

    def _weigh_troughs(self, samples: Samples, correlations: Samples) -> None:
        """Fill the buffers of differences, troughs and weights."""
        model, parameters = self.model, self.parameters
        kernels.find_troughs(
            samples,
            parameters.hop_length,
            correlations,
            (parameters.min_period, parameters.max_period),
            model.thresholds,
            model.share,
            model.decay,
            self.difference,
            self.offsets,
            self.lags,
            self.first,
            self.prior,
        )
        offsets = self.offsets[: len(correlations) + 1]
        self.weigh(self.prior, offsets, model.mass, self.weights)

    def _autocorrelation(self, frames: Samples) -> Samples:
        spectrum = scipy.fft.rfft(frames, n=self.points, axis=-1)
        kernels.to_power(spectrum)
        return scipy.fft.irfft(spectrum, n=self.points, axis=-1, overwrite_x=True)
