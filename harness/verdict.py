"""What a rule says of a cell, what all rules say of a run, and how that is shown.

The seven verdicts: ``pass``; ``fail``; ``improved`` (beyond the margin on the good
side); ``inconclusive`` (the interval straddles the bound); ``incomparable``;
``missing`` (the metric or the cell is not there); ``not applicable`` (what the rule
requires does not hold here).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from extractors.errors import UsageError, nearest

from .gate_rules import Bound
from .metrics.base import Value

PASS, FAIL, IMPROVED = "pass", "fail", "improved"
INCONCLUSIVE, INCOMPARABLE = "inconclusive", "incomparable"
MISSING, NOT_APPLICABLE = "missing", "not applicable"
INCOMPLETE = "incomplete"
VERDICTS = (
    *(PASS, IMPROVED, FAIL, INCONCLUSIVE, INCOMPARABLE, MISSING, NOT_APPLICABLE),
)
QUIET = (PASS, IMPROVED, NOT_APPLICABLE)
INCOMPLETE_EXIT = 4
INCONCLUSIVE_EXIT = 3  # undecided, where the gate blocks on that


@dataclass(frozen=True)
class RuleVerdict:
    """One rule, judged on one cell.

    Attributes:
        id: the rule.
        key, label: the cell, empty where no cell was found.
        metric: metric or state that was judged.
        unit: unit of ``observed``: the metric's, or ``x`` for a ratio.
        bound: text of the bound.
        observed: the value, difference, ratio or state that was judged.
        low, high: its interval.
        n: what it rests on: clips, passes or frames.
        verdict: one of :data:`VERDICTS`.
        reason: one sentence.
        blocking: a failure fails the gate.
        incomplete: missing because an input was not given; makes the run incomplete
            instead of failed.
        code: short reason for programs, of rules about cost; see
            :data:`harness.decide.CODES`.
        accepted: why a failure was accepted beforehand, else empty; an accepted failure
            does not block.
        evidence: what a comparison of costs rests on: rounds of both sides, limit,
            test, noise floor.
        requirement: what the rule stands for, in one line; empty of other rules.
    """

    id: str
    key: str
    label: str
    metric: str
    unit: str
    bound: str
    observed: float | str | None
    low: float | None
    high: float | None
    n: int
    verdict: str
    reason: str
    blocking: bool
    incomplete: bool = False
    code: str = ""
    accepted: str = ""
    evidence: Mapping[str, Any] | None = None
    requirement: str = ""

    @property
    def fails(self) -> bool:
        """Whether this alone fails the gate."""
        bad = self.verdict == FAIL or (self.verdict == MISSING and not self.incomplete)
        return self.blocking and bad and not self.accepted

    @property
    def doubtful(self) -> bool:
        """Whether a blocking rule could not decide."""
        return self.blocking and self.verdict in (INCONCLUSIVE, INCOMPARABLE)


@dataclass(frozen=True)
class GateResult:
    """What a gate says of a run.

    Attributes:
        gate: its name.
        rules: every rule on every cell that it selects, in the order of the gate.
        verdict: ``pass``, ``fail``, ``incomplete``, ``inconclusive`` or, where nothing
            was judged, ``not applicable``.
        exit_code: 0, 1, 3 or 4.
        reason: why the run is incomplete or nothing was judged, else empty.
        notes: what a reader must know of all rules: the baseline, corrections, limits.
        baseline: name of the baseline, empty without one.
    """

    gate: str
    rules: tuple[RuleVerdict, ...]
    verdict: str
    exit_code: int
    reason: str = ""
    notes: tuple[str, ...] = ()
    baseline: str = ""

    def counts(self) -> dict[str, int]:
        """How often each verdict occurs, without those that do not."""
        found = {name: 0 for name in VERDICTS}
        for rule in self.rules:
            found[rule.verdict] += 1
        return {name: n for name, n in found.items() if n}


def conclude(
    gate: str,
    rules: Sequence[RuleVerdict],
    incomplete: str,
    block_doubt: bool,
    idle: str = "",
    notes: tuple[str, ...] = (),
) -> GateResult:
    """Verdict and exit code: the first that holds of 1, 4, 3, 0.

    Args:
        gate: its name.
        rules: the verdicts.
        incomplete: why the run is incomplete, empty if it is complete.
        block_doubt: an undecided blocking rule ends with 3.
        idle: why no rule judged anything, empty if one did; ends with 0.
        notes: what a reader must know of all rules.
    """
    verdict, code, why = _outcome(rules, incomplete, block_doubt, idle)
    return GateResult(gate, tuple(rules), verdict, code, why, notes)


def _outcome(
    rules: Sequence[RuleVerdict], incomplete: str, block_doubt: bool, idle: str
) -> tuple[str, int, str]:
    lacking = [rule for rule in rules if rule.blocking and rule.incomplete]
    reason = incomplete or (lacking[0].reason if lacking else "")
    if any(rule.fails for rule in rules):
        return FAIL, 1, reason
    if reason:
        return INCOMPLETE, INCOMPLETE_EXIT, reason
    if any(rule.doubtful for rule in rules):
        return INCONCLUSIVE, INCONCLUSIVE_EXIT if block_doubt else 0, ""
    if idle:
        return NOT_APPLICABLE, 0, idle
    return PASS, 0, ""


def judge_absolute(bound: Bound, value: Value, confident: bool) -> tuple[str, str]:
    """Verdict and reason of an absolute bound.

    Args:
        bound: of kind ``abs``.
        value: a value that is not ``None``.
        confident: a point beyond the bound fails only where the whole interval lies
            beyond it, and is inconclusive otherwise.
    """
    point = value.value
    assert point is not None  # the caller turns None into 'missing'
    word, reason = _point(bound, abs(point) if bound.magnitude else point)
    if not confident or word == PASS:
        return word, reason
    if value.low is None or value.high is None:
        return INCONCLUSIVE, _no_interval(value)
    low, high = _magnitudes(value.low, value.high, bound.magnitude)
    return _interval(bound, low, high)


def judge_ratio(bound: Bound, value: Value) -> tuple[str, str]:
    """Verdict and reason of a ratio, by its interval, or by its point without one."""
    assert value.value is not None
    if value.low is None or value.high is None:
        verdict, _ = _point(bound, value.value)
        return verdict, f"point estimate, {value.reason or 'no interval'}"
    return _interval(bound, value.low, value.high)


def judge_margin(bound: Bound, direction: str, value: Value) -> tuple[str, str]:
    """Verdict and reason of a difference to another cell.

    ``fail`` where the whole interval lies beyond the margin on the bad side,
    ``improved`` where it lies beyond it on the good side, ``inconclusive`` where it
    straddles the bound or cannot be given.
    """
    if value.low is None or value.high is None:
        return INCONCLUSIVE, _no_interval(value)
    low, high = value.low, value.high
    if direction == "lower":
        low, high = -high, -low
    verdict, reason = _interval(bound, low, high)
    if verdict == PASS and low > abs(bound.limit):
        return IMPROVED, "the whole interval is better by more than the margin"
    return verdict, reason


def _no_interval(value: Value) -> str:
    reason = value.reason or f"n = {value.n}"
    return reason if reason.startswith("no interval") else f"no interval: {reason}"


def _point(bound: Bound, point: float) -> tuple[str, str]:
    if _holds(bound, point):
        return PASS, "within the bound"
    return FAIL, "beyond the bound"


def _interval(bound: Bound, low: float, high: float) -> tuple[str, str]:
    ends = (_holds(bound, low), _holds(bound, high))
    if all(ends):
        return PASS, "the whole interval is within the bound"
    inside = bound.op == "==" and low < bound.limit < high
    if any(ends) or inside:
        return INCONCLUSIVE, "the interval straddles the bound"
    return FAIL, "the whole interval is beyond the bound"


def _magnitudes(low: float, high: float, magnitude: bool) -> tuple[float, float]:
    if not magnitude:
        return low, high
    ends = sorted((abs(low), abs(high)))
    return (0.0 if low <= 0.0 <= high else ends[0]), ends[1]


def _holds(bound: Bound, value: float) -> bool:
    limit = bound.limit
    return {
        "<": value < limit,
        "<=": value <= limit,
        ">": value > limit,
        ">=": value >= limit,
        "==": value == limit,
    }[bound.op]


def as_dict(result: GateResult) -> dict[str, Any]:
    """``gate.json``: plain, strict JSON."""
    return {
        "schema": 1,
        "gate": result.gate,
        "baseline": result.baseline,
        "verdict": result.verdict,
        "exit_code": result.exit_code,
        "reason": result.reason,
        "notes": list(result.notes),
        "counts": result.counts(),
        "rules": [_rule_dict(rule) for rule in result.rules],
    }


def _rule_dict(rule: RuleVerdict) -> dict[str, Any]:
    return {
        "id": rule.id,
        "key": rule.key,
        "label": rule.label,
        "metric": rule.metric,
        "unit": rule.unit,
        "bound": rule.bound,
        "observed": rule.observed,
        "low": rule.low,
        "high": rule.high,
        "n": rule.n,
        "verdict": rule.verdict,
        "reason": rule.reason,
        "blocking": rule.blocking,
        "code": rule.code,
        "accepted": rule.accepted,
        "evidence": rule.evidence,
        "requirement": rule.requirement,
        "line": line(rule).strip(),
    }


def render(result: GateResult, full: bool = False) -> str:
    """The gate as text: one line, then the rules worth reading.

    Args:
        result: what :func:`harness.gate.judge` returned.
        full: every rule; otherwise those that did not pass.
    """
    lines = [headline(result), *(f"  {note}" for note in result.notes)]
    shown = [r for r in result.rules if full or r.verdict not in QUIET]
    return "\n".join([*lines, *(line(rule) for rule in shown)])


def explain(result: GateResult, rule: str) -> str:
    """What stands behind every verdict of one rule: rounds, test, limit and floor.

    Args:
        rule: id of a rule.

    Raises:
        UsageError: the gate has no such rule.
    """
    found = [v for v in result.rules if v.id == rule]
    if not found:
        raise UsageError(
            f"no rule '{rule}'{nearest(rule, {v.id for v in result.rules})}"
        )
    return "\n".join(text for v in found for text in _explained(v)) + "\n"


def _explained(rule: RuleVerdict) -> Iterator[str]:
    yield line(rule).strip()
    if rule.evidence is None:
        yield "  no test: the value itself stands against the bound"
        return
    found = dict(rule.evidence)
    sides = [found.pop(name) for name in ("old", "new")]
    for name, values in zip((f"{found.pop('against')}", "the run"), sides, strict=True):
        shown = " ".join(f"{value:.4g}" for value in values)
        yield f"  {len(values)} rounds of {name}: {shown}"
    for name, value in found.items():
        if value not in (None, ""):
            shown = f"{value:.4g}" if isinstance(value, float) else str(value)
            yield f"  {name.replace('_', ' ')}: {shown}"


def headline(result: GateResult) -> str:
    """``Gate validity  pass  (6 pass, 2 not applicable)``, with a reason if any."""
    counts = ", ".join(f"{n} {name}" for name, n in result.counts().items())
    text = f"Gate {result.gate}  {result.verdict}  ({counts or 'no rule applied'})"
    return f"{text}: {result.reason}" if result.reason else text


def line(rule: RuleVerdict) -> str:
    """One rule with bound, observed value, interval, n, verdict and reason."""
    where = f"  {rule.label}" if rule.label else ""
    advisory = "" if rule.blocking else "  (does not block)"
    if rule.accepted:
        advisory = f"  (accepted: {rule.accepted})"
    return (
        f"  {rule.verdict:<14}  {rule.id}{where}: {rule.metric} {observed(rule)}"
        f", bound {rule.bound}; {rule.reason}{advisory}"
    )


def observed(rule: RuleVerdict) -> str:
    """What was judged, with its interval and what it rests on; a dash for nothing."""
    if rule.observed is None:
        return "–"
    if isinstance(rule.observed, str):
        return rule.observed
    text = _figure(rule.observed, rule.unit)
    if rule.low is not None and rule.high is not None:
        low, high = _figure(rule.low, rule.unit), _figure(rule.high, rule.unit)
        text += f" [{low}, {high}]"
    text += _SHOWN.get(rule.unit, (1.0, f" {rule.unit}"))[1]
    return f"{text} (n = {rule.n})" if rule.n else text


#: How a unit is shown: factor and text.
_SHOWN: Mapping[str, tuple[float, str]] = {
    "": (1.0, ""),
    "1": (100.0, " %"),
    "points": (100.0, " points"),
    "s": (1e3, " ms"),
    "s/min": (1e3, " ms/min"),
    "bytes": (2.0**-20, " MiB"),
    "x": (1.0, "×"),
}


def number(value: float, unit: str) -> str:
    """A number in the unit that people read: ``1.23 ms``, ``93.4 %``, ``512 MiB``."""
    return _figure(value, unit) + _SHOWN.get(unit, (1.0, f" {unit}"))[1]


def _figure(value: float, unit: str) -> str:
    factor = _SHOWN.get(unit, (1.0, ""))[0]
    sign = "+" if unit == "points" and value > 0 else ""
    return f"{sign}{factor * value:.4g}"
