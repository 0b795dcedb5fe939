"""Gate files are read strictly; rules judge hand-made runs as the documents say."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from extractors.errors import ConfigError
from harness import gate_command, records
from harness.confdir import conf_dir
from harness.flags import Flags
from harness.gate import judge
from harness.gate_file import load_gate, parse_absolute, parse_gate
from harness.gate_sides import ratio
from harness.metrics import all_metrics
from harness.metrics.base import Metric, Value
from harness.verdict import as_dict, judge_absolute, render

METRICS = {
    m.name: m
    for m in (
        Metric("offset_s", "s", "zero", "offset"),
        Metric("x_realtime", "x", "higher", "speed"),
        Metric("peak_host_bytes", "bytes", "lower", "memory"),
        Metric("noise_iqr_ratio", "1", "lower", "noise"),
        Metric("hit", "1", "higher", "hits", lambda c: c["hits"] / c["n"]),
        Metric("miss", "1", "lower", "misses", lambda c: 1 - c["hits"] / c["n"]),
    )
}
SAME = {"moved_ratio": 0.0, "flipped_ratio": 0.0, "max_cents": 0.0, "identical": True}
OTHER = {**SAME, "moved_ratio": 0.02, "max_cents": 90.0, "identical": False}


@dataclass
class Cell:
    """Stands for harness.records.Record."""

    key: str
    extractor: str = "crepe"
    role: str = "candidate"
    status: str = "ok"
    axes: dict = field(default_factory=lambda: {"device": "cpu", "batch_size": 512})
    counts: dict | None = None
    validity: str = "valid"
    truth: str | None = "exact"
    dataset: str = "synthetic"
    error: dict | None = None
    probe: dict | None = field(
        default_factory=lambda: {"batch": SAME, "order": SAME, "repeat": SAME}
    )
    accuracy_only: bool = False
    hashed: bool = False

    @property
    def label(self):
        return f"{self.extractor} {self.key}"

    @property
    def data(self):
        return {
            "cell": {
                "task": {"name": "f0"},
                "dataset": {"name": self.dataset, "kind": "synthetic"},
                "extractor": self.extractor,
                "params": {"model": "tiny"},
                "axes": self.axes,
            },
            "data": {"truth": self.truth},
            "validity": {"state": self.validity, "reasons": ["because"]},
            "probe": self.probe,
            "error": self.error,
            "accuracy_only": self.accuracy_only,
        }

    def clips(self):
        return pd.DataFrame(self.counts or {})

    def samples(self):
        return pd.DataFrame()


def run_of(*cells, skipped=(), planned=None):
    keys = planned or [cell.key for cell in cells]
    plan = {
        "cells": [{"key": k, "label": f"cell {k}", "role": "candidate"} for k in keys],
        "skipped": list(skipped),
        "settings": {"seed": 0, "bootstrap": None},
    }
    return SimpleNamespace(plan=plan, records=list(cells))


def gate_of(*rules, **head):
    return parse_gate("test", {"rules": list(rules), **head}, METRICS)


def judged(rule, *cells, values=None, skipped=(), **head):
    return judge(gate_of(rule, **head), run_of(*cells, skipped=skipped), values or {})


def only(result):
    assert len(result.rules) == 1
    return result.rules[0]


OFFSET = {"id": "no_offset", "metric": "offset_s", "abs": "|x| <= 2 ms"}


# bounds


@pytest.mark.parametrize(
    ("metric", "text", "op", "limit", "magnitude"),
    [
        ("offset_s", "|x| <= 0.002", "<=", 0.002, True),
        ("offset_s", "|x|<=2ms", "<=", 0.002, True),
        ("peak_host_bytes", "x < 6 GiB", "<", 6 * 2**30, False),
        ("peak_host_bytes", "x < 6 GB", "<", 6e9, False),
        ("hit", "x >= 85 %", ">=", 0.85, False),
        ("hit", "x == 85 points", "==", 0.85, False),
        ("x_realtime", "x > 1e2", ">", 100.0, False),
    ],
)
def test_absolute_bounds(metric, text, op, limit, magnitude):
    bound = parse_absolute("rule", text, METRICS[metric])
    assert (bound.op, bound.magnitude) == (op, magnitude)
    assert bound.limit == pytest.approx(limit)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"abs": "__import__('os')"}, "expected"),
        ({"abs": "x <= 2 and True"}, "unknown unit 'and'|expected"),
        ({"abs": "y <= 2"}, "expected"),
        ({"abs": "|x| <= 2 GiB"}, "not measured in GiB; use us or ms or s"),
        ({"abs": "|x| <= 2 sec"}, "unknown unit 'sec'"),
        ({"metric": "ofset_s"}, "did you mean 'offset_s'"),
        ({"abd": 1}, "unknown key 'abd'; did you mean 'abs'"),
        ({"roles": ["candidates"]}, "did you mean 'candidate'"),
        ({"requires": ["cude"]}, "did you mean 'cuda'"),
        ({"where": {"extractr": "crepe"}}, "did you mean 'extractor'"),
        ({"where": {"extractor": "creep"}}, "did you mean 'crepe'"),
        ({"blocking": "yes"}, "true or false"),
        ({"margin": "1 %"}, "not abs and margin"),
        ({"to": "baseline"}, "no 'to'"),
        ({"state": "status"}, "not metric and state"),
        ({"is": "ok"}, "belongs to a state rule"),
        ({"requires": ["same_hardware"]}, "needs 'to'"),
    ],
)
def test_a_wrong_rule_is_refused_in_one_line(change, words):
    with pytest.raises(ConfigError, match=words) as caught:
        gate_of({**OFFSET, **change})
    assert "\n" not in str(caught.value)
    assert "rule no_offset" in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"metric": "hit", "margin": "1 points"}, "'to' is missing"),
        ({"metric": "hit", "margin": "1 points", "to": {}}, "names no cell"),
        ({"metric": "hit", "margin": "1 points", "to": "base"}, "baseline"),
        ({"metric": "offset_s", "margin": "1 ms", "to": "baseline"}, "no better side"),
        ({"metric": "hit", "change_min": -5, "to": "baseline"}, "given in %"),
        ({"metric": "hit", "ratio_min": -5, "to": "baseline"}, "positive"),
        ({"metric": "hit", "ratio_min": "fast", "to": "baseline"}, "a number"),
        ({"metric": "hit"}, "it has none"),
        ({"state": "status", "is": "okay"}, "unknown 'okay'; did you mean 'ok'"),
        ({"state": "stats", "is": "ok"}, "did you mean 'status'"),
        ({"state": "status"}, "one of 'is' and 'not'"),
        ({"state": "status", "is": "ok", "abs": "x < 1"}, "remove 'abs'"),
    ],
)
def test_other_wrong_rules(rule, words):
    with pytest.raises(ConfigError, match=words):
        gate_of({"id": "r", **rule})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("text", "list of rules"),
        ([], "no rules"),
        ([OFFSET, OFFSET], "two rules have the id 'no_offset'"),
        ([{"metric": "offset_s"}], "'id'"),
        ({"rules": [OFFSET], "inconclusive": "maybe"}, "unknown 'maybe'"),
        ({"rules": [OFFSET], "blocking": True}, "unknown key 'blocking'"),
    ],
)
def test_wrong_gates(content, words):
    with pytest.raises(ConfigError, match=words):
        parse_gate("test", content, METRICS)


def test_gates_are_found_by_name_and_path(tmp_path):
    (tmp_path / "gate").mkdir()
    path = tmp_path / "gate" / "mine.yaml"
    path.write_text(yaml.safe_dump([OFFSET]))
    assert load_gate("mine", METRICS, tmp_path).rules[0].id == "no_offset"
    assert load_gate(path, METRICS, ()).name == "mine"
    with pytest.raises(ConfigError, match="did you mean 'mine'"):
        load_gate("mime", METRICS, (tmp_path,))
    with pytest.raises(ConfigError, match="no such file"):
        load_gate("absent.yaml", METRICS, tmp_path)
    path.write_text("a: [")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_gate("mine", METRICS, tmp_path)


# absolute and state rules


@pytest.mark.parametrize(
    ("value", "word", "code"),
    [
        (0.0019, "pass", 0),
        (-0.002, "pass", 0),
        (-0.0021, "fail", 1),
        (0.032, "fail", 1),
    ],
)
def test_absolute_rule(value, word, code):
    result = judged(OFFSET, Cell("a"), values={"a": {"offset_s": Value(value, n=9)}})
    assert only(result).verdict == word
    assert result.exit_code == code
    assert only(result).observed == value and only(result).n == 9


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (Value(0.001, 0.0, 0.004), "pass"),
        (Value(-0.003, -0.004, -0.0025), "fail"),
        (Value(0.003, 0.001, 0.005), "inconclusive"),
        (Value(0.003, -0.004, 0.005), "inconclusive"),
        (Value(0.003), "inconclusive"),
    ],
)
def test_confident_rule_fails_with_the_whole_interval(value, word):
    bound = parse_absolute("rule", "|x| <= 2 ms", METRICS["offset_s"])
    assert judge_absolute(bound, value, confident=True)[0] == word


def test_a_missing_metric_fails_a_blocking_rule():
    values = {"a": {"offset_s": Value(None, reason="not probed")}}
    result = judged(OFFSET, Cell("a"), values=values)
    assert only(result).verdict == "missing" and only(result).reason == "not probed"
    assert result.exit_code == 1 and result.verdict == "fail"
    advisory = judged({**OFFSET, "blocking": False}, Cell("a"), values=values)
    assert advisory.exit_code == 0 and advisory.verdict == "pass"


def test_a_failed_cell_is_missing_with_its_error():
    error = {"kind": "crash", "message": "it died"}
    result = judged(OFFSET, Cell("a", status="error", error=error), Cell("b"))
    assert "it died" in result.rules[0].reason
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("rule", "cell", "word"),
    [
        ({"state": "status", "is": "ok"}, {}, "pass"),
        ({"state": "status", "is": "ok"}, {"status": "partial"}, "fail"),
        ({"state": "validity", "not": "invalid"}, {"validity": "noisy"}, "pass"),
        ({"state": "validity", "not": "invalid"}, {"validity": "invalid"}, "fail"),
        ({"state": "batch", "is": "identical"}, {}, "pass"),
        ({"state": "batch", "is": "identical"}, {"probe": {"batch": OTHER}}, "fail"),
        ({"state": "order", "is": "identical"}, {"probe": None}, "fail"),
    ],
)
def test_state_rules(rule, cell, word):
    result = judged({"id": "state", **rule}, Cell("a", **cell))
    assert only(result).verdict == word
    assert isinstance(only(result).observed, str)


@pytest.mark.parametrize(
    ("requirement", "cell"),
    [
        ("cuda", {}),
        ("cpu", {"axes": {"device": "cuda"}}),
        ("exact_truth", {"truth": "annotation"}),
        ("truth", {"truth": None}),
        ("batch_axis", {"axes": {"device": "cpu"}}),
        ("extraction", {"accuracy_only": True}),
    ],
)
def test_unmet_requirements_are_not_applicable(requirement, cell):
    rule = {**OFFSET, "requires": [requirement]}
    result = judged(rule, Cell("a", **cell))
    assert only(result).verdict == "not applicable" and result.exit_code == 0
    met = {"axes": {"device": "cuda", "batch_size": 1}} if requirement == "cuda" else {}
    values = {"a": {"offset_s": Value(0.0)}}
    assert only(judged(rule, Cell("a", **met), values=values)).verdict == "pass"


def test_roles():
    values = {"a": {"offset_s": Value(1.0)}, "b": {"offset_s": Value(0.0)}}
    cells = Cell("a", role="peer"), Cell("b")
    assert only(judged(OFFSET, *cells, values=values)).key == "b"
    every = judged({**OFFSET, "roles": ["candidate", "peer"]}, *cells, values=values)
    assert [rule.verdict for rule in every.rules] == ["fail", "pass"]
    peers = judged(OFFSET, cells[0], values=values)
    assert only(peers).verdict == "not applicable" and peers.exit_code == 0


IDLE = "nothing to judge: no candidate (role=candidate makes a cell one)"


def test_peers_alone_give_a_gate_nothing_to_judge():
    rules = OFFSET, {"id": "fine", "state": "status", "is": "ok"}
    peers = run_of(Cell("a", role="peer"), Cell("b", role="incumbent"))
    result = judge(gate_of(*rules), peers, {})
    assert (result.verdict, result.exit_code) == ("not applicable", 0)
    assert result.reason == as_dict(result)["reason"] == IDLE
    assert render(result) == f"Gate test  not applicable  (2 not applicable): {IDLE}"


def test_a_candidate_that_no_rule_applies_to_passes():
    result = judged({**OFFSET, "requires": ["cuda"]}, Cell("a"))
    assert (result.verdict, result.exit_code, result.reason) == ("pass", 0, "")


def test_a_rule_on_peers_has_something_to_judge():
    values = {"a": {"offset_s": Value(0.0)}}
    rule = {**OFFSET, "roles": ["peer"]}
    assert judged(rule, Cell("a", role="peer"), values=values).verdict == "pass"


def test_a_named_cell_is_expected():
    rule = {**OFFSET, "where": {"extractor": "praat"}}
    skips = [{"label": "praat  cpu", "reason": "not installed"}]
    result = judged(rule, Cell("a"), skipped=skips)
    assert only(result).verdict == "missing" and result.exit_code == 1
    assert "not installed" in only(result).reason
    required = judged({**rule, "requires": ["cuda"]}, Cell("a"), skipped=skips)
    assert only(required).verdict == "not applicable"
    elsewhere = judged({**OFFSET, "where": {"kind": "folder"}}, Cell("a"))
    assert only(elsewhere).verdict == "not applicable" and elsewhere.exit_code == 0


def test_a_skipped_cell_is_only_missing_where_it_is_named():
    gone = Cell("a", status="skipped", error={"message": "no CUDA device"})
    fine = Cell("b")
    values = {"b": {"offset_s": Value(0.0)}}
    free = judged(OFFSET, gone, fine, values=values)
    assert [rule.verdict for rule in free.rules] == ["not applicable", "pass"]
    named = judged({**OFFSET, "where": {"model": "tiny"}}, gone, fine, values=values)
    assert [rule.verdict for rule in named.rules] == ["missing", "pass"]


@pytest.mark.parametrize("state", ["batch", "order", "repeat", "outputs"])
def test_of_a_skipped_cell_no_outputs_are_compared(state):
    gone = Cell("a", status="skipped", error={"message": "no CUDA device"})
    rule = {"id": "same", "state": state, "is": "identical"}
    if state == "outputs":
        rule["to"] = {"extractor": "praat"}
    assert [r.verdict for r in judged(rule, gone).rules] == ["not applicable"]
    named = judged({**rule, "where": {"model": "tiny"}}, gone)
    assert [r.verdict for r in named.rules] == ["missing"]


# exit codes


def test_nothing_measured_is_incomplete():
    assert judge(gate_of(OFFSET), run_of(), {}).exit_code == 4
    gone = Cell("a", status="skipped", error={"message": "no CUDA device"})
    result = judged(OFFSET, gone)
    assert result.exit_code == 4 and "nothing was measured" in result.reason


def test_planned_cells_without_record_are_incomplete():
    values = {"a": {"offset_s": Value(0.0)}}
    result = judge(gate_of(OFFSET), run_of(Cell("a"), planned=["a", "b"]), values)
    assert result.exit_code == 4 and result.verdict == "incomplete"
    assert "cell b" in result.reason


@pytest.mark.parametrize("role", ["peer", "candidate"])
def test_a_failed_cell_makes_the_run_incomplete(role):
    error = {"message": "it died"}
    failed = Cell("b", "praat", role=role, status="error", error=error)
    rule = {**OFFSET, "where": {"extractor": "crepe"}}
    values = {"a": {"offset_s": Value(0.0)}}
    result = judged(rule, Cell("a"), failed, values=values)
    assert (result.verdict, result.exit_code) == ("incomplete", 4)
    assert result.reason == "1 cell failed, first: praat b: it died"
    late = judged(rule, Cell("a"), failed, values={"a": {"offset_s": Value(1.0)}})
    assert (late.verdict, late.exit_code) == ("fail", 1)


def test_a_skipped_peer_leaves_a_run_complete():
    gone = Cell("b", role="peer", status="skipped", error={"message": "no CUDA"})
    values = {"a": {"offset_s": Value(0.0)}}
    assert judged(OFFSET, Cell("a"), gone, values=values).exit_code == 0


def test_failure_comes_before_incompleteness():
    values = {"a": {"offset_s": Value(1.0)}}
    result = judge(gate_of(OFFSET), run_of(Cell("a"), planned=["a", "b"]), values)
    assert result.exit_code == 1


@pytest.mark.parametrize(("policy", "code"), [("report", 0), ("block", 3)])
def test_inconclusive_blocks_only_where_the_gate_says_so(policy, code):
    values = {"a": {"offset_s": Value(0.003, 0.001, 0.005)}}
    rule = {**OFFSET, "confident": True}
    result = judged(rule, Cell("a"), values=values, inconclusive=policy)
    assert result.verdict == "inconclusive" and result.exit_code == code


def test_a_baseline_that_is_not_given_is_incomplete():
    rule = {"id": "b", "metric": "hit", "margin": "1 points", "to": "baseline"}
    result = judged(rule, Cell("a"))
    assert only(result).verdict == "missing"
    assert only(result).reason.startswith("no baseline given; state one with")
    assert result.exit_code == 4


# against another cell of the same run


def counts(hits, n=100.0, ids=None):
    ids = ids or [f"c{i}" for i in range(len(hits))]
    return {"clip_id": ids, "hits": np.array(hits, float), "n": np.full(len(hits), n)}


AS_GOOD = {
    "id": "as_good",
    "metric": "hit",
    "margin": "1 points",
    "to": {"extractor": "librosa_pyin"},
}
PEER = np.array([80.0, 82, 90, 75, 88, 85, 79, 91])


def compared(own, rule=AS_GOOD, **other):
    cells = (
        Cell("a", counts=counts(own)),
        Cell("p", "librosa_pyin", role="peer", counts=counts(PEER), **other),
    )
    metric = METRICS[rule["metric"]]
    values = {
        c.key: {metric.name: Value(float(metric.formula(summed(c.counts))))}
        for c in cells
    }
    return judged(rule, *cells, values=values)


def summed(table):
    return {k: np.sum(v) for k, v in table.items() if k != "clip_id"}


@pytest.mark.parametrize(
    ("own", "word"),
    [
        (PEER, "pass"),
        (PEER - 0.5, "pass"),
        (PEER - 5.0, "fail"),
        (PEER + 5.0, "improved"),
        (PEER + np.tile([-8.0, 6.0], 4), "inconclusive"),
    ],
)
def test_margin_is_judged_on_the_paired_interval(own, word):
    result = only(compared(own))
    assert result.verdict == word
    assert result.observed == pytest.approx((np.sum(own) - PEER.sum()) / 800)
    assert result.n == 8


def test_margin_knows_the_direction():
    rule = {**AS_GOOD, "metric": "miss"}
    assert only(compared(PEER - 5.0, rule)).verdict == "fail"
    assert only(compared(PEER + 5.0, rule)).verdict == "improved"


def test_only_common_clips_are_compared():
    own = counts([*PEER, 0.0], ids=[*(f"c{i}" for i in range(8)), "extra"])
    cells = Cell("a", counts=own), Cell("p", "librosa_pyin", counts=counts(PEER))
    values = {"a": {"hit": Value(0.7)}, "p": {"hit": Value(0.8)}}
    found = judged({**AS_GOOD, "where": {"extractor": "crepe"}}, *cells, values=values)
    assert only(found).observed == 0.0 and only(found).n == 8


def test_other_data_are_incomparable_and_absent_cells_missing():
    assert only(compared(PEER, dataset="fda")).verdict == "incomparable"
    alone = judged(AS_GOOD, Cell("a", counts=counts(PEER)))
    assert only(alone).verdict == "missing" and alone.exit_code == 1


FASTER = {
    "id": "faster",
    "metric": "x_realtime",
    "ratio_min": 10,
    "to": {"extractor": "librosa_pyin"},
}


def raced(own, other, rule=FASTER, noise=None):
    values = {"a": {"x_realtime": own}, "p": {"x_realtime": other}}
    if noise is not None:
        for entry in values.values():
            entry["noise_iqr_ratio"] = Value(noise)
    cells = Cell("a"), Cell("p", "librosa_pyin", role="peer")
    return only(judged(rule, *cells, values=values))


@pytest.mark.parametrize(
    ("own", "word"),
    [
        (Value(120.0, 110.0, 130.0), "pass"),
        (Value(100.0, 90.0, 110.0), "inconclusive"),
        (Value(50.0, 45.0, 55.0), "fail"),
    ],
)
def test_speed_ratio_has_an_interval(own, word):
    assert raced(own, Value(10.0, 9.9, 10.1)).verdict == word


def test_ratio_by_hand():
    found = ratio(Value(20.0, 18.0, 22.0, 10), Value(2.0, 1.0, 4.0, 9))
    assert (found.value, found.low, found.high, found.n) == (10.0, 4.5, 22.0, 9)
    assert ratio(Value(1.0), Value(0.0)).value is None
    assert ratio(Value(1.0), Value(2.0, 1.0, 3.0)).low is None


def test_few_passes_are_widened_by_their_spread():
    assert raced(Value(105.0), Value(10.0), noise=0.01).verdict == "pass"
    assert raced(Value(105.0), Value(10.0), noise=0.10).verdict == "inconclusive"
    bare = raced(Value(105.0), Value(10.0))
    assert bare.verdict == "pass" and "point estimate" in bare.reason


def test_change_is_a_ratio_less_one():
    rule = {**FASTER, "change_min": "-5 %"}
    del rule["ratio_min"]
    assert raced(Value(9.6), Value(10.0), rule).verdict == "pass"
    assert raced(Value(9.4), Value(10.0), rule).verdict == "fail"


# what is shown and written


def test_render_and_json():
    values = {"a": {"offset_s": Value(0.008, 0.0079, 0.0081, 1500)}}
    fine = {"id": "no_error", "state": "status", "is": "ok"}
    result = judge(gate_of(OFFSET, fine), run_of(Cell("a")), values)
    short, full = render(result), render(result, full=True)
    assert short.splitlines()[0] == "Gate test  fail  (1 pass, 1 fail)"
    assert len(short.splitlines()) == 2 and len(full.splitlines()) == 3
    for part in ("no_offset", "8 [7.9, 8.1] ms", "n = 1500", "|x| <= 2 ms"):
        assert part in short
    document = json.loads(json.dumps(as_dict(result), allow_nan=False))
    assert document["exit_code"] == 1
    assert document["rules"][0]["bound"] == "|x| <= 2 ms"
    assert document["rules"][1]["observed"] == "ok"


# the shipped gate


@pytest.fixture(scope="module")
def shipped():
    return load_gate("validity", all_metrics(), Path(__file__).parents[2] / "conf")


GOOD = {
    "offset_s": Value(0.0004, 0.0002, 0.0006, 1500),
    "drift_s_per_min": Value(0.0, -1e-6, 1e-6, 1500),
    "rpa_50c": Value(0.97, 0.95, 0.99, 24),
}


def test_shipped_gate_passes_a_sound_candidate(shipped):
    result = judge(shipped, run_of(Cell("a")), {"a": GOOD})
    assert {rule.verdict for rule in result.rules} == {"pass"}
    assert result.exit_code == 0
    assert shipped.rules and all(rule.doc for rule in shipped.rules)


@pytest.mark.parametrize(
    ("cell", "change", "rule"),
    [
        ({}, {"offset_s": Value(0.008, 0.0078, 0.0082)}, "time_offset"),
        ({}, {"drift_s_per_min": Value(0.24, 0.239, 0.241)}, "clock_drift"),
        ({}, {"rpa_50c": Value(0.5)}, "accuracy_floor"),
        ({}, {"rpa_50c": Value(None, reason="every answer was NaN")}, "accuracy_floor"),
        (
            {"probe": {"batch": OTHER, "order": SAME, "repeat": SAME}},
            {},
            "batch_invariance",
        ),
        (
            {"probe": {"batch": SAME, "order": OTHER, "repeat": SAME}},
            {},
            "order_invariance",
        ),
        (
            {"probe": {"batch": SAME, "order": SAME, "repeat": OTHER}},
            {},
            "repeat_identity",
        ),
        ({"status": "partial", "error": {"message": "boom"}}, {}, "no_error"),
        ({"validity": "invalid"}, {}, "valid"),
    ],
)
def test_shipped_gate_fails_planted_defects(shipped, cell, change, rule):
    run = run_of(Cell("a", **copy.deepcopy(cell)))
    result = judge(shipped, run, {"a": {**GOOD, **change}})
    assert result.exit_code == 1
    assert [r.id for r in result.rules if r.fails] == [rule]


def test_shipped_gate_leaves_ready_made_answers_alone(shipped):
    cell = Cell("a", "tracks", axes={}, probe=None, accuracy_only=True)
    cell.validity = "not measured"
    result = judge(shipped, run_of(cell), {"a": {"rpa_50c": Value(0.9)}})
    assert result.exit_code == 0


def test_shipped_gate_is_where_the_command_finds_it():
    assert (conf_dir() / "gate" / "validity.yaml").is_file()


# the command


def written_run(folder: Path, offset_s: float) -> Path:
    """A run on disk with one candidate and one scored clip."""
    cell = Cell("a").data["cell"] | {"voicing": "native"}
    cell["task"] |= {"hop_s": 0.01}
    record = {
        **Cell("a").data,
        "schema": 1,
        "key": "a",
        "label": "crepe tiny",
        "role": "candidate",
        "status": "ok",
        "cell": cell,
        "rounds": [],
        "peer": False,
        "validity": {"state": "valid", "reasons": []},
        "probe": {
            "offset_s": offset_s,
            "offset_se_s": 1e-5,
            "drift_s_per_min": 0.0,
            "drift_se_s_per_min": 0.0,
            "bias_cents": 0.0,
            "frames": 900,
            **dict.fromkeys(("batch", "order", "repeat"), SAME),
            "notes": [],
        },
    }
    plan = {
        **run_of(Cell("a")).plan,
        "schema": 1,
        "name": "demo",
        "settings": {"seed": 0, "bootstrap": None, "gate": "validity"},
    }
    records.write_json(folder / "plan.json", plan)
    records.write_json(folder / "cells" / "a" / "record.json", record)
    return folder


def test_command_judges_a_run_on_disk(tmp_path, capsys):
    run = written_run(tmp_path / "demo", offset_s=0.008)
    gate = tmp_path / "gates.yaml"
    gate.write_text(yaml.safe_dump([OFFSET]))
    flags = Flags(results_dir=str(tmp_path), json=True)
    assert gate_command.main(flags, ["demo", f"gate={gate}"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Gate gates  fail")
    assert lines[-2] == "exit 1"
    document = json.loads(lines[-1])
    assert document == json.loads((run / "gate.json").read_text())
    assert "<testsuite " in (run / "junit.xml").read_text(encoding="utf-8")
    assert math.isclose(document["rules"][0]["observed"], 0.008)
    written_run(tmp_path / "demo", offset_s=0.001)
    assert gate_command.main(flags, [str(run), f"gate={gate}"]) == 0


def test_command_words():
    asked = gate_command.parse_words([])
    assert (asked.runs, asked.gate) == (("latest",), None)
    asked = gate_command.parse_words(
        ["a/b=c/d", "gate=x", "gate.incumbent=y", "b", "gate.baseline=z"]
    )
    assert asked.runs == ("a/b=c/d", "b")
    assert (asked.gate, asked.incumbent, asked.baseline) == ("x", "y", "z")
    with pytest.raises(ConfigError, match="did you mean 'gate'"):
        gate_command.parse_words(["gates=x"])
    with pytest.raises(ConfigError, match=r"did you mean 'gate\.incumbent'"):
        gate_command.parse_words(["gate.incumbents=x"])
    with pytest.raises(ConfigError, match="needs a name"):
        gate_command.parse_words(["gate="])
