"""How long a plan may take: a rough figure for ``--dry-run``, before anything runs."""

from __future__ import annotations

from pathlib import Path

from extractors.registry import extractor_class

from .cell import Cell
from .config import DatasetConfig, EffortConfig
from .datasets.recording import recording_seconds
from .datasets.registry import open_dataset
from .plan import Plan

#: Rough speed on two CPU cores in × real time, by extractor and model, from runs of
#: the quickstart; only the order of magnitude matters here.
TYPICAL_X_REALTIME = {
    ("crepe", "full"): 10.0,
    ("crepe", "tiny"): 110.0,
    ("pyin", None): 450.0,
    ("torchcrepe", "full"): 0.2,
    ("torchcrepe", "tiny"): 4.0,
    ("librosa_pyin", None): 2.0,
    ("pipeline", "full"): 4.0,  # windows overlap by half
    ("pipeline", "tiny"): 70.0,
}
OTHERWISE_X_REALTIME = 20.0
CUDA_FACTOR = 50.0
START_S = 2.0  # of a worker process with its imports
PROBE_AUDIO_S = 60.0  # what a probe hears in all its calls together
CALLS_BESIDE_PASSES = 2  # warm-up, and clip by clip


def minutes(plan: Plan) -> float:
    """Expected wall minutes of a plan that starts from nothing."""
    known: dict[str, float] = {}
    total = 0.0
    for cell in plan.cells:
        place = repr(cell.dataset)
        if place not in known:
            known[place] = data_seconds(cell.dataset)
            total += known[place] / TYPICAL_X_REALTIME["librosa_pyin", None]
        total += _cell_seconds(cell, known[place], plan.settings.effort)
    return total / 60


def data_seconds(config: DatasetConfig) -> float:
    """Seconds of audio, from file headers only; unreadable files count nothing."""
    if config.kind == "synthetic" and config.limit is None:
        return config.seconds
    return sum(
        clip.seconds or (recording_seconds(Path(clip.sources[0])) or 0.0)
        for clip in open_dataset(config).clips()
    )


def typical_speed(cell: Cell) -> float:
    """Rough speed of a cell, × real time."""
    model = cell.axes.get("model")
    speed = TYPICAL_X_REALTIME.get((cell.extractor, model), OTHERWISE_X_REALTIME)
    return speed * CUDA_FACTOR if cell.device == "cuda" else speed


def _cell_seconds(cell: Cell, audio_s: float, effort: EffortConfig) -> float:
    if extractor_class(cell.extractor).accuracy_only:
        return START_S
    speed = typical_speed(cell)
    timed_s = min(audio_s, effort.timed_s or audio_s)
    one_pass = timed_s / speed
    passes = max(3.0, min(effort.min_passes, effort.cap_s / max(one_pass, 1e-3)))
    a_round = START_S + (passes + CALLS_BESIDE_PASSES) * one_pass
    return 2 * START_S + (PROBE_AUDIO_S + audio_s) / speed + effort.rounds * a_round
