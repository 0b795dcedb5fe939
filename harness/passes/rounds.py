"""One timed round: a fresh process that measures cold start, speed and memory."""

from __future__ import annotations

import dataclasses
import gc
import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from extractors.audio import Audio
from extractors.base import Streaming
from extractors.registry import extractor_class
from extractors.stages import listening
from harness.config import EffortConfig
from harness.environment import snapshot
from harness.jobs import Job, Teller
from harness.meter import memory
from harness.meter.nvml import NvmlSampler, open_nvml
from harness.meter.stage_recorder import StageRecorder
from harness.meter.timing import PassResult, measure, run_passes
from harness.records import replacing
from harness.tasks import Task, make_task
from harness.tasks.base import Item, Voicing

from .accuracy import digest
from .common import Reader, require_one
from .learning import FILE
from .outputs import OutputReader
from .streaming import stream_clips

#: Seconds that one-second calls may take, where there are many and where few.
ONE_SECOND_CAP_S = 10.0
FEW_CALLS, FEW_CALLS_CAP_S = 64, 2.0  # fewer calls than a p90 needs


def timed_round(job: Job, teller: Teller) -> dict[str, Any]:
    """Measure one cell in this process; writes ``rounds/<n>/samples.parquet``.

    The order is fixed: import, load, first call (all cold), warm-up, passes over the
    timed set (``offline``), clip by clip and 1-second calls (``single_stream``), chunks
    of 10 ms (``stream``), memory counters last, because they are free only when nothing
    is timed any more.
    """
    bench = _Bench(job, teller)
    before = snapshot()
    cold = bench.cold()
    outcome: dict[str, Any] = {"cold": cold, "env_before": before}
    if "offline" in job.scenarios:
        outcome.update(bench.offline())
    if "single_stream" in job.scenarios:
        bench.single_stream()
    if "stream" in job.scenarios:
        outcome["stream"] = bench.stream()
    outcome["memory"] = bench.memory()
    outcome["consistency"] = bench.consistency
    outcome["env_after"] = snapshot()
    bench.write()
    return outcome


class _Bench:
    """State of one round: the system, the timed set and the samples so far."""

    def __init__(self, job: Job, teller: Teller) -> None:
        self.job = job
        self.teller = teller
        self.place = require_one(job)
        self.task: Task = make_task(job.task)
        reader = Reader(job, self.task, only=frozenset(job.timed_set))
        self.blocks = list(reader.blocks())
        self.items = [item for block in self.blocks for item in block]
        self.rows: list[dict[str, Any]] = []
        self.consistency: dict[str, float] | None = None
        self.cuda = self.place.params.get("device") == "cuda"
        self.sync: Callable[[], None] | None = None
        self.recorder = StageRecorder()
        self.stage_facts: dict[str, dict[str, Any]] = {}  # of the last offline pass
        self.system: Any = None
        self.stored: dict[str, dict[str, Any]] | None = None
        self.host_baseline: int | None = None
        self.gpu_baseline: int | None = None
        self.nvml_baseline: int | None = None
        self.gpu_held: dict[str, int] = {}

    def cold(self) -> dict[str, float]:
        """Import, load and the first call of a fresh interpreter, in seconds."""
        began = time.perf_counter()
        for module in getattr(extractor_class(self.place.extractor), "requires", ()):
            importlib.import_module(module)
        imported = time.perf_counter()
        memory.reset_peak()
        self.host_baseline = memory.rss_bytes()
        if self.cuda:
            from extractors.device import synchronize

            self.sync = partial(synchronize, "cuda")
            self.gpu_baseline = memory.torch_allocated_bytes() or 0
            self.nvml_baseline = memory.device_bytes()
            # Events only: waiting at every edge would serialise host and device.
            self.recorder = StageRecorder(cuda=True)
        self.system = self.task.build(self.place.extractor, self.place.params)
        item = self.one_second()
        self._hold("built")
        start = time.perf_counter()
        self.system.load()
        loaded = time.perf_counter()
        self._hold("loaded")
        called = time.perf_counter()
        outputs = self._call([item])
        first = time.perf_counter()
        self.task.check([item], outputs)
        return {
            "import_s": imported - began,
            "load_s": loaded - start,
            "first_call_s": first - called,
        }

    def _hold(self, when: str) -> None:
        """Note what torch's allocator holds of the GPU; without a context it is 0."""
        if self.cuda:
            self.gpu_held[f"gpu_{when}_bytes"] = memory.torch_reserved_bytes() or 0

    def one_second(self) -> Item:
        """The middle second of the first clip that has one, else a whole clip."""
        source = next((i for i in self.items if i.seconds >= 1), self.items[0])
        audio = source.audio
        start = max(0, (len(audio.samples) - audio.sr) // 2)
        cut = Audio(audio.samples[start : start + audio.sr], audio.sr)
        return Item("one second", cut)

    def offline(self) -> dict[str, Any]:
        """Passes over the timed set, a block per call as in the accuracy pass."""

        def one_pass() -> list[Any]:
            return [out for block in self.blocks for out in self._call(block)]

        result = self._timed(one_pass, self.job.effort, "offline", self.items)
        return {
            "passes": len(result.wall_s),
            "stop": result.stop,
            "warmup_s": result.warmup_s,
            "stages": self.stage_facts,
        }

    def single_stream(self) -> None:
        """Each clip of the timed set alone, then one second at a time.

        The system is warm by now, so every clip is called once a round: latency over
        clips wants many clips, not many calls of one.
        """
        once = dataclasses.replace(
            self.job.effort, min_passes=1, min_s=0.0, warmup_s=0.0, noise=None
        )
        for item in self.items:
            with listening(self.recorder):
                self._between()
                wall, found = measure(partial(self._call, [item]), sync=self.sync)
            self.task.check([item], found)
            self._row("clip", 0, item.seconds, wall, self._stages(), item.id)
            self._compare([item], found)
        item = self.one_second()
        calls = self.job.effort.calls
        cap_s = FEW_CALLS_CAP_S if calls < FEW_CALLS else ONE_SECOND_CAP_S
        effort = dataclasses.replace(
            once, min_passes=calls, cap_s=min(cap_s, self.job.effort.cap_s)
        )
        self._timed(partial(self._call, [item]), effort, "one_second", [item])

    def stream(self) -> dict[str, Any]:
        """Every clip of the timed set as a stream, compared with what was scored."""
        if self.stored is None:
            self.stored = self._stored()
        known = {
            name: self._voiced(self.task.restore(columns))
            for name, columns in self.stored.items()
            if isinstance(self.system, Streaming)
        }
        found = stream_clips(
            self.system, self.items, known, sync=self.sync, pulse=self._between
        )
        self.rows += found.rows
        return found.as_dict()

    def _call(self, items: Sequence[Item]) -> list[Any]:
        return self.task.run(self.system, items)

    def _between(self) -> None:
        self.system.reseed(self.job.seed)
        self.recorder.take()
        self.teller.alive(None, 0.0, 0.0)

    def _timed(
        self,
        call: Callable[[], list[Any]],
        effort: EffortConfig,
        scenario: str,
        items: Sequence[Item],
    ) -> PassResult:
        """Passes of ``call`` over ``items``; its answers are judged between them."""
        audio_s = sum(item.seconds for item in items)
        stages: list[dict[str, float]] = []

        def keep(outputs: list[Any]) -> None:
            stages.append(self._stages())
            self.task.check(items, outputs)
            if scenario == "offline":
                self.stage_facts = self.recorder.take_facts()
                self._compare(items, outputs)

        with listening(self.recorder):
            result = run_passes(
                call,
                effort=effort,
                sync=self.sync,
                between=self._between,
                on_result=keep,
            )
        timed = stages[-len(result.wall_s) :]
        for index, (wall, parts) in enumerate(zip(result.wall_s, timed, strict=True)):
            self._row(scenario, index, audio_s, wall, parts)
        return result

    def _row(
        self,
        scenario: str,
        index: int,
        audio_s: float,
        wall_s: float,
        stages: Mapping[str, float],
        clip_id: str | None = None,
    ) -> None:
        self.rows.append(
            {
                "scenario": scenario,
                "pass": index,
                "clip_id": clip_id,
                "audio_s": audio_s,
                "wall_s": wall_s,
                **stages,
            }
        )

    def _stages(self) -> dict[str, float]:
        """Seconds per stage of the last call, as columns of the samples."""
        wall, events = self.recorder.take(), self.recorder.take_events()
        return {
            **{f"stage_{name}_s": value for name, value in wall.items()},
            **{f"event_{name}_s": value for name, value in events.items()},
        }

    def _compare(self, items: Sequence[Item], outputs: Sequence[Any]) -> None:
        """Hold the answers of timed calls against those of the accuracy pass."""
        known = self.consistency or dict.fromkeys(
            ("clips", "frames", "moved", "identical"), 0.0
        )
        self.consistency = known
        if self.stored is None:
            self.stored = self._stored()
        stored = self.stored
        for item, output in zip(items, outputs, strict=True):
            if item.id not in stored:
                continue
            expected = self._voiced(self.task.restore(stored[item.id]))
            output = self._voiced(output)
            same = digest(self.task, expected) == digest(self.task, output)
            found = self.task.difference(expected, output)
            known["clips"] += 1
            known["identical"] += same
            known["frames"] += found["frames"]
            known["moved"] += found["moved"]

    def _voiced(self, output: Any) -> Any:
        """The output at the threshold that was learnt, if one was.

        Deciding again costs the system nothing: the comparison is not timed.
        """
        if self.place.threshold is None:
            return output
        assert isinstance(self.task, Voicing)
        return self.task.revoice(output, self.place.threshold)

    def _stored(self) -> dict[str, dict[str, Any]]:
        wanted = {item.id for item in self.items}
        found: dict[str, dict[str, Any]] = {}
        for name in ("tracks.parquet", FILE):
            place = Path(self.place.folder) / name
            if place.exists():
                with OutputReader(place) as reader:
                    found |= {k: part for k, part in reader.stream() if k in wanted}
        return found

    def memory(self) -> dict[str, Any]:
        """Peaks of this process: counters first, then polled numbers, then the rest.

        The counters cost nothing and cover load and all timed calls. NVML has to be
        polled while the system works, which disturbs, so it gets a pass of its own.
        """
        peak, source = memory.host_peak()
        found: dict[str, Any] = {
            "host_baseline_bytes": self.host_baseline,
            "host_peak_bytes": peak,
            "host_source": source,
            "gpu_baseline_bytes": self.gpu_baseline,
            **self.gpu_held,
            **memory.torch_peak(),
            "gpu_nvml_process_bytes": None,
            "gpu_nvml_device_delta_bytes": None,
            "gpu_residual_bytes": None,
        }
        if self.cuda:
            found |= self._polled()
            self.system = None
            gc.collect()
            found["gpu_residual_bytes"] = memory.torch_allocated_bytes()
        return found

    def _polled(self) -> dict[str, int | None]:
        device = open_nvml()
        if device is None:
            return {}
        with NvmlSampler(device, baseline_bytes=self.nvml_baseline) as sampler:
            for block in self.blocks:
                self._call(block)
        device.close()
        return {
            "gpu_nvml_process_bytes": sampler.process_peak_bytes,
            "gpu_nvml_device_delta_bytes": sampler.device_delta_bytes,
        }

    def write(self) -> None:
        """Write the samples of this round."""
        import pandas as pd

        folder = Path(self.place.folder) / "rounds" / str(self.job.round)
        with replacing(folder / "samples.parquet") as temporary:
            pd.DataFrame(self.rows).to_parquet(temporary)
