"""The public names of f0bench in one place.

>>> from f0bench import Audio, Crepe
>>> audio = Audio.from_file("speech.wav")  # doctest: +SKIP
>>> (track,) = Crepe(model="tiny").extract([audio])  # doctest: +SKIP

Importing this loads no torch; a name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from extractors.audio import Audio as Audio
    from extractors.base import F0Extractor as F0Extractor
    from extractors.crepe import Crepe as Crepe
    from extractors.errors import F0BenchError as F0BenchError
    from extractors.escalation import EscalationRule as EscalationRule
    from extractors.service import AudioFeatureService as AudioFeatureService
    from extractors.service import CPUFallbackBackend as CPUFallbackBackend
    from extractors.service import EscalationZone as EscalationZone
    from extractors.service import GPUAudioBackend as GPUAudioBackend
    from extractors.service import MemoryManager as MemoryManager
    from extractors.service import NNAudioProcessor as NNAudioProcessor
    from extractors.service import TorchCrepeExtractor as TorchCrepeExtractor
    from extractors.stages import stage as stage
    from extractors.streaming import StreamingCrepe as StreamingCrepe
    from extractors.track import F0Track as F0Track
    from extractors.track import FrameGrid as FrameGrid
    from harness.api import run_cell as run_cell

_HOMES = {
    "Audio": "extractors.audio",
    "AudioFeatureService": "extractors.service",
    "CPUFallbackBackend": "extractors.service",
    "Crepe": "extractors.crepe",
    "EscalationRule": "extractors.escalation",
    "EscalationZone": "extractors.service",
    "F0BenchError": "extractors.errors",
    "F0Extractor": "extractors.base",
    "F0Track": "extractors.track",
    "FrameGrid": "extractors.track",
    "GPUAudioBackend": "extractors.service",
    "MemoryManager": "extractors.service",
    "NNAudioProcessor": "extractors.service",
    "StreamingCrepe": "extractors.streaming",
    "TorchCrepeExtractor": "extractors.service",
    "run_cell": "harness.api",
    "stage": "extractors.stages",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'f0bench' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


if __name__ == "__main__":
    from harness.cli import main

    raise SystemExit(main())
