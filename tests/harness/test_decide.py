"""Effects, tests, corrections and decisions about cost, against hand-computed cases."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median

import numpy as np
import pytest

from harness import decide as module
from harness.decide import (
    ALPHA,
    CODES,
    Effect,
    compare_rounds,
    decide,
    effective_limit,
    holm,
    p_value,
)

RATIOS = (1.21, 1.22, 1.23, 1.24, 1.26, 1.27, 1.28, 1.31, 1.32, 1.33, 1.34, 1.35)


def numbered(values):
    return dict(enumerate(values, 1))


def paired(ratios, level=2.0):
    """Rounds whose pairs have these ratios; the old side drifts by half."""
    old = [level * (1 + 0.5 * i / len(ratios)) for i in range(len(ratios))]
    new = [a * ratio for a, ratio in zip(old, ratios, strict=True)]
    return compare_rounds(numbered(old), numbered(new), paired=True)


def unpaired(old, new):
    return compare_rounds(numbered(old), numbered(new), paired=False)


def judged(effect, limit=1.05, above=True, tests=1, good=False):
    """The decision of one of ``tests`` equal tests."""
    p = p_value(effect, limit, above=above)
    better = p_value(effect, 1 / limit, above=not above) if good else None
    return decide(
        effect,
        limit,
        above=above,
        source="threshold",
        p_bad=holm([p] * tests)[0],
        p_good=holm([better] * tests)[0],
    )


# effects


@pytest.mark.parametrize(
    ("n", "rank"),
    [
        # W, the sum of the ranks with a negative sign: P(W = 0) = 1/256 = 0.0039, with
        # W = 1 2/256 = 0.0078 > 0.005. One value of W is refused: the outermost means.
        (8, 1),
        # Sets of distinct ranks with a sum of at most 0, 1, 2, 3, 4: 1, 2, 3, 5, 7 of
        # 1024. 5/1024 = 0.0049 <= 0.005, 7/1024 is not: four values of W.
        (10, 4),
        # ... at most 5, 6, 7, 8: 10, 14, 19, 25 of 4096. 19/4096 = 0.0046: eight.
        (12, 8),
    ],
)
def test_interval_of_pairs_is_that_of_signed_ranks(n, rank):
    ratios = RATIOS[:n]
    effect = paired(ratios)
    means = sorted(
        math.sqrt(ratios[i] * ratios[j]) for i in range(n) for j in range(i, n)
    )
    assert effect.value.value == pytest.approx(median(means), rel=1e-6)
    assert effect.value.low == pytest.approx(means[rank - 1])
    assert effect.value.high == pytest.approx(means[-rank])
    assert (effect.value.n, effect.value.reason) == (n, "")
    assert effect.method == f"99 % interval over {n} pairs of rounds"


@pytest.mark.parametrize("n", [3, 5, 7])
def test_range_stands_in_for_the_interval_of_few_pairs(n):
    effect = paired(RATIOS[:n])
    assert effect.value.low == pytest.approx(RATIOS[0])
    assert effect.value.high == pytest.approx(RATIOS[n - 1])
    assert effect.method == f"range of {n} pairs of rounds"


@pytest.mark.parametrize(
    ("n", "text"),
    [(1, "1 pair of rounds: no interval"), (2, "2 pairs of rounds: no interval")],
)
def test_one_or_two_pairs_have_no_interval(n, text):
    effect = paired(RATIOS[:n])
    assert (effect.value.low, effect.value.high) == (None, None)
    assert effect.method == text
    assert (effect.spread is None) == (n == 1)


def test_pairs_are_rounds_of_equal_number():
    old = {1: 1.0, 2: 4.0, 3: 2.0, 5: 1.0}
    new = {5: 3.0, 3: 2.0, 2: 8.0, 4: 9.0}
    effect = compare_rounds(old, new, paired=True)
    assert (effect.old, effect.new) == ((4.0, 2.0, 1.0), (8.0, 2.0, 3.0))
    # means of two of the ratios 1, 2, 3: 1, √2, √3, 2, √6, 3; their median is √(2√3)
    assert effect.value.value == pytest.approx(math.sqrt(2 * math.sqrt(3)))
    assert effect.spread == 2.0  # new: (8 - 2) / 3, old: (4 - 1) / 2


def test_what_both_rounds_of_a_pair_met_cancels():
    quiet, loud = paired([1.1] * 8), paired([1.1] * 8, level=20.0)
    assert quiet.value.value == pytest.approx(loud.value.value)
    assert quiet.value.low == pytest.approx(1.1)
    assert quiet.value.high == pytest.approx(1.1)


def test_unpaired_interval_reaches_as_far_as_both_medians_allow():
    old = [10, 11, 12, 13, 14, 15, 16, 17]  # median 13.5, interval 10 to 17
    new = [20, 21, 22, 23, 24, 25, 26, 27, 28]  # median 24, n = 9: interval 20 to 28
    effect = unpaired(old, new)
    assert effect.value.value == pytest.approx(24 / 13.5)
    assert effect.value.low == pytest.approx(20 / 17)
    assert effect.value.high == pytest.approx(28 / 10)
    assert (effect.value.n, effect.method) == (8, "99 % interval, 8 and 9 rounds")


def test_unpaired_range_and_single_rounds():
    effect = unpaired([2, 3, 4], [4, 5, 6, 8])
    assert effect.value.value == pytest.approx(5.5 / 3)
    assert (effect.value.low, effect.value.high) == (4 / 4, 8 / 2)
    assert effect.spread == pytest.approx(4 / 5.5)  # of the new side; old: 2/3
    single = unpaired([2], [4, 5])
    assert (single.value.value, single.value.low, single.spread) == (2.25, None, None)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ({}, {1: 1.0}, "no rounds"),
        ({1: 1.0}, {2: 1.0}, "no rounds"),
        ({1: 0.0}, {1: 1.0}, "a value is not above 0"),
        ({1: 1.0}, {1: -1.0}, "a value is not above 0"),
    ],
)
def test_sides_without_a_ratio(old, new, text):
    effect = compare_rounds(old, new, paired=True)
    assert (effect.value.value, effect.value.reason) == (None, text)
    assert p_value(effect, 1.05, above=True) is None


# tests


@pytest.mark.parametrize(
    ("n", "p"),
    [
        # all n differences are positive: one of the 2^n sign patterns
        (8, 1 / 256),
        (10, 1 / 1024),
    ],
)
def test_wilcoxon_with_every_pair_beyond_the_limit(n, p):
    effect = paired(RATIOS[:n])
    assert p_value(effect, 1.05, above=True) == pytest.approx(p)
    mirrored = paired([1 / ratio for ratio in RATIOS[:n]])
    assert p_value(mirrored, 1 / 1.05, above=False) == pytest.approx(p)
    assert module.tested_by(effect) == "Wilcoxon signed-rank"


def test_wilcoxon_with_one_pair_on_the_other_side():
    # The pair at 1.04 is the nearest to the limit of 1.05: its rank is 1. Patterns at
    # least as extreme: none negative, or rank 1 alone. 2 of 256.
    effect = paired([1.04, *RATIOS[:7]])
    assert p_value(effect, 1.05, above=True) == pytest.approx(2 / 256)
    # The pair at 0.5 is the farthest, rank 8. Sets of ranks 1 to 8 with a sum of 8 at
    # most: 1 of sum 0, then 1, 1, 2, 2, 3, 4, 5, 6 (partitions into distinct parts).
    effect = paired([0.5, *RATIOS[:7]])
    assert p_value(effect, 1.05, above=True) == pytest.approx(25 / 256)


def test_mann_whitney_of_separated_rounds():
    old = [1 + i / 100 for i in range(10)]
    effect = unpaired(old, [2 * value for value in old])
    # one of C(20, 10) = 184 756 ways to divide 20 ranks
    assert p_value(effect, 1.05, above=True) == pytest.approx(1 / 184_756)
    assert p_value(effect, 1.05, above=False) == pytest.approx(1.0)
    assert module.tested_by(effect) == "Mann–Whitney U"
    faster = unpaired([2 * value for value in old], old)
    assert p_value(faster, 0.95, above=False) == pytest.approx(1 / 184_756)


def test_tests_are_made_against_the_limit_not_against_no_change():
    old = [1 + i / 1000 for i in range(10)]
    effect = unpaired(old, [1.04 * value for value in old])
    assert p_value(effect, 1.0, above=True) < 1e-4
    assert p_value(effect, 1.05, above=True) > 0.99
    assert p_value(paired([1.04] * 10), 1.05, above=True) > 0.99


def test_too_few_rounds_are_not_tested():
    assert p_value(paired(RATIOS[:7]), 1.05, above=True) is None
    assert p_value(unpaired([1.0] * 9, [2.0] * 12), 1.05, above=True) is None


def test_ties_and_pairs_on_the_limit_have_a_p():
    same = Effect(module.Value(1.0), "", True, (1.0,) * 8, (1.0,) * 8)
    assert p_value(same, 1.0, above=True) is None  # every pair lies on the limit
    assert p_value(same, 1.1, above=True) == pytest.approx(1.0, abs=0.01)
    one = Effect(module.Value(1.0), "", True, (1.0,) * 8, (*(1.0,) * 7, 2.0))
    assert p_value(one, 1.0, above=True) > ALPHA
    assert p_value(unpaired([1.0] * 10, [1.0] * 10), 1.1, above=True) > 0.99


# correction


def test_holm_on_a_textbook_example():
    # p(1..4) = 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1; the last is raised to 0.06
    adjusted = holm([0.01, 0.04, 0.03, 0.005])
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_out_what_was_not_tested():
    assert holm([None, 0.01, None, 0.04]) == [None, pytest.approx(0.02), None, 0.04]
    assert holm([None]) == [None]
    assert holm([]) == []


def test_holm_with_ties_and_at_most_one():
    assert holm([0.02, 0.02, 0.02]) == pytest.approx([0.06] * 3)
    assert holm([0.7, 0.4]) == pytest.approx([0.8, 0.8])
    assert holm([0.9, 0.6]) == [1.0, 1.0]


@pytest.mark.parametrize("seed", range(5))
def test_holm_rejects_what_the_sequential_procedure_rejects(seed):
    values = list(np.random.default_rng(seed).uniform(0, 0.02, 12))
    rejected = set()
    for rank, place in enumerate(np.argsort(values)):
        if values[place] > ALPHA / (len(values) - rank):
            break
        rejected.add(int(place))
    assert {i for i, p in enumerate(holm(values)) if p <= ALPHA} == rejected
    in_order = [p for _, p in sorted(zip(values, holm(values), strict=True))]
    assert all(a <= b for a, b in pairwise(in_order))


# limits


@pytest.mark.parametrize(
    ("above", "limit", "floor", "at_least", "expected", "source"),
    [
        (True, 1.05, None, 0.0, 1.05, "threshold"),
        (False, 0.95, None, 0.0, 0.95, "threshold"),
        (True, 1.05, 0.01, 0.0, 1.05, "threshold"),  # 1.01² = 1.0201
        (True, 1.05, 0.10, 0.0, 1.21, "noise floor"),  # 1.1²
        (False, 0.95, 0.10, 0.0, 1 / 1.21, "noise floor"),
        (True, 1.05, None, 1.0, 1.5, "absolute floor"),  # 2 → 3
        (False, 0.95, None, 1.0, 0.5, "absolute floor"),  # 2 → 1
        (True, 1.05, 0.30, 1.0, 1.69, "noise floor"),
        (True, 1.05, 0.30, 2.0, 2.0, "absolute floor"),
    ],
)
def test_effective_limit(above, limit, floor, at_least, expected, source):
    effect = compare_rounds(
        numbered([1.0, 2.0, 3.0]), numbered([1.0] * 3), paired=True
    ).with_floor(floor, "calibrated")
    found = effective_limit(limit, effect, above=above, at_least=at_least)
    assert found == (pytest.approx(expected), source)


def test_an_absolute_floor_above_the_value_is_never_fallen_by():
    effect = paired([1e-6] * 8)
    limit, source = effective_limit(0.95, effect, above=False, at_least=50.0)
    assert (0 < limit < 1e-8, source) == (True, "absolute floor")
    assert judged(effect, limit, above=False).word == "pass"


# decisions


@pytest.mark.parametrize("above", [True, False])
@pytest.mark.parametrize(
    ("ratios", "word", "code"),
    [
        ([1.0] * 8, "pass", "within"),
        (RATIOS, "fail", "beyond"),
        (RATIOS[:7], "inconclusive", "not_significant"),  # within the drift of a side
        ([1.04, *RATIOS[:11]], "fail", "beyond"),  # one pair below the limit
        ([0.9, 0.9, *RATIOS[:7]], "inconclusive", "not_significant"),
        ([1.0] * 6 + [1.3] * 2, "inconclusive", "straddles"),
        ([1 / ratio for ratio in RATIOS], "improved", "better"),
        ([1.2, 1.2], "inconclusive", "few_rounds"),
    ],
)
def test_decisions_in_both_directions(above, ratios, word, code):
    limit = 1.05 if above else 1 / 1.05
    effect = paired(ratios if above else [1 / ratio for ratio in ratios])
    found = judged(effect, limit, above, good=True)
    assert (found.word, found.code) == (word, code)
    assert code in CODES and found.reason


def test_every_code_can_be_reached():
    reached = {
        judged(paired(ratios), good=True).code
        for ratios in (
            *([1.0] * 8, RATIOS, RATIOS[:7], [1.0] * 6 + [1.3] * 2, [1.2]),
            [1 / ratio for ratio in RATIOS],
        )
    }
    assert reached == set(CODES)


def test_an_undefined_effect_decides_nothing():
    found = judged(compare_rounds({}, {}, paired=True))
    assert (found.word, found.code, found.reason) == (
        *("inconclusive", "few_rounds"),
        "no rounds",
    )


def test_reasons_name_limit_source_and_test():
    assert judged(paired(RATIOS)).reason == (
        "limit 1.05× (threshold), 99 % interval over 12 pairs of rounds, "
        "Wilcoxon signed-rank p = 0.00024"  # 1/4096
    )


def test_being_better_is_only_said_where_it_was_asked():
    assert judged(paired([1 / ratio for ratio in RATIOS])).word == "pass"


@pytest.mark.parametrize("pair", [True, False])
def test_twice_as_slow_fails_in_a_large_family(pair):
    # ten pairs reach 1/1024 at best, times 40 tests is 0.04: the test alone says no
    old = [1 + 0.01 * i for i in range(10)]
    new = [2 * value for value in reversed(old)]
    effect = compare_rounds(numbered(old), numbered(new), paired=pair)
    assert judged(effect, tests=40).word == "fail"
    corrected = holm([p_value(effect, 1.05, above=True)] * 40)[0]
    assert (corrected > ALPHA) == pair


def test_what_the_spread_hides_needs_a_test():
    wide = [1.0, 1.5, 1.1, 1.4, 1.2, 1.3, 1.05, 1.45, 1.25, 1.35]
    effect = compare_rounds(
        numbered(wide), numbered([1.2 * value for value in wide]), paired=True
    )
    assert judged(effect).word == "fail"  # p = 1/1024
    assert judged(effect, tests=40).code == "not_significant"


def test_identical_sides_pass():
    for count in (3, 6, 10):
        effect = paired([1.0] * count)
        assert judged(effect, good=True).code == "within"
        assert judged(effect, 1 / 1.05, above=False, good=True).code == "within"


# properties on simulated noise


def rounds_of_two(seed, pairs, slower=1.0):
    """Two sides with heavy-tailed noise and a drift that both sides of a pair share."""
    random = np.random.default_rng(seed)
    drift = np.exp(np.cumsum(random.normal(0, 0.05, pairs)))
    # every fifth round meets other load
    busy = 1 + (random.random((2, pairs)) < 0.2) * random.uniform(0.3, 1.0, (2, pairs))
    old, new = drift * busy * np.exp(random.normal(0, 0.03, (2, pairs)))
    return numbered(old.tolist()), numbered((slower * new).tolist())


@pytest.mark.parametrize("pairs", [6, 10, 22])
def test_identical_code_is_rarely_called_slower(pairs):
    words = []
    for seed in range(300):
        old, new = rounds_of_two(seed, pairs)
        words.append(judged(compare_rounds(old, new, paired=True)).word)
    assert words.count("fail") <= 3  # 1 %
    assert words.count("pass") > 0


def test_a_real_slowdown_is_found_in_the_same_noise():
    found = 0
    for seed in range(100):
        old, new = rounds_of_two(seed, 22, slower=2.0)
        found += judged(compare_rounds(old, new, paired=True)).word == "fail"
    assert found >= 95


@pytest.mark.parametrize("pair", [True, False])
@pytest.mark.parametrize("pairs", [3, 6, 10, 22])
def test_a_larger_slowdown_never_turns_a_failure_into_a_pass(pairs, pair):
    severity = {"improved": 0, "pass": 0, "inconclusive": 1, "fail": 2}
    for seed in range(8):
        words = []
        for slower in (1.0, 1.02, 1.06, 1.1, 1.2, 1.5, 2.0, 4.0):
            old, new = rounds_of_two(seed, pairs, slower)
            effect = compare_rounds(old, new, paired=pair)
            words.append(severity[judged(effect, good=True).word])
        assert words == sorted(words), (seed, words)


def test_the_ratio_does_not_depend_on_the_unit():
    old, new = rounds_of_two(1, 10, slower=1.3)
    scaled = [{n: 1e6 * v for n, v in side.items()} for side in (old, new)]
    one = judged(compare_rounds(old, new, paired=True))
    assert one == judged(compare_rounds(*scaled, paired=True))
    assert math.isclose(
        compare_rounds(old, new, paired=True).value.value,
        compare_rounds(*scaled, paired=True).value.value,
    )
