"""Extractors that fail in every way an extractor can, and a few that do not.

All are numpy only, so that a worker process is up in a fraction of a second.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from extractors.audio import Audio
from extractors.base import F0Extractor
from extractors.stages import stage
from extractors.track import F0Track, FrameGrid


class Constant(F0Extractor):
    """Says 220 Hz, voiced, everywhere."""

    name = "constant"

    def __init__(self, *, hop_s: float = 0.01, f0: float = 220.0) -> None:
        self.hop_s, self.f0 = hop_s, f0

    def extract(self, clips: Sequence[Audio]) -> list[F0Track]:
        return [self.track(clip) for clip in clips]

    def track(self, clip: Audio) -> F0Track:
        grid = FrameGrid(self.hop_s)
        n = grid.n_frames(len(clip.samples), clip.sr)
        return F0Track(grid.times(n), np.full(n, self.f0), np.ones(n), np.ones(n))


class Aborts(Constant):
    """Ends the process by a signal, as a segmentation fault would."""

    name = "aborts"

    def track(self, clip: Audio) -> F0Track:
        os.abort()


class Exits(Constant):
    """Calls ``sys.exit`` somewhere deep in a library."""

    name = "exits"

    def track(self, clip: Audio) -> F0Track:
        raise SystemExit(3)


class HardExits(Constant):
    """Leaves without a word."""

    name = "hard_exits"

    def track(self, clip: Audio) -> F0Track:
        os._exit(7)


class Hangs(Constant):
    """Never comes back."""

    name = "hangs"

    def track(self, clip: Audio) -> F0Track:
        time.sleep(3600)
        raise AssertionError


class ReturnsNan(Constant):
    """Voiced frames without an F0."""

    name = "returns_nan"

    def track(self, clip: Audio) -> F0Track:
        track = super().track(clip)
        return F0Track(
            track.times, np.full(len(track), np.nan), track.voiced, track.confidence
        )


class WrongLength(Constant):
    """Ten frames, however long the clip is."""

    name = "wrong_length"

    def track(self, clip: Audio) -> F0Track:
        t = super().track(clip)
        return F0Track(t.times[:10], t.f0[:10], t.voiced[:10], t.confidence[:10])


class Unsorted(Constant):
    """Frames in reverse order."""

    name = "unsorted"

    def track(self, clip: Audio) -> F0Track:
        t = super().track(clip)
        return F0Track(t.times[::-1], t.f0, t.voiced, t.confidence)


class TooFew(Constant):
    """One track, however many clips."""

    name = "too_few"

    def extract(self, clips: Sequence[Audio]) -> list[F0Track]:
        return super().extract(clips)[:1] if len(clips) > 1 else []


class Picky(Constant):
    """Fails on quiet clips only."""

    name = "picky"

    def track(self, clip: Audio) -> F0Track:
        if np.abs(clip.samples).max() < 1e-3:
            raise ValueError("too quiet for me")
        return super().track(clip)


class Leaks(Constant):
    """Asks for more memory than there is."""

    name = "leaks"

    def track(self, clip: Audio) -> F0Track:
        raise MemoryError("Unable to allocate 1.0 PiB")


class BusyWait(Constant):
    """Takes exactly 20 ms a call, in a stage of its own."""

    name = "busy_wait"
    seconds = 0.020

    def extract(self, clips: Sequence[Audio]) -> list[F0Track]:
        end = time.perf_counter() + self.seconds
        tracks = self.prepared(clips)
        with stage("network"):
            while time.perf_counter() < end:
                pass
        return tracks

    def prepared(self, clips: Sequence[Audio]) -> list[F0Track]:
        key = tuple(id(clip) for clip in clips)
        if getattr(self, "_key", None) != key:
            self._key, self._tracks = key, super().extract(clips)
        return self._tracks


class Refuses(Constant):
    """Cannot even be built."""

    name = "refuses"

    def __init__(self, *, hop_s: float = 0.01) -> None:
        raise ValueError("no such weights")


class Slow(Constant):
    """A tenth of a second a clip: slow enough to be killed half-way."""

    name = "slow"

    def track(self, clip: Audio) -> F0Track:
        time.sleep(0.1)
        return super().track(clip)


class Meter(Constant):
    """A system of the toy task: 1 dB too loud."""

    name = "meter"

    def level(self, clip: Audio) -> float:
        return float(10 * np.log10(np.mean(clip.samples**2) + 1e-12)) + 1.0


class Hoards(Constant):
    """Keeps 128 KiB of every call for ever."""

    name = "hoards"

    def extract(self, clips: Sequence[Audio]) -> list[F0Track]:
        kept = getattr(self, "_kept", [])
        self._kept = [*kept, np.ones(2**14)]
        return super().extract(clips)


class Batched(Constant):
    """Takes memory by the batch size, and runs out of it above ``most``."""

    name = "batched"
    axes: ClassVar = {"batch_size": None}

    def __init__(
        self, *, hop_s: float = 0.01, batch_size: int = 64, most: int = 10**6
    ) -> None:
        super().__init__(hop_s=hop_s)
        self.batch_size, self.most = batch_size, most

    def track(self, clip: Audio) -> F0Track:
        if self.batch_size > self.most:
            raise MemoryError("Unable to allocate 1.0 PiB")
        np.ones((self.batch_size, 2**12)).sum()
        return super().track(clip)


class Rounded(Constant):
    """In ``bf16`` it says 5 cents more, and every tenth frame is unvoiced."""

    name = "rounded"
    axes: ClassVar = {"precision": ("fp32", "bf16")}

    def __init__(self, *, hop_s: float = 0.01, precision: str = "fp32") -> None:
        super().__init__(hop_s=hop_s)
        self.precision = precision

    def track(self, clip: Audio) -> F0Track:
        exact = super().track(clip)
        if self.precision == "fp32":
            return exact
        voiced = np.arange(len(exact)) % 10 > 0
        f0 = exact.f0 * 2 ** (5 / 1200)
        return F0Track(exact.times, f0, voiced, exact.confidence)
