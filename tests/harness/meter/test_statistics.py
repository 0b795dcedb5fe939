"""Order statistics against values worked out by hand."""

import numpy as np
import pytest

from harness.meter.statistics import (
    iqr_ratio,
    median_value,
    minimum_n,
    order_interval,
    percentile_value,
    ratio_of_medians,
)


@pytest.mark.parametrize(("p", "n"), [(0.90, 64), (0.95, 130), (0.99, 662)])
def test_minimum_n(p, n):
    assert minimum_n(p) == n


def test_the_median_interval_needs_eight_samples():
    # P(all of n on one side of the median), both sides: 2/2⁷ > 1 % > 2/2⁸
    assert order_interval(7) is None
    assert order_interval(8) == (1, 8)
    assert order_interval(0) is None


def test_the_median_interval_of_twenty():
    # Tails: Σ C(20,k), k ≤ 3, is 1351/2²⁰ = .0013; k ≤ 4 adds 4845: .0059 > .005.
    assert order_interval(20) == (4, 17)


def test_the_interval_covers_the_true_quantile_as_often_as_stated():
    random = np.random.default_rng(1)
    lower, upper = order_interval(100, 0.9)
    draws = np.sort(random.random((20000, 100)), axis=1)
    inside = (draws[:, lower - 1] <= 0.9) & (draws[:, upper - 1] > 0.9)
    assert inside.mean() > 0.987  # .99 less what 20 000 draws may miss
    assert inside.mean() < 0.9999


def test_median_value():
    found = median_value([8, 1, 7, 2, 6, 3, 5, 4, np.nan])
    assert (found.value, found.low, found.high, found.n) == (4.5, 1.0, 8.0, 8)
    assert found.reason == ""


def test_median_of_few_has_no_interval_and_says_so():
    found = median_value([1.0, 2.0, 3.0])
    assert (found.value, found.low, found.n) == (2.0, None, 3)
    assert "3 samples" in found.reason


def test_median_of_nothing_is_undefined():
    assert median_value([]).value is None
    assert median_value([np.nan]).reason == "no samples"


def test_percentiles_below_their_minimum_are_null_with_the_reason():
    found = percentile_value(np.arange(63), 90)
    assert found.value is None
    assert found.reason == "63 samples; p90 needs 64"


def test_percentile_value_and_interval():
    found = percentile_value(np.arange(101.0), 90)
    assert found.value == pytest.approx(90.0)
    assert found.low < 90 < found.high
    assert found.n == 101


def test_iqr_ratio():
    assert iqr_ratio([1, 2, 3, 4, 5]) == pytest.approx(2 / 3)
    assert iqr_ratio([4.0, 4.0, 4.0]) == 0.0
    assert iqr_ratio([1.0, 2.0]) is None
    assert iqr_ratio([0.0, 0.0, 0.0]) is None


def test_ratio_of_equal_samples_is_one_without_width():
    found = ratio_of_medians([3.0] * 10, [3.0] * 10)
    assert (found.value, found.low, found.high, found.n) == (1.0, 1.0, 1.0, 10)


def test_ratio_of_medians_brackets_the_true_ratio():
    random = np.random.default_rng(2)
    found = ratio_of_medians(random.normal(20, 1, 40), random.normal(10, 1, 40))
    assert found.low < 2.0 < found.high
    assert 1.8 < found.low < found.high < 2.2


def test_rounds_that_are_shared_cancel_their_common_state():
    # Each round has its own clock; the ratio within every round is 2 exactly.
    rounds = np.repeat([1, 2, 3, 4], 5)
    below = np.array([1.0, 3.0, 5.0, 9.0])[rounds - 1]
    paired = ratio_of_medians(
        2 * below, below, rounds_above=rounds, rounds_below=rounds
    )
    apart = ratio_of_medians(2 * below, below)
    assert (paired.low, paired.high) == (2.0, 2.0)
    assert apart.high - apart.low > 1


def test_ratio_needs_samples_and_a_denominator():
    assert ratio_of_medians([], [1.0]).reason == "no samples"
    assert ratio_of_medians([1.0], [0.0]).value is None
    few = ratio_of_medians([2.0] * 3, [1.0] * 3)
    assert (few.value, few.low) == (2.0, None)
    with pytest.raises(ValueError, match="2 rounds for 3 samples"):
        ratio_of_medians([1.0] * 3, [1.0], rounds_above=[1, 2])


def test_the_bootstrap_is_seeded():
    random = np.random.default_rng(3)
    a, b = random.random(20) + 1, random.random(20) + 1
    assert ratio_of_medians(a, b, seed=5) == ratio_of_medians(a, b, seed=5)
    assert ratio_of_medians(a, b, seed=5) != ratio_of_medians(a, b, seed=6)
