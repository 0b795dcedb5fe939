"""The shipped measurement of the service on a GPU: gate and cells fit, goals stand."""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace

import pytest

from harness.cell import plain
from harness.compose import compose
from harness.confdir import conf_dir
from harness.environment import Inventory
from harness.gate_facts import matches
from harness.gate_file import load_gate
from harness.gate_rules import CONTEXT_KEYS, SUBJECT_KEYS
from harness.metrics import all_metrics
from harness.plan import build

KEYS = (*SUBJECT_KEYS, *CONTEXT_KEYS)


@pytest.fixture(scope="module")
def request_():
    return compose(["experiment=gpu_service"])


def rules():
    return load_gate("gpu_service", all_metrics(), conf_dir()).rules


def test_every_rule_finds_one_kind_of_cell(request_):
    plan = build(request_, Inventory(("cpu", "cuda"), {}))
    cells = [
        SimpleNamespace(data={"cell": plain(asdict(cell))}, role=cell.role)
        for cell in plan.cells
    ]
    assert not plan.skipped and len(cells) == 4
    for rule in rules():
        chosen = [cell for cell in cells if matches(cell, rule.where, KEYS)]
        assert chosen, rule.id
        precise = "precision" in rule.where or rule.where.get("task") == "spectrogram"
        assert len(chosen) == 1 or not precise, rule.id


def test_without_a_gpu_everything_is_skipped(request_):
    plan = build(request_, Inventory(("cpu",), {"cuda": "no GPU here"}))
    assert plan.cells == [] and len(plan.skipped) == 4


def test_the_goals_are_those_that_were_set(request_):
    limits = {rule.id: rule.bound.limit for rule in rules() if rule.bound}
    seconds = request_.configs[0].dataset.seconds
    assert seconds / limits["f0_42min"] == pytest.approx(1.0)
    assert seconds / limits["mel_42min"] == pytest.approx(0.05)
    assert (limits["first_call"], limits["f0_memory"]) == (5.0, 2e9)
