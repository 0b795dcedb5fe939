"""The fp32 twin of a cell in a run, and what the cell changes against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .disagreements import both_answered
from .metrics.precision import delta_values, without

if TYPE_CHECKING:
    from .metrics.base import Value
    from .records import Record, Run

EXACT = "fp32"
NO_TWIN = f"no {EXACT} cell in this run that differs by precision alone"


def precision_values(record: Record, run: Run) -> dict[str, Value]:
    """Metrics of :data:`harness.metrics.precision.PRECISION` for one record of a run.

    Nothing for a cell that computes in fp32 or has no precision; without a value, with
    the reason, where the twin is missing or was not measured.
    """
    precision = _precision(record.data["cell"])
    if precision in (None, EXACT) or record.status in ("error", "skipped"):
        return {}
    wanted = _choices(record.data["cell"])
    twin = next((r for r in run.records if _is_twin(r, wanted)), None)
    if twin is None:
        return without(NO_TWIN)
    pairs = both_answered(record, twin)
    if pairs is None:
        return without(f"its {EXACT} cell and it have no pitch tracks in common")
    return delta_values(pairs)


def _precision(cell: Mapping[str, Any]) -> str | None:
    found = cell.get("axes", {}).get("precision")
    return None if found is None else str(found)


def _choices(cell: Mapping[str, Any]) -> dict[str, Any]:
    """All choices of a cell but its precision."""
    return dict(cell) | {
        part: {k: v for k, v in cell[part].items() if k != "precision"}
        for part in ("params", "axes")  # parameters hold the axes too
    }


def _is_twin(record: Record, wanted: Mapping[str, Any]) -> bool:
    cell = record.data["cell"]
    return _precision(cell) == EXACT and _choices(cell) == wanted
