"""Clips on a device: one copy there, their signals at 16 kHz, frames cut from them.

The copy holds a table of whole numbers, one column per clip, and behind it the samples
of all clips at their own rates, one clip behind the other. Clips are ordered by rate,
so that those to be resampled alike are neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from extractors.audio import Audio
from extractors.decoders.pitch_torch import Clips
from extractors.stages import copied
from extractors.track import FrameGrid

from .frames import SAMPLE_RATE, WINDOW
from .resample_torch import Resampler, output_length, windows

#: Samples of a batch, at the clips' own rates: 128 MB; one long clip may have more.
HELD_SAMPLES = 1 << 25


@dataclass
class Transfers:
    """Copies between host and device so far; constants of the model do not count.

    Attributes:
        batches: how many there were.
        to_device, to_host: copies.
        bytes_to_device, bytes_to_host: their sizes.
    """

    batches: int = 0
    to_device: int = 0
    bytes_to_device: int = 0
    to_host: int = 0
    bytes_to_host: int = 0

    def upload(self, buffer: Tensor, device: str) -> Tensor:
        """Copy to the device; the host does not wait."""
        self.to_device += 1
        self.bytes_to_device += buffer.nbytes
        if device != "cpu":
            copied("h2d", buffer.nbytes)
        return buffer.to(device, non_blocking=True)

    def download(self, found: Tensor) -> Tensor:
        """Copy to the host and wait for it."""
        self.to_host += 1
        self.bytes_to_host += found.nbytes
        if found.device.type != "cpu":
            copied("d2h", found.nbytes)
        return found.cpu()

    def __str__(self) -> str:
        return (
            f"{self.batches} batches: {self.to_device} copies to the device "
            f"({self.bytes_to_device / 1e6:.1f} MB), {self.to_host} back "
            f"({self.bytes_to_host / 1e6:.1f} MB)"
        )


def batches(
    clips: Sequence[Audio], grid: FrameGrid, frames: int
) -> Iterator[list[Audio]]:
    """Consecutive clips of ``frames`` frames and :data:`HELD_SAMPLES` at most.

    A longer clip is a batch of its own. No clip is asked for before its batch.
    """
    held: list[Audio] = []
    free, room = frames, HELD_SAMPLES
    for number in range(len(clips)):
        clip = clips[number]
        count, size = grid.n_frames(len(clip.samples), clip.sr), len(clip.samples)
        if held and (count > free or size > room):
            yield held
            held, free, room = [], frames, HELD_SAMPLES
        held.append(clip)
        free, room = free - count, room - size
    if held:
        yield held


class Layout:
    """Where the clips of a batch lie; known to the host.

    Args:
        clips: at least one.
        grid: where frames are centred.

    Attributes:
        order: numbers of the clips, by rate; all that follows is in this order.
        clips: the clips.
        counts: frames of each clip.
        table: int64, shape ``(7, clips)``: start and length of the samples, start and
            length at 16 kHz, first frame and number of frames, and the numbers of the
            clips with the longest first.
    """

    def __init__(self, clips: Sequence[Audio], grid: FrameGrid) -> None:
        self.order = sorted(range(len(clips)), key=lambda i: clips[i].sr)
        self.clips = [clips[i] for i in self.order]
        sizes = [len(clip.samples) for clip in self.clips]
        lengths = [output_length(len(c.samples), c.sr) for c in self.clips]
        self.counts = [grid.n_frames(len(c.samples), c.sr) for c in self.clips]
        self.samples, self.resampled = sum(sizes), sum(lengths)
        self.frames = sum(self.counts)
        longest = np.argsort(-np.array(self.counts), kind="stable")
        rows = (sizes, lengths, self.counts)
        pairs = [row for each in rows for row in (_starts(each), each)]
        self.table = np.array([*pairs, longest], dtype=np.int64)

    def buffer(self, pinned: bool) -> Tensor:
        """The table and the samples, in one piece of bytes."""
        behind = self.table.nbytes
        whole = torch.empty(
            behind + 4 * self.samples, dtype=torch.uint8, pin_memory=pinned
        )
        whole[:behind].view(torch.int64).numpy()[:] = self.table.reshape(-1)
        samples = whole[behind:].view(torch.float32).numpy()
        for clip, start in zip(self.clips, self.table[0], strict=True):
            samples[start : start + len(clip.samples)] = clip.samples
        return whole

    def rates(self) -> Iterator[tuple[int, slice]]:
        """Every rate and the clips that have it."""
        first = 0
        for sr, group in groupby(self.clips, key=lambda clip: clip.sr):
            behind = first + len(list(group))
            yield sr, slice(first, behind)
            first = behind


def _starts(sizes: Sequence[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *sizes[:-1]])


class DeviceBatch:
    """Clips whose samples are on a device.

    Args:
        layout: of the clips.
        whole: :meth:`Layout.buffer`, on the device.
        grid: where frames are centred.
    """

    def __init__(self, layout: Layout, whole: Tensor, grid: FrameGrid) -> None:
        self.layout, self._hop = layout, grid.hop_length(SAMPLE_RATE)
        behind = layout.table.nbytes
        self._table = whole[:behind].view(torch.int64).view(layout.table.shape)
        self._raw = whole[behind:].view(torch.float32)
        #: samples of all clips; at 16 kHz once they are resampled, then one of scratch
        self.signal = self._raw

    @cached_property
    def clips(self) -> Clips:
        """Where the clips lie among the frames."""
        return Clips(*self._table[4:7])

    def resample(self, resamplers: Mapping[int, Resampler]) -> None:
        """Bring all clips to 16 kHz; those at that rate keep their samples."""
        layout, table = self.layout, self._table
        rates = list(layout.rates())
        if [sr for sr, _ in rates] == [SAMPLE_RATE]:
            return
        self.signal = self._raw.new_empty(layout.resampled + 1)
        for sr, own in rates:
            start, length = layout.table[2:4, own]
            if sr == SAMPLE_RATE:
                source = int(layout.table[0, own.start])
                size = int(length.sum())
                target = self.signal[int(start[0]) : int(start[0]) + size]
                target.copy_(self._raw[source : source + size])
                continue
            resampler = resamplers[sr]
            total = sum(resampler.periods(int(n)) for n in length)
            begin, end = table[0:4:2, own], table[1:4:2, own]
            resampler(self._raw, begin, end, self.signal, total)

    def frames(self, start: int, stop: int) -> Tensor:
        """Frames of all clips, float32, shape ``(stop - start, 1024)``.

        Not normalised. Those behind the last one of the batch are arbitrary.
        """
        first = self._table[4]
        index = torch.arange(start, stop, device=first.device)
        clip = torch.searchsorted(first, index, right=True) - 1
        number, hop = index - first[clip], self._hop
        # the nearest sample, as FrameGrid.centres rounds
        centre = (2 * number * hop.numerator + hop.denominator) // (2 * hop.denominator)
        begin, length = self._table[2][clip], self._table[3][clip]
        return windows(self.signal, begin, length, centre - WINDOW // 2, WINDOW)


def normalise(frames: Tensor) -> Tensor:
    """Mean 0 and deviation 1 in every row; silent rows stay 0.

    As :func:`extractors.crepe.frames.normalise`: sums run in float64, in the device's
    order.
    """
    mean = frames.mean(dim=1, keepdim=True, dtype=torch.float64)
    centred = frames - mean.float()
    power = centred.square().sum(dim=1, keepdim=True, dtype=torch.float64)
    deviation = (power / (frames.shape[1] - 1)).sqrt().float()
    return centred / deviation.clamp(min=1e-10)
