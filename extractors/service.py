"""The F0 service: one object for recordings, windows, zones and spectrograms.

::

    AudioFeatureService            what callers use
    └── gpu_backend                GPUAudioBackend, or CPUFallbackBackend when asked for
        ├── crepe_extractor        TorchCrepeExtractor: F0
        │   └── memory             MemoryManager: batch sizes
        └── nnaudio_processor      NNAudioProcessor: STFT, mel, CQT

Conventions of the service, where they differ from the rest of f0bench: F0 is NaN where
a frame is unvoiced; the hop is ``sr // 100`` samples, a whole number; the range is
50–550 Hz. Nothing is loaded, and no device looked for, before the first call.

Where no GPU can be used the *same algorithm* runs on the CPU; ``record.fallback`` says
why, and one line is logged (``f0bench.service``). ``fallback="forbid"`` raises instead.
Another algorithm runs only in ``CPUFallbackBackend(algorithm="pyin")``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .audio import Audio
from .call_record import CallRecord as CallRecord
from .cpu_backend import CPUFallbackBackend as CPUFallbackBackend
from .escalation import (
    EscalationRule,
    EscalationZone,
    WindowEvidence,
    find_zones,
    levels_db,
)
from .gpu_backend import GPUAudioBackend as GPUAudioBackend
from .memory import MemoryManager as MemoryManager
from .service_audio import as_audio
from .spectrogram.nnaudio_processor import NNAudioProcessor as NNAudioProcessor
from .torch_crepe_extractor import TorchCrepeExtractor as TorchCrepeExtractor
from .windows import plan_windows

__all__ = [
    "AudioFeatureService",
    "CPUFallbackBackend",
    "CallRecord",
    "EscalationZone",
    "GPUAudioBackend",
    "MemoryManager",
    "NNAudioProcessor",
    "TorchCrepeExtractor",
]

Floats = NDArray[np.float32]


class AudioFeatureService:
    """F0 and what follows from it.

    Args:
        use_gpu: use a GPU where there is one; ``False`` stays on the CPU.
        model: ``full`` or ``tiny``.
        batch_size: frames of one network round at most; does not change results.
        precision: see :class:`TorchCrepeExtractor`.
        threshold: a frame is voiced from this confidence on; 0.5 if ``None``.
        fallback: ``record``, or ``forbid`` to raise where no GPU can be used.
        backend: another backend; the options above are then its own affair.

    Raises:
        ConfigError: an argument is unknown or out of its bounds.
    """

    def __init__(
        self,
        use_gpu: bool = True,
        *,
        model: str = "full",
        batch_size: int = 2048,
        precision: str = "fp32",
        threshold: float | None = None,
        fallback: str = "record",
        backend: GPUAudioBackend | CPUFallbackBackend | None = None,
    ) -> None:
        self.__use_gpu = use_gpu
        self.__backend = backend or GPUAudioBackend(
            use_gpu,
            model=model,
            batch_size=batch_size,
            precision=precision,
            threshold=threshold,
            fallback=fallback,
        )

    @property
    def gpu_backend(self) -> GPUAudioBackend | CPUFallbackBackend:
        """What does the work."""
        return self.__backend

    @property
    def _use_gpu(self) -> bool:
        return self.__use_gpu

    def extract_f0(
        self, audio: ArrayLike, sr: int, fmin: float = 50.0, fmax: float = 550.0
    ) -> tuple[Floats, Floats]:
        """F0 of one recording, of any length.

        Args:
            audio: floating point, shape ``(n,)``, ``n ≥ 1``, full scale ±1.
            sr: Hz, at least 8000; 16000 is what the network works at.
            fmin, fmax: F0 range in Hz.

        Returns:
            ``f0`` float32, Hz, NaN where unvoiced, and ``confidence`` float32 in
            [0, 1], both of shape ``(1 + n // hop,)`` with ``hop = sr // 100`` samples;
            frame ``i`` is centred at sample ``i · hop``, as librosa's
            (``center=True``).

        Raises:
            InputError: audio or rate cannot be used; a ``ValueError``.
            DeviceMemoryError: no memory for the smallest batch; a ``RuntimeError``.
            UnavailableError: no GPU, and ``fallback="forbid"``.
        """
        return self.__backend.extract_f0(audio, sr, fmin, fmax)

    def detect_emotional_escalation(
        self,
        audio: ArrayLike,
        sr: int,
        *,
        window_s: float = 1.0,
        hop_s: float = 0.5,
        fmin: float = 50.0,
        fmax: float = 550.0,
        share_frames: bool = False,
        rule: EscalationRule | None = None,
    ) -> list[EscalationZone]:
        """Stretches in which loudness and F0 rise together.

        It measures the two rises, by :mod:`extractors.escalation`, and claims nothing
        about emotion. All windows are one batch.

        Args:
            audio, sr, fmin, fmax: as :meth:`extract_f0`.
            window_s, hop_s: seconds of a window and between windows.
            share_frames: overlapping windows share inner frames; see
                :mod:`extractors.sharing`.
            rule: what counts as a rise; 3 dB and 10 % over 10 s unless stated.

        Returns:
            Zones in the order of time, with their evidence; empty where there is none.

        Raises:
            InputError: audio or rate cannot be used, or it is shorter than a window.
            ConfigError: an option is out of its bounds.
        """
        clip = as_audio(audio, sr)
        evidence = self._evidence(clip, window_s, hop_s, fmin, fmax, share_frames)
        return find_zones(evidence, hop_s, rule or EscalationRule())

    def _evidence(
        self,
        clip: Audio,
        window_s: float,
        hop_s: float,
        fmin: float,
        fmax: float,
        share_frames: bool,
    ) -> WindowEvidence:
        plan = plan_windows(len(clip.samples), clip.sr, window_s, hop_s)
        found = self.__backend.summarise_recording(
            clip, plan, fmin, fmax, share_frames=share_frames
        )
        return WindowEvidence(
            centre_s=(plan.starts + plan.length / 2) / clip.sr,
            level_db=levels_db(plan.cut(clip.samples)),
            f0_hz=found.f0.astype(np.float64),
            coverage=found.coverage.astype(np.float64),
            confidence=found.confidence.astype(np.float64),
        )
