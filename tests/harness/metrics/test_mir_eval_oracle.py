"""Metrics and the ``mir_eval`` reading rule against mir_eval itself."""

import json
import os
import warnings
from pathlib import Path

import mir_eval
import numpy as np
import pytest

from extractors.track import F0Track
from harness.metrics.alignment import Aligned, align
from harness.metrics.counts import count
from harness.metrics.f0 import TRUTH

HAND_MADE = Path(__file__).parent / "data"
SHARED = {
    "Voicing Recall": "voicing_recall",
    "Voicing False Alarm": "voicing_false_alarm",
    "Raw Pitch Accuracy": "rpa_50c",
    "Raw Chroma Accuracy": "rca_50c",
    "Overall Accuracy": "overall_accuracy_50c",
}
FORMULAS = {m.name: m.formula for m in TRUTH}


def load(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mir_eval.io.load_time_series(str(path), delimiter=r"\s+|,")


def oracle(*series):
    with warnings.catch_warnings():  # it warns on legal input, e.g. nothing voiced
        warnings.simplefilter("ignore")
        return mir_eval.melody.evaluate(*series)


def aligned_by_mir_eval(*series):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ref_v, ref_c, est_v, est_c = mir_eval.melody.to_cent_voicing(*series)
    return Aligned(
        ref_v > 0,
        np.where(ref_v > 0, ref_c, np.nan),
        est_v > 0,
        np.where(est_c != 0, est_c, np.nan),
    )


def aligned_by_us(ref_times, ref_hz, est_times, est_hz):
    hz = np.where(est_hz == 0, np.nan, np.abs(est_hz)).astype(np.float32)
    track = F0Track(est_times, hz, est_hz > 0, np.zeros(len(hz)))
    return align(ref_times, np.abs(ref_hz), ref_hz > 0, track, rule="mir_eval")


def scores(aligned):
    columns = count(aligned, 0.01)
    return {theirs: float(FORMULAS[ours](columns)) for theirs, ours in SHARED.items()}


def assert_same(aligned, expected, tolerance=1e-9):
    for name, value in scores(aligned).items():
        if np.isnan(value):  # mir_eval has 0, and 1 for the recall of nothing
            assert expected[name] == (name == "Voicing Recall"), name
        else:
            assert value == pytest.approx(expected[name], abs=tolerance), name


def fixtures():
    root = os.environ.get("F0BENCH_DATA")
    if not root:
        pytest.skip("F0BENCH_DATA is not set: mir_eval's fixtures are not here")
    folder = Path(root) / "mir_eval_melody"
    numbers = sorted(p.stem.removeprefix("ref") for p in folder.glob("ref??.txt"))
    assert len(numbers) == 10, f"mir_eval fixtures are missing from {folder.name}"
    for number in numbers:
        series = (
            *load(folder / f"ref{number}.txt"),
            *load(folder / f"est{number}.txt"),
        )
        yield series, json.loads((folder / f"output{number}.json").read_text())


def hand_made():
    found = sorted(HAND_MADE.glob("*_ref.txt"))
    assert len(found) == 4, "hand-made fixtures are missing"
    for path in found:
        stem = path.name.removesuffix("_ref.txt")
        estimate = load(path.with_name(f"{stem}_est.txt"))
        expected = json.loads(path.with_name(f"{stem}.json").read_text())
        yield (*load(path), *estimate), expected


def random_series(rng):
    """A random reference and estimate; every other pair on grids of their own."""
    hop = rng.choice([0.005, 0.01, 0.0116])
    same = rng.random() < 0.5
    ref_times = rng.choice([0.0, 0.0015]) + hop * np.arange(rng.integers(2, 120))
    est_times = ref_times + 0.0
    if not same:
        step = rng.choice([0.004, 0.01])
        est_times = rng.choice([0.0, 0.002]) + step * np.arange(rng.integers(2, 150))
    pitch = 220 * 2 ** (np.cumsum(rng.normal(0, 0.02, 400)) / 2)
    ref = pitch[: len(ref_times)] * (rng.random(len(ref_times)) < 0.7)
    jump = rng.choice([0.5, 1, 1, 1, 2, 3], len(est_times))
    sign = rng.choice([-1, 0, 1, 1], len(est_times))
    est = (
        pitch[: len(est_times)] * jump * sign * 2 ** rng.normal(0, 0.03, len(est_times))
    )
    return ref_times, ref, est_times, est.astype(np.float32).astype(float)


def test_hand_made_fixtures_agree_with_hand_and_with_mir_eval():
    for series, expected in hand_made():
        assert oracle(*series) == pytest.approx(expected, abs=1e-12)
        assert_same(aligned_by_us(*series), expected)
        assert_same(aligned_by_mir_eval(*series), expected)


def test_metrics_equal_mir_eval_on_its_own_fixtures_and_alignment():
    for series, published in fixtures():
        assert_same(aligned_by_mir_eval(*series), oracle(*series))
        assert_same(aligned_by_mir_eval(*series), published)


def test_reading_rule_equals_mir_eval_on_its_own_fixtures():
    for series, published in fixtures():
        assert_same(aligned_by_us(*series), published)


def test_metrics_equal_mir_eval_on_random_tracks():
    rng = np.random.default_rng(20)
    for _ in range(250):
        series = random_series(rng)
        assert_same(aligned_by_mir_eval(*series), oracle(*series))


def test_reading_rule_equals_mir_eval_on_random_tracks():
    rng = np.random.default_rng(21)
    for _ in range(250):
        series = random_series(rng)
        ours, theirs = aligned_by_us(*series), aligned_by_mir_eval(*series)
        np.testing.assert_array_equal(ours.ref_voiced, theirs.ref_voiced)
        np.testing.assert_array_equal(ours.est_voiced, theirs.est_voiced)
        np.testing.assert_allclose(ours.ref_cents, theirs.ref_cents, atol=1e-9)
        np.testing.assert_allclose(ours.est_cents, theirs.est_cents, atol=1e-6)
