"""Importing torchcrepe where torchaudio does not load.

torchcrepe imports torchaudio for reading files only, which f0bench does itself. Builds
of torchaudio and torch on the same index can disagree (a torchaudio linked against CUDA
beside a torch without it), and then ``import torchcrepe`` fails for nothing. While that
import runs, a module with the one function it names takes torchaudio's place; it is
taken away again at once, and the record says which of the two served.
"""

from __future__ import annotations

import importlib
import re
import sys
from functools import lru_cache
from types import ModuleType
from typing import Any

from extractors.errors import UnavailableError


def import_torchcrepe() -> Any:
    """The package ``torchcrepe``, with the real torchaudio if that one loads.

    Raises:
        UnavailableError: torchcrepe is not installed, or fails for another reason.
    """
    loaded = sys.modules.get("torchcrepe")
    if loaded is not None:
        return loaded
    reason = _failure()
    if reason is not None:
        sys.modules["torchaudio"] = _stand_in(reason)
    try:
        return importlib.import_module("torchcrepe")
    except ImportError as error:
        raise UnavailableError(
            f"torchcrepe cannot be imported ({error}); pip install torchcrepe"
        ) from error
    finally:
        if reason is not None:
            del sys.modules["torchaudio"]


def torchaudio_state() -> str:
    """``real 2.x``, or ``stand-in (reason)``. Imports torch and torchaudio."""
    reason = _failure()
    if reason is not None:
        return f"stand-in ({reason})"
    return f"real {importlib.import_module('torchaudio').__version__}"


@lru_cache(maxsize=1)
def _failure() -> str | None:
    """Why the real torchaudio does not load, one line, or ``None`` if it does."""
    try:
        importlib.import_module("torchaudio")
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return _one_line(error)
    return None


def _one_line(error: BaseException) -> str:
    """What lies at the bottom of ``error``, without the folders of this machine."""
    while error.__cause__ is not None:
        error = error.__cause__
    first = (str(error).strip() or "no message").splitlines()[0]
    return f"{type(error).__name__}: {re.sub(r'/[^ :]*/', '', first)}"


def _stand_in(reason: str) -> ModuleType:
    module = ModuleType("torchaudio")

    def load(*_: object, **__: object) -> None:
        raise UnavailableError(
            f"torchaudio does not load ({reason}); read the file with Audio.from_file"
        )

    module.load = load  # type: ignore[attr-defined]  # a module has any attribute
    return module
