"""The gate: rules applied to the records of one run.

Implemented are absolute bounds and bounds against another cell of the same run. A rule
``to: baseline`` is ``missing`` as long as no baseline is given.

- Accuracy against another cell: paired bootstrap over the clips that both answered.
- Any other metric against another cell: the ratio of the two values. Its interval
  reaches from the lowest to the highest ratio that the two intervals allow, which is
  wider than a joint interval of the same confidence; values of time without an interval
  (too few passes) are widened by the spread of the passes instead.

A rule that names an extractor, model, decoder, device, precision or batch size expects
that cell to be there: absent or skipped, it is ``missing``. A rule that names none
judges the cells that were measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import verdict as verdicts
from .gate_rules import BASELINE, CONTEXT_KEYS, REQUIREMENTS, SUBJECT_KEYS, Selector
from .gate_rules import Gate as Gate
from .gate_rules import Rule as Rule
from .gate_rules import load_gate as load_gate
from .metrics.base import Value
from .validity import device_of, differs
from .verdict import GateResult, RuleVerdict

if TYPE_CHECKING:
    from .records import Record, Run

Summaries = Mapping[str, Mapping[str, Value]]

NOISE = "noise_iqr_ratio"
TIMED_UNITS = ("x", "frames/s", "1/s", "s")  # what varies from pass to pass


def judge(gate: Gate, run: Run, summaries: Summaries) -> GateResult:
    """Apply every rule to every cell that it selects.

    Args:
        gate: from :func:`load_gate`.
        run: the measured cells.
        summaries: metric values by cell key.

    Returns:
        Verdicts and exit code: 1 a blocking rule failed, 4 incomplete, 3 undecided
        where the gate blocks on that, else 0. A run without a measured cell, or with
        a failed one of any role, is 4.
    """
    found = [v for rule in gate.rules for v in _rule(rule, run, summaries)]
    return verdicts.conclude(
        gate.name, found, _incomplete(run), gate.block_inconclusive, _idle(run, found)
    )


def _idle(run: Run, found: Sequence[RuleVerdict]) -> str:
    """Why no rule could judge anything, empty where one did or a candidate exists."""
    judged = any(v.key or v.verdict != verdicts.NOT_APPLICABLE for v in found)
    if judged or any(record.role == "candidate" for record in run.records):
        return ""
    return "nothing to judge: no candidate (role=candidate makes a cell one)"


def _incomplete(run: Run) -> str:
    """Why a run is incomplete: nothing measured, cells without a record or failed."""
    measured = [r for r in run.records if r.status in ("ok", "partial")]
    present = {record.key for record in run.records}
    absent = [c["label"] for c in run.plan["cells"] if c["key"] not in present]
    if absent:
        return f"{len(absent)} planned cells have no record, first: {absent[0]}"
    if not measured:
        return "nothing was measured: every cell was skipped or failed"
    failed = [r for r in run.records if r.status == "error"]
    if failed:
        count = f"{len(failed)} cell{'s' if len(failed) > 1 else ''} failed"
        return f"{count}, first: {failed[0].label}: {_message(failed[0])}"
    return ""


def _rule(rule: Rule, run: Run, summaries: Summaries) -> Iterator[RuleVerdict]:
    context = [r for r in run.records if matches(r, rule.where, CONTEXT_KEYS)]
    named = [r for r in context if matches(r, rule.where, SUBJECT_KEYS)]
    chosen = [record for record in named if record.role in rule.roles]
    if not chosen:
        yield _no_cell(rule, run, bool(context or not run.records), bool(named))
    for record in chosen:
        yield from _cell(rule, record, run, summaries)


def _no_cell(rule: Rule, run: Run, context: bool, named: bool) -> RuleVerdict:
    expected = any(key in rule.where for key in SUBJECT_KEYS)
    if named or not expected or not context:
        roles = " or ".join(rule.roles)
        text = f"no {roles} to judge" if named or not expected else "other data or task"
        return _verdict(rule, None, verdicts.NOT_APPLICABLE, text)
    skipped = [f"{s['label']}: {s['reason']}" for s in run.plan.get("skipped", ())]
    unmet = _device_requirement(rule, skipped)
    if unmet:
        return _verdict(rule, None, verdicts.NOT_APPLICABLE, unmet)
    wanted = " ".join("|".join(values) for values in rule.where.values())
    text = f"no cell matches {wanted}"
    if skipped:
        text += f"; skipped: {skipped[0]}"
    return _verdict(rule, None, verdicts.MISSING, text)


def _device_requirement(rule: Rule, skipped: Sequence[str]) -> str:
    """A rule that requires CUDA does not apply where its cell was skipped for that."""
    return skipped[0] if skipped and "cuda" in rule.requires else ""


def _cell(
    rule: Rule, record: Record, run: Run, summaries: Summaries
) -> Iterator[RuleVerdict]:
    unmet = [REQUIREMENTS[r] for r in rule.requires if not _meets(r, record)]
    if unmet:
        yield _verdict(rule, record, verdicts.NOT_APPLICABLE, unmet[0])
    elif record.status == "skipped" and rule.state is None:
        expected = any(key in rule.where for key in SUBJECT_KEYS)
        word = verdicts.MISSING if expected else verdicts.NOT_APPLICABLE
        yield _verdict(rule, record, word, f"skipped: {_message(record)}")
    elif rule.state is not None:
        yield _state(rule, record)
    elif rule.to is None:
        yield _absolute(rule, record, summaries)
    elif rule.to == BASELINE:
        found = _verdict(rule, record, verdicts.MISSING, "no baseline given")
        yield replace(found, incomplete=True)
    else:
        yield from _against(rule, record, run, summaries)


def _message(record: Record) -> str:
    return str((record.data.get("error") or {}).get("message", "no reason recorded"))


def _verdict(
    rule: Rule,
    record: Record | None,
    word: str,
    reason: str,
    value: Value | None = None,
    observed: str | None = None,
) -> RuleVerdict:
    metric = rule.metric.name if rule.metric else str(rule.state)
    ratio = rule.bound is not None and rule.bound.kind == "ratio"
    found = value or Value(None)
    return RuleVerdict(
        id=rule.id,
        key=record.key if record else "",
        label=record.label if record else "",
        metric=metric,
        unit="x" if ratio else rule.metric.unit if rule.metric else "",
        bound=rule.bound_text,
        observed=observed if observed is not None else found.value,
        low=found.low,
        high=found.high,
        n=found.n,
        verdict=word,
        reason=reason,
        blocking=rule.blocking,
    )


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
    value = cell.get("axes", {}).get(key, cell.get("params", {}).get(key))
    return None if value is None else str(value)


def _meets(requirement: str, record: Record) -> bool:
    truth = (record.data.get("data") or {}).get("truth")
    checks: Mapping[str, Callable[[], bool]] = {
        "batch_axis": lambda: "batch_size" in record.data["cell"].get("axes", {}),
        "cpu": lambda: device_of(record.data) == "cpu",
        "cuda": lambda: device_of(record.data).startswith("cuda"),
        "exact_truth": lambda: truth == "exact",
        "extraction": lambda: not record.data.get("accuracy_only"),
        "same_hardware": lambda: True,  # cells of one run share their machine
        "truth": lambda: truth is not None,
    }
    return checks[requirement]()


def _state(rule: Rule, record: Record) -> RuleVerdict:
    found = state_of(record, str(rule.state))
    word = verdicts.PASS if found in rule.allowed else verdicts.FAIL
    return _verdict(
        rule, record, word, _state_reason(rule, record, found), observed=found
    )


def _state_reason(rule: Rule, record: Record, found: str) -> str:
    if found in rule.allowed:
        return "as required"
    if rule.state == "validity":
        return "; ".join(record.data["validity"]["reasons"]) or found
    if rule.state == "status":
        return _message(record)
    entry = (record.data.get("probe") or {}).get(str(rule.state))
    if entry is None:
        return "the probe did not measure it"
    return f"{100.0 * entry['moved_ratio']:.3g} % of frames move > 50 cents"


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


def _absolute(rule: Rule, record: Record, summaries: Summaries) -> RuleVerdict:
    assert rule.metric is not None and rule.bound is not None
    value = _value(summaries, record, rule.metric.name)
    if value.value is None:
        return _verdict(rule, record, verdicts.MISSING, _why_missing(record, value))
    word, reason = verdicts.judge_absolute(rule.bound, value, rule.confident)
    return _verdict(rule, record, word, reason, value)


def _value(summaries: Summaries, record: Record, name: str) -> Value:
    found = summaries.get(record.key, {}).get(name)
    return found or Value(None, reason=f"{name} was not measured")


def _why_missing(record: Record, value: Value) -> str:
    if record.status == "error":
        return f"{record.label} failed: {_message(record)}"
    return value.reason or "undefined"


def _against(
    rule: Rule, record: Record, run: Run, summaries: Summaries
) -> Iterator[RuleVerdict]:
    """One verdict per cell that ``to`` selects, on the same task and data."""
    assert rule.to is not None and not isinstance(rule.to, str)
    everything = (*SUBJECT_KEYS, *CONTEXT_KEYS)
    sides = [
        other
        for other in run.records
        if other.key != record.key and matches(other, rule.to, everything)
    ]
    alike = [other for other in sides if _same_work(record, other)]
    if alike:
        for other in alike:
            yield _compared(rule, record, other, run, summaries)
    elif sides:
        text = f"{sides[0].label} was measured on other data or for another task"
        yield _verdict(rule, record, verdicts.INCOMPARABLE, text)
    else:
        wanted = " ".join("|".join(values) for values in rule.to.values())
        text = f"no cell of this run matches {wanted}"
        yield _verdict(rule, record, verdicts.MISSING, text)


def _same_work(one: Record, other: Record) -> bool:
    return all(
        one.data["cell"][k] == other.data["cell"][k] for k in ("task", "dataset")
    )


def _compared(
    rule: Rule, record: Record, other: Record, run: Run, summaries: Summaries
) -> RuleVerdict:
    assert rule.metric is not None and rule.bound is not None
    name = rule.metric.name
    values = [_value(summaries, side, name) for side in (record, other)]
    for side, value in zip((record, other), values, strict=True):
        if value.value is None:
            return _verdict(rule, record, verdicts.MISSING, _why_missing(side, value))
    if rule.bound.kind == "ratio":
        noise = [_value(summaries, side, NOISE).value for side in (record, other)]
        value = ratio(
            _spread(rule, values[0], noise[0]), _spread(rule, values[1], noise[1])
        )
        if value.value is None:
            return _verdict(rule, record, verdicts.MISSING, value.reason)
        word, reason = verdicts.judge_ratio(rule.bound, value)
    else:
        value = _difference(rule, record, other, run, values)
        if value.value is None:
            return _verdict(rule, record, verdicts.MISSING, value.reason)
        word, reason = verdicts.judge_margin(rule.bound, rule.metric.direction, value)
    return _verdict(rule, record, word, f"against {other.label}: {reason}", value)


def _spread(rule: Rule, value: Value, noise: float | None) -> Value:
    """A value of time without an interval, widened by the spread of the passes."""
    assert rule.metric is not None and value.value is not None
    timed = rule.metric.unit in TIMED_UNITS or rule.metric.name == "rtf"
    if value.low is not None or not timed or noise is None:
        return value
    ends = (value.value * (1.0 - noise), value.value * (1.0 + noise))
    return replace(value, low=ends[0], high=ends[1])


def ratio(one: Value, other: Value) -> Value:
    """``one / other`` with the widest interval that both intervals allow.

    A side without an interval makes the ratio a point estimate; a value that is not
    positive has no ratio.
    """
    if one.value is None or other.value is None or one.value < 0 or other.value <= 0:
        text = f"{one.value} to {other.value} has no ratio"
        return Value(None, reason=text)
    point = one.value / other.value
    n = min(one.n, other.n)
    if None in (one.low, one.high, other.low, other.high):
        return Value(point, n=n, reason=f"no interval with n = {n}")
    assert one.low is not None and one.high is not None
    assert other.low is not None and other.high is not None
    if other.low <= 0:
        return Value(point, n=n, reason="the interval of the other side reaches 0")
    return Value(point, one.low / other.high, one.high / other.low, n)


def _difference(
    rule: Rule, record: Record, other: Record, run: Run, values: Sequence[Value]
) -> Value:
    """The metric of ``record`` minus that of ``other``, paired over common clips."""
    assert rule.metric is not None
    if rule.metric.formula is None:
        assert values[0].value is not None and values[1].value is not None
        text = f"{rule.metric.name} is not made of counts"
        return Value(values[0].value - values[1].value, n=values[0].n, reason=text)
    from .metrics.bootstrap import common_clips, paired_difference

    own, their = record.clips(), other.clips()
    if own.empty or their.empty:
        return Value(None, reason="no clips were scored")
    a, b = common_clips(own, their)
    settings: Mapping[str, Any] = run.plan.get("settings", {})
    column = f"tag_{settings.get('bootstrap')}"
    groups = list(a[column].astype(str)) if column in a else None
    seed = int(settings.get("seed") or 0)
    return paired_difference(_table(a), _table(b), rule.metric, groups, seed)


def _table(clips: Any) -> dict[str, Any]:
    return {str(name): clips[name].to_numpy() for name in clips.columns}
