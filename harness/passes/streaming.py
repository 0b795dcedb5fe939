"""The scenario ``stream``: clips in chunks of 10 ms, one call each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.base import Stream, Streaming
from extractors.errors import UnavailableError
from extractors.track import F0Track
from harness.meter.timing import measure
from harness.metrics.stream import CHUNK_S
from harness.tasks.base import Item

AGREE_CENTS = 50.0
SCENARIO = "stream"


@dataclass
class Streamed:
    """What a round says of its streams.

    Attributes:
        rows: timed chunks, as rows of ``samples.parquet``.
        alike, frames: frames that agree with the stored tracks, and all of these.
        delay_s: longest algorithmic delay that was stated; ``None`` where it is the
            whole stream.
        reason: why the scenario does not apply, empty where it does.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    alike: int = 0
    frames: int = 0
    delay_s: float | None = None
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For the record of the round."""
        return {
            "reason": self.reason or None,
            "alike": self.alike,
            "frames": self.frames,
            "delay_s": self.delay_s,
        }


def stream_clips(
    system: Any,
    items: Sequence[Item],
    stored: Mapping[str, F0Track],
    *,
    sync: Callable[[], None] | None = None,
    pulse: Callable[[], None] = lambda: None,
) -> Streamed:
    """Stream every clip through a loaded system, one after the other.

    Args:
        system: any extractor; the scenario applies to a :class:`Streaming` one.
        items: the clips.
        stored: tracks of the accuracy pass, by clip.
        sync: waits for the device.
        pulse: sign of life, between clips.
    """
    found = Streamed()
    if not isinstance(system, Streaming):
        found.reason = f"not applicable: {system.name} offers no streaming"
        return found
    for item in items:
        pulse()
        try:
            stream = system.stream(item.audio.sr)
        except UnavailableError as error:
            found.reason = f"not applicable: {error}"
            return found
        stream.load()
        parts = list(_parts(stream, item, found, sync))
        if math.isfinite(stream.delay_s):
            found.delay_s = max(stream.delay_s, found.delay_s or 0.0)
        if item.id in stored:
            _compare(found, stored[item.id], parts)
    return found


def _parts(
    stream: Stream, item: Item, found: Streamed, sync: Callable[[], None] | None
) -> Iterator[F0Track]:
    """The frames that every chunk decided; the last ones come with the end."""
    for index, chunk in enumerate(chunks(item.audio.samples, item.audio.sr)):
        wall, track = measure(partial(stream.push, chunk), sync=sync)
        found.rows.append(
            {
                "scenario": SCENARIO,
                "pass": index,
                "clip_id": item.id,
                "audio_s": len(chunk) / item.audio.sr,
                "wall_s": wall,
            }
        )
        yield track
    yield stream.flush()


def chunks(samples: NDArray[np.float32], sr: int) -> Iterator[NDArray[np.float32]]:
    """Chunks of 10 ms; where that is no whole number of samples, lengths alternate."""
    edges = [round(i * CHUNK_S * sr) for i in range(math.ceil(len(samples) / sr * 100))]
    for start, stop in zip(edges, [*edges[1:], len(samples)], strict=True):
        if stop > start:
            yield samples[start:stop]


def _compare(found: Streamed, offline: F0Track, parts: Sequence[F0Track]) -> None:
    """Count the frames of ``offline`` that the stream decided alike.

    The stream's hop is a whole number of samples, which the task's need not be: each
    frame of ``offline`` is held against the nearest one of the stream.
    """
    times = np.concatenate([part.times for part in parts])
    found.frames += len(offline)
    if not len(times):
        return
    near = _nearest(times, offline.times)
    f0 = np.concatenate([part.f0 for part in parts])[near]
    voiced = np.concatenate([part.voiced for part in parts])[near]
    with np.errstate(invalid="ignore", divide="ignore"):
        cents = np.abs(1200 * np.log2(f0 / offline.f0))
    both = voiced & offline.voiced & (cents < AGREE_CENTS)
    found.alike += int((both | (~voiced & ~offline.voiced)).sum())


def _nearest(
    times: NDArray[np.float64], wanted: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Index into increasing ``times`` of the one nearest to each of ``wanted``."""
    after = np.clip(np.searchsorted(times, wanted), 1, max(len(times) - 1, 1))
    after = np.minimum(after, len(times) - 1)
    before = np.maximum(after - 1, 0)
    nearer = wanted - times[before] <= times[after] - wanted
    return np.where(nearer, before, after)
