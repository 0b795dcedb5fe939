"""Threshold curves against counting anew, and calibration across groups."""

from dataclasses import replace

import numpy as np
import pytest

from extractors.errors import ConfigError, UsageError
from extractors.track import F0Track
from harness.metrics.alignment import align
from harness.metrics.base import Metric
from harness.metrics.bootstrap import pooled
from harness.metrics.counts import count
from harness.metrics.f0 import TRUTH
from harness.metrics.threshold import (
    ThresholdCurve,
    best_threshold,
    calibrate_across_groups,
    grid,
    threshold_curve,
)

NAN = float("nan")
F1: Metric = next(m for m in TRUTH if m.name == "pitch_f1_50c")


def curve(hits, called, voiced, thresholds=None):
    hits, called = np.array(hits, float), np.array(called, float)
    steps = np.arange(len(hits)) / 10 if thresholds is None else np.array(thresholds)
    return ThresholdCurve(steps, hits, hits, called, voiced)


def test_four_frames_by_hand():
    times = np.arange(4) / 100
    track = F0Track(
        times, [100, 200, 100, 100], np.zeros(4, bool), [0.9, 0.8, 0.3, 0.6]
    )
    found = threshold_curve(
        times, [100, 100, 100, 0], [1, 1, 1, 0], track, thresholds=[0, 0.3, 0.5, 0.7, 1]
    )
    assert found.hits.tolist() == [2, 2, 1, 1, 0]
    assert found.est_voiced.tolist() == [4, 4, 3, 2, 0]
    assert found.both_voiced.tolist() == [3, 3, 2, 2, 0]
    assert found.ref_voiced == 3
    np.testing.assert_allclose(found.precision, [0.5, 0.5, 1 / 3, 0.5, NAN])
    np.testing.assert_allclose(found.recall, [2 / 3, 2 / 3, 1 / 3, 1 / 3, 0])
    np.testing.assert_allclose(found.pitch_f1, [4 / 7, 4 / 7, 2 / 6, 2 / 5, 0])


@pytest.mark.parametrize("rule", ["f0bench", "mir_eval"])
@pytest.mark.parametrize("seed", range(4))
def test_curve_equals_counting_anew_at_every_threshold(rule, seed):
    rng = np.random.default_rng(seed)
    times = rng.choice([0.0, 0.003]) + 0.01 * np.arange(300)
    cents = np.cumsum(rng.normal(0, 30, 300)) + 1200 * (rng.random(300) < 0.1)
    f0 = np.where(rng.random(300) < 0.05, NAN, 200 * 2 ** (cents / 1200))
    level = rng.integers(0, 11, 300) / 10
    track = F0Track(times, f0, np.zeros(300, bool), level)
    at = np.arange(0.0015, 3.1, 0.0058)
    ref = (at, np.full(len(at), 205.0), rng.random(len(at)) < 0.7)
    found = threshold_curve(*ref, track, thresholds=np.arange(11) / 10, rule=rule)
    for place, theta in enumerate(found.thresholds):
        flags = (track.confidence >= np.float32(theta)) & ~np.isnan(track.f0)
        counts = count(align(*ref, replace(track, voiced=flags), rule=rule), 0.0058)
        assert found.hits[place] == counts["both_hits_50c"]
        assert found.both_voiced[place] == counts["both_voiced"]
        assert found.est_voiced[place] == counts["est_voiced"]
        assert found.ref_voiced == counts["ref_voiced"]
        assert found.pitch_f1[place] == pytest.approx(float(F1.formula(counts)))


def test_curves_add_up_on_one_grid_only():
    total = curve([1, 0], [2, 1], 3) + curve([4, 2], [5, 2], 6)
    assert (total.hits.tolist(), total.est_voiced.tolist()) == ([5, 2], [7, 3])
    assert total.ref_voiced == 9
    with pytest.raises(ValueError, match="different thresholds"):
        _ = total + curve([1, 0], [2, 1], 3, thresholds=[0, 0.5])


def test_grid_is_made_of_decimals():
    assert grid().tolist() == [step / 100 for step in range(101)]


def test_best_threshold_is_the_highest_f1_and_the_middle_of_equals():
    best = best_threshold(curve([5, 6, 6, 6, 1], [20, 10, 10, 10, 1], 10))
    assert best is not None
    assert best.threshold == pytest.approx(0.2)
    assert best.pitch_f1 == pytest.approx(0.6)


def test_without_voiced_reference_there_is_no_best_threshold():
    silent = curve([0, 0], [5, 0], 0)
    assert np.isnan(silent.pitch_f1).all()
    assert best_threshold(silent) is None


def test_each_group_is_scored_at_what_the_others_teach():
    """A likes θ = 0, B likes θ = 0.1: crossed, each gets the other's."""
    a, b = curve([10, 2], [10, 2], 10), curve([8, 8], [40, 8], 8)
    found = calibrate_across_groups([a, b], ["A", "B"])
    assert found.thresholds == {"A": 0.1, "B": 0.0}
    assert found.columns["both_hits_50c"].tolist() == [2, 8]
    assert found.columns["est_voiced"].tolist() == [2, 40]
    assert found.pitch_f1 == pytest.approx(2 * 10 / (42 + 18))
    assert pooled(found.columns, F1).value == pytest.approx(found.pitch_f1)


def test_clips_of_one_group_share_a_threshold():
    a, b = curve([10, 2], [10, 2], 10), curve([8, 8], [40, 8], 8)
    found = calibrate_across_groups([a, b, a], ["A", "B", "A"])
    assert found.columns["both_hits_50c"].tolist() == [2, 8, 2]


def test_calibration_needs_other_groups_with_voiced_reference():
    a, silent = curve([10, 2], [10, 2], 10), curve([0, 0], [5, 0], 0)
    with pytest.raises(UsageError, match="at least 2"):
        calibrate_across_groups([a, a], ["A", "A"])
    with pytest.raises(UsageError, match="outside group 'A'"):
        calibrate_across_groups([a, silent], ["A", "B"])
    with pytest.raises(ValueError, match="1 groups for 2 clips"):
        calibrate_across_groups([a, a], ["A"])


def test_an_unknown_rule_is_refused():
    track = F0Track([0.0], [100], [True], [1.0])
    with pytest.raises(ConfigError, match="mir_eval"):
        threshold_curve([0], [100], [True], track, rule="mir-eval")
