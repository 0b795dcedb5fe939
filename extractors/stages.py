"""Named stages of an extraction, timed only when somebody listens.

An extractor brackets its work with ``with stage("network", device):``. Without a
listener that costs well under 2 µs (a context-variable read and a shared no-op object),
so the marks stay in production code. The harness listens while it times a call.

A stage states the device that does its work: ``cpu``, ``cuda``, or nothing where that
is not known. A copy between the memories of host and GPU is told by :func:`copied` in
the stage that makes it; :mod:`extractors.device` has the usual two.

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
#: From host to device, and back: names of stages, and of what :func:`copied` counts.
DIRECTIONS = ("h2d", "d2h")


class StageListener(Protocol):
    """What is told when a stage begins and ends, and of copies inside it."""

    def enter(self, name: str, device: str) -> None: ...

    def exit(self, name: str) -> None: ...

    def copied(self, direction: str, n_bytes: int) -> None: ...


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
    __slots__ = ("device", "listener", "name")

    def __init__(self, listener: StageListener, name: str, device: str) -> None:
        self.listener = listener
        self.name = name
        self.device = device

    def __enter__(self) -> None:
        self.listener.enter(self.name, self.device)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.listener.exit(self.name)


_SILENT = _Silent()
_LISTENER: ContextVar[StageListener | None] = ContextVar("stage_listener", default=None)


def stage(name: str, device: str = "") -> AbstractContextManager[None]:
    """Mark the work inside the ``with`` block as belonging to stage ``name``.

    Args:
        name: one of :data:`STAGES`.
        device: what does the work, ``cpu`` or ``cuda``; empty where it is not known.
    """
    listener = _LISTENER.get()
    return _SILENT if listener is None else _Heard(listener, name, device)


def copied(direction: str, n_bytes: int) -> None:
    """Say that one copy between host and GPU moved so many bytes.

    Args:
        direction: one of :data:`DIRECTIONS`.
        n_bytes: size of what was copied.
    """
    listener = _LISTENER.get()
    if listener is not None:
        listener.copied(direction, n_bytes)


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
