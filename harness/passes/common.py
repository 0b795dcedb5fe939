"""What every kind of job needs: decoded clips in blocks, systems, safe calls."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from extractors.base import TwoStage
from extractors.errors import F0BenchError
from harness.datasets.registry import open_dataset
from harness.failure import describe
from harness.jobs import Job, Teller
from harness.tasks import Task
from harness.tasks.base import Item

BLOCK_S = 120.0  # seconds of audio given to a system in one call, at most


@dataclass
class Reader:
    """Streams the items of a job and adds up the seconds that reading took.

    Attributes:
        only: ids to read, ``None`` for all.
        without: ids to pass over.
        read_s: seconds spent in decoding so far.
    """

    job: Job
    task: Task
    only: frozenset[str] | None = None
    without: frozenset[str] = frozenset()
    read_s: float = field(default=0.0, init=False)

    def items(self) -> Iterator[Item]:
        """Decoded clips with their truth, in the order of the data set."""
        dropped = self.without.union(self.job.dropped)
        for clip in self.task.inputs(open_dataset(self.job.dataset)):
            if clip.id in dropped or (
                self.only is not None and clip.id not in self.only
            ):
                continue
            began = time.perf_counter()
            audio = clip.load()
            self.read_s += time.perf_counter() - began
            truth = None
            if clip.id not in self.job.unlabelled:
                truth = clip.truth()
            yield Item(clip.id, audio, truth, clip.tags)

    def blocks(self) -> Iterator[list[Item]]:
        """Items in blocks of at most 120 s; a longer clip is a block of its own."""
        block: list[Item] = []
        seconds = 0.0
        for item in self.items():
            if block and seconds + item.seconds > BLOCK_S:
                yield block
                block, seconds = [], 0.0
            block.append(item)
            seconds += item.seconds
        if block:
            yield block


class Heartbeat:
    """Takes every stage of an untimed pass as a sign of life, once a second at most.

    A slow system marks its stages while it works; one that hangs does not.
    """

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._last = 0.0

    def enter(self, name: str, device: str = "") -> None:
        """A stage begins."""
        now = time.monotonic()
        if now - self._last > 1:
            self._last = now
            self._teller.pulse()

    def exit(self, name: str) -> None:
        """A stage ends: as good a sign."""
        self.enter(name)

    def copied(self, direction: str, n_bytes: int) -> None:
        """A copy is part of a stage."""


@dataclass(frozen=True)
class Answer:
    """One output, or the error that stands in its place."""

    output: Any = None
    error: dict[str, Any] | None = None


def ask(task: Task, system: Any, items: Sequence[Item]) -> list[Answer]:
    """Give a block to a system; a failure is narrowed down to the clips it concerns.

    An exception in a block, or an answer that breaks the contract, makes every clip of
    it be asked alone, so that one bad clip costs one answer.
    """
    try:
        outputs = task.run(system, items)
        task.check(items, outputs)
        return [Answer(output) for output in outputs]
    except (Exception, SystemExit) as error:
        if len(items) == 1:
            return [Answer(error={**describe(error), "clip_id": items[0].id})]
    return [answer for item in items for answer in ask(task, system, [item])]


class SharedInference:
    """Lets systems that differ only behind ``infer`` use one inference per block."""

    def __init__(self, leader: TwoStage) -> None:
        self._leader = leader
        self._clips: Sequence[Any] = ()
        self._posteriors: list[Any] = []
        self.took_s = 0.0

    def posteriors(self, clips: Sequence[Any]) -> list[Any]:
        """Posteriors of ``clips``, computed by the leader at the first request."""
        same = len(clips) == len(self._clips) and all(
            a is b for a, b in zip(clips, self._clips, strict=True)
        )
        if not same:
            began = time.perf_counter()
            self._posteriors = list(self._leader.infer(clips))
            self.took_s = time.perf_counter() - began
            self._clips = list(clips)
        return self._posteriors


class Follower:
    """A system that decodes what a shared inference found; quacks like its system."""

    def __init__(self, system: Any, shared: SharedInference) -> None:
        self.system = system
        self._shared = shared
        self._paid = False

    def extract(self, clips: Sequence[Any]) -> list[Any]:
        """Decode the shared posteriors of ``clips``."""
        before = self._shared.took_s
        found = self._shared.posteriors(clips)
        self._paid = self._shared.took_s != before
        return [self.system.decode(p) for p in found]

    def borrowed_s(self) -> float:
        """Seconds of the last inference if another system's call has paid for it."""
        return 0.0 if self._paid else self._shared.took_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self.system, name)


def require_one(job: Job) -> Any:
    """The single system of a job."""
    if len(job.systems) != 1:
        raise F0BenchError(f"a {job.kind} job takes 1 system, not {len(job.systems)}")
    return job.systems[0]
