"""Spectrograms by ``torch.stft`` and matrix products."""

from __future__ import annotations

from typing import Any, ClassVar

from .base import TorchModuleSpectrogram


class TorchSpectrogram(TorchModuleSpectrogram):
    """The definition computed directly, see :mod:`.torch_module`.

    The mel filters and the constant-Q kernels come from librosa's ``filters``, so that
    only the transform itself is compared. Arguments: see
    :class:`TorchModuleSpectrogram`.
    """

    name: ClassVar[str] = "torch_spectrogram"
    requires: ClassVar[tuple[str, ...]] = ("torch", "librosa")

    def _build(self) -> Any:
        from .torch_module import module

        return module(self.definition)
