"""Comparing the fast quarters of two sides, against hand-computed cases."""

from __future__ import annotations

import numpy as np
import pytest

from harness import decide as module
from harness.decide import compare_rounds, decide, p_value
from harness.fast_quarter import (
    fast_count,
    fast_interval,
    fast_mean,
    fast_p,
    fast_ratio,
)

TIMES = [1.0, 1.1, 1.2, 1.3, 2.0, 2.1, 2.2, 2.3]


def slower(values, factor):
    return [factor * value for value in values]


def numbered(values):
    return dict(enumerate(values, 1))


# the quarter


def test_a_quarter_is_rounded_up():
    assert [fast_count(n) for n in (1, 4, 5, 8, 9, 22)] == [1, 1, 2, 2, 3, 6]


def test_fast_means_by_hand():
    assert fast_mean(TIMES, "lowest") == pytest.approx((1.0 + 1.1) / 2)
    assert fast_mean(TIMES, "highest") == pytest.approx((2.2 + 2.3) / 2)
    assert fast_mean([TIMES, slower(TIMES, 2)], "lowest") == pytest.approx([1.05, 2.1])
    assert fast_mean(np.array([TIMES]).T, "lowest", axis=0) == pytest.approx([1.05])


def test_slow_rounds_do_not_move_the_ratio():
    disturbed = [*slower(TIMES[:4], 1.2), *slower(TIMES[4:], 5.0)]
    assert fast_ratio(TIMES, disturbed, "lowest") == pytest.approx(1.2)


# the interval


@pytest.mark.parametrize("paired", [True, False])
def test_interval_of_constant_sides_is_a_point(paired):
    low, high = fast_interval([2.0] * 8, [3.0] * 8, "lowest", paired=paired)
    assert (low, high) == (pytest.approx(1.5), pytest.approx(1.5))


def test_interval_of_equal_pairs_is_a_point_only_if_pairs_are_drawn():
    new = slower(TIMES, 1.1)
    low, high = fast_interval(TIMES, new, "lowest", paired=True)
    assert low == pytest.approx(1.1) and high == pytest.approx(1.1)
    low, high = fast_interval(TIMES, new, "lowest", paired=False)
    assert low < 1.1 < high


def test_interval_by_brute_force():
    """Four rounds have 256 draws; the fast quarter of four is the lowest."""
    old, new = [1.0, 1.0, 1.0, 1.0], [1.0, 1.5, 2.0, 3.0]
    # lowest of four draws: 3.0 with p = 1/256 < 0.5 %, at most 2.0 with all others
    low, high = fast_interval(old, new, "lowest", paired=True)
    assert (low, high) == (1.0, 2.0)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("fastest", ["lowest", "highest"])
def test_interval_covers_the_truth(paired, fastest):
    inside = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        old, new = np.exp(random.normal(0, 0.05, (2, 20)))
        low, high = fast_interval(old, 1.3 * new, fastest, paired=paired)
        inside += low <= 1.3 <= high
    assert inside >= 55


# the test


def test_p_of_separate_pairs_by_hand():
    # 2^8 ways to swap. The fast quarter is the mean of two. Only swaps that leave both
    # lowest of old and new where they are, and bring nothing lower, are as extreme.
    old = [1.0, 1.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0]
    new = [2.0, 2.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0]
    # the six equal pairs may be swapped at will: 2^6 of 2^8
    assert fast_p(old, new, "lowest", paired=True, above=True) == 2**6 / 2**8
    assert fast_p(old, new, "lowest", paired=True, above=False) == 1.0


def test_p_of_pairs_that_are_all_slower():
    old = [1.00, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 1.07]
    new = slower(old, 2)
    # observed: old's two lowest against new's two lowest. A swap of pair k > 2 leaves
    # old's lowest pair, but puts an old value below new's: only the identity remains.
    assert fast_p(old, new, "lowest", paired=True, above=True) == 1 / 2**8
    assert fast_p(new, old, "lowest", paired=True, above=False) == 1 / 2**8
    speeds = [[1 / v for v in side] for side in (old, new)]
    assert fast_p(*speeds, "highest", paired=True, above=False) == 1 / 2**8


def test_p_of_unpaired_sides_is_exact_for_few_rounds():
    # C(8, 4) = 70 divisions; lowest of four. The ratio of the observed one is 5.
    old, new = [1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]
    assert fast_p(old, new, "lowest", paired=False, above=True) == pytest.approx(1 / 70)


def test_few_fast_rounds_reach_no_small_p():
    """A side that was fast three times in twelve by luck proves nothing."""
    random = np.random.default_rng(0)
    old, new = 1.35 * np.exp(random.normal(0, 0.01, (2, 12)))
    old[[1, 5, 8]] /= 1.35
    # all three must stay on their side, which happens once in eight
    assert fast_p(old, new, "lowest", paired=True, above=True) > 0.03


def test_p_is_the_same_every_time():
    random = np.random.default_rng(0)
    old, new = np.exp(random.normal(0, 0.1, (2, 22)))
    found = {fast_p(old, new, "lowest", paired=True, above=True) for _ in range(2)}
    assert len(found) == 1


@pytest.mark.parametrize("paired", [True, False])
def test_p_is_uniform_for_identical_sides(paired):
    values = []
    for seed in range(100):
        old, new = np.exp(np.random.default_rng(seed).normal(0, 0.1, (2, 10)))
        values.append(fast_p(old, new, "lowest", paired=paired, above=True))
    assert sum(p <= 0.05 for p in values) <= 12
    assert sum(p <= 0.5 for p in values) == pytest.approx(50, abs=20)


# as effects


def effect_of(old, new, paired=True, fastest="lowest"):
    return compare_rounds(numbered(old), numbered(new), paired=paired, fastest=fastest)


def test_effect_of_fast_quarters():
    effect = effect_of(TIMES, slower(TIMES, 1.3))
    assert effect.value.value == pytest.approx(1.3)
    assert (effect.value.low, effect.value.high) == pytest.approx((1.3, 1.3))
    assert effect.value.n == 8 and effect.fastest == "lowest"
    expected = "99 % bootstrap interval over the fast quarter of 8 pairs of rounds"
    assert effect.method == expected
    assert module.tested_by(effect) == "permutation within pairs"
    unpaired = effect_of(TIMES, TIMES * 2, paired=False)
    assert unpaired.method.endswith("fast quarter of 8 and 16 rounds")
    assert module.tested_by(unpaired) == "permutation"


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("count", [3, 5, 7])
def test_few_rounds_keep_their_range_around_the_fast_ratio(count, paired):
    random = np.random.default_rng(count)
    old, new = np.exp(random.normal(0, 0.2, (2, count))).tolist()
    effect = effect_of(old, new, paired)
    assert effect.value.low <= effect.value.value <= effect.value.high
    assert effect.method.startswith("range of")
    assert p_value(effect, 1.0, above=True) is None


def test_too_few_unpaired_rounds_are_not_tested():
    assert p_value(effect_of(TIMES, TIMES, paired=False), 1.05, above=True) is None
    assert p_value(effect_of(TIMES, TIMES), 1.05, above=True) is not None


def modes(seed, pairs, factor):
    """Rounds of a host that is a third slower for four tenths of the time."""
    random = np.random.default_rng(seed)
    slow = 1 + 0.35 * (random.random((2, pairs)) < 0.4)
    old, new = slow * np.exp(random.normal(0, 0.01, (2, pairs)))
    return old.tolist(), (factor * new).tolist()


def verdict(effect, limit=1.05):
    p = p_value(effect, limit, above=True)
    return decide(effect, limit, above=True, source="threshold", p_bad=p).word


def test_a_host_of_two_speeds_hides_little():
    words = [verdict(effect_of(*modes(seed, 30, 1.2))) for seed in range(30)]
    assert words.count("fail") >= 29
    whole = [
        verdict(
            compare_rounds(*map(numbered, modes(seed, 30, 1.2)), paired=True),
        )
        for seed in range(30)
    ]
    assert whole.count("fail") < 15  # what all rounds together show


def test_a_host_of_two_speeds_raises_no_alarm():
    words = [verdict(effect_of(*modes(seed, 22, 1.0))) for seed in range(60)]
    assert "fail" not in words and words.count("pass") > 30
