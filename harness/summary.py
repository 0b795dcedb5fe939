"""From a record to the values of its metrics; nothing here is stored as a truth."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .metrics.base import Value
from .records import Record, Run


def summarise(
    record: Record, *, seed: int = 0, groups: Sequence[str] | None = None
) -> dict[str, Value]:
    """Every metric of one record, recomputed from counts and raw samples.

    Args:
        record: a cell of a run.
        seed: seed of the bootstrap.
        groups: one group per clip (e.g. the speaker) to resample together.
    """
    from .metrics.cost import cost_values

    values = _counted(record, seed, groups)
    values.update(cost_values(record.data, record.samples()))
    return values


def _counted(
    record: Record,
    seed: int,
    groups: Sequence[str] | None,
    names: Collection[str] | None = None,
) -> dict[str, Value]:
    from .metrics.bootstrap import summarise_counts
    from .tasks import task_metrics

    metrics = [
        metric
        for metric in task_metrics(record.data["cell"]["task"]["name"])
        if names is None or metric.name in names
    ]
    return summarise_counts(record.clips(), metrics, groups=groups, seed=seed)


def summarise_run(run: Run) -> dict[str, dict[str, Value]]:
    """Metric values of every record of a run, by cell key."""
    from .precision_delta import precision_values

    return {
        record.key: summarise_record(record, run.plan) | precision_values(record, run)
        for record in run.records
    }


def summarise_record(record: Record, plan: Mapping[str, Any]) -> dict[str, Value]:
    """Metric values of one record under the settings of its run.

    Args:
        plan: of the run: its settings say what is resampled together, and the seed.
    """
    seed, groups = _resampling(record, plan)
    return summarise(record, seed=seed, groups=groups)


def counted_values(
    record: Record, plan: Mapping[str, Any], names: Collection[str] | None = None
) -> dict[str, Value]:
    """The metrics made of counts, which timed rounds do not change.

    Args:
        plan: of the run.
        names: metrics that are wanted; all by default.
    """
    return _counted(record, *_resampling(record, plan), names)


def _resampling(
    record: Record, plan: Mapping[str, Any]
) -> tuple[int, list[str] | None]:
    """Seed of the bootstrap and the group of each clip."""
    settings = plan["settings"]
    tag = settings.get("bootstrap")
    if not tag:
        return settings["seed"], None
    clips = record.clips()
    column = f"tag_{tag}"
    groups = list(clips[column].astype(str)) if column in clips else None
    return settings["seed"], groups
