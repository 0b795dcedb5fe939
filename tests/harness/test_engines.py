"""The shipped comparison of the engines: gate and cells, goals and tests fit."""

from __future__ import annotations

import ast
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from harness.cell import plain
from harness.compose import compose
from harness.confdir import conf_dir
from harness.environment import Inventory
from harness.gate_facts import matches
from harness.gate_file import load_gate
from harness.gate_rules import CONTEXT_KEYS, SUBJECT_KEYS
from harness.metrics import all_metrics
from harness.plan import build
from harness.pytest_benchmark_rules import load_rules

BENCH = Path(__file__).parents[1] / "bench"
KEYS = (*SUBJECT_KEYS, *CONTEXT_KEYS)


@pytest.fixture(scope="module")
def request_():
    return compose(["experiment=engines"])


@pytest.fixture(scope="module")
def cells(request_):
    plan = build(request_, Inventory(("cpu",), {"cuda": "no GPU here"}))
    assert not plan.skipped
    return [
        SimpleNamespace(data={"cell": plain(asdict(cell))}, role=cell.role)
        for cell in plan.cells
    ]


def work(record):
    cell = record.data["cell"]
    return cell["task"], cell["dataset"]


def test_every_rule_finds_its_cells_and_their_peers(cells):
    gate = load_gate("engines", all_metrics(), conf_dir())
    for rule in gate.rules:
        chosen = [c for c in cells if matches(c, rule.where, KEYS)]
        assert [c for c in chosen if c.role == "candidate"], rule.id
        if not rule.to:
            continue
        (own,) = chosen
        (other,) = [c for c in cells if matches(c, rule.to, KEYS)]
        assert other.role == "peer" and work(own) == work(other), rule.id


def test_the_goals_are_those_that_were_set():
    rules = {r.id: r for r in load_gate("engines", all_metrics(), conf_dir()).rules}
    least = {id: r.bound.limit for id, r in rules.items() if r.bound}
    assert least["pyin_speed"] == 200 and 1 / least["pyin_one_clip"] >= 69.9
    assert (least["crepe_full_speed"], least["crepe_tiny_speed"]) == (50, 40)
    assert least["crepe_full_second"] == pytest.approx(0.06)
    assert least["crepe_full_memory"] == 1.2e9
    assert rules["pyin_exact"].allowed == ("identical",)


def test_the_experiment_brings_its_gate_and_its_effort(request_):
    settings = request_.configs[0].settings
    assert settings.gate == "engines" and settings.effort.name == "engines"
    assert settings.effort.rounds == 3  # with fewer, ratios have no interval
    stated = compose(["experiment=engines", "gate=validity"])
    assert stated.configs[0].settings.gate == "validity"


def test_peers_answer_for_themselves(request_):
    """A reference computed by the engine would be compared with the engine."""
    assert not any(config.task.agreement for config in request_.configs)


def test_goals_of_the_benchmarks_name_tests_that_exist():
    gate = load_rules(BENCH / "goals.yaml", [conf_dir()])
    trees = [ast.parse(path.read_text()) for path in BENCH.glob("test_*.py")]
    names = {
        node.name
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }
    assert {r.where["benchmark"][0] for r in gate.rules} <= names
    assert {"test_eight_clips", "test_one_clip", "test_end_to_end"} <= names


def test_the_quickstart_measures_both_models_of_crepe():
    configs = compose(["experiment=quickstart"]).configs
    found = [
        config.axes.get("model") for config in configs if config.extractor == "crepe"
    ]
    assert found == ["full", "tiny"]
    node = yaml.safe_load((conf_dir() / "config.yaml").read_text())
    assert node["defaults"].index("_self_") < len(node["defaults"]) - 1
