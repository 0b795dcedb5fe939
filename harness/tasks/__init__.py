"""Tasks by name. A new task is one module with the functions of :mod:`.base`.

A plug-in registers its task under the entry-point group ``f0bench.tasks``.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import lru_cache
from importlib import metadata
from typing import Any

from extractors.errors import ConfigError, nearest
from harness.config import TaskConfig
from harness.metrics.base import Metric

from .base import Task as Task

GROUP = "f0bench.tasks"
BUILT_IN = {
    "f0": "harness.tasks.f0:F0Task",
    "pipeline": "harness.tasks.pipeline:PipelineTask",
    "spectrogram": "harness.tasks.spectrogram:SpectrogramTask",
}


@lru_cache(maxsize=1)
def targets() -> dict[str, str]:
    """Every known task and where its class lives, ``module:attribute``."""
    found = metadata.entry_points(group=GROUP)
    # the first on the path wins, as with modules
    return {p.name: p.value for p in reversed(tuple(found))} | BUILT_IN


def task_class(name: str) -> Any:
    """Import the task registered as ``name``; it is built from a ``TaskConfig``."""
    known = targets()
    if name not in known:
        raise ConfigError(f"unknown task '{name}'{nearest(name, known)}")
    module, _, attribute = known[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def make_task(config: TaskConfig) -> Task:
    """Build the task that ``config`` names."""
    task: Task = task_class(config.name)(config)
    return task


def task_metrics(name: str) -> Sequence[Metric]:
    """Metrics of the task ``name`` that are made of counts."""
    metrics: Sequence[Metric] = task_class(name).metrics
    return metrics
