"""Definitions of the metrics of cost and behaviour; their values are in ``cost.py``.

None has a formula: they come from raw samples and single readings, not from counts.
Times are device-synchronised wall times from samples in host memory to a result in host
memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from extractors.stages import STAGES

from .base import Metric
from .concat import CONCAT
from .placement import PLACEMENT
from .stream import STREAM

PERCENTILES = (50, 90, 95, 99)
#: Families of latencies: the scenario of their samples, and what one call is.
LATENCIES = {
    "clip": ("clip", "one clip of the timed set alone"),
    "1s": ("one_second", "one second of audio, batch 1"),
}
#: Accuracy metrics whose spread over seeds is a metric.
SPREADS = ("rpa_10c", "rpa_50c")


def _speed_metrics() -> Iterator[Metric]:
    yield Metric(
        "x_realtime",
        "x",
        "higher",
        "Audio seconds over wall seconds of one pass over the timed set; median over "
        "the passes of all rounds.",
        label="speed × RT",
    )
    yield Metric(
        "rtf",
        "1",
        "lower",
        "Real-time factor: wall seconds over audio seconds of one pass; median.",
        label="RTF",
    )
    yield Metric(
        "frames_per_s",
        "frames/s",
        "higher",
        "Output frames per wall second: x_realtime over the task's hop in seconds.",
        label="frames/s",
    )
    yield Metric(
        "clips_per_s",
        "1/s",
        "higher",
        "Clips of the timed set over wall seconds of one pass; median.",
        label="clips/s",
    )
    yield Metric(
        "noise_iqr_ratio",
        "1",
        "lower",
        "Interquartile range over median of the wall times of all passes.",
        label="noise %",
    )


def _latency_metrics() -> Iterator[Metric]:
    for family, (_, call) in LATENCIES.items():
        shown = "1 s clip" if family == "1s" else "clip"
        for percent in PERCENTILES:
            yield Metric(
                f"latency_{family}_p{percent}_s",
                "s",
                "lower",
                f"{'Median' if percent == 50 else f'{percent}th percentile'} of the "
                f"wall time of a call with {call}"
                + ("." if percent == 50 else ", where enough calls were timed."),
                label=f"{shown} p{percent} ms",
            )


def _cold_metrics() -> Iterator[Metric]:
    told = {
        "import_s": ("Import of what the extractor needs", "import s"),
        "load_s": ("Loading of weights and warming of caches", "load s"),
        "first_call_s": ("First call after loading, one second of audio", "first s"),
    }
    for name, (what, label) in told.items():
        text = f"{what}, in a fresh interpreter; median over rounds."
        yield Metric(name, "s", "lower", text, label=label)
    yield Metric(
        "start_s",
        "s",
        "lower",
        "Import, loading and first call together: from a fresh interpreter to the "
        "first answer.",
        label="start s",
    )
    yield Metric(
        "read_x_realtime",
        "x",
        "higher",
        "Audio seconds over the seconds it took to read and decode the files; beside "
        "x_realtime, never inside it.",
        label="read × RT",
    )


def _memory_metrics() -> Iterator[Metric]:
    told = {
        "peak_host_bytes": ("Peak resident set of the worker since load()", "host"),
        "peak_gpu_allocated_bytes": ("Peak of tensors on the GPU", "GPU"),
        "peak_gpu_reserved_bytes": ("Peak held by torch's allocator", "reserved"),
        "built_gpu_reserved_bytes": (
            "Held by torch's allocator once the extractor was built, before load()",
            "built",
        ),
        "loaded_gpu_reserved_bytes": (
            "Held by torch's allocator after load(), before the first call",
            "loaded",
        ),
        "peak_gpu_nvml_process_bytes": (
            "GPU memory of this process by NVML, context and workspaces included",
            "GPU process",
        ),
        "peak_gpu_nvml_device_delta_bytes": (
            "GPU memory of the device by NVML above its state before load()",
            "GPU delta",
        ),
        "residual_gpu_bytes": (
            "GPU memory still held after release, above its state before load()",
            "residual",
        ),
    }
    for name, (what, label) in told.items():
        yield Metric(name, "bytes", "lower", f"{what}.", label=f"{label} GiB")


def _stage_metrics() -> Iterator[Metric]:
    for stage in STAGES:
        yield Metric(
            f"stage_{stage}_share",
            "1",
            "none",
            f"Share of the wall time of all passes spent in stage {stage}, stages "
            "inside it excluded.",
            label=f"{stage} %",
        )
    yield Metric(
        "stage_other_share",
        "1",
        "none",
        "Share of the wall time of all passes spent in no standard stage.",
        label="other %",
    )


def _behaviour_metrics() -> Iterator[Metric]:
    yield Metric(
        "offset_s",
        "s",
        "zero",
        "Time stamp minus true time on chirps of alternating slope, least squares; "
        "positive where stamps are late.",
        label="offset ms",
    )
    yield Metric(
        "drift_s_per_min",
        "s/min",
        "zero",
        "Growth of the time offset per minute of audio.",
        label="drift s/min",
    )
    yield Metric(
        "pitch_bias_cents",
        "cents",
        "zero",
        "Pitch error on the chirps that no time offset explains, least squares.",
        label="bias c",
    )
    for name, cause in (("batch", "batch size"), ("order", "order or company")):
        yield Metric(
            f"{name}_moved_ratio",
            "1",
            "lower",
            f"Frames that change voicing or move > 50 cents with the {cause} of clips.",
            label=f"{name} %",
        )


def _run_metrics() -> Iterator[Metric]:
    for name in SPREADS:
        yield Metric(
            f"seed_spread_{name}",
            "1",
            "lower",
            f"Largest minus smallest {name} over the seeds of a random extractor.",
            label=f"seeds {name} %",
        )
    yield Metric(
        "errors",
        "clips",
        "lower",
        "Clips of the data set without an answer from this extractor.",
        label="missed",
    )


SPEED = tuple(_speed_metrics())
LATENCY = tuple(_latency_metrics())
STAGE = tuple(_stage_metrics())
COST: tuple[Metric, ...] = (
    *SPEED,
    *LATENCY,
    *_cold_metrics(),
    *_memory_metrics(),
    *STREAM,
    *STAGE,
    *PLACEMENT,
    *_behaviour_metrics(),
    *CONCAT,
    *_run_metrics(),
)
