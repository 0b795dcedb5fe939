"""The two reading rules on tracks small enough to read by hand."""

import numpy as np
import pytest

from extractors.errors import ConfigError
from extractors.track import F0Track
from harness.metrics.alignment import Aligned, align, hz_to_cents

NAN = float("nan")


def track(times, f0, voiced=None):
    f0 = np.asarray(f0, dtype=np.float32)
    voiced = ~np.isnan(f0) if voiced is None else np.asarray(voiced, dtype=bool)
    return F0Track(times, f0, voiced, np.zeros(len(f0)))


def read(at, estimate, rule="f0bench"):
    """The estimate as (voiced, Hz) at the times ``at``."""
    at = np.asarray(at, dtype=float)
    aligned = align(at, np.full(len(at), 100.0), np.ones(len(at)), estimate, rule=rule)
    hz = 10.0 * 2.0 ** (aligned.est_cents / 1200.0)
    return aligned.est_voiced.tolist(), hz


def test_cents_are_relative_to_10_hz():
    np.testing.assert_allclose(hz_to_cents([10, 20, 5]), [0, 1200, -1200])
    assert np.isnan(hz_to_cents([0.0, -100.0, NAN])).all()


def test_pitch_is_linear_in_cents_between_close_frames():
    cents = 1200 * np.log2(np.array([100.0, 104.0]) / 100)
    _, hz = read([0.0025], track([0, 0.01], [100, 104]))
    assert hz[0] == pytest.approx(100 * 2 ** (0.25 * cents[1] / 1200), rel=1e-6)


@pytest.mark.parametrize(("jump", "expected"), [(99, 39.6), (101, 0), (1200, 0)])
def test_a_jump_of_100_cents_or_more_is_not_interpolated(jump, expected):
    _, hz = read([0.004], track([0, 0.01], [100, 100 * 2 ** (jump / 1200)]))
    assert 1200 * np.log2(hz[0] / 100) == pytest.approx(expected, abs=1e-3)


def test_frames_of_unequal_voicing_are_not_interpolated():
    edge = track([0, 0.01], [100, 104], [True, False])
    voiced, hz = read([0.004, 0.006], edge)
    assert voiced == [True, False]
    np.testing.assert_allclose(hz, [100, 104], rtol=1e-6)


def test_unvoiced_neighbours_keep_their_estimates():
    quiet = track([0, 0.01], [100, 104], [False, False])
    voiced, hz = read([0.005], quiet)
    assert voiced == [False]
    assert 101.9 < hz[0] < 102.1


def test_a_frame_without_estimate_is_read_as_none_and_not_filled():
    gap = track([0, 0.01, 0.02], [100, NAN, 100])
    voiced, hz = read([0.004, 0.006, 0.014, 0.016], gap)
    assert voiced == [True, False, False, True]
    assert np.isnan(hz).tolist() == [False, True, True, False]


@pytest.mark.parametrize("frame", range(0, 200, 7))
def test_a_tie_goes_to_the_earlier_frame_whatever_the_rounding(frame):
    flags = np.arange(201) % 2 == 0
    voiced, _ = read(
        [frame / 100 + 0.005], track(np.arange(201) / 100, [100] * 201, flags)
    )
    assert voiced == [flags[frame]]


def test_outside_the_estimate_one_hop_is_held_and_no_more():
    voiced, hz = read([0.0, 0.0101, 0.05, 0.0501], track([0.02, 0.03, 0.04], [100] * 3))
    assert voiced == [False, True, True, False]
    assert np.isnan(hz).tolist() == [True, False, False, True]


def test_a_hole_in_the_estimate_is_unvoiced():
    holed = track([0, 0.01, 0.02, 0.10, 0.11], [100] * 5)
    assert read([0.025, 0.06, 0.095], holed)[0] == [True, False, True]


def test_a_single_frame_stands_for_one_reference_step():
    assert read([0.0, 0.01, 0.02], track([0], [100]))[0] == [True, True, False]


def test_a_missed_clip_and_an_empty_track_have_no_estimate():
    for nothing in (None, track([], [])):
        for rule in ("f0bench", "mir_eval"):
            voiced, hz = read([0.0, 0.01], nothing, rule)
            assert voiced == [False, False]
            assert np.isnan(hz).all()


def test_an_empty_reference_aligns_to_nothing():
    for rule in ("f0bench", "mir_eval"):
        assert len(align([], [], [], track([0, 0.01], [100, 100]), rule=rule)) == 0


def test_unvoiced_reference_frames_have_no_pitch():
    aligned = align([0, 0.01], [100, 100], [True, False], None)
    assert np.isnan(aligned.ref_cents).tolist() == [False, True]


def by_definition(at, times, cents, voiced):
    """The default rule for one time, spelled out frame by frame."""
    distance = [abs(at - t) for t in times]
    near = min(i for i, d in enumerate(distance) if d <= min(distance) + 1e-9)
    if distance[near] > np.median(np.diff(times)) + 1e-9:
        return False, NAN
    around = [i for i in range(len(times) - 1) if times[i] <= at < times[i + 1]]
    for i in around:
        step = cents[i + 1] - cents[i]
        if voiced[i] == voiced[i + 1] and abs(step) < 100:
            share = (at - times[i]) / (times[i + 1] - times[i])
            return bool(voiced[near]), cents[i] + share * step
    return bool(voiced[near]), cents[near]


@pytest.mark.parametrize("seed", range(6))
def test_rule_equals_its_definition_on_random_tracks(seed):
    rng = np.random.default_rng(seed)
    times = rng.choice([0.0, 0.004]) + 0.01 * np.arange(80)
    f0 = 150 * 2 ** (np.cumsum(rng.normal(0, 70, 80)) / 1200)
    f0[rng.random(80) < 0.1] = NAN
    estimate = track(times, f0, (rng.random(80) < 0.7) & ~np.isnan(f0))
    at = rng.choice([0.0, 0.0015]) + rng.choice([0.005, 0.0058]) * np.arange(180)
    aligned = align(at, np.full(180, 100.0), np.ones(180), estimate)
    cents = hz_to_cents(estimate.f0)
    expected = [by_definition(t, times, cents, estimate.voiced) for t in at]
    np.testing.assert_array_equal(aligned.est_voiced, [v for v, _ in expected])
    np.testing.assert_allclose(aligned.est_cents, [c for _, c in expected], atol=1e-9)


def test_mir_eval_holds_voicing_of_the_last_frame():
    edge = track([0, 0.01], [100, 104], [True, False])
    assert read([0.0, 0.009, 0.01], edge, "mir_eval")[0] == [True, True, False]


def test_mir_eval_repeats_the_first_reference_frame_at_zero():
    aligned = align([0.01, 0.02], [100, 200], [True, True], None, rule="mir_eval")
    np.testing.assert_allclose(aligned.ref_cents, hz_to_cents([100, 100, 200]))


def test_inputs_are_left_alone():
    f0 = np.array([100.0, 0.0])
    align(np.array([0, 0.01]), f0, f0 > 0, track([0, 0.01], [100, 100]))
    assert f0.tolist() == [100, 0]


def test_an_unknown_rule_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'mir_eval'"):
        align([0], [100], [True], None, rule="mireval")


def test_malformed_aligned_arrays_are_refused():
    one, two = np.ones(1), np.ones(2)
    with pytest.raises(ValueError, match="one length"):
        Aligned(two > 0, two, one > 0, one)
    with pytest.raises(ValueError, match="est_cents is NaN"):
        Aligned(one > 0, one, one > 0, one * NAN)
