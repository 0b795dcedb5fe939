"""What a gate reads of one record: facts for selectors, states, values, messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .gate_rules import Rule, Selector
from .metrics.base import PLAIN_RATIOS, Value
from .validity import device_of, differs
from .verdict import RuleVerdict

if TYPE_CHECKING:
    from .baselines import Baseline
    from .floors import Floors
    from .gate_evidence import TestResults
    from .records import Record, Run

Summaries = Mapping[str, Mapping[str, Value]]


@dataclass(frozen=True, eq=False)
class Case:
    """Everything that the rules of a gate may look at.

    Attributes:
        run: the measured cells.
        summaries: metric values by cell key.
        baseline: what rules ``to: baseline`` compare with, ``None`` without one.
        floors: calibrated noise floors of this machine, ``None`` without any.
        tests: results of tests, ``None`` where none are given.
    """

    run: Run
    summaries: Summaries
    baseline: Baseline | None = None
    floors: Floors | None = None
    tests: TestResults | None = None


def matches(record: Record, selector: Selector, keys: Sequence[str]) -> bool:
    """Whether a record is what ``selector`` says, as far as ``keys`` go."""
    return all(
        _fact(record, key) in values for key, values in selector.items() if key in keys
    )


def _fact(record: Record, key: str) -> str | None:
    cell = record.data["cell"]
    if key == "extractor":
        return str(cell["extractor"])
    if key == "task":
        return str(cell["task"]["name"])
    if key in ("dataset", "kind"):
        return str(cell["dataset"]["name" if key == "dataset" else "kind"])
    if key == "device":
        return device_of(record.data)
    asked = {**cell.get("params", {}), **cell.get("axes", {})}
    value = cell["task"].get(key) if key == "transform" else asked.get(key)
    return None if value is None else str(value)


def meets(requirement: str, record: Record, case: Case) -> bool:
    """Whether what a rule requires holds for a record."""
    truth = (record.data.get("data") or {}).get("truth")
    same_job = case.baseline is not None and case.baseline.same_job
    checks: Mapping[str, Callable[[], bool]] = {
        "batch_axis": lambda: "batch_size" in record.data["cell"].get("axes", {}),
        "cpu": lambda: device_of(record.data) == "cpu",
        "cuda": lambda: device_of(record.data).startswith("cuda"),
        "exact_truth": lambda: truth == "exact",
        "extraction": lambda: not record.data.get("accuracy_only"),
        "other_job": lambda: not same_job,
        # Other hardware is found where the two sides are compared.
        "same_hardware": lambda: True,
        "same_job": lambda: same_job,
        "truth": lambda: truth is not None,
    }
    return checks[requirement]()


def state_of(record: Record, state: str) -> str:
    """A state of a record; see :data:`harness.gate_rules.STATES`."""
    if state == "status":
        return record.status
    if state == "validity":
        return str(record.data["validity"]["state"])
    entry = (record.data.get("probe") or {}).get(state)
    if entry is None:
        return "not measured"
    return "differs" if differs(entry, device_of(record.data)) else "identical"


def state_reason(rule: Rule, record: Record, found: str) -> str:
    """Why a record is in the state ``found``."""
    if found in rule.allowed:
        return "as required"
    if rule.state == "validity":
        return "; ".join(record.data["validity"]["reasons"]) or found
    if rule.state == "status":
        return message(record)
    entry = (record.data.get("probe") or {}).get(str(rule.state))
    if entry is None:
        return "the probe did not measure it"
    return f"{100.0 * entry['moved_ratio']:.3g} % of frames move > 50 cents"


def message(record: Record) -> str:
    """What went wrong with a cell."""
    return str((record.data.get("error") or {}).get("message", "no reason recorded"))


def value_of(values: Mapping[str, Value], name: str) -> Value:
    """The metric ``name``, with a reason where there is none."""
    return values.get(name) or Value(None, reason=f"{name} was not measured")


def why_missing(record: Record, value: Value) -> str:
    """Why a rule finds no value to judge."""
    if record.status == "error":
        return f"{record.label} failed: {message(record)}"
    return value.reason or "undefined"


def verdict(
    rule: Rule,
    record: Record | None,
    word: str,
    reason: str,
    value: Value | None = None,
    observed: str | None = None,
    **more: Any,
) -> RuleVerdict:
    """What ``rule`` says of ``record``.

    Args:
        record: ``None`` where no cell was found.
        word: one of :data:`harness.verdict.VERDICTS`.
        value, observed: what was judged, a number or a state.
        more: further fields of :class:`~harness.verdict.RuleVerdict`.
    """
    found = value or Value(None)
    return RuleVerdict(
        id=rule.id,
        key=record.key if record else "",
        label=record.label if record else "",
        metric=rule.subject,
        unit=_unit(rule),
        bound=rule.bound_text,
        observed=observed if observed is not None else found.value,
        low=found.low,
        high=found.high,
        n=found.n,
        verdict=word,
        reason=reason,
        blocking=rule.blocking,
        requirement=rule.requirement,
        **more,
    )


def _unit(rule: Rule) -> str:
    """Unit of what is observed: a ratio, a difference in points, or the metric's."""
    if rule.metric is None or rule.bound is None:
        return ""
    if rule.bound.kind in ("ratio", "change"):
        return "x"
    if rule.metric.name in PLAIN_RATIOS:
        return ""
    difference = rule.bound.kind in ("margin", "clip_margin")
    return "points" if difference and rule.metric.unit == "1" else rule.metric.unit
