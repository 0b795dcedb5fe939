"""What ``--dry-run`` and ``--cfg job`` show: the plan and the choices behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .cell import plain
from .compose import Request
from .plan import Plan, Skipped, groups


def choices_yaml(request: Request) -> str:
    """The composed choices of every point, as YAML documents set apart by ``---``."""
    import yaml

    documents = [
        yaml.safe_dump(plain(asdict(config)), sort_keys=False, allow_unicode=True)
        for config in request.configs
    ]
    return "---\n".join(documents)


def processes(plan: Plan) -> int:
    """Worker processes: inventory, probe and accuracy pass of a cell, its rounds.

    A plan without cells needs none.
    """
    from extractors.registry import extractor_class

    if not plan.cells:
        return 0
    rounds = plan.settings.effort.rounds
    timed = [c for c in plan.cells if not extractor_class(c.extractor).accuracy_only]
    return 1 + 2 * len(plan.cells) + rounds * len(timed)


def as_dict(plan: Plan) -> dict[str, Any]:
    """The plan as plain JSON values."""
    return {
        "schema": 1,
        "name": plan.name,
        "cells": [
            {"key": c.key, "label": c.label, "role": c.role, "choices": c.choices()}
            for c in plan.cells
        ],
        "skipped": [asdict(skipped) for skipped in plan.skipped],
        "merged": plan.merged,
        "notes": plan.notes,
        "groups": [[cell.key for cell in group] for group in groups(plan.cells)],
        "processes": processes(plan),
        "expected_min": expected_minutes(plan),
        "settings": plain(asdict(plan.settings)),
    }


def expected_minutes(plan: Plan) -> float:
    """A rough estimate, see :func:`harness.estimate.minutes`."""
    from .estimate import minutes

    return round(minutes(plan), 2)


def print_plan(plan: Plan, *, as_json: bool = False) -> None:
    """Print the plan; with ``as_json`` as one JSON document only."""
    if as_json:
        print(json.dumps(as_dict(plan), indent=2, allow_nan=False, ensure_ascii=False))
        return
    print("\n".join(lines(plan)))


def lines(plan: Plan) -> list[str]:
    """The plan as text: cells, merged, skipped by reason, cost."""
    found = [f"plan {plan.name}  effort {plan.settings.effort.name}"]
    found += [f"note     {note}" for note in plan.notes]
    found.append(f"cells    {len(plan.cells)} to measure")
    width = max((len(cell.label) for cell in plan.cells), default=0)
    found += [
        f"{number:4d}  {cell.label:<{width}}  {cell.role:<9}  {cell.key}"
        for number, cell in enumerate(plan.cells, 1)
    ]
    found += [f"merged   {line}" for line in plan.merged]
    found += _skipped(plan.skipped)
    if not plan.cells:
        return [*found, "workers  0 processes: nothing can be measured here"]
    found.append(f"workers  {processes(plan)} processes, one at a time")
    found.append(f"expected about {expected_minutes(plan):.1f} min")
    return found


def _skipped(skipped: Sequence[Skipped]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for item in skipped:
        reasons.setdefault(item.reason, []).append(item.label)
    found = []
    for reason, labels in reasons.items():
        found.append(f"skipped  {len(labels)}: {reason}")
        found += [f"      {label}" for label in labels]
    return found
