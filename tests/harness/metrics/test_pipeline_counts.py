"""Counts of windows and zones worked out by hand."""

import numpy as np
import pytest

from harness.metrics.pipeline import (
    PIPELINE,
    window_counts,
    window_truth,
    zone_counts,
)

METRICS = {metric.name: metric for metric in PIPELINE}


def value(name, counts):
    columns = {key: np.asarray(number) for key, number in counts.items()}
    return float(METRICS[name].formula(columns))


def test_the_truth_of_a_window_is_a_median_in_cents():
    times = np.arange(200) / 100
    f0 = np.where(np.arange(200) < 60, 100.0, 200.0)
    voiced = np.ones(200, bool)
    voiced[100:190] = False  # a tenth of the second window is left
    found = window_truth(times, f0, voiced, np.array([0.5, 1.0, 1.5]), 1.0)
    assert found[0] == pytest.approx(100.0)
    assert found[1] == pytest.approx(200.0)
    assert np.isnan(found[2])


def test_windows():
    truth = np.array([100.0, 100.0, 100.0, 100.0, np.nan])
    cents = np.array([10.0, -60.0, 1200.0])
    found = np.concatenate([100 * 2 ** (cents / 1200), [np.nan, 300.0]])
    counts = window_counts(truth, found, 5.0)
    assert counts == pytest.approx(
        {
            "windows": 5,
            "scored_s": 5.0,
            "ref_windows": 4,
            "est_windows": 3,
            "hits_50c": 1,
            "fine": 2,
            "sum_abs_cents": 70.0,
        }
    )
    assert value("window_hits_50c", counts) == 0.25
    assert value("window_error_cents", counts) == pytest.approx(35.0)
    assert value("window_coverage", counts) == 0.75
    missed = window_counts(truth, None, 5.0)
    assert value("window_hits_50c", missed) == 0.0
    assert np.isnan(value("window_error_cents", missed))


def test_zones_match_by_half_of_their_union():
    true = [(10.0, 20.0), (50.0, 60.0), (90.0, 100.0)]
    found = [(10.5, 20.2), (55.0, 65.0), (70.0, 71.0)]
    counts = zone_counts(true, found)
    assert counts == pytest.approx(
        {
            "zones_true": 3,
            "zones_found": 3,
            "zones_matched": 1,
            "sum_boundary_s": 0.7,
        }
    )
    assert value("zone_recall", counts) == pytest.approx(1 / 3)
    assert value("zone_f1", counts) == pytest.approx(1 / 3)
    assert value("zone_boundary_error_s", counts) == pytest.approx(0.35)


def test_nothing_found_has_no_precision():
    counts = zone_counts([(1.0, 2.0)], [])
    assert value("zone_recall", counts) == 0.0
    assert np.isnan(value("zone_precision", counts))
    assert np.isnan(value("zone_recall", zone_counts([], [])))
