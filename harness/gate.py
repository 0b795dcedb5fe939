"""The gate: rules applied to the records of one run.

Bounds are absolute, or against another side: a cell of the same run, the incumbent, or
a baseline, whose cells are found by their key (:mod:`harness.gate_sides`). Changes of
cost are decided by tests over rounds (:mod:`harness.decide`); those of one gate are
corrected together, so every rule is looked at before any is decided.

A rule that names an extractor, model, decoder, device, precision or batch size expects
that cell to be there: absent or skipped, it is ``missing``. A rule that names none
judges the cells that were measured. A rule against a baseline also expects the cells
that the baseline has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from . import verdict as verdicts
from .decide import ALPHA
from .gate_evidence import told, without_cell
from .gate_facts import (
    Case,
    Summaries,
    matches,
    meets,
    message,
    state_of,
    state_reason,
    value_of,
    verdict,
    why_missing,
)
from .gate_rules import (
    BASELINE,
    CONTEXT_KEYS,
    INCUMBENT,
    REQUIREMENTS,
    STATES_OF_ANY_CELL,
    SUBJECT_KEYS,
    Gate,
    Rule,
)
from .gate_sides import Open, Side, compare, settle
from .verdict import GateResult, RuleVerdict

if TYPE_CHECKING:
    from .baselines import Baseline
    from .floors import Floors
    from .gate_evidence import TestResults
    from .records import Record, Run


def judge(
    gate: Gate,
    run: Run,
    summaries: Summaries,
    baseline: Baseline | None = None,
    floors: Floors | None = None,
    today: date | None = None,
    tests: TestResults | None = None,
) -> GateResult:
    """Apply every rule to every cell that it selects.

    Args:
        gate: from :func:`harness.gate_file.load_gate`.
        run: the measured cells.
        summaries: metric values by cell key.
        baseline: what rules ``to: baseline`` compare with.
        floors: calibrated noise floors of this machine.
        today: day on which acceptances are looked at; the current one by default.
        tests: results that rules with ``test`` look at.

    Returns:
        Verdicts and exit code: 1 a blocking rule failed, 4 incomplete, 3 undecided
        where the gate blocks on that, else 0. A run without a measured cell, or with
        a failed one of any role, is 4.
    """
    case = Case(run, summaries, baseline, floors, tests)
    found, count = settle([v for rule in gate.rules for v in _rule(rule, case)])
    if baseline is not None:
        day = today or date.today()
        found = [baseline.accepting(v, day) for v in found]
    result = verdicts.conclude(
        gate.name,
        found,
        _incomplete(run),
        gate.block_inconclusive,
        _idle(run, found),
        _notes(gate, case, count),
    )
    return replace(result, baseline=baseline.name if baseline else "")


def _notes(gate: Gate, case: Case, tests: int) -> tuple[str, ...]:
    found = []
    if case.baseline is not None and any(r.to == BASELINE for r in gate.rules):
        found.append(f"baseline {case.baseline.told}")
    scored = any((r.data.get("data") or {}).get("truth") for r in case.run.records)
    if not scored and any("truth" in rule.requires for rule in gate.rules):
        found.append("agreement and cost only: the data have no truth")
    if any(rule.tests for rule in gate.rules):
        found.append(told(case.tests))
    if tests > 1:
        found.append(f"{tests} tests corrected together (Holm), at {ALPHA:.0%} in all")
    return tuple(found)


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
        return f"{count}, first: {failed[0].label}: {message(failed[0])}"
    return ""


def _rule(rule: Rule, case: Case) -> Iterator[RuleVerdict | Open]:
    if not rule.needs_cell:
        yield without_cell(rule, case.tests)
        return
    records = case.run.records
    context = [r for r in records if matches(r, rule.where, CONTEXT_KEYS)]
    named = [r for r in context if matches(r, rule.where, SUBJECT_KEYS)]
    chosen = [record for record in named if record.role in rule.roles]
    if not chosen:
        yield _no_cell(rule, case, bool(context or not records), bool(named))
    for record in chosen:
        yield from _cell(rule, record, case)
    if rule.to == BASELINE and case.baseline is not None:
        yield from _lost(rule, case, case.baseline)


def _lost(rule: Rule, case: Case, baseline: Baseline) -> Iterator[RuleVerdict]:
    """Cells of the baseline that the run does not have: nothing protects them."""
    planned = {cell["key"] for cell in case.run.plan["cells"]}
    skipped = {s["label"]: s["reason"] for s in case.run.plan.get("skipped", ())}
    everything = (*SUBJECT_KEYS, *CONTEXT_KEYS)
    for record in baseline.records:
        unmet = any(not meets(r, record, case) for r in rule.requires)
        if record.key in planned or record.role not in rule.roles or unmet:
            continue
        if not matches(record, rule.where, everything):
            continue
        text = skipped.get(record.label, "")
        if text.startswith("no "):  # a device that this machine does not have
            yield verdict(rule, record, verdicts.NOT_APPLICABLE, text)
        else:
            why = f": {text}" if text else ""
            text = f"baseline {baseline.name} has this cell, the run does not{why}"
            yield verdict(rule, record, verdicts.MISSING, text, incomplete=True)


def _no_cell(rule: Rule, case: Case, context: bool, named: bool) -> RuleVerdict:
    expected = any(key in rule.where for key in SUBJECT_KEYS)
    if named or not expected or not context:
        roles = " or ".join(rule.roles)
        text = f"no {roles} to judge" if named or not expected else "other data or task"
        return verdict(rule, None, verdicts.NOT_APPLICABLE, text)
    skipped = [f"{s['label']}: {s['reason']}" for s in case.run.plan.get("skipped", ())]
    unmet = _device_requirement(rule, skipped)
    if unmet:
        return verdict(rule, None, verdicts.NOT_APPLICABLE, unmet)
    wanted = " ".join("|".join(values) for values in rule.where.values())
    text = f"no cell matches {wanted}"
    if skipped:
        text += f"; skipped: {skipped[0]}"
    return verdict(rule, None, verdicts.MISSING, text)


def _device_requirement(rule: Rule, skipped: Sequence[str]) -> str:
    """A rule that requires CUDA does not apply where its cell was skipped for that."""
    return skipped[0] if skipped and "cuda" in rule.requires else ""


def _cell(rule: Rule, record: Record, case: Case) -> Iterator[RuleVerdict | Open]:
    unmet = [REQUIREMENTS[r] for r in rule.requires if not meets(r, record, case)]
    if unmet:
        yield verdict(rule, record, verdicts.NOT_APPLICABLE, unmet[0])
    elif record.status == "skipped" and rule.state not in STATES_OF_ANY_CELL:
        expected = any(key in rule.where for key in SUBJECT_KEYS)
        expected = expected or (rule.to == BASELINE and _measured_before(record, case))
        word = verdicts.MISSING if expected else verdicts.NOT_APPLICABLE
        yield verdict(rule, record, word, f"skipped: {message(record)}")
    elif rule.to == BASELINE:
        yield _to_baseline(rule, record, case)
    elif rule.to is not None:
        yield from _to_cells(rule, record, case)
    elif rule.state is not None:
        yield _state(rule, record)
    else:
        yield _absolute(rule, record, case)


def _measured_before(record: Record, case: Case) -> bool:
    known = None if case.baseline is None else case.baseline.find(record.key)
    return known is not None and known.status != "skipped"


def _state(rule: Rule, record: Record) -> RuleVerdict:
    found = state_of(record, str(rule.state))
    word = verdicts.PASS if found in rule.allowed else verdicts.FAIL
    reason = state_reason(rule, record, found)
    return verdict(rule, record, word, reason, observed=found)


def _absolute(rule: Rule, record: Record, case: Case) -> RuleVerdict:
    assert rule.metric is not None and rule.bound is not None
    value = value_of(case.summaries.get(record.key, {}), rule.metric.name)
    if value.value is None:
        return verdict(rule, record, verdicts.MISSING, why_missing(record, value))
    word, reason = verdicts.judge_absolute(rule.bound, value, rule.confident)
    return verdict(rule, record, word, reason, value)


def _to_baseline(rule: Rule, record: Record, case: Case) -> RuleVerdict | Open:
    baseline = case.baseline
    if baseline is None:
        text = "no baseline given; state one with --baseline NAME"
        return verdict(rule, record, verdicts.MISSING, text, incomplete=True)
    old = baseline.find(record.key)
    if old is None:
        text = f"baseline {baseline.name} has no such cell; save it again"
        return verdict(rule, record, verdicts.MISSING, text, incomplete=True)
    new = Side(record, case.summaries.get(record.key, {}), "the run")
    named = f"baseline {baseline.name}"
    return compare(rule, new, Side(old, baseline.summary(old.key), named), case)


def _to_cells(rule: Rule, record: Record, case: Case) -> Iterator[RuleVerdict | Open]:
    """One verdict per cell that ``to`` selects, on the same task and data."""
    sides = [r for r in case.run.records if r.key != record.key and _meant(rule, r)]
    alike = [other for other in sides if _same_work(record, other)]
    own = Side(record, case.summaries.get(record.key, {}), record.label)
    for other in alike:
        values = case.summaries.get(other.key, {})
        yield compare(rule, own, Side(other, values, other.label), case)
    if alike:
        return
    if sides:
        text = f"{sides[0].label} was measured on other data or for another task"
        yield verdict(rule, record, verdicts.INCOMPARABLE, text)
    elif rule.to == INCUMBENT:
        text = "the run has no incumbent; state gate.incumbent=EXTRACTOR"
        yield verdict(rule, record, verdicts.MISSING, text, incomplete=True)
    else:
        assert rule.to is not None and not isinstance(rule.to, str)
        wanted = " ".join("|".join(values) for values in rule.to.values())
        text = f"no cell of this run matches {wanted}"
        yield verdict(rule, record, verdicts.MISSING, text)


def _meant(rule: Rule, record: Record) -> bool:
    """Whether ``to`` of a rule means this cell of the run."""
    if isinstance(rule.to, str):
        return record.role == rule.to
    return matches(record, rule.to or {}, (*SUBJECT_KEYS, *CONTEXT_KEYS))


def _same_work(one: Record, other: Record) -> bool:
    return all(
        one.data["cell"][k] == other.data["cell"][k] for k in ("task", "dataset")
    )
