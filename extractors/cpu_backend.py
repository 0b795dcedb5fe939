"""The service without a GPU: the same CREPE, or pYIN where that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .base import choose
from .call_record import CallRecord
from .errors import ConfigError
from .gpu_backend import Floats, GPUAudioBackend
from .service_audio import as_audio, as_windows, service_grid
from .track import F0Track

ALGORITHMS = ("crepe", "pyin")


class CPUFallbackBackend(GPUAudioBackend):
    """All on the CPU; spectrograms by librosa.

    Args:
        algorithm: ``crepe``, equal to what a GPU computes but for rounding, or
            ``pyin``, librosa's, another algorithm with other answers.
        model, batch_size, threshold: see :class:`GPUAudioBackend`; of ``crepe``.

    Raises:
        ConfigError: an argument is unknown or out of its bounds.
    """

    def __init__(
        self,
        *,
        algorithm: str = "crepe",
        model: str = "full",
        batch_size: int = 2048,
        threshold: float | None = None,
    ) -> None:
        self.algorithm = choose(algorithm, ALGORITHMS, "algorithm")
        super().__init__(
            use_gpu=False, model=model, batch_size=batch_size, threshold=threshold
        )
        self._pyin = PyinExtractor() if algorithm == "pyin" else None

    @property
    def device(self) -> str:
        """Always ``cpu``."""
        return "cpu"

    @property
    def record(self) -> CallRecord:
        """What the last F0 call did."""
        return super().record if self._pyin is None else self._pyin.record

    def _either(self, run: Any) -> Any:
        return super()._either(run) if self._pyin is None else run(self._pyin)

    def compute_stft(
        self, audio: ArrayLike, *, n_fft: int = 2048, hop_length: int = 512
    ) -> NDArray[np.complex64]:
        """Complex STFT by librosa, shape ``(1 + n_fft // 2, frames)``."""
        import librosa

        samples = np.asarray(audio, dtype=np.float32)
        return librosa.stft(samples, n_fft=n_fft, hop_length=hop_length)

    def compute_mel_spectrogram(
        self,
        audio: ArrayLike,
        sr: int = 16000,
        *,
        n_fft: int = 2048,
        hop_length: int = 512,
        n_mels: int = 128,
    ) -> Floats:
        """Mel power spectrogram by librosa, float32, shape ``(n_mels, frames)``."""
        import librosa

        return librosa.feature.melspectrogram(
            y=np.asarray(audio, dtype=np.float32),
            sr=sr,
            n_fft=n_fft,
            hop_length=hop_length,
            n_mels=n_mels,
        )


class PyinExtractor:
    """librosa's pYIN with the methods that a backend calls."""

    device = "cpu"

    def __init__(self) -> None:
        self.record = CallRecord("librosa pyin", "cpu", "cpu", "fp64")

    def track(
        self, audio: ArrayLike, sr: int, fmin: float = 50.0, fmax: float = 550.0
    ) -> F0Track:
        """One recording; arguments as :meth:`TorchCrepeExtractor.track`."""
        clip = as_audio(audio, sr)
        (found,) = self.window_tracks(clip.samples[None], clip.sr, fmin, fmax)
        return found

    def extract_f0(
        self, audio: ArrayLike, sr: int, fmin: float = 50.0, fmax: float = 550.0
    ) -> tuple[Floats, Floats]:
        """As :meth:`TorchCrepeExtractor.extract_f0`."""
        track = self.track(audio, sr, fmin, fmax)
        return np.where(track.voiced, track.f0, np.float32(np.nan)), track.confidence

    def window_tracks(
        self,
        audio_windows: ArrayLike,
        sr: int,
        fmin: float = 50.0,
        fmax: float = 550.0,
    ) -> Iterator[F0Track]:
        """As :meth:`TorchCrepeExtractor.window_tracks`."""
        from .registry import build

        windows = as_windows(audio_windows, sr)
        hop: Fraction = service_grid(windows.sr).hop_s  # exact, where a float is not
        pyin = build("librosa_pyin", {"fmin": fmin, "fmax": fmax, "hop_s": hop})
        self.record = CallRecord("librosa pyin", "cpu", "cpu", "fp64")
        return self._tracks(pyin, windows)

    def _tracks(self, pyin: Any, windows: Any) -> Iterator[F0Track]:
        for index in range(len(windows)):
            (found,) = pyin.extract([windows[index]])
            self.record.clips += 1
            self.record.frames += len(found)
            yield found

    def shared_tracks(self, *unused: Any) -> Iterator[F0Track]:
        """Refuse; a pYIN frame depends on all frames of its clip.

        Raises:
            ConfigError: always.
        """
        raise ConfigError("share_frames=True needs algorithm=crepe, not pyin")
