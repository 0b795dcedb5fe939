"""Devices of stages and copies, from records written by hand."""

from types import SimpleNamespace

import pytest

from harness.gate import judge
from harness.gate_file import parse_gate
from harness.metrics import all_metrics
from harness.metrics.cost import cost_values
from harness.metrics.placement import PLACEMENT, stage_facts, stages_by_device

NONE = {"h2d_copies": 0, "h2d_bytes": 0, "d2h_copies": 0, "d2h_bytes": 0}


def said(*devices, calls=1, **copies):
    return {**NONE, "calls": calls, "devices": list(devices), **copies}


ON_GPU = {
    "network": said("cuda", calls=4),
    "d2h": said("cuda", calls=4, d2h_copies=4, d2h_bytes=40),
    "h2d": said("cuda", calls=4, h2d_copies=4, h2d_bytes=400),
}
MIXED = {
    **ON_GPU,
    "load": said("cpu"),
    "resample": said("cpu"),
    "decode": said("cuda", ""),
    "h2d": said("cuda", calls=6, h2d_copies=6, h2d_bytes=600),
}


def record(stages, device="cuda", **changes):
    rounds = [] if stages is None else [{"n": 1, "stages": {}}, {"stages": stages}]
    cell = {"task": {"hop_s": 0.01}, "axes": {"device": device}}
    return {"cell": cell, "rounds": rounds, **changes}


def values(*args, **changes):
    return cost_values(record(*args, **changes), None)


def test_copies_are_summed_over_stages():
    found = values(MIXED)
    assert found["h2d_copies"].value == 6
    assert found["h2d_bytes"].value == 600
    assert found["d2h_copies"].value == 4
    assert found["d2h_bytes"].value == 40


def test_copies_per_batch_is_the_worse_way():
    assert values(ON_GPU)["copies_per_batch"].value == 1.0
    assert values(MIXED)["copies_per_batch"].value == 1.5


def test_stages_off_the_gpu_are_counted_and_named():
    assert values(ON_GPU)["stages_off_gpu"].value == 0
    found = values(MIXED)["stages_off_gpu"]
    assert found.value == 2  # resample; decode does not always say
    assert found.reason == "resample, decode"


@pytest.mark.parametrize(
    ("stages", "device", "reason"),
    [
        (ON_GPU, "cpu", "not on a GPU"),
        (None, "cuda", "no timed round"),
        ({}, "cuda", "the extractor marks no stage"),
    ],
)
def test_without_evidence_there_is_no_value(stages, device, reason):
    found = values(stages, device)
    for metric in PLACEMENT:
        assert (found[metric.name].value, found[metric.name].reason) == (None, reason)


def test_an_extractor_that_counts_no_copies_has_none_to_show():
    found = values({"network": said("cuda")})
    assert found["copies_per_batch"].value is None
    assert found["copies_per_batch"].reason == "the extractor does not count its copies"
    assert found["stages_off_gpu"].value == 0


def test_copies_without_a_network_have_no_ratio():
    found = values({"h2d": said("cuda", h2d_copies=1)})
    assert found["copies_per_batch"].reason == "stage network did not occur"


def test_the_last_round_that_was_heard_counts():
    assert stage_facts(record(ON_GPU)) == ON_GPU
    assert list(stage_facts(record(MIXED)))[:3] == ["load", "resample", "h2d"]
    assert stage_facts({"rounds": [{"n": 1}]}) is None


def test_stages_by_device_end_with_those_that_say_nothing():
    assert stages_by_device({"decode": said(""), **MIXED}) == {
        "cuda": ["decode", "network"],
        "cpu": ["load", "resample"],
        "not stated": ["decode"],
    }


class Cell:
    """Stands for harness.records.Record."""

    key = label = "crepe full"
    role, status = "candidate", "ok"

    def __init__(self, stages, device):
        self.data = record(
            stages,
            device,
            cell={
                "task": {"name": "f0", "hop_s": 0.01},
                "dataset": {"name": "d", "kind": "synthetic"},
                "extractor": "crepe",
                "params": {"model": "full"},
                "axes": {"device": device},
            },
            validity={"state": "valid", "reasons": []},
            data={"truth": "exact"},
        )


RULES = {
    "stages_off_gpu": "x == 0",
    "copies_per_batch": "x <= 1",
}


@pytest.mark.parametrize("metric", RULES)
@pytest.mark.parametrize(
    ("stages", "device", "verdict"),
    [
        (ON_GPU, "cuda", "pass"),
        (MIXED, "cuda", "fail"),
        ({}, "cuda", "missing"),
        (ON_GPU, "cpu", "missing"),
    ],
)
def test_the_gate_passes_on_evidence_only(metric, stages, device, verdict):
    rule = {"id": "R", "metric": metric, "abs": RULES[metric]}
    rule["where"] = {"extractor": "crepe", "device": "cuda"}
    gate = parse_gate("test", {"rules": [rule]}, all_metrics())
    cell = Cell(stages, device)
    plan = {
        "cells": [{"key": cell.key, "label": cell.label, "role": "candidate"}],
        "skipped": [],
        "settings": {"seed": 0, "bootstrap": None},
    }
    run = SimpleNamespace(plan=plan, records=[cell])
    found = judge(gate, run, {cell.key: cost_values(cell.data, None)})
    assert [rule.verdict for rule in found.rules] == [verdict]
