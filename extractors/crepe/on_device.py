"""CREPE from samples to tracks on a device: a GPU, or a CPU to check it.

A batch of clips goes there in one copy, is resampled, framed, normalised, computed and
decoded there, and its tracks come back in one copy. What a frame gives does not depend
on the clips beside it: whatever rounds differently in another shape (sums over frames,
the products of the resampler, the network) runs in one shape.

Beside the model, a batch holds per frame its 360 probabilities (1 440 bytes), as much
again for a Viterbi search, and four bytes per sample of both rates; the network's own
memory is that of a micro-batch. So one hour at 16 kHz takes about 1.3 GB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from extractors.audio import Audio
from extractors.decoders.bins import PITCH_BINS
from extractors.decoders.pitch_torch import TorchDecoders
from extractors.device import synchronize
from extractors.stages import heard, stage
from extractors.track import FrameGrid

from .device_batch import DeviceBatch, Layout, Transfers, batches, normalise
from .frames import SAMPLE_RATE
from .graphs import Graphed
from .network import TorchNetwork, arithmetic, single_threaded
from .resample_torch import Resampler, output_length

#: Frames of a batch that is decoded on the device, 11 minutes: 94 MB of probabilities.
HELD_FRAMES = 1 << 16
#: Network rounds that a batch has at most.
ROUNDS = 32
#: Samples that are resampled at once for the host: 16 MB.
PART_SAMPLES = 1 << 22

RESAMPLER = "Kaiser-windowed sinc to 16 kHz on the device, stop band 120 dB"


@dataclass(frozen=True, eq=False)
class Contour:
    """One clip's track as it comes from the device.

    Attributes:
        f0: float32, Hz, shape ``(T,)``.
        confidence: float32, shape ``(T,)``: the probability of the bin.
        bins: int32, shape ``(T,)``.
    """

    f0: NDArray[np.float32]
    confidence: NDArray[np.float32]
    bins: NDArray[np.int32]


class OnDevice:
    """The whole extraction around one network.

    Args:
        network: its device is where everything happens.

    Attributes:
        transfers: copies so far.
    """

    def __init__(self, network: TorchNetwork) -> None:
        self.network, self.device = network, network.device
        self.transfers = Transfers()
        self._decoders = TorchDecoders(network.device)
        self._resamplers: dict[int, Resampler] = {}
        graphed = network.graphed and network.device == "cuda"
        self._graph = Graphed(self._step) if graphed else None
        self._turn = Lock()  # threads would write into each other's static memory

    def describe(self) -> dict[str, str]:
        """What a record should tell: resampler, copies, and graphs that failed."""
        facts = {"resampler": RESAMPLER, "copies": str(self.transfers)}
        if self._graph is not None:
            failure = self._graph.failure
            facts["cuda_graphs"] = "used" if failure is None else f"none: {failure}"
        return facts

    def _step(self, frames: Tensor) -> Tensor:
        return self.network.forward(normalise(frames))

    def tracks(
        self,
        clips: Sequence[Audio],
        grid: FrameGrid,
        decoder: str,
        allowed: slice,
        batch_size: int,
    ) -> Iterator[Contour]:
        """The track of every clip, in order.

        Args:
            clips: of any rate.
            grid: where frames are centred.
            decoder: a name of :data:`extractors.decoders.pitch.DECODERS`.
            allowed: open bins.
            batch_size: frames that are cut and computed at once; no more than
                :data:`ROUNDS` times as many are held, unless one clip has more.
        """
        most = min(HELD_FRAMES, ROUNDS * batch_size)  # small batches, little memory
        for held in batches(clips, grid, most):
            with torch.inference_mode():
                batch = self._batch(held, grid)
                found = self._decoded(batch, decoder, allowed, batch_size)
            for part in _in_order(batch.layout):
                level, sure, chosen = found[:, part]
                yield Contour(level, sure, chosen.view(np.int32))

    def posteriors(
        self,
        clips: Sequence[Audio],
        grid: FrameGrid,
        batch_size: int,
        room: Callable[[int], Any],
    ) -> Iterator[Any]:
        """Probabilities of every clip, float32, ``(T, 360)``, in order, on the host.

        They come back in one copy per ``batch_size`` frames, so that the memory on the
        device is that of so many frames and of one clip's samples. ``room`` gives a
        place, in memory or on disk, for the rows of so many frames.
        """
        for held in batches(clips, grid, batch_size):
            with torch.inference_mode():
                batch = self._batch(held, grid)
                found = room(batch.layout.frames)
                for start, part in self._rounds(batch, batch_size):
                    with stage("d2h", self.device):
                        there = self.transfers.download(part).numpy()
                        found[start : start + len(part)] = there
            if len(held) == 1:  # a long clip's rows may be on disk, and stay there
                yield found
            else:
                yield from (found[part] for part in _in_order(batch.layout))

    def resampled(self, clip: Audio) -> NDArray[np.float32]:
        """The clip at 16 kHz on the host, as a batch has it, in bounded memory.

        Parts begin with whole periods of the resampler and reach as far over their ends
        as its filter does.
        """
        if clip.sr == SAMPLE_RATE:
            return clip.samples
        resampler = self._resampler(clip.sr)
        outputs, inputs = resampler.period
        context = -(-(resampler.reach + 2) // inputs)  # periods
        step = max(1, PART_SAMPLES // inputs)
        found = np.empty(output_length(len(clip.samples), clip.sr), np.float32)
        for first in range(0, resampler.periods(len(found)), step):
            begin, target = max(0, first - context), found[first * outputs :]
            target = target[: step * outputs]
            part = clip.samples[begin * inputs : (first + step + context) * inputs]
            skip = (first - begin) * outputs
            with torch.inference_mode():
                signal = self._batch([Audio(part, clip.sr)], FrameGrid(0.01)).signal
                with stage("d2h", self.device):
                    there = self.transfers.download(signal).numpy()
            target[:] = there[skip : skip + len(target)]
        return found

    def _resampler(self, sr: int) -> Resampler:
        if sr not in self._resamplers:
            self._resamplers[sr] = Resampler(sr, self.device)
        return self._resamplers[sr]

    def _batch(self, clips: Sequence[Audio], grid: FrameGrid) -> DeviceBatch:
        layout = Layout(clips, grid)
        self.transfers.batches += 1
        with self._stage("h2d"):
            buffer = layout.buffer(pinned=self.device == "cuda")
            batch = DeviceBatch(
                layout, self.transfers.upload(buffer, self.device), grid
            )
        with self._stage("resample"):
            for sr, _ in layout.rates():
                if sr != SAMPLE_RATE:
                    self._resampler(sr)
            # products on several threads are summed otherwise than on one
            alone = single_threaded() if self.device == "cpu" else nullcontext()
            with alone, arithmetic(self.device, tf32=False):
                batch.resample(self._resamplers)
        return batch

    def _rounds(
        self, batch: DeviceBatch, batch_size: int
    ) -> Iterator[tuple[int, Tensor]]:
        """First frames of rounds and probabilities, in chunks of ``batch_size``."""
        micro, total = self.network.micro_batch, batch.layout.frames
        size = max(1, batch_size // micro) * micro
        for start in range(0, total, size):
            count = min(size, total - start)
            with self._stage("frontend"):
                frames = batch.frames(start, start + -(-count // micro) * micro)
            with self._stage("network"), self._turn:
                found = self.network.compute(frames, self._graph or self._step)
            yield start, found[:count]

    def _decoded(
        self, batch: DeviceBatch, decoder: str, allowed: slice, batch_size: int
    ) -> NDArray[np.float32]:
        """F0, confidence and, bit by bit, bins as int32, of shape ``(3, N)``."""
        counts, clips = batch.layout.counts, batch.clips
        probabilities = torch.empty((sum(counts), PITCH_BINS), device=self.device)
        for start, found in self._rounds(batch, batch_size):
            probabilities[start : start + len(found)] = found
        with self._stage("decode"):
            bins, f0 = self._decoders(decoder, probabilities, allowed, counts, clips)
            confidence = probabilities.gather(1, bins[:, None])[:, 0]
            parts = f0.float(), confidence, bins.int().view(torch.float32)
            packed = torch.stack(parts)
        with stage("d2h", self.device):
            return self.transfers.download(packed).numpy()

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        """A stage; the device is waited for if somebody listens."""
        with stage(name, self.device):
            yield
            if heard():
                synchronize(self.device)


def _in_order(layout: Layout) -> Iterator[slice]:
    """The frames of each clip, in the order of the caller."""
    place = {number: own for own, number in enumerate(layout.order)}
    for number in range(len(place)):
        start, count = layout.table[4:6, place[number]]
        yield slice(start, start + count)
