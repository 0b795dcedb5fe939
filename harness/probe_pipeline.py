"""What the probe asks of the pipeline: when its windows are, and whether they repeat.

The clock is read from loudness: the power of a tone grows linearly with time, so that
the mean power over a window is the power at its centre, exactly, however long the
window is. The level that a window is said to have then tells when its centre was.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.audio import Audio
from extractors.base import Extractor
from extractors.pipeline import SAMPLE_RATE, Pipeline, PipelineResult

from . import probe_signals as signals
from .probe_line import clock_line
from .tasks.base import Task

TONE_HZ = 200.0  # whole periods fit into any window of some tenths of a second
SR = 22050  # Hz: off the chain's own rate, so that resampling is heard too
SECONDS, QUICK_SECONDS = 40.0, 20.0
JOINED_HZ = (110.0, 220.0, 330.0, 150.0, 420.0, 100.0)  # one second each, in turn
JOINED = 12  # windows that are concatenated
EDGE = 2  # windows at either end, where the resampler rings


def probe(system: Extractor, task: Task, *, seed: int, quick: bool) -> dict[str, Any]:
    """Measure the clock and the invariances of a loaded pipeline.

    Args:
        system: answers with :class:`PipelineResult`.
        task: compares two answers.
        seed: of the noises.
        quick: half as much audio.

    Returns:
        As :func:`harness.probe_spectrogram.probe`; with ``batching=concat`` also the
        section ``concat``: ``windows``, ``offset_per_window`` in frames, and the fields
        of :class:`extractors.concat.ConcatReport`, ``None`` where undefined.
    """
    seconds = QUICK_SECONDS if quick else SECONDS
    found = system.extract([_ramp(seconds)])[0]
    heard = _when(found, seconds)[EDGE:-EDGE]
    stamps = found.time_s[EDGE:-EDGE]
    return {
        **clock_line(heard, stamps - heard),
        "frames": len(heard),
        "bias_cents": None,
        **_invariances(system, task, seed),
        **_concat(system, seed),
        "notes": [],
    }


def _ramp(seconds: float) -> Audio:
    """A tone whose power grows from a tenth of its last value to that value."""
    times = np.arange(round(seconds * SR)) / SR
    power = 0.1 + 0.9 * times / seconds
    tone = 0.5 * np.sqrt(power) * np.sin(2 * np.pi * TONE_HZ * times)
    return Audio(tone.astype(np.float32), SR)


def _when(found: PipelineResult, seconds: float) -> NDArray[np.float64]:
    """Time in s at which the tone had the power of every window."""
    power = 10.0 ** (found.level_db / 10.0) / (0.5 * 0.5**2)
    return np.asarray((power - 0.1) / 0.9 * seconds)


def _invariances(system: Extractor, task: Task, seed: int) -> dict[str, Any]:
    """Noises of unlike length in two orders, and twice."""
    rng = np.random.default_rng(seed)
    clips = [
        Audio(0.1 * rng.standard_normal(n).astype(np.float32), SR)
        for n in (2 * SR, 3 * SR + 7)
    ]
    first = system.extract(clips)
    turned = system.extract(clips[::-1])[::-1]
    again = system.extract(clips)
    return {
        "order": _compared(task, first, turned),
        "repeat": _compared(task, first, again),
    }


def _concat(system: Extractor, seed: int) -> dict[str, Any]:
    """What joining does to windows of unlike voices, where the system joins them."""
    if not isinstance(system, Pipeline) or system.batching != "concat":
        return {}
    voices = [
        signals.voice(JOINED_HZ[i % len(JOINED_HZ)], 1.0, SAMPLE_RATE, seed + i).samples
        for i in range(JOINED)
    ]
    report = system.compare_concat(np.stack(voices))
    found = {
        name: value if np.isfinite(value) else None
        for name, value in asdict(report).items()
    }
    each = report.offset_frames / (JOINED - 1)
    return {"concat": {"windows": JOINED, "offset_per_window": each, **found}}


def _compared(
    task: Task, first: list[PipelineResult], second: list[PipelineResult]
) -> dict[str, Any]:
    found = [task.difference(a, b) for a, b in zip(first, second, strict=True)]
    moved = sum(part["moved"] for part in found) / sum(p["frames"] for p in found)
    same = all(part["identical"] for part in found)
    return {"identical": same, "moved_ratio": moved, "max_cents": None}
