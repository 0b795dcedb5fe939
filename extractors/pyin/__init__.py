"""pYIN: the answer of ``librosa.pyin``, many times faster.

:class:`Pyin` is the extractor, :func:`pyin` the plain function with the arguments of
librosa's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .extractor import Pyin as Pyin

if TYPE_CHECKING:
    from .function import pyin as pyin

__all__ = ["Pyin", "pyin"]


def __getattr__(name: str) -> Any:
    if name != "pyin":  # it needs scipy, which the extractor imports when it is loaded
        raise AttributeError(f"module 'extractors.pyin' has no attribute {name!r}")
    from .function import pyin

    return pyin
