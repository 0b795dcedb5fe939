"""Named stages of an extraction, timed only when somebody listens.

An extractor brackets its work with ``with stage("network"):``. Without a listener
that costs well under 2 µs (a context-variable read and a shared no-op object), so the
marks stay in production code. The harness listens while it times a call.

The standard names are ``resample, h2d, frontend, network, decode, post, d2h`` of an F0
extraction, ``spectrogram``, and ``load, summary, escalation`` of the whole chain.
Stages may nest; a listener attributes time to the innermost open stage.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Protocol

STAGES = (
    "load",
    "resample",
    "h2d",
    "spectrogram",
    "frontend",
    "network",
    "decode",
    "post",
    "d2h",
    "summary",
    "escalation",
)


class StageListener(Protocol):
    """What is told when a stage begins and ends."""

    def enter(self, name: str) -> None: ...

    def exit(self, name: str) -> None: ...


class _Silent:
    """The no-op stage: one shared object, nothing allocated."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


class _Heard:
    __slots__ = ("listener", "name")

    def __init__(self, listener: StageListener, name: str) -> None:
        self.listener = listener
        self.name = name

    def __enter__(self) -> None:
        self.listener.enter(self.name)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.listener.exit(self.name)


_SILENT = _Silent()
_LISTENER: ContextVar[StageListener | None] = ContextVar("stage_listener", default=None)


def stage(name: str) -> AbstractContextManager[None]:
    """Mark the work inside the ``with`` block as belonging to stage ``name``."""
    listener = _LISTENER.get()
    return _SILENT if listener is None else _Heard(listener, name)


def heard() -> bool:
    """Whether somebody listens, so that a device's work should end in its stage."""
    return _LISTENER.get() is not None


@contextmanager
def listening(listener: StageListener) -> Iterator[None]:
    """Send every :func:`stage` of this thread to ``listener`` inside the block."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)
