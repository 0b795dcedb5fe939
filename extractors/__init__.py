"""F0 extractors, useful without the harness; importing this loads no torch.

>>> from extractors import Audio, Crepe
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .audio import Audio as Audio
    from .base import F0Extractor as F0Extractor
    from .crepe import Crepe as Crepe
    from .errors import F0BenchError as F0BenchError
    from .stages import stage as stage
    from .track import F0Track as F0Track
    from .track import FrameGrid as FrameGrid

_HOMES = {
    "Audio": "audio",
    "Crepe": "crepe",
    "F0BenchError": "errors",
    "F0Extractor": "base",
    "F0Track": "track",
    "FrameGrid": "track",
    "stage": "stages",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'extractors' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
