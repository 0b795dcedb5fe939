"""A run as one strict JSON document, for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.metrics.placement import stage_facts

from .page import Summaries, gate_data
from .privacy import Scrubber

if TYPE_CHECKING:
    from harness.records import Record, Run

SCHEMA = 1
_PLAN = ("name", "experiment", "command", "created_utc", "wall_s", "settings")
_PLAN_LISTS = ("groups", "skipped", "merged", "notes")
_RECORD = ("status", "error", "data", "voicing", "cold", "memory", "seeds", "probe")
_RECORD_MORE = ("validity", "notes", "describe", "timed_set", "peer", "accuracy_only")


def document(run: Run, summaries: Summaries, gate: Any) -> dict[str, Any]:
    """Everything that a program may want to know of a run, as plain data.

    Args:
        run: the run.
        summaries: metric values by cell key.
        gate: a gate's result or the content of ``gate.json``; ``None`` without one.

    Returns:
        ``schema``, the plan, ``machine``, ``versions``, ``cells`` in the order of the
        request with ``metrics`` (value, low, high, n, reason; SI units, null where
        undefined) and ``stages`` (devices, copies), and ``gate``. No NaN, no absolute
        path.
    """
    from harness.records import strict

    scrub = Scrubber(run)
    found: dict[str, Any] = {"schema": SCHEMA}
    found |= {name: run.plan.get(name) for name in _PLAN}
    found |= {name: run.plan.get(name, {}) for name in ("machine", "versions")}
    found |= {name: run.plan.get(name, []) for name in _PLAN_LISTS}
    found["cells"] = [_cell(r, summaries.get(r.key, {})) for r in run.records]
    measured = {record.key for record in run.records}
    found["missing"] = [c for c in run.plan["cells"] if c["key"] not in measured]
    found["gate"] = dict(gate_data(gate)) or None
    plain: dict[str, Any] = strict(scrub.data(found))
    return plain


def _cell(record: Record, values: Mapping[str, Any]) -> dict[str, Any]:
    data = record.data
    found: dict[str, Any] = {"key": record.key, "label": record.label}
    found |= {"role": record.role, **data["cell"]}
    found |= {name: data.get(name) for name in (*_RECORD, *_RECORD_MORE)}
    # The recordings' description takes the name that the cell's choices leave free.
    found["voicing_used"] = data.get("voicing")
    found["voicing"] = data["cell"]["voicing"]
    found["stages"] = stage_facts(data)
    found["metrics"] = {name: value.as_dict() for name, value in values.items()}
    return found
