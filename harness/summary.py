"""From a record to the values of its metrics; nothing here is stored as a truth."""

from __future__ import annotations

from collections.abc import Sequence

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
    from .metrics.bootstrap import summarise_counts
    from .metrics.cost import cost_values
    from .tasks import task_metrics

    metrics = task_metrics(record.data["cell"]["task"]["name"])
    clips = record.clips()
    values = summarise_counts(clips, metrics, groups=groups, seed=seed)
    values.update(cost_values(record.data, record.samples()))
    return values


def summarise_run(run: Run) -> dict[str, dict[str, Value]]:
    """Metric values of every record of a run, by cell key."""
    settings = run.plan["settings"]
    tag = settings.get("bootstrap")
    found = {}
    for record in run.records:
        groups = None
        if tag:
            clips = record.clips()
            column = f"tag_{tag}"
            groups = list(clips[column].astype(str)) if column in clips else None
        found[record.key] = summarise(record, seed=settings["seed"], groups=groups)
    return found
