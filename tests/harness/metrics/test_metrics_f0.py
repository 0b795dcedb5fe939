"""Every accuracy metric on one table of ten frames, computed by hand."""

import numpy as np
import pytest

from harness.metrics.alignment import Aligned
from harness.metrics.counts import count, count_columns
from harness.metrics.f0 import ACCURACY, AGREEMENT, TRUTH

NAN = float("nan")
X3 = 1200 * np.log2(3)

#       voiced                       unvoiced est.    none
ERRORS = [4.0, -20.0, 40.0, 1200.0, 80.0, -8.0, -X3, NAN, 0.0, NAN]
EST_VOICED = [True, True, True, True, True, False, False, False, True, False]
REF_VOICED = [True] * 8 + [False] * 2

BY_HAND = {
    "rpa_5c": 1 / 8,
    "rpa_10c": 2 / 8,
    "rpa_25c": 3 / 8,
    "rpa_50c": 4 / 8,
    "rpa_100c": 5 / 8,
    "rpa_200c": 5 / 8,
    "rca_50c": 5 / 8,
    "pitch_f1_50c": 2 * 3 / (6 + 8),
    "overall_accuracy_50c": (3 + 1) / 10,
    "bias_cents": (4 - 20 + 40 - 8) / 4,
    "voicing_recall": 5 / 8,
    "voicing_false_alarm": 1 / 2,
    "voicing_precision": 5 / 6,
    "vde": (3 + 1) / 10,
    "ffe": (3 + 1 + 1) / 10,
    "octave_error_rate": 2 / 8,
    "octave_up_rate": 1 / 8,
    "octave_down_rate": 1 / 8,
    "gpe_20pct": 1 / 5,
    "fpe_bias_cents": 26.0,  # of 4, -20, 40, 80
    "fpe_std_cents": (8416 / 4 - 26**2) ** 0.5,
    "fpe_mae_cents": 36.0,
    "voiced_ratio": 6 / 10,
    "ref_voiced_ratio": 8 / 10,
    "scored_s": 0.1,
}


def table(prefix="", frames=slice(None)):
    ref = np.array(REF_VOICED)[frames]
    cents = np.where(ref, 4800.0, NAN)
    est = 4800.0 + np.array(ERRORS)[frames]
    return count(Aligned(ref, cents, np.array(EST_VOICED)[frames], est), 0.01, prefix)


@pytest.mark.parametrize("metric", TRUTH, ids=lambda metric: metric.name)
def test_metric_equals_the_value_computed_by_hand(metric):
    assert float(metric.formula(table())) == pytest.approx(BY_HAND[metric.name])


def test_agreement_is_the_same_formula_over_its_own_columns():
    columns = table(AGREEMENT)
    found = {m.name: float(m.formula(columns)) for m in ACCURACY if m not in TRUTH}
    expected = {AGREEMENT + name: value for name, value in BY_HAND.items()}
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("metric", ACCURACY, ids=lambda metric: metric.name)
def test_nothing_scored_is_undefined(metric):
    empty = dict.fromkeys((*count_columns(), *count_columns(AGREEMENT)), 0.0)
    value = float(metric.formula(empty))
    assert value == 0 if metric.unit == "s" else np.isnan(value)


def test_without_voiced_reference_only_voicing_is_defined():
    columns = table(frames=slice(8, 10))
    found = {m.name: float(m.formula(columns)) for m in TRUTH}
    defined = {name: value for name, value in found.items() if not np.isnan(value)}
    assert defined == pytest.approx(
        {
            "overall_accuracy_50c": 0.5,
            "voicing_false_alarm": 0.5,
            "voicing_precision": 0.0,
            "vde": 0.5,
            "ffe": 0.5,
            "voiced_ratio": 0.5,
            "ref_voiced_ratio": 0.0,
            "scored_s": 0.02,
        }
    )


@pytest.mark.parametrize("metric", ACCURACY, ids=lambda metric: metric.name)
def test_formula_works_elementwise_on_arrays(metric):
    one, zero = table(), dict.fromkeys(count_columns(), 0.0)
    columns = {name: np.array([one[name], zero[name]]) for name in one}
    columns |= {AGREEMENT + name: values for name, values in columns.items()}
    value = metric.formula(columns)
    expected = BY_HAND[metric.name.removeprefix(AGREEMENT)]
    assert value.shape == (2,)
    assert value[0] == pytest.approx(expected)


def test_constant_error_has_no_negative_variance():
    std = next(m for m in TRUTH if m.name == "fpe_std_cents").formula
    voiced, cents = np.ones(3, bool), np.full(3, 4800.0)
    columns = count(Aligned(voiced, cents, voiced, cents + 7.1), 0.01)
    assert float(std(columns)) == pytest.approx(0, abs=1e-5)


def test_abstaining_never_raises_the_headline_metrics():
    """Calling every second voiced frame unvoiced must not look better."""
    fewer = np.array(EST_VOICED) & (np.arange(10) % 2 == 0)
    ref = np.array(REF_VOICED)
    cents = np.where(ref, 4800.0, NAN)
    less = count(Aligned(ref, cents, fewer, 4800.0 + np.array(ERRORS)), 0.01)
    for name in ("rpa_50c", "rpa_10c", "rca_50c", "pitch_f1_50c", "voicing_recall"):
        formula = next(m for m in TRUTH if m.name == name).formula
        assert formula(less) <= formula(table()), name


def test_every_metric_is_described_and_named_once():
    assert len({m.name for m in ACCURACY}) == len(ACCURACY)
    assert len({m.label for m in ACCURACY}) == len(ACCURACY)
    for metric in ACCURACY:
        assert metric.definition.endswith("."), metric.name
        assert metric.unit in {"1", "cents", "s"}
        assert metric.direction in {"higher", "lower", "zero", "none"}
        assert metric.label
    assert set(BY_HAND) == {m.name for m in TRUTH}
