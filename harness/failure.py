"""An exception as it stands in a record."""

from __future__ import annotations

from typing import Any

from extractors.errors import F0BenchError, TrackError, UnavailableError


def describe(error: BaseException) -> dict[str, Any]:
    """An exception as it stands in a record: kind, one line, clip."""
    text = " ".join(str(error).split()) or type(error).__name__
    kind = "exception"
    if isinstance(error, UnavailableError):
        kind = "unavailable"
    elif isinstance(error, TrackError):
        kind = "contract"
    elif isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__:
        kind = "oom"
    elif isinstance(error, SystemExit):
        kind, text = "exit", f"it called sys.exit({error.code})"
    if not isinstance(error, (F0BenchError, SystemExit)):
        text = f"{type(error).__name__}: {text}"
    return {"kind": kind, "message": text[:500], "clip_id": None}
