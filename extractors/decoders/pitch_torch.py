"""The four decoders of :mod:`extractors.decoders.pitch` in torch, on a device.

Bins equal those of the host where no two choices are as good as rounding: a softmax in
float32 differs by parts in ten million from numpy's, all else adds in float64, alike. A
tie goes to the lower bin, as there. For equal bins, F0 differs by parts in 10¹⁵.

Clips that are searched together are padded to the longest of them. They are taken in
order of length, in groups of :data:`CELLS` frames, so that a long clip does not make
many short ones as long. Nothing is asked of the device on the way, except by clips of
more than :data:`LONG` frames, which are searched in blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from .bins import CENTS_OF_BIN_0, CENTS_PER_BIN, PITCH_BINS
from .pitch import AVERAGE_REACH, transitions
from .viterbi_torch import STRETCH, TorchViterbi

#: Frames of a group, filled up: 190 MB of observations and 400 MB of values.
CELLS = 1 << 17
#: Frames of a clip from which on it is searched in blocks: 41 s.
LONG = 8 * STRETCH
#: Frames of a group, or one of every clip, whose observations are made at once.
OBSERVED = 4096


class TorchDecoders:
    """Decodes batches of clips; its tables stay on the device.

    Args:
        device: where probabilities are.
    """

    def __init__(self, device: str) -> None:
        self._viterbi = TorchViterbi(transitions(), device)

    def __call__(
        self,
        decoder: str,
        probabilities: Tensor,
        allowed: slice,
        counts: Sequence[int],
        clips: Clips,
    ) -> tuple[Tensor, Tensor]:
        """Bins and F0 of every frame.

        Args:
            decoder: a name of :data:`extractors.decoders.pitch.DECODERS`.
            probabilities: float32, ``(N, 360)``, clip after clip.
            allowed: open bins.
            counts: frames of each clip, none of them zero, of sum ``N``.
            clips: the same on the device.

        Returns:
            ``bins`` int64 and ``f0`` float64, Hz, both of shape ``(N,)``.
        """
        if decoder.startswith("viterbi"):
            bins = self._paths(probabilities, allowed, counts, clips)
        else:
            bins = probabilities[:, allowed].argmax(dim=1) + int(allowed.start)
        cents = CENTS_PER_BIN * bins.double() + CENTS_OF_BIN_0
        if decoder in ("weighted_argmax", "viterbi_weighted"):
            cents += CENTS_PER_BIN * shifts(probabilities, bins, allowed)
        return bins, 10.0 * torch.exp2(cents / 1200.0)

    def _paths(
        self, probabilities: Tensor, allowed: slice, counts: Sequence[int], clips: Clips
    ) -> Tensor:
        total = len(probabilities)
        paths = clips.count.new_empty(total + 1)  # the last entry is scratch
        longest = sorted(counts, reverse=True)
        for start, stop in _groups(longest):
            members = clips.longest[start:stop]
            lengths = clips.count[members]
            frame = torch.arange(longest[start], device=paths.device)
            place = clips.first[members][:, None] + frame
            seen = _observed(probabilities, place.clamp(max=total - 1), allowed)
            long = longest[start] >= LONG
            search = self._viterbi.in_blocks if long else self._viterbi
            found = search(seen, lengths)
            place = place.masked_fill(frame >= lengths[:, None], total)
            paths[place] = found
        return paths[:total]


class Clips:
    """Where clips lie among the frames, on the device.

    Attributes:
        first, count: first frame and number of frames of each clip, int64, ``(n,)``.
        longest: numbers of the clips, the longest first; stable.
    """

    def __init__(self, first: Tensor, count: Tensor, longest: Tensor) -> None:
        self.first, self.count, self.longest = first, count, longest


def _groups(longest: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Ranges of clips, sorted by falling length, that fill :data:`CELLS` at most.

    All clips of a range are :data:`LONG`, or none is.
    """
    cuts = [0]
    for number, count in enumerate(longest):
        full = (number + 1 - cuts[-1]) * longest[cuts[-1]] > CELLS
        other = longest[cuts[-1]] >= LONG > count
        if (full or other) and number > cuts[-1]:
            cuts.append(number)
    return pairwise([*cuts, len(longest)])


def _observed(probabilities: Tensor, place: Tensor, allowed: slice) -> Tensor:
    """Logarithms of :func:`extractors.decoders.pitch.softmax_open`, ``(B, T, 360)``."""
    tiny = torch.finfo(torch.float32).tiny
    seen = probabilities.new_full((*place.shape, PITCH_BINS), tiny)
    step = max(1, OBSERVED // len(place))
    for start in range(0, place.shape[1], step):
        part = slice(start, start + step)
        inside = probabilities[place[:, part]][..., allowed]
        weights = torch.exp(inside - inside.amax(dim=2, keepdim=True))
        # in float64, as a GPU's order of summing depends on how many rows there are
        total = weights.sum(dim=2, keepdim=True, dtype=torch.float64).float()
        seen[:, part, allowed] += weights / total
    return seen.log_()


def shifts(probabilities: Tensor, bins: Tensor, allowed: slice) -> Tensor:
    """Mean distance from a bin within ±4, weighted by probability, ``(N,)``, in bins.

    float64; 0 where all weights are 0. See
    :func:`extractors.decoders.pitch.local_average`.
    """
    distance = torch.arange(-AVERAGE_REACH, AVERAGE_REACH + 1, device=bins.device)
    window = bins[:, None] + distance
    near = probabilities.gather(1, window.clamp(0, PITCH_BINS - 1)).double()
    near.masked_fill_((window < allowed.start) | (window >= allowed.stop), 0.0)
    total, moment = near.sum(dim=1), (near * distance).sum(dim=1)
    return torch.where(total > 0, moment / total, moment)
