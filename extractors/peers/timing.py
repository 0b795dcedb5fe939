"""A clock that does not drift, for packages that only know a whole number of samples.

Where ``hop_s · sr`` is not a whole number, truncating it would stretch time (220 for
220.5 samples: 0.2 %). The audio is resampled instead, to the next rate above at which
the hop is whole: 22 050 Hz becomes 22 100 Hz for a hop of 10 ms.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.audio import Audio, resample
from extractors.errors import ConfigError
from extractors.stages import stage
from extractors.track import FrameGrid

MAX_STEP = 48000  # Hz; a coarser lattice of rates would need absurd ones


def check_whole_hop(grid: FrameGrid) -> None:
    """Refuse a hop that is a whole number of samples at no reasonable rate.

    Raises:
        ConfigError: the hop in lowest terms needs rates in steps above 48 kHz.
    """
    step = grid.hop_s.denominator
    if step > MAX_STEP:
        raise ConfigError(
            f"hop_s={float(grid.hop_s)} is a whole number of samples at no rate below "
            f"{step} Hz, as this extractor needs; use a round hop such as 0.01"
        )


def whole_hop_rate(sr: int, grid: FrameGrid) -> int:
    """Lowest rate in Hz, at least ``sr``, at which the hop is whole samples."""
    step = grid.hop_s.denominator
    return -(-sr // step) * step


def with_whole_hop(audio: Audio, grid: FrameGrid) -> tuple[NDArray[np.float32], int]:
    """Samples at :func:`whole_hop_rate`, float32 ``(n,)``, and that rate in Hz."""
    rate = whole_hop_rate(audio.sr, grid)
    with stage("resample", "cpu"):
        return resample(audio, rate), rate


def describe_clock(grid: FrameGrid) -> dict[str, str]:
    """What the record says about the clock."""
    step = grid.hop_s.denominator
    return {"clock": f"rates that are no multiple of {step} Hz resampled up (soxr HQ)"}


def noise(sr: int) -> Audio:
    """0.1 s of faint white noise, always the same, to warm a tracker up with."""
    samples = np.random.default_rng(0).standard_normal(sr // 10, dtype=np.float32)
    return Audio(samples / np.float32(10), sr)


def complete(
    times: NDArray[np.float64], seconds: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Frame times continued in their own step over holes and to both ends of a clip.

    What a tool leaves out it calls unvoiced; with a frame for it, no reader of the
    track has to guess.

    Args:
        times: frame centres in seconds, rising.
        seconds: duration of the clip.

    Returns:
        The times, and for each the index of the given frame or −1 for a new one.
    """
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.01
    if not step > 0:
        return times, np.arange(len(times))  # unsorted: F0Track says where
    first, last = (times[0], times[-1]) if len(times) else (0.0, -step)
    before = max(0, int(first / step + 1e-9))
    after = max(0, int((seconds - last) / step + 1e-9))
    new = [first - step * np.arange(before, 0, -1)]
    new += [last + step * np.arange(1, after + 1)]
    new += [_between(a, b, step) for a, b in pairwise(times) if b - a > 1.5 * step]
    every = np.concatenate([times, *new])
    index = np.full(len(every), -1)
    index[: len(times)] = np.arange(len(times))
    order = np.argsort(every, kind="stable")
    return every[order], index[order]


def _between(start: float, end: float, step: float) -> NDArray[np.float64]:
    """Times inside a hole, at most a step apart and evenly spaced."""
    count = max(round((end - start) / step), 2)
    return np.linspace(start, end, count + 1)[1:-1]


def picked(values: NDArray[Any], index: NDArray[np.int64], fill: Any) -> NDArray[Any]:
    """Values of the frames that were given, ``fill`` in the new ones."""
    if len(values) == 0:
        return np.full(len(index), fill)
    return np.where(index >= 0, values[index], fill)
