"""Spectrograms by librosa, the reference that the others are compared with."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.stages import stage

from .base import SpectrogramExtractor


class LibrosaSpectrogram(SpectrogramExtractor):
    """``librosa.stft``, ``feature.melspectrogram`` or ``cqt``, told the definition.

    librosa's constant-Q transform halves the rate octave by octave and drops the 1 %
    weakest part of every kernel: it is fast and approximate. Arguments: see
    :class:`SpectrogramExtractor`.
    """

    name: ClassVar[str] = "librosa_spectrogram"
    peer: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("librosa",)

    def load(self) -> None:
        """Import librosa and transform some silence."""
        if not getattr(self, "_warm", False):
            # long enough for the lowest of the octaves, each at half the rate
            self._transform(np.zeros(4 * self.definition.sample_rate, np.float32))
            self._warm = True

    def _transform(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        compute = {"stft": self._stft, "mel": self._mel, "cqt": self._cqt}
        with stage("spectrogram", "cpu"):
            return compute[self.definition.transform](samples)

    def _stft(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        import librosa

        asked = self.definition
        return np.abs(
            librosa.stft(
                samples,
                n_fft=asked.n_fft,
                hop_length=asked.hop_length,
                pad_mode=asked.pad,
            )
        )

    def _mel(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        import librosa

        asked = self.definition
        power = self._stft(samples) ** 2
        found: NDArray[np.float32] = librosa.feature.melspectrogram(
            S=power,
            sr=asked.sample_rate,
            n_fft=asked.n_fft,
            n_mels=asked.n_mels,
            fmin=asked.fmin,
            fmax=asked.fmax,
        )
        return found

    def _cqt(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        import librosa

        asked = self.definition
        return np.abs(
            librosa.cqt(
                samples,
                sr=asked.sample_rate,
                hop_length=asked.hop_length,
                fmin=asked.fmin,
                n_bins=asked.bins,
                bins_per_octave=asked.bins_per_octave,
                tuning=0.0,
                pad_mode=asked.pad,
            )
        )
