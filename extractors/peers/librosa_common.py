"""What librosa's two trackers share: frame length, clock, warm-up."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.audio import Audio
from extractors.base import F0Extractor, check_range
from extractors.errors import ConfigError
from extractors.track import F0Track, FrameGrid

from .timing import check_whole_hop, describe_clock, noise, with_whole_hop


def frame_length_for(sr: int, fmin: float) -> int:
    """Smallest power of two that holds more than two periods of ``fmin``, in samples.

    librosa needs two periods; a longer frame blurs speech. Its default of 2048 samples
    halves the score of 16–20 kHz speech against the 1024 that this rule gives.
    """
    length = 16
    while sr / fmin >= length // 2:
        length *= 2
    return length


class LibrosaTracker(F0Extractor):
    """Common part of librosa's trackers.

    Args:
        fmin, fmax: F0 range in Hz.
        hop_s: seconds between frames; made whole samples, see
            :mod:`extractors.peers.timing`.
        frame_length: window in samples at the rate of the file; ``None`` follows
            :func:`frame_length_for`.

    Raises:
        ConfigError: an argument is out of its bounds.
    """

    peer: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("librosa",)

    def __init__(
        self,
        *,
        fmin: float = 50.0,
        fmax: float = 1100.0,
        hop_s: float = 0.01,
        frame_length: int | None = None,
    ) -> None:
        check_range(fmin, fmax)
        if frame_length is not None and frame_length < 16:
            raise ConfigError(
                f"frame_length={frame_length} must be at least 16 samples"
            )
        self.fmin, self.fmax = fmin, fmax
        self.frame_length = frame_length
        self.grid = FrameGrid(hop_s)
        check_whole_hop(self.grid)
        self._warm = False

    def load(self) -> None:
        """Import librosa and compile its kernels on 0.1 s of noise."""
        if not self._warm:
            self._track(noise(16000))
            self._warm = True

    def extract(self, clips: Sequence[Audio]) -> list[F0Track]:
        """Track clip by clip."""
        self.load()
        return [self._track(clip) for clip in clips]

    def _track(self, clip: Audio) -> F0Track:
        frames = self.grid.n_frames(len(clip.samples), clip.sr)
        samples, rate = with_whole_hop(clip, self.grid)
        track = self._run(samples, rate)
        if len(track) <= frames:
            return track
        return F0Track(
            track.times[:frames],
            track.f0[:frames],
            track.voiced[:frames],
            track.confidence[:frames],
        )

    @abstractmethod
    def _run(self, samples: NDArray[np.float32], sr: int) -> F0Track:
        """Track samples at a rate at which the hop is whole."""

    def _length(self, sr: int) -> int:
        return self.frame_length or frame_length_for(sr, self.fmin)

    def describe(self) -> dict[str, str]:
        """How frame length and clock were chosen."""
        length = "smallest power of two over two periods of fmin"
        stated = self.frame_length and f"{self.frame_length} samples, stated"
        return {"frame_length": stated or length, **describe_clock(self.grid)}
