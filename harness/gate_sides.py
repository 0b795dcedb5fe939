"""A cell against another side: a cell of its run, the incumbent, or a baseline.

- Accuracy: the difference, by a paired bootstrap over the clips that both answered; or
  that of the clip that fell most (``clip_margin``).
- Cost with a value per round (speed, latency, cold start, memory): the ratio of both
  sides by :mod:`harness.decide`, where either side has three rounds or more.
- Any other metric, and single rounds of one run: the ratio of the two values. Its
  interval reaches from the lowest to the highest ratio that the two intervals allow;
  values of time without an interval are widened by the spread of the passes instead.

Other recordings, labels or scoring code make accuracy incomparable; other hardware,
threads or clips timed make cost incomparable, and leave accuracy to be judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from . import verdict as verdicts
from .decide import (
    Effect,
    compare_rounds,
    decide,
    effective_limit,
    holm,
    p_value,
    tested_by,
)
from .gate_facts import Case, value_of, verdict, why_missing
from .gate_rules import BASELINE, Rule
from .metrics.base import Value
from .metrics.rounds import BY_ROUND, FASTEST, round_values
from .pairing import HARDWARE, common_rows, other_data, timed_ids
from .verdict import RuleVerdict

if TYPE_CHECKING:
    from .records import Record

NOISE = "noise_iqr_ratio"
TIMED_UNITS = ("x", "frames/s", "1/s", "s")  # what varies from pass to pass
MIN_SIDE = 3  # rounds of a side below which their spread says nothing


@dataclass(frozen=True, eq=False)
class Side:
    """A record, its metric values, and the name by which reasons call it."""

    record: Record
    values: Mapping[str, Value]
    name: str


@dataclass(frozen=True)
class Open:
    """A change of cost that waits for the correction over all tests of the gate."""

    rule: Rule
    new: Side
    old: Side
    effect: Effect
    limit: float
    source: str
    above: bool
    p_bad: float | None
    p_good: float | None


def compare(rule: Rule, new: Side, old: Side, case: Case) -> RuleVerdict | Open:
    """Hold one cell against the other side.

    Args:
        rule: with a bound of kind ``margin``, ``ratio`` or ``change``, or a state.
        new, old: the cell that is judged, and what it is compared with.
    """
    if rule.state is not None:
        return _outputs(rule, new, old)
    assert rule.metric is not None and rule.bound is not None
    own = value_of(new.values, rule.metric.name)
    if new.record.status == "error" and own.value is None:
        return _lacking(rule, new, new, own)  # a failure is no matter of the machine
    reason = _other_work(new.record, old.record)
    if reason:
        return verdict(rule, new.record, verdicts.INCOMPARABLE, reason)
    reason = _other_machine(rule, new.record, old.record)
    if reason:
        expected = "same_hardware" in rule.requires
        word = verdicts.NOT_APPLICABLE if expected else verdicts.INCOMPARABLE
        return verdict(rule, new.record, word, reason)
    for side in (new, old):
        value = value_of(side.values, rule.metric.name)
        if value.value is None:
            return _lacking(rule, new, side, value)
    if rule.bound.kind == "margin":
        return _margin(rule, new, old, case)
    if rule.bound.kind == "clip_margin":
        return _worst_clip(rule, new, old)
    effect = _by_rounds(rule, new.record, old.record, case)
    if effect is not None:
        return opened(rule, new, old, effect)
    return _by_values(rule, new, old)


def _lacking(rule: Rule, new: Side, side: Side, value: Value) -> RuleVerdict:
    assert rule.metric is not None
    text = f"{side.name}: {why_missing(side.record, value)}"
    if side is not new and rule.metric.name.startswith("agreement_"):
        text = f"{side.name} has no agreement: it is the peer itself, or not compared"
        return verdict(rule, new.record, verdicts.NOT_APPLICABLE, text)
    return verdict(rule, new.record, verdicts.MISSING, text)


def settle(found: Sequence[RuleVerdict | Open]) -> tuple[list[RuleVerdict], int]:
    """Decide what is open, corrected over all tests together (Holm).

    Returns:
        Verdicts in the given order, and how many tests were made.
    """
    waiting = [item for item in found if isinstance(item, Open)]
    bad = iter(holm([item.p_bad for item in waiting]))
    good = iter(holm([item.p_good for item in waiting]))
    settled = [
        _decided(item, next(bad), next(good)) if isinstance(item, Open) else item
        for item in found
    ]
    return settled, sum(item.p_bad is not None for item in waiting)


def _other_work(new: Record, old: Record) -> str:
    """How the work of two records differs, or an empty string."""
    for name in ("task", "dataset"):
        # equal keys are equal choices, also where a baseline shows them without paths
        if new.key != old.key and new.data["cell"][name] != old.data["cell"][name]:
            return f"{old.label} was measured on other data or for another task"
    return other_data(new, old)


def _other_machine(rule: Rule, new: Record, old: Record) -> str:
    """How the machines or the clips timed differ, of rules about cost."""
    assert rule.metric is not None
    if rule.metric.name not in BY_ROUND:
        return ""
    machines = [record.data.get("environment") or {} for record in (new, old)]
    other = [
        f"{name} {machines[1].get(name)}, here {machines[0].get(name)}"
        for name in HARDWARE
        if machines[0].get(name) != machines[1].get(name)
    ]
    threads = [
        (record.data.get("settings") or {}).get("threads") for record in (new, old)
    ]
    if threads[0] != threads[1]:
        other.append(f"threads {threads[1] or 'all'}, here {threads[0] or 'all'}")
    if other:
        return f"measured on other hardware: {'; '.join(other)}"
    if timed_ids(new, like=old) != timed_ids(old, like=new):
        return "other clips were timed; give both the same effort, seed and budget"
    return ""


def _by_rounds(rule: Rule, new: Record, old: Record, case: Case) -> Effect | None:
    """The effect over rounds, ``None`` where one run has too few of them."""
    assert rule.metric is not None and rule.bound is not None
    name = rule.metric.name
    if name not in BY_ROUND:
        return None
    across = rule.to == BASELINE
    same_job = not across or (case.baseline is not None and case.baseline.same_job)
    rounds = [round_values(r.data, r.samples(), name) for r in (old, new)]
    if not across and min(map(len, rounds)) < MIN_SIDE:
        return None
    if case.baseline is not None and across:
        after = case.baseline.since.get(new.key, 0)
        rounds = [{n: v for n, v in side.items() if n > after} for side in rounds]
    effect = compare_rounds(*rounds, paired=same_job, fastest=FASTEST.get(name))
    if case.floors is not None and rule.bound.kind == "change":
        floor, source = case.floors.of(
            new.key, name, same_job=same_job, rounds=effect.value.n
        )
        effect = effect.with_floor(floor, source)
    return effect


def opened(rule: Rule, new: Side, old: Side, effect: Effect) -> RuleVerdict | Open:
    """A change of cost with its limit and its tests, to be settled with the others."""
    assert rule.bound is not None
    if effect.value.value is None:
        text = effect.value.reason
        return verdict(rule, new.record, verdicts.MISSING, text)
    above = rule.bound.op == "<="
    limit, source = rule.bound.limit, "threshold"
    better = None
    if rule.bound.kind == "change":
        limit, source = effective_limit(
            limit, effect, above=above, at_least=rule.bound.at_least
        )
        better = p_value(effect, 1.0 / limit, above=not above)
    worse = p_value(effect, limit, above=above)
    return Open(rule, new, old, effect, limit, source, above, worse, better)


def _decided(item: Open, p_bad: float | None, p_good: float | None) -> RuleVerdict:
    decision = decide(
        item.effect,
        item.limit,
        above=item.above,
        source=item.source,
        p_bad=p_bad,
        p_good=p_good,
    )
    effect = item.effect
    evidence = {
        "against": item.old.name,
        "method": effect.method,
        "paired": effect.paired,
        "old": list(effect.old),
        "new": list(effect.new),
        "spread": effect.spread,
        "limit": item.limit,
        "limit_source": item.source,
        "floor": effect.floor,
        "floor_source": effect.floor_source,
        "test": tested_by(effect) if item.p_bad is not None else None,
        "p": item.p_bad,
        "p_corrected": p_bad,
    }
    return verdict(
        item.rule,
        item.new.record,
        decision.word,
        f"against {item.old.name}: {decision.reason}",
        effect.value,
        code=decision.code,
        evidence=evidence,
    )


def _by_values(rule: Rule, new: Side, old: Side) -> RuleVerdict:
    """The ratio of two values with the intervals that they have."""
    assert rule.metric is not None and rule.bound is not None
    name = rule.metric.name
    sides = [_widened(rule, side, value_of(side.values, name)) for side in (new, old)]
    value = ratio(*sides)
    if value.value is None:
        return verdict(rule, new.record, verdicts.MISSING, value.reason)
    word, reason = verdicts.judge_ratio(rule.bound, value)
    text = f"against {old.name}: {reason}"
    return verdict(rule, new.record, word, text, value)


def _widened(rule: Rule, side: Side, value: Value) -> Value:
    """A value of time without an interval, widened by the spread of the passes."""
    assert rule.metric is not None and value.value is not None
    noise = value_of(side.values, NOISE).value
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


def _margin(rule: Rule, new: Side, old: Side, case: Case) -> RuleVerdict:
    """The difference of a metric to the other side, paired over common clips."""
    assert rule.metric is not None and rule.bound is not None
    value = _difference(rule, new, old, case)
    if value.value is None:
        return verdict(rule, new.record, verdicts.MISSING, value.reason)
    word, reason = verdicts.judge_margin(rule.bound, rule.metric.direction, value)
    return verdict(rule, new.record, word, f"against {old.name}: {reason}", value)


def _worst_clip(rule: Rule, new: Side, old: Side) -> RuleVerdict:
    """The clip whose metric fell most: one clip of many is lost in a pooled figure."""
    import numpy as np

    assert rule.metric is not None and rule.metric.formula is not None
    assert rule.bound is not None
    a, b = common_rows(new.record, old.record)
    if a.empty:
        text = "the two sides have no scored clip in common"
        return verdict(rule, new.record, verdicts.MISSING, text)
    sign = -1.0 if rule.metric.direction == "lower" else 1.0
    change = np.asarray(rule.metric.formula(_table(a))) - np.asarray(
        rule.metric.formula(_table(b))
    )
    defined = np.isfinite(change)
    if not defined.any():
        return verdict(rule, new.record, verdicts.MISSING, "undefined in every clip")
    place = int(np.argmin(np.where(defined, sign * change, np.inf)))
    value = Value(float(change[place]), n=int(defined.sum()))
    held = sign * change[place] >= rule.bound.limit
    word = verdicts.PASS if held else verdicts.FAIL
    text = f"against {old.name}: worst clip {a['clip_id'].iloc[place]}"
    return verdict(rule, new.record, word, text, value)


def _difference(rule: Rule, new: Side, old: Side, case: Case) -> Value:
    assert rule.metric is not None
    name = rule.metric.name
    if rule.metric.formula is None:
        own, other = (value_of(side.values, name) for side in (new, old))
        assert own.value is not None and other.value is not None
        text = f"{name} is not made of counts"
        return Value(own.value - other.value, n=own.n, reason=text)
    from .metrics.bootstrap import paired_difference

    a, b = common_rows(new.record, old.record)
    if a.empty:
        return Value(None, reason="the two sides have no scored clip in common")
    settings: Mapping[str, Any] = case.run.plan.get("settings", {})
    column = f"tag_{settings.get('bootstrap')}"
    groups = list(a[column].astype(str)) if column in a else None
    seed = int(settings.get("seed") or 0)
    return paired_difference(_table(a), _table(b), rule.metric, groups, seed)


def _table(clips: Any) -> dict[str, Any]:
    return {str(name): clips[name].to_numpy() for name in clips.columns}


def _outputs(rule: Rule, new: Side, old: Side) -> RuleVerdict:
    """Whether every clip that both sides answered got the same answer, bit for bit."""
    a, b = common_rows(new.record, old.record)
    if a.empty or "digest" not in a or "digest" not in b:
        found, reason = "not measured", "no clip in common that was answered"
    else:
        other = a["clip_id"][(a["digest"].fillna("") != b["digest"].fillna(""))]
        found = "differs" if len(other) else "identical"
        first = f", first: {other.iloc[0]}" if len(other) else ""
        reason = f"against {old.name}: {len(other)} of {len(a)} clips differ{first}"
    word = verdicts.PASS if found in rule.allowed else verdicts.FAIL
    return verdict(rule, new.record, word, reason, observed=found)
