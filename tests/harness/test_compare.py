"""Matching of cells, and verdicts with their reasons."""

import pytest

from harness.compare import compare_runs, judge_difference, judge_ratio, match
from harness.metrics.base import Metric, Value
from harness.metrics.cost import COST
from harness.metrics.f0 import ACCURACY

METRICS = (*ACCURACY, *COST)
UP = Metric("rpa", "1", "higher", "")
DOWN = Metric("vde", "1", "lower", "")
ZERO = Metric("bias_cents", "cents", "zero", "")


def compared(a, b, summarise):
    found = compare_runs(a, b, (summarise(a), summarise(b)), METRICS)
    return found, {(c.label, c.metric): c for c in found.changes}


@pytest.mark.parametrize(
    ("metric", "a", "b", "change", "verdict"),
    [
        (UP, 0.8, 0.9, Value(0.1, 0.05, 0.15), "better"),
        (UP, 0.9, 0.8, Value(-0.1, -0.15, -0.05), "worse"),
        (DOWN, 0.1, 0.2, Value(0.1, 0.05, 0.15), "worse"),
        (DOWN, 0.2, 0.1, Value(-0.1, -0.15, -0.05), "better"),
        (UP, 0.8, 0.81, Value(0.01, -0.02, 0.04), "unclear"),
        (UP, 0.8, 0.8, Value(0.0, 0.0, 0.0), "same"),
        (UP, 0.8, 0.8005, Value(0.0005, 0.0002, 0.0008), "same"),
        (UP, 0.8, 0.9, Value(0.1), "unclear"),
        (UP, None, 0.9, Value(None), "unclear"),
        (ZERO, -8.0, 2.0, Value(10.0, 9.0, 11.0), "better"),
        (ZERO, 2.0, -8.0, Value(-10.0, -11.0, -9.0), "worse"),
    ],
)
def test_difference_verdicts(metric, a, b, change, verdict):
    assert judge_difference(metric, a, b, change)[0] == verdict


@pytest.mark.parametrize(
    ("direction", "change", "verdict"),
    [
        ("higher", Value(1.2, 1.1, 1.3), "better"),
        ("lower", Value(1.2, 1.1, 1.3), "worse"),
        ("higher", Value(1.0, 0.99, 1.01), "same"),
        ("higher", Value(1.1, 0.9, 1.3), "unclear"),
        ("higher", Value(1.5), "unclear"),
    ],
)
def test_ratio_verdicts(direction, change, verdict):
    metric = Metric("x", "x", direction, "")
    assert judge_ratio(metric, change)[0] == verdict


def test_cells_match_by_key_then_by_label(folder):
    a = folder(name="a").add("1" * 12, "same").add("2" * 12, "renamed")
    a.add("3" * 12, "only a")
    b = folder(name="b").add("1" * 12, "other label").add("4" * 12, "renamed")
    pairs = match(a.load(), b.load())
    assert [(p.a.key[0], p.b.key[0], p.by) for p in pairs] == [
        ("1", "1", "key"),
        ("2", "4", "label"),
    ]


def test_labels_that_are_not_unique_do_not_match(folder):
    a = folder(name="a").add("1" * 12, "twin").add("2" * 12, "twin").load()
    b = folder(name="b").add("3" * 12, "twin").load()
    assert match(a, b) == []


def test_worse_pitch_and_equal_voicing(folder, summarise):
    a = folder(name="a").add("1" * 12, "crepe", speed=10.0).load()
    b = folder(name="b").add("1" * 12, "crepe", octaves=16, speed=12.0).load()
    found, changes = compared(a, b, summarise)
    pitch = changes["crepe", "rpa_50c"]
    assert pitch.verdict == "worse"
    assert pitch.change.value == pytest.approx(-0.1)
    assert (pitch.a, pitch.b) == (1.0, pytest.approx(0.9))
    assert pitch.change.n == 4
    assert changes["crepe", "vde"].verdict == "same"
    assert changes["crepe", "x_realtime"].verdict == "better"
    assert changes["crepe", "x_realtime"].change.value == pytest.approx(1.2)
    assert found.regressed


def test_only_shared_clips_are_compared(folder, summarise):
    a = folder("one", "two", "three", name="a").add("1" * 12, "crepe").load()
    b = folder("one", "two", name="b").add("1" * 12, "crepe").load()
    _, changes = compared(a, b, summarise)
    assert changes["crepe", "rpa_50c"].change.n == 2


def test_other_hardware_makes_speed_incomparable_not_accuracy(folder, summarise):
    a = folder(name="a").add("1" * 12, "crepe", speed=10.0).load()
    other = folder(name="b").add("1" * 12, "crepe", speed=20.0)
    other.plan["machine"]["cpu"] = "Another CPU"
    _, changes = compared(a, other.load(), summarise)
    speed = changes["crepe", "x_realtime"]
    assert (speed.verdict, speed.reason) == ("incomparable", "other cpu")
    assert speed.change.value is None
    assert changes["crepe", "rpa_50c"].verdict == "same"


def test_other_data_are_incomparable(folder, summarise):
    a = folder(name="a").add("1" * 12, "crepe", fingerprint={"data": "x"}).load()
    b = folder(name="b").add("1" * 12, "crepe", fingerprint={"data": "y"}).load()
    _, changes = compared(a, b, summarise)
    assert changes["crepe", "rpa_50c"].verdict == "incomparable"
    assert "recordings" in changes["crepe", "rpa_50c"].reason


def test_invalid_measurement_has_no_speed_verdict(folder, summarise):
    a = folder(name="a").add("1" * 12, "crepe", speed=10.0).load()
    bad = {"state": "invalid", "reasons": ["moved"]}
    b = folder(name="b").add("1" * 12, "crepe", speed=20.0, validity=bad).load()
    _, changes = compared(a, b, summarise)
    assert changes["crepe", "x_realtime"].verdict == "incomparable"
    assert "B is invalid" in changes["crepe", "x_realtime"].reason
