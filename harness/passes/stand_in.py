"""Who computes the peer's answers: an engine that proves equal to it, else the peer.

The references of a large data set by the peer itself can take hours. A task may name a
system that gives the same answers sooner. It must prove so on the data at hand before
it may stand in: the first seconds of the first clips go through both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol, runtime_checkable

from extractors.audio import Audio
from harness.failure import describe
from harness.tasks import Task
from harness.tasks.base import Item

SAMPLE_CLIPS = 3
SAMPLE_S = 10.0  # seconds of each, at most: the peer takes about as long for them


@runtime_checkable
class WithStandIn(Protocol):
    """Second protocol of a task whose peer can be stood in for."""

    def stand_in(self) -> tuple[str, Mapping[str, Any]]:
        """Registered extractor and options that give the peer's outputs sooner."""
        ...

    def contradiction(self, output: Any, of_peer: Any) -> str | None:
        """Where an output differs from the peer's, ``None`` where it does not."""
        ...


@dataclass(frozen=True)
class Answering:
    """The system that answers as the peer.

    Attributes:
        system: loaded.
        provenance: who it is, and what it has proven, one phrase for the record.
        fallback: why the peer answers itself although an engine was to do it.
    """

    system: Any
    provenance: str
    fallback: str | None = None


def answering(task: Task, items: Iterable[Item]) -> Answering | None:
    """The system that computes the peer's answers, loaded.

    Args:
        items: the data at hand; only the first :data:`SAMPLE_CLIPS` are read.

    Returns:
        ``None`` for a task without a peer.
    """
    named = task.peer()
    if named is None:
        return None
    peer = task.build(*named)
    peer.load()
    if not isinstance(task, WithStandIn):
        return Answering(peer, f"{named[0]} itself")
    try:
        engine = task.build(*task.stand_in())
        engine.load()
        compared = _compare(task, engine, peer, islice(items, SAMPLE_CLIPS))
    except Exception as error:  # no proof: the peer's answers must not depend on it
        reason = f"{task.stand_in()[0]} failed: {describe(error)['message']}"
        return Answering(peer, f"{named[0]} itself", reason)
    if compared.contradiction:
        reason = f"{engine.name} differs: {compared.contradiction}"
        return Answering(peer, f"{named[0]} itself", reason)
    return Answering(engine, f"{engine.name}, equal to {named[0]} on {compared.sample}")


@dataclass(frozen=True)
class _Compared:
    sample: str
    contradiction: str | None = None


def _compare(task: Any, engine: Any, peer: Any, items: Iterable[Item]) -> _Compared:
    clips, seconds = 0, 0.0
    for item in _cut(items):
        outputs = [task.run(system, [item])[0] for system in (engine, peer)]
        found = task.contradiction(*outputs)
        if found:
            return _Compared("", f"{item.id}: {found}")
        clips, seconds = clips + 1, seconds + item.seconds
    if not clips:
        return _Compared("", "no clip to prove it on")
    return _Compared(f"the first {seconds:.1f} s of {clips} clips")


def _cut(items: Iterable[Item]) -> Iterator[Item]:
    for item in items:
        count = int(SAMPLE_S * item.audio.sr)
        start = Audio(item.audio.samples[:count], item.audio.sr)
        yield replace(item, audio=start, truth=None)
