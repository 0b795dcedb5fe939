"""Count columns of hand-made frames; additivity."""

import numpy as np
import pytest

from harness.metrics.alignment import Aligned
from harness.metrics.counts import (
    HIST_BINS,
    count,
    count_columns,
    histogram,
    missed_counts,
)

NAN = float("nan")
X3 = 1200 * np.log2(3)


def aligned(errors, est_voiced=None, ref_voiced=None):
    """Frames with the given errors in cents over a reference at 160 Hz (4800 cents)."""
    errors = np.asarray(errors, dtype=float)
    ref = np.ones(len(errors), bool) if ref_voiced is None else np.array(ref_voiced)
    est = ~np.isnan(errors) if est_voiced is None else np.array(est_voiced)
    cents = np.where(ref, 4800.0, NAN)
    return Aligned(ref, cents, est, 4800.0 + errors)


def counted(errors, **flags):
    return count(aligned(errors, **flags), 0.01)


def test_columns_are_those_announced_in_that_order():
    assert tuple(counted([0.0])) == count_columns()
    assert tuple(count(aligned([0.0]), 0.01, "p_")) == count_columns("p_")
    assert len(set(count_columns())) == len(count_columns())


def test_values_are_plain_floats():
    assert {type(v) for v in counted([0.0, NAN]).values()} == {float}


def test_voicing_columns():
    table = counted(
        [0, 0, NAN, 0, 0, NAN],
        ref_voiced=[True, True, True, False, False, False],
        est_voiced=[True, False, False, True, False, False],
    )
    expected = {
        "frames": 6,
        "scored_s": 0.06,
        "ref_voiced": 3,
        "est_voiced": 2,
        "both_voiced": 1,
        "voiced_as_unvoiced": 2,
        "unvoiced_as_voiced": 1,
        "any_n": 2,
        "both_n": 1,
    }
    assert {name: table[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("limit", [5, 10, 25, 50, 100, 200])
def test_hits_are_strictly_below_the_threshold(limit):
    table = counted([limit, -limit, limit - 0.5, 0.5 - limit])
    assert table[f"any_hits_{limit}c"] == 2


def test_any_ignores_the_voicing_of_the_estimate_and_both_does_not():
    table = counted([0, 60, 0], est_voiced=[True, True, False])
    assert (table["any_hits_50c"], table["both_hits_50c"]) == (2, 1)


def test_chroma_removes_whole_octaves():
    table = counted([1200, -2440, 3601, 1150, 600, 9])
    assert table["any_chroma_hits_50c"] == 4
    assert table["any_chroma_hits_10c"] == 3


def test_gross_is_20_percent_in_hz_on_either_side():
    up, down = 1200 * np.log2(1.2), 1200 * np.log2(0.8)
    table = counted([up - 0.1, up + 0.1, down + 0.1, down - 0.1])
    assert table["any_gross_20pct"] == 2
    assert table["any_n_non_gross"] == 2


def test_sums_run_over_frames_that_are_not_gross():
    table = counted([10, -40, 100, 1200])
    assert table["any_n_non_gross"] == 3
    assert table["any_sum_cents"] == pytest.approx(70)
    assert table["any_sum_abs_cents"] == pytest.approx(150)
    assert table["any_sum_sq_cents"] == pytest.approx(100 + 1600 + 10000)
    assert table["any_hits_sum_cents"] == pytest.approx(-30)


def test_octave_windows_are_50_cents_wide_on_either_side_and_strict():
    table = counted([1249, 1250, 1151, -1200, -2400, 2351, X3 + 49, -X3, 900])
    found = {k[11:]: v for k, v in table.items() if k.startswith("any_octave_")}
    assert found == {
        "up_1": 2,
        "up_2": 1,
        "up_x3": 1,
        "down_1": 1,
        "down_2": 1,
        "down_x3": 1,
    }


def test_histogram_bins_hold_their_lower_edge():
    edges, frames = histogram(counted([-601, -600, -0.1, 0, 9.9, 10, 599, 600, 4000]))
    assert len(edges) == HIST_BINS + 3
    assert len(frames) == HIST_BINS + 2
    assert {float(e): int(n) for e, n in zip(edges, frames, strict=False) if n} == {
        -np.inf: 1,
        -600: 1,
        -10: 1,
        0: 2,
        10: 1,
        590: 1,
        600: 2,
    }


def test_histogram_of_a_view_and_prefix():
    table = count(aligned([0, 0], est_voiced=[True, False]), 0.01, "p_")
    assert histogram(table, "any", "p_")[1].sum() == 2
    assert histogram(table, "both", "p_")[1].sum() == 1


def test_a_missed_clip_has_every_voiced_frame_unvoiced():
    table = missed_counts([0, 0.01, 0.02], [100, 100, 0], [True, True, False], 0.01)
    nonzero = {name: value for name, value in table.items() if value}
    assert nonzero == pytest.approx(
        {"frames": 3, "scored_s": 0.03, "ref_voiced": 2, "voiced_as_unvoiced": 2}
    )


def test_no_frames_count_zero():
    assert set(counted([]).values()) == {0.0}


def test_counts_of_a_whole_are_the_sum_of_its_parts():
    rng = np.random.default_rng(3)
    errors = np.where(rng.random(300) < 0.1, NAN, rng.normal(0, 300, 300))
    ref = rng.random(300) < 0.7
    est = (rng.random(300) < 0.6) & ~np.isnan(errors)
    whole = counted(errors, ref_voiced=ref, est_voiced=est)
    parts = [
        counted(errors[s], ref_voiced=ref[s], est_voiced=est[s])
        for s in (slice(0, 90), slice(90, 91), slice(91, 300))
    ]
    for name, value in whole.items():
        assert sum(part[name] for part in parts) == pytest.approx(value), name
