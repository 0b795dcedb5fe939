"""A clock that does not drift, for packages that only know a whole number of samples.

Where ``hop_s · sr`` is not a whole number, truncating it would stretch time (220 for
220.5 samples: 0.2 %). The audio is resampled instead, to the next rate above at which
the hop is whole: 22 050 Hz becomes 22 100 Hz for a hop of 10 ms.
"""

from __future__ import annotations

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
    with stage("resample"):
        return resample(audio, rate), rate


def describe_clock(grid: FrameGrid) -> dict[str, str]:
    """What the record says about the clock."""
    step = grid.hop_s.denominator
    return {"clock": f"rates that are no multiple of {step} Hz resampled up (soxr HQ)"}


def noise(sr: int) -> Audio:
    """0.1 s of faint white noise, always the same, to warm a tracker up with."""
    samples = np.random.default_rng(0).standard_normal(sr // 10, dtype=np.float32)
    return Audio(samples / np.float32(10), sr)
