"""STFT, mel spectrogram and CQT by nnAudio, padded as librosa pads.

nnAudio mirrors a signal at its ends, librosa fills up with zeros: here ``pad_mode`` is
``constant`` unless stated, so that the first and last frames agree. The STFT stays
complex, phase included. A layer is built when it is first asked for and kept; asking
for another transform replaces nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from extractors.base import choose
from extractors.device import check_device, resolve
from extractors.errors import ConfigError, InputError
from extractors.stages import copied, stage

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

PADS = ("constant", "reflect")
CQT_FMIN = 32.703195662574764  # Hz, the C1 with which librosa's cqt begins


class NNAudioProcessor:
    """Spectrograms of signals on one device.

    Args:
        n_fft: samples of a window, a Hann window.
        hop_length: samples between frames, which are centred at its multiples.
        n_mels: mel bands (Slaney's scale, bands of unit area).
        device: ``cuda``, ``cpu`` or ``auto``; looked for at the first transform.
        sr: Hz.
        power: exponent of the magnitude under the mel bands.
        pad_mode: ``constant`` (zeros, as librosa) or ``reflect``.

    Raises:
        ConfigError: a value is unknown or out of its bounds.
    """

    def __init__(
        self,
        n_fft: int = 2048,
        hop_length: int = 512,
        n_mels: int = 128,
        device: str = "cuda",
        *,
        sr: int = 16000,
        power: float = 2.0,
        pad_mode: str = "constant",
    ) -> None:
        for name, value in (("n_fft", n_fft), ("hop_length", hop_length)):
            if value < 1:
                raise ConfigError(f"{name}={value} must be at least 1 sample")
        if n_mels < 1 or power <= 0:
            raise ConfigError(f"n_mels={n_mels} must be ≥ 1 and power={power} above 0")
        self.n_fft, self.hop_length, self.n_mels = n_fft, hop_length, n_mels
        self.device = check_device(device)
        self.sr, self.power = sr, power
        self.pad_mode = choose(pad_mode, PADS, "pad_mode")
        self._layers: dict[str, Any] = {}

    def compute_stft(self, audio: Tensor | NDArray) -> Tensor:
        """Short-time Fourier transform, complex.

        Args:
            audio: floating point, shape ``(n,)`` or ``(batch, n)``.

        Returns:
            complex64 on the device, shape ``(1 + n_fft // 2, frames)`` with a leading
            batch axis where ``audio`` has one; ``frames = 1 + n // hop_length``.

        Raises:
            InputError: another shape, or ``pad_mode=reflect`` and a signal no longer
                than half a window.
            UnavailableError: ``device=cuda`` where there is none.
        """
        import torch

        layer = self._layer("stft", self._build_stft)
        found = self._apply(layer, audio)  # (…, bins, frames, 2)
        return torch.view_as_complex(found.contiguous())

    def compute_mel_spectrogram(self, audio: Tensor | NDArray) -> Tensor:
        """Mel bands over ``|STFT| ** power``, float32, shape ``(…, n_mels, frames)``.

        Arguments and errors as :meth:`compute_stft`.
        """
        return self._apply(self._layer("mel", self._build_mel), audio)

    def compute_cqt(
        self,
        audio: Tensor | NDArray,
        *,
        fmin: float = CQT_FMIN,
        n_bins: int = 84,
        bins_per_octave: int = 12,
    ) -> Tensor:
        """Magnitude of the constant-Q transform, float32, ``(…, n_bins, frames)``.

        Scaled as librosa's; its windows are 3 % shorter than librosa's at 12 bins per
        octave, so the two agree closely, not exactly.

        Args:
            audio: as :meth:`compute_stft`.
            fmin: Hz of the lowest bin.
            n_bins, bins_per_octave: rows, and how many make an octave.
        """

        def build(features: Any) -> Any:
            return features.CQT1992v2(
                sr=self.sr,
                hop_length=self.hop_length,
                fmin=fmin,
                n_bins=n_bins,
                bins_per_octave=bins_per_octave,
                pad_mode=self.pad_mode,
                output_format="Magnitude",
                verbose=False,
            )

        key = f"cqt {fmin!r} {n_bins} {bins_per_octave}"
        return self._apply(self._layer(key, build), audio)

    def _build_stft(self, features: Any) -> Any:
        return features.STFT(
            n_fft=self.n_fft,
            hop_length=self.hop_length,
            pad_mode=self.pad_mode,
            sr=self.sr,
            output_format="Complex",
            verbose=False,
        )

    def _build_mel(self, features: Any) -> Any:
        return features.MelSpectrogram(
            sr=self.sr,
            n_fft=self.n_fft,
            hop_length=self.hop_length,
            n_mels=self.n_mels,
            pad_mode=self.pad_mode,
            power=self.power,
            verbose=False,
        )

    def _layer(self, key: str, build: Callable[[Any], Any]) -> Any:
        if key not in self._layers:
            from nnAudio import features

            place = resolve(self.device)
            self._layers[key] = build(features).to(place).eval()
        return self._layers[key]

    def _apply(self, layer: Any, audio: Tensor | NDArray) -> Tensor:
        import torch

        with torch.inference_mode():
            # nnAudio knows float32 only; a copy where needed, as torch warns of memory
            # that it may not write to
            signal = torch.as_tensor(_writable(audio), dtype=torch.float32)
            self._check(tuple(signal.shape))
            batch = _moved(signal, resolve(self.device))
            with stage("spectrogram", batch.device.type):
                found: Tensor = layer(batch if batch.ndim == 2 else batch[None])
        return found if batch.ndim == 2 else found[0]

    def _check(self, shape: tuple[int, ...]) -> None:
        if len(shape) not in (1, 2) or 0 in shape:
            raise InputError(
                f"audio of shape {shape} is neither (n,) nor (batch, n) with n ≥ 1"
            )
        if self.pad_mode == "reflect" and shape[-1] <= self.n_fft // 2:
            raise InputError(
                f"{shape[-1]} samples cannot be mirrored over {self.n_fft // 2}; "
                "use pad_mode=constant"
            )


def _moved(signal: Tensor, device: str) -> Tensor:
    """The signal on ``device``: a copy that is counted, unless it lies there."""
    with stage("h2d", device):
        if signal.device.type != device:
            copied("h2d", signal.nbytes)
        return signal.to(device)


def _writable(audio: Any) -> Any:
    flags = getattr(audio, "flags", None)
    return audio.copy() if flags is not None and not flags.writeable else audio
