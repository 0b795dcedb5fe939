"""One value per round of every family of metrics, from hand-made samples."""

from __future__ import annotations

import pandas as pd
import pytest

from harness.metrics import all_metrics
from harness.metrics.rounds import BY_ROUND, round_values

#: round, scenario, audio seconds, wall seconds
CALLS = [
    (1, "offline", 8.0, 2.0),
    (1, "offline", 8.0, 4.0),
    (1, "offline", 8.0, 1.0),
    (3, "offline", 8.0, 16.0),
    (3, "offline", 8.0, 8.0),
    (1, "clip", 3.0, 0.3),
    (1, "clip", 5.0, 0.5),
    (1, "one_second", 1.0, 0.02),
    (3, "one_second", 1.0, 0.04),
    (3, "one_second", 1.0, 0.06),
    (3, "one_second", 1.0, 0.50),
]
SAMPLES = pd.DataFrame(CALLS, columns=["round", "scenario", "audio_s", "wall_s"])
RECORD = {
    "cell": {"task": {"hop_s": 0.01}},
    "timed_set": ["one", "two"],
    "rounds": [
        {
            "n": 1,
            "cold": {"import_s": 0.5, "load_s": 0.0, "first_call_s": 0.25},
            "memory": {"host_peak_bytes": 100, "gpu_allocated_peak_bytes": None},
        },
        {
            "n": 3,
            "cold": {"import_s": 0.6, "load_s": 0.1, "first_call_s": 0.2},
            "memory": {"host_peak_bytes": 120, "gpu_allocated_peak_bytes": 7},
        },
    ],
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x_realtime", {1: 8.0, 3: 1.0}),  # of the fastest pass: 1 s and 8 s
        ("rtf", {1: 0.125, 3: 1.0}),
        ("frames_per_s", {1: 800.0, 3: 100.0}),  # 100 frames in a second
        ("clips_per_s", {1: 2.0, 3: 0.25}),
        ("latency_clip_p50_s", {1: 0.4}),  # clips of unlike length: the median
        ("latency_1s_p50_s", {1: 0.02, 3: 0.04}),
        ("import_s", {1: 0.5, 3: 0.6}),
        ("load_s", {1: 0.0, 3: 0.1}),
        ("first_call_s", {1: 0.25, 3: 0.2}),
        ("peak_host_bytes", {1: 100.0, 3: 120.0}),
        ("peak_gpu_allocated_bytes", {3: 7.0}),
        ("peak_gpu_reserved_bytes", {}),
    ],
)
def test_values_by_round(name, expected):
    assert round_values(RECORD, SAMPLES, name) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["rpa_50c", "latency_1s_p90_s", "noise_iqr_ratio"])
def test_other_metrics_have_no_value_per_round(name):
    assert name not in BY_ROUND
    assert round_values(RECORD, SAMPLES, name) == {}


@pytest.mark.parametrize("name", BY_ROUND)
def test_nothing_measured_is_no_value(name):
    for record in (
        {"rounds": []},
        {"rounds": None},
        {"rounds": [{"n": 1, "cold": None, "memory": None}]},
    ):
        empty = {**RECORD, **record}
        assert round_values(empty, pd.DataFrame(), name) == {}
        assert round_values(empty, SAMPLES[:0], name) == {}


def test_every_metric_by_round_exists():
    known = all_metrics()
    assert set(BY_ROUND) <= set(known)
    assert {known[name].direction for name in BY_ROUND} == {"higher", "lower"}
