"""What an answer costs and how far its measurement may be trusted: the values.

They come from ``record.json`` and the raw samples of the timed rounds. Medians and
percentiles of time carry a 99 % order-statistic interval, see
:mod:`harness.meter.statistics`. Definitions are in :mod:`.cost_definitions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from extractors.stages import STAGES
from harness.meter.statistics import iqr_ratio, median_value, percentile_value
from harness.validity import device_of, speed_faults

from .base import Metric, Value
from .concat import concat_values
from .cost_definitions import (
    COST,
    LATENCIES,
    LATENCY,
    PERCENTILES,
    SPEED,
    SPREADS,
    STAGE,
)
from .placement import placement_values
from .stream import stream_values

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COST", "cost_values"]

Record = Mapping[str, Any]
Floats = NDArray[np.float64]

#: Metric to its key in the record's probe.
PROBE = {
    "offset_s": "offset_s",
    "drift_s_per_min": "drift_s_per_min",
    "pitch_bias_cents": "bias_cents",
}
#: Metric to the key of its standard error there.
PROBE_ERROR = {"offset_s": "offset_se_s", "drift_s_per_min": "drift_se_s_per_min"}
#: Half width of a 95 % interval in standard errors.
Z95 = 1.96
#: Metric to its key in the record's memory.
MEMORY = {
    "peak_host_bytes": "host_peak_bytes",
    "peak_gpu_allocated_bytes": "gpu_allocated_peak_bytes",
    "peak_gpu_reserved_bytes": "gpu_reserved_peak_bytes",
    "built_gpu_reserved_bytes": "gpu_built_bytes",
    "loaded_gpu_reserved_bytes": "gpu_loaded_bytes",
    "peak_gpu_nvml_process_bytes": "gpu_nvml_process_bytes",
    "peak_gpu_nvml_device_delta_bytes": "gpu_nvml_device_delta_bytes",
}


def cost_values(record: Record, samples: pd.DataFrame | None) -> dict[str, Value]:
    """Every metric of :data:`COST` for one record.

    Args:
        record: contents of ``record.json``.
        samples: timed calls of all rounds, one per row: ``scenario, pass, clip_id,
            audio_s, wall_s, stage_<name>_s``; ``None`` or empty where nothing was
            timed.

    Returns:
        One value per metric; ``None`` with the reason where it was not measured, does
        not apply, or may not be stated because timed answers were not the scored ones.
    """
    return {
        **_speed(record, samples),
        **_cold(record),
        **_memory(record),
        **stream_values(record, samples, _no_speed(record)),
        **placement_values(record, device_of(record), _no_speed(record)),
        **_behaviour(record),
        **concat_values(record),
    }


def _speed(record: Record, samples: pd.DataFrame | None) -> dict[str, Value]:
    """Whatever is read from timed calls."""
    reason = _no_speed(record)
    if not reason and (samples is None or samples.empty):
        reason = "no timed round"
    if reason or samples is None:
        return _missing((*SPEED, *LATENCY, *STAGE), reason)
    offline = samples[samples["scenario"] == "offline"]
    return {
        **_throughput(record, offline),
        **_latencies(samples),
        **_shares(offline),
    }


def _missing(metrics: Iterable[Metric], reason: str) -> dict[str, Value]:
    return {metric.name: Value(None, reason=reason) for metric in metrics}


def _no_speed(record: Record) -> str:
    """Why this record has no speed, or an empty string."""
    if record.get("accuracy_only"):
        return "ready-made answers have no speed"
    faults = speed_faults(record)
    if faults:
        return faults[0]
    if record.get("rounds"):
        return ""
    error = record.get("error")
    return f"{error['kind']}: {error['message']}" if error else "no timed round"


def _throughput(record: Record, offline: pd.DataFrame) -> dict[str, Value]:
    audio, wall = _column(offline, "audio_s"), _column(offline, "wall_s")
    if not len(wall):
        return _missing(SPEED, "scenario offline was not measured")
    speed = median_value(audio / wall)
    spread = iqr_ratio(wall)
    short = "" if spread is not None else f"{len(wall)} passes; a spread needs 3"
    return {
        "x_realtime": speed,
        "rtf": median_value(wall / audio),
        "frames_per_s": _scaled(speed, 1 / float(record["cell"]["task"]["hop_s"])),
        "clips_per_s": _clips_per_s(record, wall),
        "noise_iqr_ratio": Value(spread, n=len(wall), reason=short),
    }


def _clips_per_s(record: Record, wall: Floats) -> Value:
    count = len(record.get("timed_set") or ())
    if not count:
        return Value(None, reason="the record does not list its timed set")
    return median_value(count / wall)


def _scaled(value: Value, factor: float) -> Value:
    def times(number: float | None) -> float | None:
        return None if number is None else number * factor

    low, high = times(value.low), times(value.high)
    return Value(times(value.value), low, high, value.n, value.reason)


def _latencies(samples: pd.DataFrame) -> dict[str, Value]:
    found = {}
    for family, (scenario, _) in LATENCIES.items():
        wall = _column(samples[samples["scenario"] == scenario], "wall_s")
        for percent in PERCENTILES:
            if not len(wall):
                value = Value(None, reason="scenario single_stream was not measured")
            elif percent == 50:
                value = median_value(wall)
            else:
                value = percentile_value(wall, percent)
            found[f"latency_{family}_p{percent}_s"] = value
    return found


def _shares(offline: pd.DataFrame) -> dict[str, Value]:
    """Share of each stage in the summed wall time of the passes that mark stages."""
    names = [name for name in map(_stage_column, STAGES) if name in offline]
    heard = offline[offline[names].notna().any(axis=1)]
    total = float(_column(heard, "wall_s").sum())
    if not total:
        return _missing(STAGE, "the extractor marks no stage")
    found, known = {}, 0.0
    for stage in STAGES:
        seconds = _column(heard, _stage_column(stage))
        seconds = seconds[~np.isnan(seconds)]
        share = float(seconds.sum()) / total if len(seconds) else None
        reason = "" if len(seconds) else f"stage {stage} did not occur"
        found[f"stage_{stage}_share"] = Value(share, n=len(seconds), reason=reason)
        known += share or 0.0
    found["stage_other_share"] = Value(1 - known, n=len(heard))
    return found


def _stage_column(stage: str) -> str:
    return f"stage_{stage}_s"


def _column(table: pd.DataFrame, name: str) -> Floats:
    if name not in table:
        return np.empty(0)
    return np.asarray(table[name], dtype=np.float64)


def _cold(record: Record) -> dict[str, Value]:
    cold = record.get("cold") or {}
    names = ("import_s", "load_s", "first_call_s")
    reason = "scenario cold was not measured"
    rounds = len(record.get("rounds") or ()) or 1
    found = {name: _given(cold.get(name), reason, rounds) for name in names}
    parts = [cold.get(name) for name in names]
    start = None if None in parts else sum(filter(None, parts))
    found["start_s"] = _given(start, reason, rounds)
    seconds, read_s = (record.get("data") or {}).get("seconds"), record.get("read_s")
    speed = seconds / read_s if seconds and read_s else None
    found["read_x_realtime"] = _given(speed, "reading was not timed")
    return found


def _given(number: float | None, reason: str, n: int = 1) -> Value:
    """A value that the record states, ``None`` with ``reason`` where it does not."""
    if number is None or not np.isfinite(number):
        return Value(None, reason=reason)
    return Value(float(number), n=n)


def _memory(record: Record) -> dict[str, Value]:
    part = record.get("memory")
    on_gpu = (record.get("cell") or {}).get("axes", {}).get("device") == "cuda"
    if not part:
        reason = gpu_reason = "no timed round"
    else:
        reason = "no counter on this platform"
        gpu_reason = "not stated by the driver" if on_gpu else "not on a GPU"
    part = part or {}
    found = {
        name: _given(part.get(key), reason if "host" in name else gpu_reason)
        for name, key in MEMORY.items()
    }
    left, before = part.get("gpu_residual_bytes"), part.get("gpu_baseline_bytes")
    residual = None if left is None or before is None else left - before
    found["residual_gpu_bytes"] = _given(residual, gpu_reason)
    return found


def _behaviour(record: Record) -> dict[str, Value]:
    probe = record.get("probe")
    reason = "not probed" if not probe else "the probe could not measure it"
    found = {name: _probed(name, probe or {}, reason) for name in PROBE}
    for name in ("batch", "order"):
        section = (probe or {}).get(name) or {}
        missing = "batch size is no axis of it" if probe and name == "batch" else reason
        found[f"{name}_moved_ratio"] = _given(section.get("moved_ratio"), missing)
    spreads = {f"seed_spread_{name}": _spread(record, name) for name in SPREADS}
    data = record.get("data") or {}
    errors = _given(data.get("clips_missed"), "not run", n=data.get("clips") or 0)
    return {**found, **spreads, "errors": errors}


def _probed(name: str, probe: Mapping[str, Any], reason: str) -> Value:
    """A figure of the probe with ± 1.96 standard errors where it states one."""
    value = probe.get(PROBE[name])
    if value is None:
        return Value(None, reason=reason)
    error = probe.get(PROBE_ERROR.get(name, ""))
    n = int(probe.get("frames") or 0)
    if error is None:
        return Value(float(value), n=n)
    return Value(float(value), value - Z95 * error, value + Z95 * error, n)


def _spread(record: Record, name: str) -> Value:
    seeds = record.get("seeds")
    if not seeds:
        return Value(None, reason="the extractor is not random")
    values = [v for v in (seeds.get("metrics") or {}).get(name) or () if v is not None]
    values = [v for v in values if np.isfinite(v)]
    if len(values) < 2:
        return Value(None, n=len(values), reason=f"{name} under fewer than 2 seeds")
    return Value(float(max(values) - min(values)), n=len(values))
