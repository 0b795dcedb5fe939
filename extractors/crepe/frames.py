"""From clips to the rows that CREPE's network takes, many clips in one round.

A frame is 1024 samples at 16 kHz around its centre on the grid, zeros outside the clip,
mean removed and divided by its standard deviation (of a sample, ``n - 1``), as the
network was trained (Kim, Salamon, Li and Bello 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from extractors.audio import Audio, resample
from extractors.stages import stage
from extractors.track import FrameGrid

SAMPLE_RATE = 16000  # Hz
WINDOW = 1024  # samples

Rows = NDArray[np.float32]
Cut = Callable[[Rows, NDArray[np.int64], Rows], None]


@dataclass(frozen=True)
class Part:
    """Frames ``start`` to ``stop`` (not included) of clip number ``clip``."""

    clip: int
    start: int
    stop: int


def rounds(counts: Sequence[int], size: int) -> Iterator[list[Part]]:
    """Share the frames of clips out to rounds of ``size`` frames, in order.

    Args:
        counts: frames of each clip, each at least 1.
        size: frames of a round; the last one may hold fewer.
    """
    parts: list[Part] = []
    room = size
    for clip, count in enumerate(counts):
        start = 0
        while start < count:
            stop = min(start + room, count)
            parts.append(Part(clip, start, stop))
            room -= stop - start
            start = stop
            if room == 0:
                yield parts
                parts, room = [], size
    if parts:
        yield parts


def cut(samples: Rows, starts: NDArray[np.int64], target: Rows) -> None:
    """Write normalised frames of a signal.

    Args:
        samples: float32, contiguous, shape ``(n,)``.
        starts: first sample of each frame, shape ``(frames,)``.
        target: float32, contiguous, shape ``(frames, 1024)``.
    """
    target[:] = normalise(sliding_window_view(samples, WINDOW)[starts])


def normalise(frames: Rows) -> Rows:
    """Mean 0 and standard deviation 1 in every row; silent rows stay 0.

    Sums run in float64 along a row, so a row's result never depends on its company.
    """
    mean = frames.mean(axis=1, keepdims=True, dtype=np.float64)
    centred = frames - mean.astype(np.float32)
    power = np.square(centred).sum(axis=1, keepdims=True, dtype=np.float64)
    deviation = np.sqrt(power / (frames.shape[1] - 1)).astype(np.float32)
    centred /= np.maximum(deviation, np.float32(1e-10))
    return centred


class Framer:
    """Cuts the frames of a round; holds one resampled clip at a time.

    Args:
        clips: the clips that :class:`Part` numbers refer to.
        grid: where frames are centred.
        cut: as :func:`cut`.

    Attributes:
        counts: frames of each clip.
    """

    def __init__(self, clips: Sequence[Audio], grid: FrameGrid, cut: Cut = cut) -> None:
        self.grid = grid
        self.clips = clips
        self.counts = [grid.n_frames(len(clip.samples), clip.sr) for clip in clips]
        self._cut = cut
        self._held: tuple[int, Rows, NDArray[np.int64]] | None = None

    def rows(self, parts: Sequence[Part]) -> Rows:
        """Normalised frames of ``parts``, float32, shape ``(frames, 1024)``."""
        total = sum(part.stop - part.start for part in parts)
        rows = behind = np.empty((total, WINDOW), np.float32)
        for part in parts:
            samples, starts = self._signal(part.clip)
            size = part.stop - part.start
            with stage("frontend", "cpu"):
                stretch, places = surrounded(samples, starts[part.start : part.stop])
                self._cut(stretch, places, behind[:size])
            behind = behind[size:]
        return rows

    def _signal(self, clip: int) -> tuple[Rows, NDArray[np.int64]]:
        if self._held is None or self._held[0] != clip:
            self._held = None  # two clips are never held at once
            self._held = (clip, *self._prepare(clip))
        return self._held[1:]

    def _prepare(self, clip: int) -> tuple[Rows, NDArray[np.int64]]:
        """The signal at 16 kHz, and where each frame starts, maybe outside it."""
        with stage("resample", "cpu"):
            samples = resample(self.clips[clip], SAMPLE_RATE)
        with stage("frontend", "cpu"):
            starts = self.grid.centres(self.counts[clip], SAMPLE_RATE) - WINDOW // 2
            return samples, starts


def surrounded(
    samples: Rows, starts: NDArray[np.int64]
) -> tuple[Rows, NDArray[np.int64]]:
    """The stretch of a signal that frames lie in, with zeros where there is no signal.

    Args:
        samples: shape ``(n,)``.
        starts: first sample of each frame, ascending.

    Returns:
        The stretch, contiguous, a view where it lies inside; and the starts in it.
    """
    first, last = int(starts[0]), int(starts[-1]) + WINDOW
    before, after = max(-first, 0), max(last - len(samples), 0)
    stretch = samples[max(first, 0) : max(last, 0)]
    if before or after:
        stretch = np.pad(stretch, (before, last - first - before - len(stretch)))
    return np.ascontiguousarray(stretch), starts - first
