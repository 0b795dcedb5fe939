"""Counts of spectrograms worked out by hand."""

import numpy as np
import pytest

from harness.metrics.spectrogram import EXACT_DB, SPECTROGRAM, spectrogram_counts

METRICS = {metric.name: metric for metric in SPECTROGRAM}
R = np.array([[3.0, 4.0], [0.0, 1e-5]], np.float32)


def values(counts):
    columns = {name: np.asarray(value) for name, value in counts.items()}
    return {name: float(metric.formula(columns)) for name, metric in METRICS.items()}


def test_relative_error_and_levels():
    found = R.copy()
    found[0, 0] = 3.3
    counts = spectrogram_counts(R, found, 2.0, power=False)
    assert counts["values"] == 4
    assert counts["scored_s"] == 2.0
    assert counts["loud_values"] == 2  # 1e-5 is 112 dB below 4
    got = values(counts)
    assert got["spectrum_relative_error"] == pytest.approx(0.3 / 5, rel=1e-6)
    assert got["spectrum_error_db"] == pytest.approx(20 * np.log10(0.06), rel=1e-6)
    level = 20 * np.log10(1.1)
    assert got["spectrum_level_error_db"] == pytest.approx(level / 2**0.5, rel=1e-6)


def test_power_has_ten_db_a_decade():
    counts = spectrogram_counts(R, R * 10, 1.0, power=True)
    assert counts["loud_values"] == 3  # as a power 1e-5 is 56 dB below 4
    assert values(counts)["spectrum_level_error_db"] == pytest.approx(10.0, rel=1e-6)


def test_a_missed_clip_is_all_zeros():
    got = values(spectrogram_counts(R, None, 1.0, power=False))
    assert got["spectrum_error_db"] == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(got["spectrum_level_error_db"])


def test_equal_values_and_silence():
    assert values(spectrogram_counts(R, R, 1.0, power=False)) == {
        "spectrum_error_db": EXACT_DB,
        "spectrum_relative_error": 0.0,
        "spectrum_level_error_db": 0.0,
    }
    silent = values(spectrogram_counts(0 * R, 0 * R, 1.0, power=False))
    assert all(np.isnan(value) for value in silent.values())
