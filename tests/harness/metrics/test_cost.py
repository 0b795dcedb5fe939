"""Values of cost from records and samples worked out by hand."""

import math

import pandas as pd
import pytest

from extractors.stages import STAGES
from harness.metrics.cost import COST, cost_values

CONSISTENCY = {"clips": 1, "frames": 9, "moved": 0, "identical": 1}


def record(**changes):
    base = {
        "status": "ok",
        "error": None,
        "cell": {"task": {"hop_s": 0.01}, "axes": {"device": "cpu"}},
        "peer": False,
        "accuracy_only": False,
        "data": {"clips": 5, "clips_missed": 1, "seconds": 120.0},
        "cold": {"import_s": 0.5, "load_s": 0.25, "first_call_s": 1.5},
        "read_s": 2.0,
        "rounds": [{"n": 1, "consistency": CONSISTENCY}],
        "timed_set": ["a", "b", "c"],
        "memory": {"host_peak_bytes": 1000, "gpu_allocated_peak_bytes": None},
        "seeds": None,
        "probe": None,
    }
    return {**base, **changes}


def rows(scenario, walls, audio_s=10.0, **stages):
    table = pd.DataFrame({"scenario": scenario, "audio_s": audio_s, "wall_s": walls})
    return table.assign(**{f"stage_{name}_s": v for name, v in stages.items()})


OFFLINE = rows("offline", [2.0, 2.5, 4.0, 5.0, 1.0], network=1.0, decode=0.5)


def test_every_metric_has_a_value_object_and_no_other_does():
    names = [metric.name for metric in COST]
    assert len(set(names)) == len(names)
    assert set(cost_values(record(), OFFLINE)) == set(names)
    assert set(cost_values(record(), None)) == set(names)


def test_every_metric_is_defined_and_directed():
    for metric in COST:
        assert metric.formula is None
        assert metric.definition.endswith(".")
        assert metric.label
        assert metric.direction in ("higher", "lower", "zero", "none")
    by_name = {metric.name: metric for metric in COST}
    assert by_name["x_realtime"].direction == "higher"
    assert by_name["latency_1s_p90_s"].unit == "s"
    assert by_name["offset_s"].direction == "zero"
    for stage in (*STAGES, "other"):
        assert f"stage_{stage}_share" in by_name


def test_throughput_is_the_median_over_passes():
    found = cost_values(record(), OFFLINE)
    # wall 2, 2.5, 4, 5, 1 s for 10 s of audio: × 5, 4, 2.5, 2, 10
    assert found["x_realtime"].value == 4.0
    assert found["x_realtime"].n == 5
    assert found["x_realtime"].low is None  # five passes carry no 99 % interval
    assert found["rtf"].value == 0.25
    assert found["frames_per_s"].value == pytest.approx(400.0)
    assert found["clips_per_s"].value == pytest.approx(3 / 2.5)
    # quartiles of 1, 2, 2.5, 4, 5 are 2 and 4
    assert found["noise_iqr_ratio"].value == pytest.approx(2 / 2.5)


def test_eight_passes_carry_an_interval():
    found = cost_values(record(), rows("offline", [1, 2, 4, 5, 8, 10, 20, 40]))
    speed = found["x_realtime"]
    assert (speed.low, speed.high) == (0.25, 10.0)
    assert (found["frames_per_s"].low, found["frames_per_s"].high) == (25.0, 1000.0)


def test_latencies_by_family_and_their_minimum_n():
    calls = [0.001 * i for i in range(1, 65)]
    samples = pd.concat([rows("clip", [0.5, 0.7, 0.6]), rows("one_second", calls, 1.0)])
    found = cost_values(record(), samples)
    assert found["latency_clip_p50_s"].value == 0.6
    assert found["latency_clip_p90_s"].value is None
    assert found["latency_clip_p90_s"].reason == "3 samples; p90 needs 64"
    assert found["latency_1s_p50_s"].value == pytest.approx(0.0325)
    # type 7: rank 0.9 · 63 = 56.7 between the 57th and 58th of 64
    assert found["latency_1s_p90_s"].value == pytest.approx(0.0577)
    assert found["latency_1s_p95_s"].value is None
    assert found["x_realtime"].reason == "scenario offline was not measured"


def test_stage_shares_of_the_wall_time():
    found = cost_values(record(), OFFLINE)
    # five passes of 14.5 s in all: network 5 s, decode 2.5 s
    assert found["stage_network_share"].value == pytest.approx(5 / 14.5)
    assert found["stage_decode_share"].value == pytest.approx(2.5 / 14.5)
    assert found["stage_other_share"].value == pytest.approx(7 / 14.5)
    assert found["stage_h2d_share"].value is None
    assert found["stage_h2d_share"].reason == "stage h2d did not occur"


def test_a_stage_that_some_passes_skip_counts_where_it_was():
    samples = rows("offline", [4.0, 4.0, 4.0], network=[1.0, 2.0, 3.0], post=math.nan)
    samples.loc[0, "stage_post_s"] = 1.2
    found = cost_values(record(), samples)
    assert found["stage_post_share"].value == pytest.approx(0.1)
    assert found["stage_other_share"].value == pytest.approx(0.4)


def test_an_extractor_without_stages_has_no_shares():
    found = cost_values(record(), rows("offline", [1.0, 1.0, 1.0]))
    assert found["stage_other_share"].value is None
    assert found["stage_other_share"].reason == "the extractor marks no stage"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rounds": []}, "no timed round"),
        ({"accuracy_only": True}, "ready-made answers have no speed"),
        (
            {"rounds": [], "error": {"kind": "crash", "message": "exit -11"}},
            "crash: exit -11",
        ),
        (
            {"rounds": [{"n": 2, "consistency": {**CONSISTENCY, "moved": 4}}]},
            "speed: in round 2 4 of 9 timed frames differ from the accuracy pass",
        ),
    ],
)
def test_speed_that_may_not_be_stated_is_null_with_the_reason(changes, reason):
    found = cost_values(record(**changes), OFFLINE)
    for name in ("x_realtime", "latency_1s_p50_s", "stage_network_share"):
        assert found[name].value is None
        assert found[name].reason == reason


@pytest.mark.parametrize("samples", [None, pd.DataFrame()])
def test_without_samples_there_is_no_speed(samples):
    assert cost_values(record(), samples)["x_realtime"].reason == "no timed round"


def test_cold_reading_and_memory():
    found = cost_values(record(), None)
    assert found["import_s"].value == 0.5
    assert found["load_s"].value == 0.25
    assert found["first_call_s"].value == 1.5
    assert found["read_x_realtime"].value == 60.0
    assert found["peak_host_bytes"].value == 1000.0
    assert found["peak_gpu_allocated_bytes"].reason == "not on a GPU"
    bare = cost_values(record(cold=None, read_s=None, memory=None), None)
    assert bare["load_s"].reason == "scenario cold was not measured"
    assert bare["read_x_realtime"].reason == "reading was not timed"
    assert bare["peak_host_bytes"].reason == "no timed round"


def test_residual_gpu_memory_is_above_the_baseline():
    memory = {"gpu_residual_bytes": 900, "gpu_baseline_bytes": 700}
    cell = {"task": {"hop_s": 0.01}, "axes": {"device": "cuda"}}
    found = cost_values(record(memory=memory, cell=cell), None)
    assert found["residual_gpu_bytes"].value == 200.0
    assert found["peak_gpu_reserved_bytes"].reason == "not stated by the driver"


def test_gpu_memory_before_the_first_call():
    cell = {"task": {"hop_s": 0.01}, "axes": {"device": "cuda"}}
    memory = {"gpu_built_bytes": 0, "gpu_loaded_bytes": 5}
    found = cost_values(record(memory=memory, cell=cell), None)
    assert found["built_gpu_reserved_bytes"].value == 0.0
    assert found["loaded_gpu_reserved_bytes"].value == 5.0
    bare = cost_values(record(), None)
    assert bare["loaded_gpu_reserved_bytes"].reason == "not on a GPU"


def test_behaviour_from_the_probe():
    probe = {
        "offset_s": 0.0010,
        "offset_se_s": 0.0001,
        "drift_s_per_min": None,
        "bias_cents": -3.0,
        "frames": 500,
        "batch": None,
        "order": {"moved_ratio": 0.004},
    }
    found = cost_values(record(probe=probe), None)
    offset = found["offset_s"]
    assert (offset.value, offset.n) == (0.001, 500)
    assert offset.low == pytest.approx(0.001 - 1.96e-4)
    assert offset.high == pytest.approx(0.001 + 1.96e-4)
    assert found["pitch_bias_cents"].value == -3.0
    assert found["drift_s_per_min"].reason == "the probe could not measure it"
    assert found["order_moved_ratio"].value == 0.004
    assert found["batch_moved_ratio"].value is None
    assert cost_values(record(), None)["offset_s"].reason == "not probed"


def test_spread_over_seeds_is_the_range():
    seeds = {"n": 5, "metrics": {"rpa_10c": [0.30, 0.25, 0.28, 0.31, 0.27]}}
    found = cost_values(record(seeds=seeds), None)
    assert found["seed_spread_rpa_10c"].value == pytest.approx(0.06)
    assert found["seed_spread_rpa_10c"].n == 5
    assert found["seed_spread_rpa_50c"].value is None
    assert cost_values(record(), None)["seed_spread_rpa_10c"].reason == (
        "the extractor is not random"
    )


def test_errors_counts_missed_clips():
    found = cost_values(record(), None)["errors"]
    assert (found.value, found.n) == (1.0, 5)
