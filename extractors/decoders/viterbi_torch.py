"""The banded Viterbi in torch, for observations that are on a device already.

Values, ties and paths are those of :mod:`extractors.decoders.viterbi`: additions of
float64 round alike everywhere, and a maximum does not round. All clips of a batch step
together, a handful of operations per frame. Shapes are fixed and nothing is asked of
the device on the way, so that the queue never drains and a caller may capture the whole
decoding in a CUDA graph. Frames beyond the end of a clip are computed and thrown away.

A single long clip fills no GPU, frame by frame: an hour is two million launches. So
:meth:`TorchViterbi.in_blocks` lets blocks of it step side by side. At first every block
but the first begins as if nothing was known; then again with what came out of the block
before it, until nothing that comes out changes but by a constant, which no path
depends on. That is so after a few rounds, as the best paths into all states of a frame
soon share their past (S. Maleki, M. Musuvathi and T. Mytkowicz, "Parallelizing dynamic
programming through rank convergence", PPoPP 2014); at worst it takes as many rounds as
there are blocks, and is right all the same. Paths are followed back in the same way.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .band import Band

#: Frames whose values are held at once; see :mod:`extractors.decoders.viterbi`.
BLOCK = 8192
#: Frames of the blocks that step side by side, and how many of them do.
STRETCH = 512
SIDE_BY_SIDE = 128
#: Differences of values, in nats, that are rounding: sums of 512 are good to 1e-12.
ROUNDING = 1e-9


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

    def in_blocks(self, observations: Tensor, lengths: Tensor) -> Tensor:
        """As a call, for clips that are much longer than :data:`STRETCH` frames.

        Sums begin anew in every block, so that between choices as good as rounding
        another one may be taken; a clip's path does not depend on the others. The
        device is asked after every round whether it was the last one.
        """
        clips, frames, _ = observations.shape
        path = torch.empty((clips, frames), dtype=torch.int64, device=lengths.device)
        step = STRETCH * SIDE_BY_SIDE
        starts = list(range(0, frames, step))
        saved: list[Tensor] = []
        before = None
        for start in starts:
            seen = self._cut(observations, start)
            first, last = self._settled(seen, lengths - start, before)
            saved.append(first)
            before = last[:, -1]
        state = torch.full_like(lengths, self.band.states)
        for start in reversed(starts):
            seen, first = self._cut(observations, start), saved.pop()
            values = self._forward(seen.flatten(0, 1), first.flatten(0, 1))
            found = self._followed(values, lengths - start, state)
            path[:, start : start + step] = found[:, : frames - start]
            state = found[:, 0]
        time = torch.arange(frames, device=path.device)
        return path.masked_fill_(time >= lengths[:, None], -1)

    def _cut(self, observations: Tensor, start: int) -> Tensor:
        """Blocks from frame ``start`` on, ``(B, K, STRETCH, b, n)``, zeros behind."""
        part = observations[:, start : start + STRETCH * SIDE_BY_SIDE]
        missing = -part.shape[1] % STRETCH
        if missing:
            part = torch.nn.functional.pad(part, (0, 0, 0, missing))
        states = self.band.blocks, self.band.places
        return part.reshape(len(part), -1, STRETCH, *states)

    def _settled(
        self, seen: Tensor, lengths: Tensor, before: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Values of the first and of the last frame of every block, ``(B, K, …)``.

        Args:
            seen: blocks, ``(B, K, STRETCH, b, n)``.
            lengths: frames that clips have from the first block on, ``(B,)``.
            before: values of the frame before the first block, or ``None``.
        """
        clips, blocks = seen.shape[:2]
        # the last frame of the block in which a clip ends leads nowhere, and what
        # lies behind the clip is none of its business
        ended = _left(lengths, blocks) <= STRETCH

        def last_of(first: Tensor) -> Tensor:
            values = self._forward(seen.flatten(0, 1), first.flatten(0, 1))
            # a copy, as a view would keep the values of all frames
            return values[-1].clone().unflatten(0, (clips, blocks))

        first = self._padded(seen[:, :, 0] + self.band.start)
        if before is not None:
            first[:, 0] = self._entered(before, seen[:, 0, 0])
        last = last_of(first)
        known = torch.zeros(clips, dtype=torch.bool, device=seen.device)
        for _ in range(1, blocks):
            again = first.clone()
            again[:, 1:] = self._entered(last[:, :-1], seen[:, 1:, 0])
            out = last_of(again)
            moved = (self._relative(out) - self._relative(last)).abs()
            # what is settled stays, whatever rounds other clips need
            keep = known[:, None, None, None]
            first, last = first.where(keep, again), last.where(keep, out)
            moved = moved.amax(dim=(2, 3)).masked_fill_(ended, 0.0).amax(dim=1)
            known = known | (moved <= ROUNDING)
            if bool(known.all()):
                break
        return first, last

    def _entered(self, before: Tensor, seen: Tensor) -> Tensor:
        """Values of a frame after ``before``; the largest of those counts as 0."""
        shape = before.shape[:-2]
        best = self._step(before.reshape(-1, *before.shape[-2:])).unflatten(0, shape)
        largest = before.amax(dim=(-2, -1), keepdim=True)
        return self._padded(seen + (best - largest))

    def _relative(self, values: Tensor) -> Tensor:
        """Distances from the best state, without what pads the places."""
        inside = values[..., self.band.reach : self.band.reach + self.band.places]
        return inside - inside.amax(dim=(-2, -1), keepdim=True)

    def _followed(self, values: Tensor, lengths: Tensor, state: Tensor) -> Tensor:
        """Paths through all blocks, ``(B, K · STRETCH)``.

        Args:
            values: of all blocks, ``(STRETCH, B · K, b, n + 2 · reach)``.
            lengths: frames that clips have from the first block on, ``(B,)``.
            state: that follows the last block, ``(B,)``.
        """
        clips, blocks = len(lengths), values.shape[1] // len(lengths)
        left = _left(lengths, blocks)
        path = left.new_empty((clips * blocks, STRETCH))
        # at first, every block but the last ends as if nothing followed
        next_one = torch.full_like(left, self.band.states)
        next_one[:, -1] = state
        for _ in range(blocks):
            ends = next_one.flatten()
            head = self._backward(values, 0, left.flatten(), ends, path)
            follows = next_one.clone()
            follows[:, :-1] = head.view(clips, blocks)[:, 1:]
            if torch.equal(follows, next_one):
                break
            next_one = follows
        return path.view(clips, -1)

    def _padded(self, values: Tensor) -> Tensor:
        sides = (self.band.reach, self.band.reach)
        return torch.nn.functional.pad(values.double(), sides, value=-torch.inf)

    def _forward(self, seen: Tensor, first: Tensor) -> Tensor:
        """Values of frames, ``(t, B, b, n + 2 · reach)``; ``first`` is given."""
        frames, places, reach = seen.shape[1], self.band.places, self.band.reach
        values = first.new_full((frames, *first.shape), -torch.inf)
        values[0] = first
        for t in range(1, frames):
            best = self._step(values[t - 1])
            torch.add(seen[:, t], best, out=values[t, ..., reach : reach + places])
        return values

    def _step(self, before: Tensor) -> Tensor:
        """Values of the best ways into every state, ``(B, b, n)``."""
        # [clip, p, q, d, j]: source j + d of the padded row, that is j - reach + d
        shifted = before.unfold(-1, self.band.places, 1)[:, :, None]
        near = (shifted + self.near).amax(dim=(1, 3))
        jump = before.amax(dim=(1, 2)) + self.band.floor
        return torch.maximum(near, jump[:, None, None])

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


def _left(lengths: Tensor, blocks: int) -> Tensor:
    """Frames that clips have from each block on, ``(B, K)``; none is left if ≤ 0."""
    first = STRETCH * torch.arange(blocks, device=lengths.device)
    return lengths[:, None] - first


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
