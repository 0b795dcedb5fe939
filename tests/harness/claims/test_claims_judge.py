"""Claims against made records: every status, and what a measurement is worth."""

from __future__ import annotations

import pytest

from harness.claims.judge import check, compare, counts
from harness.claims.reader import parse_claims
from harness.metrics import all_metrics
from harness.metrics.base import Value

METRICS = all_metrics()
CPU = {"extractor": "crepe", "device": "cpu"}
HEAD = {
    "sources": {"api": "an API reference"},
    "hardware": {
        "here": {"cpu": "Test CPU", "cores": 2},
        "arm": {"text": "an ARM host", "cpu": "ARM"},
        "gpu": {"text": "NVIDIA GB10", "gpu": "GB10"},
    },
}


def ledger(**entry):
    claim = {"id": "c", "source": "api", "text": "t", "hardware": "any", **entry}
    return parse_claims("mine", {**HEAD, "claims": [claim]}, METRICS)


@pytest.fixture
def run(folder, summarise):
    """crepe at 10 × real time, librosa_pyin at 2, both on the CPU; 8 s of audio."""
    made = folder().add("a" * 12, "crepe tiny  cpu", speed=10.0)
    made.add("b" * 12, "librosa_pyin  cpu", speed=2.0)
    loaded = made.load()
    return loaded, summarise(loaded)


def one(run, **entry):
    (finding,) = check(ledger(**entry), *run)
    return finding


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("10 x", "reproduced"),
        ("9.2 x", "reproduced"),
        ("11 x", "reproduced"),
        ("8–10 x", "reproduced"),
        ("5 x", "better"),
        ("2–4 x", "better"),
        ("20 x", "not_reproduced"),
        ("> 8 x", "reproduced"),
        ("> 10.5 x", "not_reproduced"),
        ("< 8 x", "not_reproduced"),
    ],
)
def test_a_value_against_a_figure(run, value, status):
    found = one(run, value=value, metric="x_realtime", where=CPU)
    assert found.status == status
    assert found.value.value == pytest.approx(10.0, rel=0.02)


def test_the_whole_interval_must_lie_beyond():
    claim = ledger(value="10 x", metric="x_realtime").claims[0]
    assert compare(claim, Value(12.0, 10.9, 13.0), 0.1)[0] == "reproduced"
    assert compare(claim, Value(12.0, 11.1, 13.0), 0.1)[0] == "better"
    assert compare(claim, Value(8.0, 7.0, 8.9), 0.1)[0] == "not_reproduced"
    lower = ledger(value="10 ms", metric="latency_1s_p50_s").claims[0]
    assert compare(lower, Value(0.008, 0.007, 0.0085), 0.1)[0] == "better"
    assert compare(lower, Value(0.012, 0.0115, 0.013), 0.1)[0] == "not_reproduced"


def test_no_good_side_is_never_better():
    claim = ledger(value="99 %", metric="voiced_ratio").claims[0]
    assert compare(claim, Value(0.5), 0.1)[0] == "not_reproduced"
    assert compare(claim, Value(0.97), 0.1)[0] == "reproduced"


def test_units_are_converted():
    for value in ("10 ms", "0.01 s", "10000 us"):
        claim = ledger(value=value, metric="latency_1s_p50_s").claims[0]
        assert compare(claim, Value(0.0101), 0.1)[0] == "reproduced"
    claim = ledger(value="2 GB", metric="peak_host_bytes").claims[0]
    assert compare(claim, Value(2e9), 0.01)[0] == "reproduced"
    assert compare(claim, Value(2.0 * 2**30), 0.01)[0] == "not_reproduced"


def test_a_time_is_worked_out_from_the_speed_and_says_so(run):
    asked = {"metric": "x_realtime", "audio": "42 min", "where": CPU}
    found = one(run, value="252 s", **asked)
    assert found.status == "reproduced"
    assert found.value.value == pytest.approx(252.0, rel=0.02)
    assert found.value.low < found.value.value < found.value.high
    assert "extrapolated from 8 s of audio" in found.reason
    assert one(run, value="500 s", **asked).status == "better"
    assert one(run, value="3 s", **asked).status == "not_reproduced"
    short = one(run, value="0.4 s", **{**asked, "audio": "4 s"})
    assert "extrapolated" not in short.reason


def test_a_ratio_to_another_cell(run):
    asked = {"where": CPU, "to": {"extractor": "librosa_pyin"}}
    found = one(run, value="5 x", metric="x_realtime", **asked)
    assert found.status == "reproduced"
    assert found.value.value == pytest.approx(5.0, rel=0.05)
    absent = one(
        run, value="5 x", metric="x_realtime", where=CPU, to={"extractor": "torchcrepe"}
    )
    assert absent.status == "not_measured"
    assert "no cell to compare with" in absent.reason


def test_a_ratio_of_times_is_turned_so_that_more_is_better(run):
    loaded, summaries = run
    for key, seconds in (("a" * 12, 0.1), ("b" * 12, 0.5)):
        summaries[key]["latency_1s_p50_s"] = Value(seconds, seconds, seconds, 3)
    asked = {"where": CPU, "to": {"extractor": "librosa_pyin"}}
    found = one((loaded, summaries), value="5 x", metric="latency_1s_p50_s", **asked)
    assert (found.status, found.value.value) == ("reproduced", pytest.approx(5.0))


def test_other_hardware_is_neither_confirmed_nor_refuted(run):
    asked = {"value": "5 x", "metric": "x_realtime", "where": CPU}
    assert one(run, hardware="here", **asked).status == "better"
    found = one(run, hardware="arm", **asked)
    assert found.status == "other_hardware"
    assert "stated for an ARM host, measured on Test CPU: better" in found.reason
    found = one(run, hardware="gpu", **asked)
    assert "stated for NVIDIA GB10, measured on the CPU" in found.reason


def test_the_gpu_that_measured_is_compared_by_name(run):
    record = run[0].records[0]
    record.data["cell"]["axes"]["device"] = "cuda"
    asked = {"value": "10 x", "metric": "x_realtime", "where": {"extractor": "crepe"}}
    for name, status in (("NVIDIA GB10", "reproduced"), ("H200", "other_hardware")):
        record.data["environment"] = {"gpu": name}
        assert one(run, hardware="gpu", **asked).status == status


@pytest.mark.parametrize("flaw", ["malformed", "contradicted"])
def test_a_flaw_outweighs_what_is_measured_and_shows_it(run, flaw):
    asked = {"value": "10 x", "metric": "x_realtime", "where": CPU}
    found = one(run, **asked, **{flaw: "it is a quotient"})
    assert found.status == flaw
    assert found.reason.startswith("it is a quotient; measured: within 10 x")
    assert found.value.value is not None
    untested = one(run, value="99 %", untested="no data", **{flaw: "no accuracy"})
    assert (untested.status, untested.reason) == (flaw, "no accuracy")


def test_not_measured_says_why(run):
    _, summaries = run
    found = one(run, value="3 dB", untested="no model")
    assert (found.status, found.reason) == ("not_measured", "no model")
    asked = {"value": "10 x", "metric": "x_realtime"}
    found = one(run, **asked, where={"extractor": "torchcrepe", "device": "cuda"})
    assert found.status == "not_measured"
    assert "needs x_realtime of torchcrepe cuda" in found.reason
    summaries["a" * 12]["x_realtime"] = Value(None, reason="no timed round")
    found = one(run, **asked, where=CPU)
    assert (found.status, found.reason) == ("not_measured", "no timed round")


def test_a_record_that_may_not_be_believed_confirms_nothing(run):
    asked = {"value": "10 x", "metric": "x_realtime", "where": CPU}
    validity = {"state": "noisy", "reasons": ["load average 9"]}
    run[0].records[0].data["validity"] = validity
    found = one(run, **asked)
    assert found.status == "reproduced" and found.reason.endswith("record is noisy")
    validity["state"] = "invalid"
    found = one(run, **asked)
    assert found.status == "not_measured"
    assert found.reason == "the record is invalid: load average 9"


def test_each_cell_has_its_own_finding(run):
    asked = {"value": "10 x", "metric": "x_realtime", "where": {"device": "cpu"}}
    findings = check(ledger(**asked), *run)
    assert [f.status for f in findings] == ["reproduced", "not_reproduced"]
    assert counts(findings) == {"reproduced": 1, "not_reproduced": 1}
