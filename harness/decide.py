"""Whether a measured cost has changed: effect, interval, test and noise floor.

Both sides are given as one value per *round*, a round being a fresh process: calls of
one process share its memory layout, clock and neighbours and are no independent
evidence. The effect is a ratio, new to old.

- *Paired* rounds (interleaved in one job, round i of one side next to round i of the
  other) are compared pair by pair, so that what both rounds of a pair met cancels:
  Hodges–Lehmann estimate of the ratio, the interval and the test of Wilcoxon's signed
  ranks, all over logarithms of the ratios.
- *Unpaired* rounds are compared as two samples: ratio of the medians, Mann–Whitney U
  test where both sides have :data:`MIN_ROUNDS`. The interval reaches from the lowest
  to the highest ratio that the order-statistic intervals of both medians allow.
- Times of repeated calls are compared by the *fast quarter* of the rounds of each side,
  see :mod:`harness.fast_quarter`, paired or not.
- With too few rounds for a 99 % interval, the range of the rounds stands in.

An effect is believed where the whole interval lies beyond the limit and either the test
says so or the effect exceeds the spread between the rounds of both sides: rank tests
over few rounds cannot reach a small p, however large the effect.

A test is made against the limit that the rule allows, not against "no change": a
difference that is real but permitted is no alarm. Several tests at once are corrected
by Holm's step-down procedure (Holm, "A simple sequentially rejective multiple test
procedure", Scand. J. Statistics 6, 1979).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .fast_quarter import End, fast_interval, fast_p, fast_ratio
from .metrics.base import Value

#: Family-wise error rate of the tests of one gate.
ALPHA = 0.01
#: Rounds of both sides that an unpaired test needs.
MIN_ROUNDS = 10
#: Pairs of rounds that a paired test needs: seven reach p = 1/128 at best.
MIN_PAIRS = 8
#: Rounds of both sides that a 99 % interval of the fast quarters needs.
MIN_FAST = 8
#: How often the noise floor an effect must be before it counts.
FLOOR_FACTOR = 2.0

Rounds = Mapping[int, float]


@dataclass(frozen=True)
class Effect:
    """One cost, new to old.

    Attributes:
        value: the ratio with its interval; ``n`` counts the rounds of the shorter side.
        method: what the interval is, in words.
        paired: rounds of one job, side by side.
        old, new: the values of the rounds; pairs stand at equal places.
        spread: the larger of both sides' range over median, ``None`` with one round.
        fastest: which rounds are the fast ones, where the fast quarters are compared.
        floor: noise floor as a fraction of the value, ``None`` where none is known.
        floor_source: where the floor comes from.
    """

    value: Value
    method: str
    paired: bool
    old: tuple[float, ...]
    new: tuple[float, ...]
    spread: float | None = None
    fastest: End | None = None
    floor: float | None = None
    floor_source: str = ""

    def with_floor(self, floor: float | None, source: str) -> Effect:
        """The same effect beside a noise floor."""
        return replace(self, floor=floor, floor_source=source)


def compare_rounds(
    old: Rounds, new: Rounds, *, paired: bool, fastest: End | None = None
) -> Effect:
    """The effect between two sides.

    Args:
        old, new: one positive value per round number.
        paired: rounds of equal number were measured side by side; numbers that only
            one side has are left out.
        fastest: compare the fast quarters: of ``lowest`` values (times) or ``highest``
            ones (speeds). ``None`` compares all rounds.
    """
    if paired:
        shared = sorted(set(old) & set(new))
        a, b = (tuple(side[i] for i in shared) for side in (old, new))
    else:
        a, b = tuple(old.values()), tuple(new.values())
    if not a or not b or min(a) <= 0 or min(b) <= 0:
        text = "no rounds" if not a or not b else "a value is not above 0"
        return Effect(Value(None, reason=text), text, paired, a, b)
    value, method = (_paired if paired else _unpaired)(a, b)
    if fastest is not None:
        value, method = _fast(a, b, paired, fastest, value, method)
    return Effect(value, method, paired, a, b, _spread(a, b), fastest)


def _fast(
    old: Sequence[float],
    new: Sequence[float],
    paired: bool,
    fastest: End,
    whole: Value,
    method: str,
) -> tuple[Value, str]:
    """The ratio of the fast quarters; with few rounds in the range of all."""
    value = replace(whole, value=fast_ratio(old, new, fastest))
    if min(len(old), len(new)) < MIN_FAST:
        return value, method
    low, high = fast_interval(old, new, fastest, paired=paired)
    counts = f"{len(old)} pairs of" if paired else f"{len(old)} and {len(new)}"
    text = f"99 % bootstrap interval over the fast quarter of {counts} rounds"
    return replace(value, low=low, high=high, reason=""), text


def _paired(old: Sequence[float], new: Sequence[float]) -> tuple[Value, str]:
    from .meter.statistics import signed_rank_value

    logs = [math.log(b / a) for a, b in zip(old, new, strict=True)]
    found = signed_rank_value(logs)
    n, count = found.n, f"{found.n} pair{'s' if found.n > 1 else ''} of rounds"
    assert found.value is not None
    value = Value(math.exp(found.value), n=n, reason=found.reason)
    if found.low is not None and found.high is not None:
        ends = math.exp(found.low), math.exp(found.high)
        return Value(value.value, *ends, n), f"99 % interval over {count}"
    if n < 3:
        return value, f"{count}: no interval"
    ends = math.exp(min(logs)), math.exp(max(logs))
    return Value(value.value, *ends, n), f"range of {count}"


def _unpaired(old: Sequence[float], new: Sequence[float]) -> tuple[Value, str]:
    from .meter.statistics import median_value

    a, b = median_value(old), median_value(new)
    assert a.value is not None and b.value is not None
    point, n = b.value / a.value, min(a.n, b.n)
    counts = f"{len(old)} and {len(new)} rounds"
    if n < 3:
        text = f"{counts}: too few to tell a change from noise, effort=standard has 3"
        return Value(point, n=n, reason=text), text
    if a.low is None or b.low is None or a.high is None or b.high is None:
        value = Value(point, min(new) / max(old), max(new) / min(old), n)
        return value, f"range of {counts}"
    return Value(point, b.low / a.high, b.high / a.low, n), f"99 % interval, {counts}"


def _spread(*sides: Sequence[float]) -> float | None:
    from statistics import median

    if min(map(len, sides)) < 2:
        return None
    return max((max(side) - min(side)) / median(side) for side in sides)


def p_value(effect: Effect, limit: float, *, above: bool) -> float | None:
    """One-sided p of "the ratio lies beyond ``limit``".

    Args:
        limit: a ratio above 0.
        above: beyond means above it.

    Returns:
        The test of :func:`tested_by`, of the new rounds against the old ones times the
        limit: scipy's ``permutation_test`` for fast quarters, ``wilcoxon`` for other
        pairs, else ``mannwhitneyu``, the last two exact where there are no ties;
        ``None`` with too few rounds or without an effect.
    """
    if effect.value.value is None:
        return None
    needed = MIN_PAIRS if effect.paired else MIN_ROUNDS
    if min(len(effect.old), len(effect.new)) < needed:
        return None
    if effect.fastest is not None:
        scaled = [value * limit for value in effect.old]
        return fast_p(
            scaled, effect.new, effect.fastest, paired=effect.paired, above=above
        )
    side = "greater" if above else "less"
    return (_wilcoxon if effect.paired else _mann_whitney)(effect, limit, side)


def _wilcoxon(effect: Effect, limit: float, side: str) -> float | None:
    from scipy import stats

    shifts = [
        math.log(b / a / limit) for a, b in zip(effect.old, effect.new, strict=True)
    ]
    if not any(shifts):
        return None
    # With ties scipy would permute all signs, which takes up to a second.
    ties = len(set(map(abs, shifts))) < len(shifts) or 0.0 in shifts
    method = "approx" if ties else "exact"
    return float(stats.wilcoxon(shifts, alternative=side, method=method).pvalue)


def _mann_whitney(effect: Effect, limit: float, side: str) -> float:
    from scipy import stats

    scaled = [value * limit for value in effect.old]
    ties = len({*effect.new, *scaled}) < len(effect.new) + len(scaled)
    found = stats.mannwhitneyu(
        effect.new,
        scaled,
        alternative=side,
        method="asymptotic" if ties else "exact",
    )
    return float(found.pvalue)


def tested_by(effect: Effect) -> str:
    """Which test :func:`p_value` makes, in words."""
    if effect.fastest is not None:
        return "permutation within pairs" if effect.paired else "permutation"
    return "Wilcoxon signed-rank" if effect.paired else "Mann–Whitney U"


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p of every test, by Holm's step-down procedure.

    ``None`` is no test and does not count. The k-th smallest of m values is multiplied
    by m − k + 1, and no adjusted value is below that of a smaller p.
    """
    order = sorted((p, place) for place, p in enumerate(values) if p is not None)
    found: list[float | None] = [None] * len(values)
    highest = 0.0
    for rank, (p, place) in enumerate(order):
        highest = max(highest, min(1.0, p * (len(order) - rank)))
        found[place] = highest
    return found


def effective_limit(
    limit: float, effect: Effect, *, above: bool, at_least: float = 0.0
) -> tuple[float, str]:
    """The ratio beyond which a change counts, and what it comes from.

    A change of less than ``FLOOR_FACTOR`` noise floors, or of less than ``at_least`` in
    the metric's own unit, is none, whatever the rule's threshold says.

    Args:
        limit: ratio of the rule, e.g. 0.95 for ``change_min: -5 %``.
        effect: for its floor and its old values.
        above: beyond means above ``limit``.
        at_least: absolute floor in the metric's unit.

    Returns:
        The ratio, and ``threshold``, ``noise floor`` or ``absolute floor``.
    """
    from statistics import median

    sizes = {"threshold": abs(math.log(limit))}
    if effect.floor is not None:
        sizes["noise floor"] = FLOOR_FACTOR * math.log1p(effect.floor)
    if at_least and effect.old:
        share = at_least / median(effect.old)
        # a fall by as much as there is can never be seen: the ratio stays above 0
        sizes["absolute floor"] = (
            math.log1p(share) if above else -math.log1p(-min(share, 1 - 1e-9))
        )
    source = max(sizes, key=lambda name: sizes[name])
    size = sizes[source]
    return math.exp(size if above else -size), source


@dataclass(frozen=True)
class Decision:
    """What a change comes to.

    Attributes:
        word: verdict: ``pass``, ``fail``, ``improved`` or ``inconclusive``.
        code: short reason for programs, see :data:`CODES`.
        reason: the same in a sentence.
    """

    word: str
    code: str
    reason: str


#: Reason codes of decisions about cost.
CODES: Mapping[str, str] = {
    "within": "the whole interval lies within the limit",
    "beyond": "beyond the limit and significant",
    "better": "better by more than the limit, and significant",
    "straddles": "the interval straddles the limit",
    "not_significant": "beyond the limit, but not significant",
    "few_rounds": "too few rounds to decide",
}


def decide(
    effect: Effect,
    limit: float,
    *,
    above: bool,
    source: str,
    p_bad: float | None,
    p_good: float | None = None,
) -> Decision:
    """Judge an effect against its effective limit.

    Args:
        effect: with a value.
        limit, source: of :func:`effective_limit`.
        above: a ratio above the limit is bad.
        p_bad: adjusted p of "beyond the limit"; ``None`` where no test is possible.
        p_good: adjusted p of "better by as much"; ``None`` where that is not asked.
    """
    value = effect.value
    if value.value is None or value.low is None or value.high is None:
        return Decision("inconclusive", "few_rounds", effect.method)
    best, worst = (value.low, value.high) if above else (value.high, value.low)
    named = f"limit {limit:.3g}× ({source}), {effect.method}"
    if _beyond(value.value, limit, above):
        tested = named if p_bad is None else f"{named}, {_p(effect, p_bad)}"
        if _beyond(best, limit, above) and _believed(effect, limit, p_bad):
            return Decision("fail", "beyond", tested)
        return Decision("inconclusive", "not_significant", tested)
    if _beyond(worst, limit, above):
        return Decision("inconclusive", "straddles", named)
    if p_good is not None and p_good <= ALPHA:
        return Decision("improved", "better", f"{named}, {_p(effect, p_good)}")
    return Decision("pass", "within", named)


def _beyond(ratio: float, limit: float, above: bool) -> bool:
    return ratio > limit if above else ratio < limit


def _believed(effect: Effect, limit: float, p: float | None) -> bool:
    if p is not None and p <= ALPHA:
        return True
    assert effect.value.value is not None
    distance = abs(math.log(effect.value.value / limit))
    return effect.spread is not None and distance > math.log1p(effect.spread)


def _p(effect: Effect, p: float) -> str:
    return f"{tested_by(effect)} p = {p:.2g}"
