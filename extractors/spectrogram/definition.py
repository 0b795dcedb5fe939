"""What a spectrogram is here, so that several libraries can be asked for the same one.

Every transform works at one rate, on frames centred at ``i · hop``; a frame that
reaches beyond the signal sees zeros, or the signal mirrored where ``pad`` is
``reflect``. There are ``1 + floor(n / hop)`` frames. Libraries differ in their
defaults; the following is what each is told:

- ``stft``: magnitude ``|X|`` under a periodic Hann window of ``n_fft`` samples,
  without any scaling; ``1 + n_fft / 2`` bins;
- ``mel``: ``n_mels`` triangular bands over the power ``|X|²``, on Slaney's scale
  (linear below 1 kHz), each of unit area (M. Slaney, "Auditory Toolbox", 1998), from
  ``fmin`` to ``fmax``;
- ``cqt``: magnitude of the constant-Q transform (J. C. Brown, "Calculation of a
  constant Q spectral transform", JASA 89(1), 1991): ``bins_per_octave`` bins in every
  whole octave between ``fmin`` and ``fmax``, Hann windows of ``Q · sr / f`` samples and
  unit L1 norm, times the root of their length. With ``r = 2^(1 / bins_per_octave)``
  librosa takes ``Q = (r² + 1) / (r² - 1)``, the others have to follow; nnAudio keeps
  Brown's ``1 / (r - 1)``, whose windows are 3 % shorter at 12 bins per octave.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extractors.base import choose
from extractors.errors import ConfigError, TrackError
from extractors.track import FrameGrid

TRANSFORMS = ("stft", "mel", "cqt")
PADS = ("constant", "reflect")


@dataclass(frozen=True)
class Definition:
    """One spectrogram, whoever computes it.

    Attributes:
        transform: ``stft``, ``mel`` or ``cqt``.
        sample_rate: in Hz; audio of another rate is resampled first.
        hop_s: seconds between frames; a whole number of samples at that rate.
        n_fft: window of ``stft`` and ``mel`` in samples.
        n_mels: bands of ``mel``.
        bins_per_octave: of ``cqt``.
        fmin, fmax: range in Hz of ``mel`` and ``cqt``.
        pad: ``constant`` (zeros) or ``reflect``.

    Raises:
        ConfigError: a value is unknown or out of its bounds.
    """

    transform: str = "stft"
    sample_rate: int = 16000
    hop_s: float = 0.032
    n_fft: int = 2048
    n_mels: int = 128
    bins_per_octave: int = 12
    fmin: float = 32.7
    fmax: float = 8000.0
    pad: str = "constant"

    def __post_init__(self) -> None:
        choose(self.transform, TRANSFORMS, "transform")
        choose(self.pad, PADS, "pad")
        hop = FrameGrid(self.hop_s).hop_length(self.sample_rate)
        if hop.denominator != 1:
            raise ConfigError(
                f"hop_s={self.hop_s} is {float(hop):g} samples at {self.sample_rate} "
                f"Hz; use a whole number, e.g. hop_s={round(hop) / self.sample_rate:g}"
            )
        if self.n_fft < 2 or self.n_fft % 2:
            raise ConfigError(f"n_fft={self.n_fft} must be even and at least 2 samples")
        if self.n_mels < 1 or self.bins_per_octave < 1:
            raise ConfigError(
                f"n_mels={self.n_mels} and bins_per_octave={self.bins_per_octave} "
                "must be at least 1"
            )
        if not 0 < self.fmin < self.fmax <= self.sample_rate / 2:
            raise ConfigError(
                f"fmin={self.fmin} Hz and fmax={self.fmax} Hz: need 0 < fmin < fmax "
                f"≤ {self.sample_rate / 2:g} Hz, half the rate"
            )
        if self.transform == "cqt" and self.octaves < 1:
            raise ConfigError(
                f"fmax={self.fmax} Hz is less than an octave above fmin={self.fmin} Hz"
                f"; use fmax={2 * self.fmin:g}"
            )

    @property
    def hop_length(self) -> int:
        """Hop in samples."""
        return int(FrameGrid(self.hop_s).hop_length(self.sample_rate))

    @property
    def octaves(self) -> int:
        """Whole octaves of ``cqt``."""
        return math.floor(math.log2(self.fmax / self.fmin) + 1e-9)

    @property
    def bins(self) -> int:
        """Rows of a spectrogram."""
        if self.transform == "stft":
            return 1 + self.n_fft // 2
        if self.transform == "mel":
            return self.n_mels
        return self.octaves * self.bins_per_octave

    @property
    def reach(self) -> int:
        """Samples that the longest window sees to either side of a frame's centre."""
        if self.transform != "cqt":
            return self.n_fft // 2
        squared = 2.0 ** (2 / self.bins_per_octave)
        longest = (squared + 1) / (squared - 1) * self.sample_rate / self.fmin
        return 1 << (math.ceil(longest) - 1).bit_length() - 1  # half a power of two

    def n_frames(self, n_samples: int) -> int:
        """Columns for ``n_samples`` at :attr:`sample_rate`: ``1 + floor(n / hop)``."""
        return 1 + n_samples // self.hop_length


@dataclass(frozen=True, eq=False)
class Spectrogram:
    """The answer of a library.

    Attributes:
        values: float32, shape ``(bins, frames)``, not negative: magnitude of ``stft``
            and ``cqt``, power of ``mel``. Made read-only.
        definition: what they are values of.

    Raises:
        TrackError: another shape, or a value that is negative, NaN or infinite.
    """

    values: NDArray[np.float32]
    definition: Definition

    def __post_init__(self) -> None:
        values = np.ascontiguousarray(self.values, dtype=np.float32)
        if values.ndim != 2 or values.shape[0] != self.definition.bins:
            raise TrackError(
                f"a spectrogram of shape {values.shape}; need {self.definition.bins} "
                "bins by frames"
            )
        if not np.isfinite(values).all() or (values < 0).any():
            raise TrackError("a spectrogram holds NaN, Inf or negative values")
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    @property
    def times(self) -> NDArray[np.float64]:
        """Frame centres in seconds, shape ``(frames,)``."""
        return FrameGrid(self.definition.hop_s).times(self.values.shape[1])
