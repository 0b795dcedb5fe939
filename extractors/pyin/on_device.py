"""pYIN in torch, for a GPU: the formulas of the exact engine over many frames at once.

What :mod:`extractors.pyin.kernels` says of librosa's habits holds here as well. Two
things round otherwise: the FFT is the device's, and running sums are added up in
another order. A difference function of float32 then differs by parts in a million, so
that a candidate may fall into the next bin or a threshold between two troughs. On the
CPU, F0 and voicing equal those of the exact engine in all but a few frames of a
thousand; the tests hold it to that.

Frames are analysed in groups that bound the largest table, frames × lags × thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from torch import Tensor

from extractors.decoders.viterbi_torch import TorchViterbi
from extractors.device import to_host
from extractors.stages import copied, stage

from .analysis import Padded
from .function import Contour
from .model import TINY, Model
from .parameters import Parameters

#: Entries of the largest table: 256 MB of float64.
TABLE = 1 << 25


def track_on(
    device: str,
    clips: Sequence[NDArray[np.floating]],
    parameters: Parameters,
    model: Model,
) -> list[Contour]:
    """:func:`extractors.pyin.function.track` on a device, all clips as one batch."""
    analyser = _Analyser(parameters, model, device)
    padded = [Padded(samples, parameters) for samples in clips]
    longest = max(clip.frames for clip in padded)
    bins = parameters.pitch_bins
    with stage("frontend", device):
        shape = len(clips), longest, bins
        seen = torch.ones(shape, dtype=torch.float64, device=device)
        for row, clip in zip(seen, padded, strict=True):
            for start in range(0, clip.frames, analyser.group):
                stop = min(start + analyser.group, clip.frames)
                row[start:stop] = analyser(clip.cut(start, stop))
        voiced = seen.sum(dim=2).clamp(0, 1)
    with stage("decode", device):
        others = ((1 - voiced) / bins)[..., None].expand(-1, -1, bins)
        logs = torch.log(torch.cat([seen, others], dim=2) + TINY)
        lengths = _moved(np.array([clip.frames for clip in padded]), device)
        paths = TorchViterbi(model.band, device)(logs, lengths)
    found = to_host(paths), to_host(voiced)
    return [
        Contour(
            model.frequencies[path[: clip.frames] % bins],
            path[: clip.frames] < bins,
            probability[: clip.frames],
        )
        for path, probability, clip in zip(*found, padded, strict=True)
    ]


class _Analyser:
    """From samples to the probability of every pitch bin, frame by frame."""

    def __init__(self, parameters: Parameters, model: Model, device: str) -> None:
        self.parameters, self.device = parameters, device
        self.points = next_fast_len(2 * parameters.frame_length - 1, real=True)
        self.group = max(1, TABLE // (parameters.lags * len(model.mass)))

        def there(table: NDArray[np.float64]) -> Tensor:
            return _moved(table, device)

        self.thresholds, self.mass = there(model.thresholds), there(model.mass)
        self.missed = there(model.missed)
        self.share, self.decay = there(model.share), there(model.decay)

    def __call__(self, samples: NDArray[np.floating]) -> Tensor:
        """Probability of each voiced bin, float64, ``(frames, n)``."""
        length, hop = self.parameters.frame_length, self.parameters.hop_length
        frames = _moved(samples, self.device).unfold(0, length, hop)
        difference = self._difference(frames)
        troughs = _troughs(difference)
        weights = self._weights(difference, troughs)
        return self._to_bins(difference, weights)

    def _difference(self, frames: Tensor) -> Tensor:
        """Normalised difference function, float64, ``(frames, lags)``."""
        shortest, longest = self.parameters.min_period, self.parameters.max_period
        power = torch.fft.rfft(frames, n=self.points).abs().square()
        correlation = torch.fft.irfft(power, n=self.points)[:, : longest + 1]
        energy = frames[:, :longest].square().cumsum(dim=1)
        raw = 2 * (correlation[:, :1] - correlation[:, 1:])
        raw[:, 1:] -= energy[:, 1:]
        lag = torch.arange(1, longest + 1, device=self.device)
        mean = raw.cumsum(dim=1).double() / lag
        return (raw.double() / (mean + TINY))[:, shortest - 1 :]

    def _weights(self, difference: Tensor, troughs: Tensor) -> Tensor:
        """Probability of each trough, 0 elsewhere, float64, ``(frames, lags)``."""
        below = troughs[..., None] & (difference[..., None] < self.thresholds)
        rank = (below.cumsum(dim=1) - 1).clamp(min=0)
        shares = self.share[below.sum(dim=1)] * self.mass
        weights = (self.decay[rank] * below * shares[:, None]).sum(dim=2)
        height = difference.masked_fill(~troughs, torch.inf)
        lowest = height.argmin(dim=1, keepdim=True)
        first = torch.searchsorted(
            self.thresholds, height.gather(1, lowest), right=True
        )
        extra = self.missed[first] * troughs.any(dim=1, keepdim=True)
        return weights.scatter_add_(1, lowest, extra)

    def _to_bins(self, difference: Tensor, weights: Tensor) -> Tensor:
        parameters, bins = self.parameters, self.parameters.pitch_bins
        lag = torch.arange(parameters.lags, device=self.device)
        period = parameters.min_period + lag + _shifts(difference)
        octaves = torch.log2((parameters.sr / period) / parameters.fmin)
        place = torch.round(parameters.bins_per_octave * octaves).clamp(0, bins)
        valid = (weights > 0) & place.isfinite()
        place = torch.where(valid, place, bins).long()
        # of several troughs in one bin the longest period counts: the largest lag
        last = weights.new_full((len(weights), bins + 1), -1, dtype=torch.int64)
        last.scatter_reduce_(1, place, lag.expand_as(place), "amax")
        chosen = weights.gather(1, last.clamp(min=0))
        return chosen.masked_fill_(last < 0, 0.0)[:, :bins]


def _moved(array: NDArray[Any], device: str) -> Tensor:
    """A tensor of its own on ``device``, whatever may write to ``array``."""
    with stage("h2d", device):
        if device != "cpu":
            copied("h2d", array.nbytes)
        return torch.tensor(array, device=device)


def _troughs(difference: Tensor) -> Tensor:
    """Where a trough lies, bool, ``(frames, lags)``."""
    here, before, after = difference[:, 1:-1], difference[:, :-2], difference[:, 2:]
    inside = (here < before) & (here <= after)
    first = difference[:, :1] < difference[:, 1:2]
    last = difference[:, -1:] < difference[:, -2:-1]
    return torch.cat([first, inside, last], dim=1)


def _shifts(difference: Tensor) -> Tensor:
    """Lags to the vertex of the parabola through three neighbours, if within ±1."""
    here, before, after = difference[:, 1:-1], difference[:, :-2], difference[:, 2:]
    bend = after + before - 2 * here
    slope = (after - before) / 2
    inside = torch.where(slope.abs() >= bend.abs(), 0.0, -slope / bend)
    return torch.nn.functional.pad(inside, (1, 1))
