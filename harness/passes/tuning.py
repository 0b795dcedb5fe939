"""The worker's side of ``f0bench tune``: one system, one generated clip, many calls.

Every topic answers with raw samples; what they mean is decided by the parent
(:mod:`harness.tune`).
"""

from __future__ import annotations

import cProfile
import gc
import pstats
import sys
import time
from array import array
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from extractors.memory import device_memory
from extractors.stages import listening
from harness.config import EffortConfig
from harness.jobs import Job, Teller
from harness.meter import memory
from harness.meter.stage_recorder import StageRecorder
from harness.meter.timing import run_passes
from harness.probe_signals import voice
from harness.tasks import make_task
from harness.tasks.base import Item

from .common import require_one

SAMPLE_RATE = 16000
VOICE_HZ = 200.0
#: Passes of one batch size: short, because several sizes are compared by their medians.
PASSES = EffortConfig(
    warmup_s=0.2, min_passes=5, min_s=0.0, noise=None, cap_s=10.0, rounds=1
)
#: Calls before the first sample: caches, pools and arenas fill in them.
WARM_CALLS = 10
#: Rows of a profile that are kept.
TOP = 25


class _Bench:
    """The loaded system, and a call of it on one clip."""

    def __init__(self, job: Job, teller: Teller) -> None:
        place = require_one(job)
        self.teller = teller
        self.seed = job.seed
        self.task = make_task(job.task)
        self.item = Item(
            "voice", voice(VOICE_HZ, job.tuning["audio_s"], SAMPLE_RATE, job.seed)
        )
        self.host_before = memory.rss_bytes()
        memory.reset_peak()
        self.system: Any = self.task.build(place.extractor, place.params)
        self.system.load()
        self.cuda = place.params.get("device") == "cuda"

    @property
    def sync(self) -> Callable[[], None] | None:
        """Waits for the device, ``None`` where there is nothing to wait for."""
        if not self.cuda:
            return None
        from extractors.device import synchronize

        return partial(synchronize, "cuda")

    def call(self) -> list[Any]:
        """One call, with random sources fixed."""
        return self.task.run(self.system, [self.item])

    def between(self) -> None:
        """What belongs before a call, outside of what is measured."""
        self.system.reseed(self.seed)
        self.teller.alive(None, 0.0, 0.0)


def tune(job: Job, teller: Teller) -> dict[str, Any]:
    """Do what ``job.tuning["topic"]`` says; returns raw samples."""
    topics: Mapping[str, Callable[[Job, Teller], dict[str, Any]]] = {
        "batch-size": batch_size,
        "leak": leak,
        "profile": profile,
    }
    return topics[job.tuning["topic"]](job, teller)


def batch_size(job: Job, teller: Teller) -> dict[str, Any]:
    """Wall times and peaks of one batch size; the counters are those of this process.

    Returns:
        ``wall_s`` of every pass, ``audio_s``, ``host_before_bytes``,
        ``host_peak_bytes``, torch's peaks, and before loading ``gpu_free_bytes`` and
        ``gpu_total_bytes``.
    """
    free, total = _gpu_memory(job)
    bench = _Bench(job, teller)
    bench.task.check([bench.item], bench.call())
    result = run_passes(
        bench.call, effort=PASSES, sync=bench.sync, between=bench.between
    )
    return {
        "wall_s": result.wall_s,
        "audio_s": bench.item.seconds,
        "host_before_bytes": bench.host_before,
        "host_peak_bytes": memory.host_peak()[0],
        "gpu_free_bytes": free,
        "gpu_total_bytes": total,
        **memory.torch_peak(),
    }


def _gpu_memory(job: Job) -> tuple[int | None, int | None]:
    """Free and total memory of the GPU by its driver, ``None`` on the CPU."""
    if require_one(job).params.get("device") != "cuda":
        return None, None
    return device_memory("cuda") or (None, None)


def leak(job: Job, teller: Teller) -> dict[str, Any]:
    """Memory after every call: resident set, and bytes of CUDA tensors.

    Results are dropped and garbage is collected before a sample is taken; the samples
    lie in memory that is there from the start.
    """
    bench = _Bench(job, teller)
    calls = int(job.tuning["calls"])
    host, gpu = array("q", [0] * calls), array("q", [0] * calls)
    for count in range(-WARM_CALLS, calls):
        bench.between()
        bench.call()
        gc.collect()
        if count >= 0:
            host[count] = memory.rss_bytes() or 0
            gpu[count] = memory.torch_allocated_bytes() or 0
    return {
        "rss_bytes": list(host) if all(host) else None,
        "gpu_allocated_bytes": list(gpu) if bench.cuda else None,
        "audio_s": bench.item.seconds,
    }


def profile(job: Job, teller: Teller) -> dict[str, Any]:
    """Stages, operations of torch with a Chrome trace, then functions of Python.

    Profilers slow down what they watch, so each has calls of its own, and none is a
    timing: only shares and counts mean anything.
    """
    bench = _Bench(job, teller)
    bench.between()
    bench.call()
    folder, calls = Path(job.tuning["folder"]), int(job.tuning["calls"])
    stages, operations = _stages(bench, calls), None
    if "torch" in sys.modules:
        operations = _operations(bench, calls, folder / "trace.json")
    return {
        "audio_s": bench.item.seconds,
        "calls": calls,
        "stages": stages,
        "operations": operations,
        "functions": _functions(bench, calls, folder),
    }


def _stages(bench: _Bench, calls: int) -> dict[str, float]:
    """Seconds of a call by stage, whatever threads work in it; the rest is ``other``.

    Empty where an extractor marks no stages.
    """
    recorder, wall = StageRecorder(sync=bench.sync), 0.0
    for _ in range(calls):
        bench.between()
        began = time.perf_counter()
        with listening(recorder):
            bench.call()
        wall += time.perf_counter() - began
    found = {name: seconds / calls for name, seconds in recorder.take().items()}
    return found and {**found, "other": wall / calls - sum(found.values())}


class _Annotated:
    """Shows the stages of an extractor as ranges of torch's profiler."""

    def __init__(self) -> None:
        self._open: list[Any] = []

    def enter(self, name: str, device: str = "") -> None:
        """A stage begins."""
        from torch.profiler import record_function

        span: Any = record_function(f"stage {name}")
        span.__enter__()
        self._open.append(span)

    def exit(self, name: str) -> None:
        """The stage ends."""
        self._open.pop().__exit__(None, None, None)

    def copied(self, direction: str, n_bytes: int) -> None:
        """The profiler sees copies by itself."""


def _operations(bench: _Bench, calls: int, trace: Path) -> list[dict[str, Any]]:
    """The operations that take most time by themselves; writes a Chrome trace."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiler

    watched = [ProfilerActivity.CPU]
    watched += [ProfilerActivity.CUDA] if bench.cuda else []
    with profiler(activities=watched, profile_memory=True) as found:
        for _ in range(calls):
            bench.between()
            with listening(_Annotated()):
                bench.call()
            if bench.sync is not None:
                bench.sync()
    found.export_chrome_trace(str(trace))
    rows = [_operation(event, calls) for event in found.key_averages()]
    by = "self_device_s" if bench.cuda else "self_cpu_s"
    return sorted(rows, key=lambda row: -row[by])[:TOP]


def _operation(event: Any, calls: int) -> dict[str, Any]:
    """One operation, per call of the extractor; times in seconds."""
    return {
        "name": event.key,
        "count": event.count / calls,
        "self_cpu_s": event.self_cpu_time_total / 1e6 / calls,
        "cpu_s": event.cpu_time_total / 1e6 / calls,
        "self_device_s": event.self_device_time_total / 1e6 / calls,
        "self_cpu_memory_bytes": event.self_cpu_memory_usage / calls,
    }


def _functions(bench: _Bench, calls: int, folder: Path) -> list[dict[str, Any]]:
    """The Python functions that take most time; writes ``functions.pstats``."""
    watch = cProfile.Profile()
    for _ in range(calls):
        bench.between()
        with watch:
            bench.call()
    watch.dump_stats(folder / "functions.pstats")
    found: Any = pstats.Stats(watch)
    rows = [
        {
            "function": _place(*key),
            "count": count / calls,
            "self_s": self_s / calls,
            "total_s": total_s / calls,
        }
        for key, (_, count, self_s, total_s, _) in found.stats.items()
    ]
    return sorted(rows, key=lambda row: -float(row["self_s"]))[:TOP]


def _place(file: str, line: int, name: str) -> str:
    """``librosa/core/audio.py:120 resample``, without the folders of this machine."""
    if file == "~":  # built in
        return name
    parts = Path(file).parts
    kept = parts[-3:]
    for folder in ("site-packages", "dist-packages"):
        if folder in parts:
            kept = parts[len(parts) - parts[::-1].index(folder) :]
    return f"{'/'.join(kept)}:{line} {name}"
