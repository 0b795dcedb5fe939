"""Wall time of calls: device-synchronised at both edges, undisturbed inside.

Inside a timed region nothing runs but the call: the garbage collector is off, outputs
are handed over and random sources are re-seeded outside, and no progress is shown.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, TypeVar

from harness.config import EffortConfig

from .statistics import iqr_ratio

T = TypeVar("T")
Clock = Callable[[], float]
Hook = Callable[[], object]

#: No cap ends a round before this many passes: fewer have neither median nor spread.
FLOOR_PASSES = 3


@dataclass(frozen=True)
class PassResult:
    """What one round of passes recorded.

    Attributes:
        wall_s: seconds of every timed pass, in order.
        warmup_s: seconds spent in warm-up passes, never part of ``wall_s``.
        warmup_passes: how many they were, at least one.
        stop: the condition that ended the round, for the record.
    """

    wall_s: list[float]
    warmup_s: float
    warmup_passes: int
    stop: str


@dataclass(frozen=True)
class _Round(Generic[T]):
    """How one pass of a round is taken."""

    one_pass: Callable[[], T]
    sync: Hook | None
    between: Hook | None
    on_result: Callable[[T], object] | None
    clock: Clock

    def take(self) -> float:
        if self.between is not None:
            self.between()
        gc.collect()
        wall, output = measure(self.one_pass, sync=self.sync, clock=self.clock)
        if self.on_result is not None:
            self.on_result(output)
        return wall


def measure(
    call: Callable[[], T], *, sync: Hook | None = None, clock: Clock = perf_counter
) -> tuple[float, T]:
    """Run ``call`` once and return its wall time in seconds and its result.

    Args:
        call: what is measured.
        sync: waits for the device (``torch.cuda.synchronize``); called before the
            clock starts, so that earlier work is not charged, and before it stops.
        clock: seconds, monotonic.
    """
    with _collector_off():
        if sync is not None:
            sync()
        start = clock()
        output = call()
        if sync is not None:
            sync()
        wall = clock() - start
    return wall, output


def timed(call: Callable[[], object], *, sync: Hook | None = None) -> float:
    """Wall time of one ``call`` in seconds; see :func:`measure`."""
    return measure(call, sync=sync)[0]


@contextmanager
def _collector_off() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def _heap_frozen() -> Iterator[None]:
    """Leave what exists already out of the collections between passes.

    Walking the objects of torch and librosa takes longer than many a call, and empties
    the processor's caches for the next one.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def run_passes(
    one_pass: Callable[[], T],
    *,
    effort: EffortConfig,
    sync: Hook | None = None,
    on_result: Callable[[T], object] | None = None,
    clock: Clock = perf_counter,
    between: Hook | None = None,
) -> PassResult:
    """Warm up, then repeat ``one_pass`` until the effort is satisfied.

    Warm-up lasts ``effort.warmup_s`` and one pass at least. Timed passes end after
    ``min_passes`` where no noise bound is set, otherwise once there are
    ``min_passes`` and ``min_s`` seconds of them and IQR/median is at most ``noise``.
    Once the round, warm-up and hooks included, has lasted ``cap_s`` it ends with the
    third timed pass or a later one, whatever else is still open.

    Args:
        one_pass: every clip of the timed set once.
        effort: the bounds.
        sync: waits for the device; see :func:`measure`.
        on_result: receives the output of every pass, warm-up included, after its
            timed region.
        clock: seconds, monotonic; the default is the performance counter.
        between: runs before every pass outside the timed region, e.g. re-seeding.
    """
    begun = clock()
    taking = _Round(one_pass, sync, between, on_result, clock)
    walls: list[float] = []
    stop = None
    with _heap_frozen():
        warmup = [taking.take()]
        while sum(warmup) < effort.warmup_s and clock() - begun < effort.cap_s:
            warmup.append(taking.take())
        while stop is None:
            walls.append(taking.take())
            stop = _stop(walls, clock() - begun, effort)
    return PassResult(walls, sum(warmup), len(warmup), stop)


def _stop(walls: list[float], elapsed_s: float, effort: EffortConfig) -> str | None:
    """Why the round is over, or ``None`` while it is not."""
    spread = iqr_ratio(walls)
    seen = "" if spread is None else f", noise {spread:.1%}"
    if len(walls) >= effort.min_passes:
        if effort.noise is None:
            return f"min_passes: {len(walls)}"
        quiet = spread is not None and spread <= effort.noise
        if quiet and sum(walls) >= effort.min_s:
            return f"noise: {spread:.2%} of at most {effort.noise:.2%}"
    if elapsed_s >= effort.cap_s and len(walls) >= FLOOR_PASSES:
        return f"cap: {effort.cap_s:g} s after {len(walls)} passes{seen}"
    return None
