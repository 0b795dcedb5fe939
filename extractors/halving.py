"""Work on many clips in batches that fit: one that does not is halved and goes on.

Batch sizes do not show in results, so that what is found before memory runs out stays,
and work goes on with the first clip that has no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from .audio import Audio
from .call_record import CallRecord
from .crepe import Crepe
from .device import current
from .memory import MemoryManager, is_out_of_memory
from .service_audio import Rest

Found = TypeVar("Found")
Work = Callable[[Sequence[Audio]], Iterator[Found]]


def in_batches(
    engine: Crepe,
    work: Work[Found],
    clips: Sequence[Audio],
    memory: MemoryManager,
    record: CallRecord,
) -> Iterator[Found]:
    """What ``work`` finds in every clip, in order.

    Args:
        engine: whose batch size is set before every attempt.
        work: a method of ``engine``.
        clips: any number.
        memory: says what is tried next.
        record: holds the size to begin with, and is told of all others and of calls.

    Raises:
        DeviceMemoryError: the smallest batch does not fit.
    """
    sizes, done = record.batch_sizes, 0
    while done < len(clips):
        engine.batch_size = sizes[-1]
        record.infer_calls += 1
        try:
            for found in _there(record.device, work(Rest(clips, done))):
                done += 1
                yield found
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            full = True
        else:
            full = False
        if full:  # outside the handler, whose traceback holds the failed frames
            sizes.append(memory.smaller(sizes[-1]))


def _there(device: str, found: Iterator[Found]) -> Iterator[Found]:
    """What is found; the device is the current one for the work, not beyond it."""
    while True:
        with current(device):
            try:
                one = next(found)
            except StopIteration:
                return
        yield one
