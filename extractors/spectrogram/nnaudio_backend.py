"""The spectrograms of the F0 service: nnAudio on the service's device, numpy out."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from extractors.device import to_host

from .nnaudio_processor import NNAudioProcessor


class NNAudioBackend(ABC):
    """Processors by their sizes, each made at its first use and then kept."""

    def __init__(self) -> None:
        self._processors: dict[tuple[int, int, int, int], NNAudioProcessor] = {}

    @property
    @abstractmethod
    def device(self) -> str:
        """``cpu``, ``cuda`` or ``cuda:1``: where work runs."""

    @property
    def nnaudio_processor(self) -> NNAudioProcessor:
        """The processor with the documented sizes: 2048, 512, 128 bands at 16 kHz."""
        return self._processor(2048, 512, 128, 16000)

    def _processor(
        self, n_fft: int, hop_length: int, n_mels: int, sr: int
    ) -> NNAudioProcessor:
        key = (n_fft, hop_length, n_mels, sr)
        if key not in self._processors:
            self._processors[key] = NNAudioProcessor(
                n_fft, hop_length, n_mels, self.device.partition(":")[0], sr=sr
            )
        return self._processors[key]

    def compute_stft(
        self, audio: ArrayLike, *, n_fft: int = 2048, hop_length: int = 512
    ) -> NDArray[np.complex64]:
        """Complex STFT, shape ``(1 + n_fft // 2, frames)``, padded as librosa's.

        Args:
            audio: floating point, shape ``(n,)``.
            n_fft, hop_length: samples.
        """
        processor = self._processor(n_fft, hop_length, 128, 16000)
        return to_host(processor.compute_stft(np.asarray(audio)))

    def compute_mel_spectrogram(
        self,
        audio: ArrayLike,
        sr: int = 16000,
        *,
        n_fft: int = 2048,
        hop_length: int = 512,
        n_mels: int = 128,
    ) -> NDArray[np.float32]:
        """Mel power spectrogram, float32, shape ``(n_mels, frames)``, as librosa's.

        Args:
            audio: floating point, shape ``(n,)``.
            sr: Hz.
            n_fft, hop_length: samples.
            n_mels: bands.
        """
        processor = self._processor(n_fft, hop_length, n_mels, sr)
        return to_host(processor.compute_mel_spectrogram(np.asarray(audio)))
