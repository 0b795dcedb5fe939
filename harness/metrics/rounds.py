"""One value per round: what a comparison of costs may rest on.

Passes within a process are no independent evidence of how fast a process is; rounds
are fresh processes. Of a round the *fastest* pass or call counts: what else runs on a
machine only ever adds time, so the fastest of several varies least (Chen and Revels,
"Robust benchmarking in noisy environments", arXiv:1608.04295). The clips of
``latency_clip`` are called once each and differ in length: there it is the median.

A metric without a value per round (percentiles, probes, counts) has none here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.fast_quarter import End

from .cost import MEMORY
from .cost_definitions import LATENCIES

if TYPE_CHECKING:
    import pandas as pd

COLD = ("import_s", "load_s", "first_call_s")
_OFFLINE = ("x_realtime", "rtf", "frames_per_s", "clips_per_s")
_CALLS = {
    f"latency_{name}_p50_s": scenario for name, (scenario, _) in LATENCIES.items()
}
#: Metrics of repeated calls, and which of their values are the fast ones. Starting up
#: happens once a round, and memory is no matter of speed.
FASTEST: Mapping[str, End] = {
    **{name: "lowest" if name == "rtf" else "highest" for name in _OFFLINE},
    **dict.fromkeys(_CALLS, "lowest"),
}
#: Metrics that have one value per round; other hardware makes them incomparable.
BY_ROUND = (*_OFFLINE, *_CALLS, *COLD, *MEMORY)


def round_values(
    record: Mapping[str, Any], samples: pd.DataFrame, name: str
) -> dict[int, float]:
    """The metric ``name`` of every round, by its number; empty where it has none.

    Args:
        record: contents of ``record.json``.
        samples: timed calls of all rounds with the column ``round``.
        name: one of :data:`BY_ROUND`.
    """
    if name in COLD:
        return _stated(record, "cold", name)
    if name in MEMORY:
        return _stated(record, "memory", MEMORY[name])
    if samples.empty or name not in BY_ROUND:
        return {}
    scenario = _CALLS.get(name, "offline")
    part = samples[samples["scenario"] == scenario]
    read = _reading(record, name)
    pick = np.median if scenario == "clip" else np.min
    found = {}
    for number in sorted(set(part["round"])):
        calls = part[part["round"] == number]
        per_audio = name in ("x_realtime", "rtf", "frames_per_s")
        seconds = calls["wall_s"] / calls["audio_s"] if per_audio else calls["wall_s"]
        found[int(number)] = read(float(pick(seconds)))
    return found


def _stated(record: Mapping[str, Any], section: str, key: str) -> dict[int, float]:
    found = {}
    for part in record.get("rounds") or []:
        value = (part.get(section) or {}).get(key)
        if value is not None:
            found[int(part["n"])] = float(value)
    return found


def _reading(record: Mapping[str, Any], name: str) -> Callable[[float], float]:
    """From seconds of a call, or per second of audio, to the metric."""
    if name == "x_realtime":
        return lambda seconds: 1.0 / seconds
    if name == "frames_per_s":
        hop = float(record["cell"]["task"]["hop_s"])
        return lambda seconds: 1.0 / (seconds * hop)
    if name == "clips_per_s":
        count = len(record.get("timed_set") or ())
        return lambda seconds: count / seconds
    return lambda seconds: seconds
