"""Wall time per stage of an extraction, attributed to the innermost open stage.

The recorder listens to :func:`extractors.stages.stage`. Time spent outside any stage
is nobody's, so stages sum to at most the time of the call around them. Beside time it
keeps what the extractor says of a stage: the device, and copies between host and GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any, Protocol, cast


class Event(Protocol):
    """The part of ``torch.cuda.Event`` that is used."""

    def record(self) -> None: ...

    def elapsed_time(self, other: Event) -> float: ...


Span = tuple[str, Event, Event]


@dataclass
class StageFacts:
    """What was said of one stage.

    Attributes:
        calls: how often it began.
        devices: that did its work; an empty name where one was not stated.
        h2d_copies, h2d_bytes: copies from host to GPU, and their size.
        d2h_copies, d2h_bytes: copies back.
    """

    calls: int = 0
    devices: list[str] = field(default_factory=list)
    h2d_copies: int = 0
    h2d_bytes: int = 0
    d2h_copies: int = 0
    d2h_bytes: int = 0


class StageRecorder:
    """Adds up exclusive seconds per stage name until they are taken.

    Args:
        sync: waits for the device, called at every stage edge. Without it the wall
            time of a stage on a GPU is the time to queue its work. With it stages no
            longer overlap with the device, so only passes that are about stages
            should use it.
        cuda: also record CUDA events at the edges; see :meth:`take_events`.
        clock: seconds, monotonic.
        new_event: builds a CUDA event; ``torch.cuda.Event`` with timing by default.
    """

    def __init__(
        self,
        sync: Callable[[], object] | None = None,
        cuda: bool = False,
        *,
        clock: Callable[[], float] = perf_counter,
        new_event: Callable[[], Event] | None = None,
    ) -> None:
        self._sync = sync
        self._clock = clock
        self._new_event = (new_event or _torch_event()) if cuda else None
        self._open: list[str] = []
        self._seconds: dict[str, float] = {}
        self._since = 0.0
        self._mark: Event | None = None
        self._spans: list[Span] = []
        self._taken: list[Span] = []
        self._facts: dict[str, StageFacts] = {}
        self._taken_facts: dict[str, StageFacts] = {}

    def enter(self, name: str, device: str = "") -> None:
        """A stage begins; the one around it pauses."""
        self._edge()
        self._open.append(name)
        facts = self._facts.setdefault(name, StageFacts())
        facts.calls += 1
        if device not in facts.devices:
            facts.devices.append(device)

    def exit(self, name: str) -> None:
        """The innermost stage ends; the one around it goes on."""
        self._edge()
        if self._open:  # empty when the sums were taken in the middle of a stage
            self._open.pop()

    def copied(self, direction: str, n_bytes: int) -> None:
        """A copy between host and GPU; one outside any stage is kept under its own."""
        name = self._open[-1] if self._open else direction
        facts = self._facts.setdefault(name, StageFacts())
        if direction == "h2d":
            facts.h2d_copies += 1
            facts.h2d_bytes += n_bytes
        else:
            facts.d2h_copies += 1
            facts.d2h_bytes += n_bytes

    def take(self) -> dict[str, float]:
        """Exclusive wall seconds per stage since the last ``take``, and forget them.

        Stages that did not occur are absent, not 0.
        """
        seconds, self._seconds = self._seconds, {}
        self._taken, self._spans = self._spans, []
        self._taken_facts, self._facts = self._facts, {}
        self._open.clear()
        return seconds

    def take_events(self) -> dict[str, float]:
        """Exclusive seconds per stage between CUDA events, of the last :meth:`take`.

        Call after the device was synchronised; empty without ``cuda``.
        """
        total: dict[str, float] = {}
        for name, start, end in self._taken:
            seconds = start.elapsed_time(end) / 1000  # events count milliseconds
            total[name] = total.get(name, 0.0) + seconds
        return total

    def take_facts(self) -> dict[str, dict[str, Any]]:
        """What was said of each stage of the last :meth:`take`, as plain data."""
        return {name: asdict(facts) for name, facts in self._taken_facts.items()}

    def _edge(self) -> None:
        """Charge what passed since the last edge to the innermost open stage."""
        if self._sync is not None:
            self._sync()
        mark = self._record_event()
        now = self._clock()
        if self._open:
            name = self._open[-1]
            self._seconds[name] = self._seconds.get(name, 0.0) + now - self._since
            if mark is not None and self._mark is not None:
                self._spans.append((name, self._mark, mark))
        self._mark = mark
        self._since = now

    def _record_event(self) -> Event | None:
        if self._new_event is None:
            return None
        event = self._new_event()
        event.record()
        return event


def _torch_event() -> Callable[[], Event]:
    from functools import partial

    import torch

    return cast("Callable[[], Event]", partial(torch.cuda.Event, enable_timing=True))
