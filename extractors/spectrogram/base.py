"""What the spectrogram extractors share: the definition, the rate, the loop."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.audio import Audio, resample
from extractors.base import Extractor
from extractors.device import check_device, to_device, to_host
from extractors.errors import InputError
from extractors.stages import stage

from .definition import Definition, Spectrogram


class SpectrogramExtractor(Extractor):
    """Base class: audio in, one :class:`Spectrogram` per clip.

    Clips are transformed one by one, so that none can depend on its company. All
    arguments but those of a subclass are the fields of :class:`Definition`.

    Raises:
        ConfigError: an argument is unknown or out of its bounds.
    """

    def __init__(
        self,
        *,
        transform: str = "stft",
        sample_rate: int = 16000,
        hop_s: float = 0.032,
        n_fft: int = 2048,
        n_mels: int = 128,
        bins_per_octave: int = 12,
        fmin: float = 32.7,
        fmax: float = 8000.0,
        pad: str = "constant",
    ) -> None:
        self.definition = Definition(
            transform=transform,
            sample_rate=sample_rate,
            hop_s=hop_s,
            n_fft=n_fft,
            n_mels=n_mels,
            bins_per_octave=bins_per_octave,
            fmin=fmin,
            fmax=fmax,
            pad=pad,
        )

    def extract(self, clips: Sequence[Audio]) -> list[Spectrogram]:
        """Transform every clip.

        Raises:
            InputError: a clip too short to be mirrored, where ``pad`` is ``reflect``.
        """
        self.load()
        return [Spectrogram(self._one(clip), self.definition) for clip in clips]

    def _one(self, clip: Audio) -> NDArray[np.float32]:
        with stage("resample", "cpu"):
            samples = resample(clip, self.definition.sample_rate)
        reach = self.definition.reach
        if self.definition.pad == "reflect" and len(samples) <= reach:
            raise InputError(
                f"{len(samples)} samples cannot be mirrored over {reach}; use "
                "pad=constant or a longer clip"
            )
        return self._transform(samples)

    @abstractmethod
    def _transform(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Samples ``(n,)`` at the definition's rate to ``(bins, frames)``."""


class TorchModuleSpectrogram(SpectrogramExtractor):
    """A spectrogram by a ``torch.nn.Module``: to the device, through it, and back.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``; others as :class:`SpectrogramExtractor`.
    """

    axes: ClassVar[Mapping[str, tuple[Any, ...] | None]] = {"device": ("cpu", "cuda")}

    def __init__(
        self,
        *,
        device: str = "auto",
        transform: str = "stft",
        sample_rate: int = 16000,
        hop_s: float = 0.032,
        n_fft: int = 2048,
        n_mels: int = 128,
        bins_per_octave: int = 12,
        fmin: float = 32.7,
        fmax: float = 8000.0,
        pad: str = "constant",
    ) -> None:
        super().__init__(
            transform=transform,
            sample_rate=sample_rate,
            hop_s=hop_s,
            n_fft=n_fft,
            n_mels=n_mels,
            bins_per_octave=bins_per_octave,
            fmin=fmin,
            fmax=fmax,
            pad=pad,
        )
        self.device = check_device(device)
        self._module: Any = None
        self._place = "cpu"

    def load(self) -> None:
        """Build the kernels, move them to the device and run them once."""
        if self._module is not None:
            return
        from extractors.device import resolve

        self._place = resolve(self.device)
        self._module = self._build().to(self._place).eval()
        self._transform(np.zeros(self.definition.sample_rate, np.float32))

    @abstractmethod
    def _build(self) -> Any:
        """A module from samples ``(n,)`` to ``(bins, frames)``, both float32."""

    def _transform(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            # a copy: torch warns of memory that it may not write to
            moved = to_device(samples.copy(), self._place)
            with stage("spectrogram", self._place):
                found = self._module(moved)
            values: NDArray[np.float32] = to_host(found)
        return values
