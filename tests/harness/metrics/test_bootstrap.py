"""Pooled and macro values, their intervals, and paired differences."""

import numpy as np
import pandas as pd
import pytest

from harness.metrics.base import Metric, Value
from harness.metrics.bootstrap import (
    common_clips,
    macro,
    paired_difference,
    pooled,
    replicates,
    summarise_counts,
)
from harness.metrics.f0 import share

NAN = float("nan")
SHARE = Metric("share", "1", "higher", "hits / n", share("hits", "n"))
COST = Metric("speed", "x", "higher", "not made of counts")


def clips(hits, n):
    return {"hits": np.array(hits, float), "n": np.array(n, float)}


def test_pooled_weighs_frames_and_macro_weighs_clips():
    table = clips([1, 90], [10, 100])
    assert pooled(table, SHARE).value == pytest.approx(91 / 110)
    assert macro(table, SHARE).value == pytest.approx((0.1 + 0.9) / 2)


def test_macro_leaves_out_clips_where_it_is_undefined():
    value = macro(clips([1, 0, 3], [2, 0, 4]), SHARE)
    assert value.value == pytest.approx(0.625)
    assert value.n == 2


def test_the_interval_encloses_the_value_and_is_seeded():
    rng = np.random.default_rng(0)
    table = clips(rng.integers(0, 50, 40), np.full(40, 50))
    first, again, other = (pooled(table, SHARE, seed=s) for s in (1, 1, 2))
    assert first.low < first.value < first.high
    assert first == again
    assert (first.low, first.high) != (other.low, other.high)


def test_two_clips_interval_by_enumeration():
    """Draws are (0, 0), (0, 1), (1, 0), (1, 1): a quarter each at either end."""
    value = pooled(clips([0, 10], [10, 10]), SHARE)
    assert (value.low, value.value, value.high) == (0.0, 0.5, 1.0)
    drawn = replicates(np.array([[0.0], [1.0]]), np.arange(2), draws=4000)
    share_of_twos = (drawn == 2).mean()
    assert share_of_twos == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize("aggregate", [pooled, macro])
def test_interval_covers_the_truth_about_as_often_as_it_says(aggregate):
    """Clips with rates around 0.6: 95 % intervals must cover in 90–99 % of trials."""
    rng = np.random.default_rng(5)
    covered = 0
    for trial in range(200):
        rates = np.clip(rng.normal(0.6, 0.1, 50), 0, 1)
        value = aggregate(
            clips(rng.binomial(100, rates), [100] * 50), SHARE, seed=trial
        )
        covered += value.low <= 0.6 <= value.high
    assert 180 <= covered <= 198


def test_groups_are_drawn_whole():
    """Ten copies of each clip carry no more evidence than the clip itself."""
    hits, n = np.array([2, 5, 8, 6, 9]), np.full(5, 10)
    single = pooled(clips(hits, n), SHARE)
    groups = [f"speaker {i}" for i in np.repeat(range(5), 10)]
    copied = clips(np.repeat(hits, 10), np.repeat(n, 10))
    grouped, naive = pooled(copied, SHARE, groups=groups), pooled(copied, SHARE)
    assert (grouped.low, grouped.high) == pytest.approx((single.low, single.high))
    assert naive.high - naive.low < 0.5 * (single.high - single.low)


def test_one_clip_or_one_group_has_a_value_but_no_interval():
    lone = pooled(clips([1], [2]), SHARE)
    same = pooled(clips([1, 2], [2, 4]), SHARE, groups=["a", "a"])
    for value in (lone, same):
        assert (value.value, value.low, value.high) == (0.5, None, None)
        assert "at least 2" in value.reason


def test_undefined_is_none_with_a_reason():
    value = pooled(clips([0, 0], [0, 0]), SHARE)
    assert (value.value, value.low, value.high, value.n) == (None, None, None, 2)
    assert "undefined" in value.reason
    assert macro(clips([0, 0], [0, 0]), SHARE).value is None


def test_an_interval_that_most_draws_leave_undefined_is_not_given():
    value = pooled(clips([1, 0, 0], [2, 0, 0]), SHARE)
    assert value.value == 0.5
    assert value.low is None
    assert "draws" in value.reason


def test_clips_without_the_columns_are_left_out():
    with_gap = clips([1, NAN, 3], [2, NAN, 4])
    expected = pooled(clips([1, 3], [2, 4]), SHARE)
    assert pooled(with_gap, SHARE) == expected
    assert pooled(with_gap, SHARE, groups=["a", "b", "c"]).n == 2


def test_columns_that_were_not_counted_are_named():
    assert "no hits" in pooled({"n": np.ones(2)}, SHARE).reason
    assert "no clip" in pooled(clips([NAN], [NAN]), SHARE).reason
    assert "no clip" in pooled(clips([], []), SHARE).reason


def test_summary_holds_both_aggregates_in_order_and_skips_costs():
    frame = pd.DataFrame(
        {
            "clip_id": ["a", "b", "c"],
            **clips([1, NAN, 3], [2, NAN, 9]),
            "other": [1, 2, 3],
        }
    )
    other = Metric("other_share", "1", "higher", ".", share("other", "other"))
    absent = Metric("absent", "1", "higher", ".", share("no_such", "n"))
    found = summarise_counts(frame, [SHARE, COST, other, absent], seed=3)
    assert list(found) == [
        "share",
        "share_macro",
        "other_share",
        "other_share_macro",
        "absent",
        "absent_macro",
    ]
    assert found["share"] == pooled(frame, SHARE, seed=3)
    assert found["share_macro"] == macro(frame, SHARE, seed=3)
    assert (found["share"].n, found["other_share"].n) == (2, 3)
    assert found["absent"] == found["absent_macro"]
    assert found["absent"].value is None


def test_summary_by_groups_equals_single_metrics_by_groups():
    frame = pd.DataFrame(clips([1, 2, 3, 9], [4, 4, 5, 9]))
    groups = ["x", "y", "x", "z"]
    found = summarise_counts(frame, [SHARE], groups=groups)
    assert found["share"] == pooled(frame, SHARE, groups=groups)
    with pytest.raises(ValueError, match="3 groups for 4 clips"):
        summarise_counts(frame, [SHARE], groups=groups[:3])


def test_identical_systems_differ_by_exactly_zero():
    table = clips([3, 8, 5], [10, 10, 10])
    assert paired_difference(table, table, SHARE) == Value(0.0, 0.0, 0.0, 3)


def test_pairing_removes_what_clips_have_in_common():
    """Hard and easy clips, B one frame worse in each: the sign is certain."""
    n = np.full(20, 100.0)
    easy = np.linspace(10, 99, 20).round()
    difference = paired_difference(clips(easy, n), clips(easy - 1, n), SHARE)
    assert difference.value == pytest.approx(0.01)
    assert difference.low == pytest.approx(0.01)
    assert difference.high == pytest.approx(0.01)
    alone = pooled(clips(easy, n), SHARE)
    assert alone.high - alone.low > 0.1


def test_difference_of_noise_straddles_zero_about_as_often_as_it_says():
    rng = np.random.default_rng(9)
    n = np.full(40, 50)
    straddling = 0
    for trial in range(100):
        a, b = (clips(rng.binomial(n, 0.7), n) for _ in range(2))
        value = paired_difference(a, b, SHARE, seed=trial)
        straddling += value.low <= 0 <= value.high
    assert straddling >= 88


def test_difference_drops_clips_that_either_side_lacks():
    value = paired_difference(
        clips([1, NAN, 4], [2, NAN, 4]),
        clips([1, 1, 2], [2, 2, 4]),
        SHARE,
        ["a", "b", "c"],
    )
    assert value.n == 2
    assert value.value == pytest.approx(5 / 6 - 3 / 6)


def test_difference_refuses_unequal_clips_and_metrics_without_formula():
    with pytest.raises(ValueError, match="1 clips against 2"):
        paired_difference(clips([1], [2]), clips([1, 1], [2, 2]), SHARE)
    with pytest.raises(ValueError, match="speed is not made of counts"):
        paired_difference(clips([1], [2]), clips([1], [2]), COST)


def test_difference_without_the_columns_says_so():
    assert "not counted" in paired_difference({}, clips([1], [2]), SHARE).reason


def test_common_clips_are_joined_in_the_order_of_the_first():
    a = pd.DataFrame({"clip_id": ["x", "y", "z"], "hits": [1, 2, 3]})
    b = pd.DataFrame({"clip_id": ["z", "w", "x"], "hits": [30, 40, 10]})
    left, right = common_clips(a, b)
    assert left.clip_id.tolist() == right.clip_id.tolist() == ["x", "z"]
    assert (left.hits.tolist(), right.hits.tolist()) == ([1, 3], [10, 30])


def test_blocks_do_not_change_the_draws(monkeypatch):
    matrix = np.random.default_rng(0).random((7, 2))
    whole = replicates(matrix, np.arange(7), draws=50)
    monkeypatch.setattr("harness.metrics.bootstrap._BLOCK", 21)
    np.testing.assert_array_equal(whole, replicates(matrix, np.arange(7), draws=50))
