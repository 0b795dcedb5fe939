"""Spectrograms by nnAudio, whose transforms are convolutions with fixed kernels."""

from __future__ import annotations

from typing import Any, ClassVar

from .base import TorchModuleSpectrogram


class NnAudioSpectrogram(TorchModuleSpectrogram):
    """``nnAudio.features`` ``STFT``, ``MelSpectrogram`` or ``CQT1992v2``.

    nnAudio mirrors the signal at its ends by default, librosa pads with zeros: both
    are told the definition's ``pad``. Arguments: see :class:`TorchModuleSpectrogram`.
    """

    name: ClassVar[str] = "nnaudio_spectrogram"
    peer: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("torch", "nnAudio")

    def _build(self) -> Any:
        from .nnaudio_module import FirstOfBatch

        return FirstOfBatch(self.definition)
