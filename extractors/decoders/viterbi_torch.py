"""The banded Viterbi in torch, for observations that are on a device already.

Values, ties and paths are those of :mod:`extractors.decoders.viterbi`: additions of
float64 round alike everywhere, and a maximum does not round. All clips of a batch step
together, a handful of operations per frame. Shapes are fixed and nothing is asked of
the device on the way, so that the queue never drains and a caller may capture the whole
decoding in a CUDA graph. Frames beyond the end of a clip are computed and thrown away.

A single long clip fills no GPU: it is decoded sooner by the CPU's kernels.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .band import Band

#: Frames whose values are held at once; see :mod:`extractors.decoders.viterbi`.
BLOCK = 8192


class TorchViterbi:
    """Decodes batches of clips; its tables stay on the device.

    Args:
        band: transitions.
        device: where observations will be.
    """

    def __init__(self, band: Band, device: torch.device | str) -> None:
        self.band = band
        # a contiguous [p, q, d, j], and all transitions into a state; its last row is
        # for frames that nothing follows
        self.near = torch.tensor(band.near, device=device)
        self.into = torch.tensor(_into(band), device=device)

    def __call__(self, observations: Tensor, lengths: Tensor) -> Tensor:
        """Most probable state sequences under a uniform initial distribution.

        Args:
            observations: log likelihoods, float32 or float64, shape ``(B, T, b · n)``,
                finite also beyond the ends of clips.
            lengths: int64, frames of each clip, shape ``(B,)``, on the device.

        Returns:
            int64, shape ``(B, T)``, −1 beyond the end of a clip.
        """
        clips, frames, _ = observations.shape
        band = self.band
        seen = observations.view(clips, frames, band.blocks, band.places)
        saved = [self._padded(seen[:, 0] + band.start)]
        for start in range(BLOCK, frames, BLOCK):
            last = self._forward(seen[:, start - BLOCK : start + 1], saved[-1])[-1]
            saved.append(last.clone())
        path = torch.empty((clips, frames), dtype=torch.int64, device=seen.device)
        state = torch.full_like(lengths, band.states)
        for start in reversed(range(0, frames, BLOCK)):
            values = self._forward(seen[:, start : start + BLOCK], saved.pop())
            state = self._backward(values, start, lengths, state, path)
        time = torch.arange(frames, device=seen.device)
        return path.masked_fill_(time >= lengths[:, None], -1)

    def _padded(self, values: Tensor) -> Tensor:
        sides = (self.band.reach, self.band.reach)
        return torch.nn.functional.pad(values.double(), sides, value=-torch.inf)

    def _forward(self, seen: Tensor, first: Tensor) -> Tensor:
        """Values of frames, ``(t, B, b, n + 2 · reach)``; ``first`` is given."""
        frames, places, reach = seen.shape[1], self.band.places, self.band.reach
        values = first.new_full((frames, *first.shape), -torch.inf)
        values[0] = first
        for t in range(1, frames):
            before = values[t - 1]
            # [clip, p, q, d, j]: source j + d of the padded row, that is j - reach + d
            shifted = before.unfold(-1, places, 1)[:, :, None]
            near = (shifted + self.near).amax(dim=(1, 3))
            jump = before.amax(dim=(1, 2)) + self.band.floor
            best = torch.maximum(near, jump[:, None, None])
            torch.add(seen[:, t], best, out=values[t, ..., reach : reach + places])
        return values

    def _backward(
        self, values: Tensor, start: int, lengths: Tensor, state: Tensor, path: Tensor
    ) -> Tensor:
        reach, places = self.band.reach, self.band.places
        inside = values[..., reach : reach + places].flatten(2)
        for t in reversed(range(len(values))):
            ended = lengths <= start + t + 1
            follower = state.masked_fill(ended, self.band.states)
            # argmax takes the first of equals, as librosa does
            state = (inside[t] + self.into[follower]).argmax(dim=1)
            path[:, start + t] = state
        return state


def _into(band: Band) -> np.ndarray:
    """Row ``s``: log transitions from all states into ``s``; zeros in the last row."""
    blocks, places, reach = band.blocks, band.places, band.reach
    into = np.full((blocks, places, blocks, places), band.floor)
    for d in range(2 * reach + 1):
        target = np.arange(max(0, reach - d), min(places, places + reach - d))
        rows = band.near[:, :, d, target]  # [p, q, j]
        into[:, target, :, target - reach + d] = rows.transpose(2, 1, 0)
    states = band.states
    return np.concatenate([into.reshape(states, states), np.zeros((1, states))])
