"""A small tracker with faults to plant: what a regression gate must find.

A version of this module differs in the line that names its fault. All have the same
class, name and options, so that their cells have the same key, as two revisions of one
extractor have.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np

from f0bench import Audio, F0Extractor, F0Track, FrameGrid

FAULT = "none"  # one of FAULTS

SLOWER = {"slow_1.1": 1.1, "slow_1.2": 1.2, "slow_1.5": 1.5}
FAULTS = (
    *("none", *SLOWER, "memory_2", "offset_8ms", "octave_flips_1pct", "dither"),
    *("one_clip_broken", "one_clip_raises", "nan", "empty", "constant", "cached"),
)
MEMORY = 150 << 20  # bytes: as much as everything else in the process


class Planted(F0Extractor):
    """Autocorrelation with the fault of this version."""

    name = "planted"

    def __init__(
        self, *, fmin: float = 50.0, fmax: float = 1100.0, hop_s: float = 0.01
    ) -> None:
        self.fmin, self.fmax, self.hop_s = fmin, fmax, hop_s
        self.first: dict[int, F0Track] = {}
        self.random = np.random.default_rng(0)
        self.called = False

    def extract(self, clips: Sequence[Audio]) -> list[F0Track]:
        if FAULT == "memory_2" and not self.called:
            np.ones(MEMORY, np.uint8)
        self.called = True
        began = perf_counter()
        tracks = [self._answer(clip) for clip in clips]
        spent = perf_counter() - began
        end = perf_counter() + spent * (SLOWER.get(FAULT, 1.0) - 1.0)
        while perf_counter() < end:
            pass
        return [] if FAULT == "empty" else tracks

    def _answer(self, clip: Audio) -> F0Track:
        track = self._track(clip)
        # One clip of the synthetic set: the lower of the two at 22 050 Hz.
        chosen = clip.sr == 22_050 and float(np.median(track.f0[track.voiced])) < 170.0
        if FAULT == "one_clip_raises" and chosen:
            raise RuntimeError("this clip is beyond me")
        if FAULT == "one_clip_broken" and chosen:
            return planted(track, "constant", self.random)
        if FAULT == "cached":
            return self.first.setdefault(len(track), track)
        return planted(track, FAULT, self.random)

    def _track(self, clip: Audio) -> F0Track:
        y, sr = clip.samples, clip.sr
        grid, size = FrameGrid(self.hop_s), 2 * int(2 * sr / self.fmin)
        n = grid.n_frames(len(y), sr)
        at = grid.centres(n, sr)[:, None] + np.arange(size)
        windows = np.pad(y, size)[at + size // 2] * np.hanning(size)
        spectra = np.fft.rfft(windows, 2 * size)
        acf = np.fft.irfft(np.abs(spectra) ** 2)[:, : size // 2] + 1e-9
        low = int(sr / self.fmax)
        lag = low + acf[:, low : int(sr / self.fmin)].argmax(axis=1)
        level = np.clip(acf[np.arange(n), lag] / acf[:, 0], 0, 1)
        return F0Track(grid.times(n), sr / lag, level >= 0.5, level)


def planted(track: F0Track, fault: str, random: np.random.Generator) -> F0Track:
    """``track`` with a fault of accuracy."""
    times, f0, voiced = track.times, track.f0.astype(np.float64), track.voiced
    if fault == "offset_8ms":
        moved = np.interp(times - 0.008, times, f0)  # the contour comes 8 ms late
        return F0Track(times, moved, voiced, track.confidence)
    if fault == "octave_flips_1pct":
        flipped = random.random(len(f0)) < 0.01
        f0 = np.where(flipped, 2.0 * f0, f0)
    if fault == "dither":
        f0 = f0 * 2.0 ** (random.uniform(-20.0, 20.0, len(f0)) / 1200.0)
    if fault == "nan":
        f0 = np.full(len(f0), np.nan)
    if fault == "constant":
        f0, voiced = np.full(len(f0), 220.0), np.ones(len(f0), bool)
    return F0Track(times, f0, voiced, track.confidence)
