"""The arguments of pYIN, checked, and the numbers that follow from them alone."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from extractors.errors import ConfigError

PadMode = str | Callable[..., Any]


@dataclass(frozen=True)
class Options:
    """Arguments of ``librosa.pyin`` that are neither range nor frames; its defaults.

    Attributes:
        n_thresholds: thresholds on the difference function, over which a Beta
            distribution lies.
        beta_parameters: its two shape parameters.
        boltzmann_parameter: how steeply the prior over troughs falls with their period.
        resolution: width of a pitch bin in semitones, in (0, 1).
        max_transition_rate: octaves per second.
        switch_prob: probability of a change of voicing between two frames.
        no_trough_prob: most that the lowest trough gets where none is below a
            threshold.
        center: frame ``t`` is centred at sample ``t · hop_length``; else it begins
            there.
        pad_mode: of ``numpy.pad`` at both ends, where frames are centred. Modes other
            than ``constant`` copy the clip.

    Raises:
        ConfigError: an argument is out of its bounds.
    """

    n_thresholds: int = 100
    beta_parameters: tuple[float, float] = (2, 18)
    boltzmann_parameter: float = 2
    resolution: float = 0.1
    max_transition_rate: float = 35.92
    switch_prob: float = 0.01
    no_trough_prob: float = 0.01
    center: bool = True
    pad_mode: PadMode = "constant"

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta_parameters", tuple(self.beta_parameters))
        if self.n_thresholds < 1:
            raise ConfigError(f"n_thresholds={self.n_thresholds} must be at least 1")
        if len(self.beta_parameters) != 2 or not min(self.beta_parameters) > 0:
            raise ConfigError(
                f"beta_parameters={self.beta_parameters} must be two numbers above 0"
            )
        for name in ("boltzmann_parameter", "max_transition_rate"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}={getattr(self, name)} must be above 0")
        for name in ("resolution", "switch_prob", "no_trough_prob"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must lie in (0, 1)")


@dataclass(frozen=True)
class Parameters:
    """Everything that the answer depends on beside the samples.

    Attributes:
        sr: sampling rate in Hz.
        fmin, fmax: F0 range in Hz.
        frame_length, hop_length: samples.
        options: the other arguments.

    Raises:
        ConfigError: the range does not fit the rate, the frame or the transitions.
    """

    sr: float
    fmin: float
    fmax: float
    frame_length: int
    hop_length: int
    options: Options = Options()

    def __post_init__(self) -> None:
        if not 0 < self.fmin < self.fmax:
            raise ConfigError(
                f"fmin={self.fmin} Hz and fmax={self.fmax} Hz: need 0 < fmin < fmax"
            )
        if self.fmax > self.sr / 2:
            raise ConfigError(
                f"fmax={self.fmax} Hz is above half the sampling rate, {self.sr / 2} Hz"
            )
        if self.hop_length < 1:
            raise ConfigError(f"hop_length={self.hop_length} must be at least 1 sample")
        if self.sr / self.fmin >= self.frame_length - 1:
            raise ConfigError(
                f"frame_length={self.frame_length} holds no period of "
                f"fmin={self.fmin} Hz at {self.sr} Hz; use at least "
                f"{math.ceil(self.sr / self.fmin) + 2} samples"
            )
        if self.band_width > self.pitch_bins:
            raise ConfigError(
                f"max_transition_rate={self.options.max_transition_rate} reaches over "
                f"{self.band_width} pitch bins in one hop, the range has "
                f"{self.pitch_bins}; widen the range or shorten the hop"
            )

    def warn_if_short(self) -> None:
        """Warn where less than two periods of ``fmin`` fit into a frame, as librosa."""
        if self.sr / self.fmin >= self.frame_length // 2:
            warnings.warn(
                f"frame_length={self.frame_length} holds less than two periods of "
                f"fmin={self.fmin} Hz at {self.sr} Hz, which can cost accuracy; "
                f"use {math.ceil(self.sr / self.fmin) * 2 + 1} samples",
                stacklevel=3,
            )

    @property
    def min_period(self) -> int:
        """Shortest period in samples."""
        return int(np.floor(self.sr / self.fmax))

    @property
    def max_period(self) -> int:
        """Longest period in samples."""
        return min(int(np.ceil(self.sr / self.fmin)), self.frame_length - 1)

    @property
    def lags(self) -> int:
        """Number of periods in samples, at least 2 because ``fmin < fmax``."""
        return self.max_period - self.min_period + 1

    @property
    def bins_per_octave(self) -> int:
        """Pitch bins of an octave."""
        return 12 * self._bins_per_semitone

    @property
    def pitch_bins(self) -> int:
        """Number of pitch bins, ``n``; bin 0 lies at ``fmin``."""
        octaves = np.log2(self.fmax / self.fmin)
        return int(np.floor(self.bins_per_octave * octaves)) + 1

    @property
    def band_width(self) -> int:
        """Pitch bins that one hop may reach, those of either direction and its own."""
        rate = self.options.max_transition_rate
        semitones = round(rate * 12 * self.hop_length / self.sr)
        return semitones * self._bins_per_semitone + 1

    @property
    def _bins_per_semitone(self) -> int:
        return int(np.ceil(1.0 / self.options.resolution))

    def frames(self, samples: int) -> int:
        """Frames of a clip of so many samples; less than 1 where it is too short."""
        padding = 2 * (self.frame_length // 2) if self.options.center else 0
        return 1 + (samples + padding - self.frame_length) // self.hop_length
