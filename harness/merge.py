"""Several runs of one plan as one: what a CPU runner and a GPU runner measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from extractors.errors import UsageError

from .records import Run

#: Settings that say what is measured and resampled; merged runs share them.
SHARED = ("seed", "bootstrap", "private")


def merged(runs: Sequence[Run]) -> Run:
    """The cells of all runs, in their order; a single run is returned as it is.

    A cell that one run skipped and another measured is measured. The result stands in
    the folder of the first run.

    Raises:
        UsageError: a cell was measured twice, or the runs differ in seed, groups of the
            bootstrap or privacy.
    """
    first, *others = runs
    if not others:
        return first
    for other in others:
        _check(first, other)
    records = [record for run in runs for record in run.records]
    twice = [r.label for i, r in enumerate(records) if _measured_before(records[:i], r)]
    if twice:
        raise UsageError(
            f"{twice[0]} was measured in more than one of these runs; judge them "
            "apart, or compare them with 'f0bench compare'"
        )
    chosen = {record.key: record for record in records if record.status == "skipped"}
    chosen |= {record.key: record for record in records if record.status != "skipped"}
    plan = _plan(runs, set(chosen))
    return replace(first, plan=plan, records=list(chosen.values()))


def _measured_before(records: Sequence[Any], record: Any) -> bool:
    keys = {r.key for r in records if r.status != "skipped"}
    return record.status != "skipped" and record.key in keys


def _check(first: Run, other: Run) -> None:
    for name in SHARED:
        values = [run.plan.get("settings", {}).get(name) for run in (first, other)]
        if values[0] != values[1]:
            raise UsageError(
                f"{first.name} has {name} {values[0]}, {other.name} has {values[1]}: "
                "only runs of one plan can be judged together"
            )


def _plan(runs: Sequence[Run], measured: set[str]) -> dict[str, Any]:
    cells = {cell["key"]: cell for run in runs for cell in run.plan["cells"]}
    labels = {cells[key]["label"] for key in measured & cells.keys()}
    skipped = [
        entry
        for run in runs
        for entry in run.plan.get("skipped", ())
        if entry["label"] not in labels
    ]
    groups = {str(group): group for run in runs for group in run.plan.get("groups", ())}
    return {
        **runs[0].plan,
        "name": " + ".join(run.name for run in runs),
        "cells": list(cells.values()),
        "skipped": skipped,
        "groups": list(groups.values()),
    }
