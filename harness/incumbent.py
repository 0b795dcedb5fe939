"""Roles in a comparison: which cell is in use today, which are to replace it.

The incumbent is named by its extractor, a preset, its label or its key. Where a run
then holds no candidate, because everything else is a peer by nature, the other cells
are the candidates: somebody who names an incumbent asks for a replacement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from extractors.errors import ConfigError, nearest

from .confdir import options, read_text
from .gate_rules import INCUMBENT, Gate
from .plan import Plan
from .records import Run

CANDIDATE = "candidate"


@dataclass(frozen=True)
class _Cell:
    """What a name may mean."""

    key: str
    label: str
    extractor: str
    params: Mapping[str, Any]
    role: str


def check_incumbent(gate: Gate, incumbent: str | None) -> None:
    """Refuse a gate that compares with an incumbent where none is named.

    Raises:
        ConfigError: before anything is measured.
    """
    if incumbent is None and any(rule.to == INCUMBENT for rule in gate.rules):
        raise ConfigError(
            f"gate={gate.name} compares with the incumbent, and none is named; add "
            "gate.incumbent=EXTRACTOR"
        )


def plan_with(plan: Plan, name: str | None, dirs: Sequence[Path]) -> Plan:
    """The plan with the roles that ``name`` gives.

    Args:
        name: the incumbent, ``None`` to leave the roles as they are.
        dirs: configuration folders, for presets.

    Raises:
        ConfigError: no cell of the plan is meant; names the nearest.
    """
    if name is None:
        return plan
    cells = [_Cell(c.key, c.label, c.extractor, c.params, c.role) for c in plan.cells]
    roles = _roles(cells, name, dirs)
    changed = [replace(c, role=roles[c.key]) for c in plan.cells]
    return replace(plan, cells=changed)


def run_with(run: Run, name: str | None, dirs: Sequence[Path]) -> Run:
    """A measured run with the roles that ``name`` gives; as :func:`plan_with`."""
    if name is None:
        return run
    cells = [
        _Cell(
            record.key,
            record.label,
            str(record.data["cell"]["extractor"]),
            record.data["cell"]["params"],
            record.role,
        )
        for record in run.records
    ]
    roles = _roles(cells, name, dirs)
    records = [
        replace(record, data={**record.data, "role": roles[record.key]})
        for record in run.records
    ]
    return replace(run, records=records)


def _roles(cells: Sequence[_Cell], name: str, dirs: Sequence[Path]) -> dict[str, str]:
    preset = _preset(name, dirs)
    chosen = [cell.key for cell in cells if _is(cell, name, preset)]
    if not chosen:
        words = (word for cell in cells for word in (cell.label, cell.extractor))
        known = dict.fromkeys(words)
        raise ConfigError(
            f"gate.incumbent={name}: no cell of the run{nearest(name, known)}"
        )
    others = [cell.role for cell in cells if cell.key not in chosen]
    promoted = CANDIDATE not in others
    return {
        cell.key: INCUMBENT
        if cell.key in chosen
        else CANDIDATE
        if promoted or cell.role == INCUMBENT
        else cell.role
        for cell in cells
    }


def _is(cell: _Cell, name: str, preset: Mapping[str, Any] | None) -> bool:
    # a message shows a label without its double spaces
    if " ".join(name.split()) in (cell.key, " ".join(cell.label.split())):
        return True
    if name == cell.extractor:
        return True
    return preset is not None and all(
        value == (cell.extractor if key == "name" else cell.params.get(key))
        for key, value in preset.items()
    )


def _preset(name: str, dirs: Sequence[Path]) -> Mapping[str, Any] | None:
    """What the YAML of an extractor's preset states."""
    import yaml

    if name not in options("extractor", dirs):
        return None
    for place in dirs:
        path = place / "extractor" / f"{name}.yaml"
        if path.is_file():
            found = yaml.safe_load(read_text(path))
            return found if isinstance(found, dict) else None
    return None
