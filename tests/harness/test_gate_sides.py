"""Cells against a baseline, the incumbent and other cells, on hand-made records."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from extractors.errors import ConfigError, UsageError
from harness.baselines import Baseline
from harness.confdir import conf_dir
from harness.floors import Floors
from harness.gate import judge
from harness.gate_file import parse_gate
from harness.incumbent import check_incumbent, run_with
from harness.merge import merged
from harness.metrics.base import Metric, Value
from harness.records import Record, Run
from harness.report.privacy import hashed
from harness.verdict import explain, render

METRICS = {
    m.name: m
    for m in (
        Metric("x_realtime", "x", "higher", "speed"),
        Metric("peak_host_bytes", "bytes", "lower", "memory"),
        Metric("first_call_s", "s", "lower", "start"),
        Metric("hit", "1", "higher", "hits", lambda c: c["hits"] / c["n"]),
        Metric("miss", "1", "lower", "misses", lambda c: 1 - c["hits"] / c["n"]),
        Metric("agreement_hit", "1", "higher", "same", lambda c: c["same"] / c["n"]),
    )
}
MACHINE = {"cpu": "Test CPU", "cores": 2, "gpu": None}
HITS = (80.0, 82.0, 90.0, 75.0, 88.0, 85.0, 79.0, 91.0)
KEY = "a"


@dataclass
class Cell:
    """Stands for harness.records.Record: rounds, counts, machine, choices."""

    key: str = KEY
    extractor: str = "crepe"
    role: str = "candidate"
    status: str = "ok"
    speeds: dict = field(default_factory=dict)
    memory: dict = field(default_factory=dict)
    hits: tuple | None = HITS
    ids: tuple | None = None
    digests: tuple | None = None
    same: float | None = 90.0
    device: str = "cpu"
    dataset: str = "synthetic"
    fingerprint: dict = field(default_factory=dict)
    environment: dict = field(default_factory=lambda: dict(MACHINE))
    threads: int | None = None
    timed_set: tuple = ("c0",)
    truth: str | None = "exact"
    error: dict | None = None
    tags: tuple | None = None
    hashed: bool = False

    @property
    def label(self):
        return f"{self.extractor} {self.key}"

    @property
    def data(self):
        numbers = sorted({*self.speeds, *self.memory})
        return {
            "cell": {
                "task": {"name": "f0", "hop_s": 0.01},
                "dataset": {"name": self.dataset, "kind": "synthetic"},
                "extractor": self.extractor,
                "params": {"model": "tiny"},
                "axes": {"device": self.device},
            },
            "data": {"truth": self.truth},
            "fingerprint": self.fingerprint,
            "environment": self.environment,
            "settings": {"threads": self.threads},
            "timed_set": list(self.timed_set),
            "error": self.error,
            "rounds": [
                {"n": n, "memory": {"host_peak_bytes": self.memory.get(n)}}
                for n in numbers
            ],
        }

    def samples(self):
        return pd.DataFrame(
            [
                {"round": n, "scenario": "offline", "audio_s": 1.0, "wall_s": 1.0 / v}
                for n, v in self.speeds.items()
            ]
        )

    def clips(self):
        if self.hits is None:
            return pd.DataFrame()
        ids = self.ids or tuple(f"c{i}" for i in range(len(self.hits)))
        columns = {"clip_id": ids, "hits": np.array(self.hits, float), "n": 100.0}
        if self.same is not None:
            columns["same"] = self.same
        if self.digests is not None:
            columns["digest"] = self.digests
        if self.tags is not None:
            columns["tag_speaker"] = self.tags
        return pd.DataFrame(columns)

    def values(self):
        """Metric values as a summary has them."""
        found = {}
        if self.speeds:
            found["x_realtime"] = Value(float(np.median(list(self.speeds.values()))))
        if self.memory:
            found["peak_host_bytes"] = Value(float(max(self.memory.values())))
        if self.hits is not None:
            share = sum(self.hits) / 100.0 / len(self.hits)
            found |= {"hit": Value(share), "miss": Value(1.0 - share)}
            if self.same is not None:
                found["agreement_hit"] = Value(self.same / 100.0)
        return found


def run_of(*cells, skipped=(), **settings):
    planned = [{"key": c.key, "label": c.label, "role": c.role} for c in cells]
    plan = {
        "cells": planned,
        "skipped": list(skipped),
        "settings": {"seed": 0, "bootstrap": None, **settings},
    }
    return SimpleNamespace(plan=plan, records=list(cells))


def baseline_of(*cells, **more):
    known = {cell.key: cell.values() for cell in cells}
    return Baseline("main", run_of(*cells), known=known, **more)


def judged(rules, cells, baseline=None, floors=None, run=None, **head):
    rules = [rules] if isinstance(rules, dict) else rules
    named = [{"id": f"r{i}", **rule} for i, rule in enumerate(rules)]
    gate = parse_gate("test", {"rules": named, **head}, METRICS)
    values = {cell.key: cell.values() for cell in cells}
    return judge(gate, run or run_of(*cells), values, baseline, floors)


def only(result):
    assert len(result.rules) == 1
    return result.rules[0]


def against(rule, new, old, floors=None, **more):
    """One verdict of a rule to a baseline that holds the cell ``old``."""
    return only(judged(rule, [new], baseline_of(old, **more), floors))


def rounds(*values):
    return dict(enumerate(values, 1))


def around(middle, count=12, share=0.01):
    """Values that spread evenly by ``share`` around ``middle``."""
    return rounds(*(middle * (1 + share * x) for x in np.linspace(-1, 1, count)))


BASE = {"to": "baseline"}
SPEED = {"metric": "x_realtime", "change_min": "-5 %", **BASE}
MEMORY = {"metric": "peak_host_bytes", "change_max": "10 %", **BASE}
HIT = {"metric": "hit", "margin": "1 points", **BASE}


#: What other processes leave of the machine, round by round.
LOAD = (1.0, 0.5, 0.7, 0.9, 0.55, 0.8, 0.6, 0.95, 0.75, 0.65)


# cost over rounds


@pytest.mark.parametrize(
    ("factor", "word", "code"),
    [
        (1.0, "pass", "within"),
        (0.8, "fail", "beyond"),
        (1.25, "improved", "better"),
        (0.955, "inconclusive", "straddles"),
        (0.945, "inconclusive", "not_significant"),
    ],
)
def test_unpaired_rounds(factor, word, code):
    found = against(
        SPEED, Cell(speeds=around(100 * factor)), Cell(speeds=around(100.0))
    )
    assert (found.verdict, found.code) == (word, code)
    assert found.observed == pytest.approx(factor) and found.n == 12
    assert found.evidence["paired"] is False
    assert found.evidence["limit"] == pytest.approx(0.95)
    assert found.reason.startswith("against baseline main: limit 0.95× (threshold)")


def test_direction_of_memory():
    old = Cell(memory=around(1e9))
    more = against(MEMORY, Cell(memory=around(1.2e9)), old)
    less = against(MEMORY, Cell(memory=around(0.8e9)), old)
    assert (more.verdict, less.verdict) == ("fail", "improved")


def test_pairs_of_one_job_cancel_what_both_met():
    """What changes both rounds of a pair by up to half hides nothing."""
    old = Cell(memory=rounds(*(100 * x for x in LOAD)))
    new = Cell(memory=rounds(*((120 + i / 1e6) * x for i, x in enumerate(LOAD))))
    paired = against(MEMORY, new, old, same_job=True)
    assert paired.evidence["paired"] and paired.verdict == "fail"
    assert paired.observed == pytest.approx(1.2)
    assert (paired.low, paired.high) == pytest.approx((1.2, 1.2), abs=1e-6)
    # ten pairs on one side of the limit: p = 2 ** -10
    assert paired.evidence["p"] == pytest.approx(2.0**-10)
    apart = against(MEMORY, new, old)
    assert apart.evidence["paired"] is False and apart.verdict == "inconclusive"


def test_speeds_are_compared_by_their_fast_quarters():
    """Rounds that were disturbed on one side only do not count."""
    old = Cell(speeds=around(100.0, 12))
    hit = {n: v / 2 if n % 2 else v for n, v in around(90.0, 12).items()}
    found = against(SPEED, Cell(speeds=hit), old, same_job=True)
    assert found.observed == pytest.approx(0.9, rel=0.01)
    assert found.evidence["test"] == "permutation within pairs"
    assert "fast quarter of 12 pairs" in found.evidence["method"]


def test_rounds_are_paired_by_their_number():
    new = Cell(speeds={2: 90.0, 3: 45.0, 4: 70.0, 9: 1.0})
    old = Cell(speeds={1: 5.0, 4: 70.0, 2: 90.0, 3: 45.0})
    found = against(SPEED, new, old, same_job=True)
    assert found.evidence["old"] == found.evidence["new"] == [90.0, 45.0, 70.0]
    assert (found.observed, found.n, found.verdict) == (1.0, 3, "pass")


def test_earlier_rounds_are_left_out():
    """``since`` hides the rounds of which a suspect was already known."""
    old = Cell(speeds=around(100.0, 8))
    slow = {n: (50.0 if n <= 4 else v) for n, v in around(100.0, 8).items()}
    whole = against(SPEED, Cell(speeds=slow), old, same_job=True)
    late = against(SPEED, Cell(speeds=slow), old, same_job=True, since={KEY: 4})
    assert (whole.n, late.n) == (8, 4)
    assert late.observed == pytest.approx(1.0) and late.verdict == "pass"
    assert whole.verdict != "pass"
    other = against(SPEED, Cell(speeds=slow), old, same_job=True, since={"b": 4})
    assert other.n == 8


def test_few_rounds_decide_nothing():
    one = against(SPEED, Cell(speeds=rounds(50.0)), Cell(speeds=rounds(100.0)))
    assert (one.verdict, one.code) == ("inconclusive", "few_rounds")
    assert "1 and 1 rounds" in one.reason and one.low is None
    three = against(
        SPEED, Cell(speeds=rounds(49, 50, 51)), Cell(speeds=rounds(99, 100, 101))
    )
    assert three.verdict == "fail" and three.evidence["p"] is None
    assert (three.low, three.high) == pytest.approx((49 / 101, 51 / 99))


def test_several_tests_are_corrected_together():
    """Ten pairs on one side have p = 2⁻¹⁰: ten tests at 1 % allow it, eleven do not.

    The effect is smaller than the spread of the rounds, so only the test can be
    believed.
    """
    base = rounds(*(100 * x for x in LOAD))
    more = {n: (1.2 + n / 1e6) * v for n, v in base.items()}
    even = {n: (1.0 + n / 1e6) * v for n, v in base.items()}

    def judged_together(count):
        cells = [Cell(f"k{i}", memory=even if i else more) for i in range(count)]
        olds = [Cell(f"k{i}", memory=base) for i in range(count)]
        return judged(MEMORY, cells, baseline_of(*olds, same_job=True))

    for count, word in ((1, "fail"), (10, "fail"), (11, "inconclusive")):
        result = judged_together(count)
        found, *others = result.rules
        assert found.evidence["p"] == pytest.approx(2.0**-10)
        assert found.evidence["p_corrected"] == pytest.approx(count * 2.0**-10)
        assert found.verdict == word
        assert (found.code == "not_significant") == (word == "inconclusive")
        assert {rule.verdict for rule in others} <= {"pass"}
        note = f"{count} tests corrected together (Holm), at 1% in all"
        assert (note in result.notes) == (count > 1)


# noise floors


def sessions(ratios, medians=(100.0,), key=KEY):
    entry = [
        {"old": [m] * len(ratios), "new": [m * ratio for ratio in ratios]}
        for m in medians
    ]
    return Floors([{"cells": {key: {"x_realtime": e}}} for e in entry])


def test_a_noise_floor_raises_the_limit():
    new, old = Cell(speeds=around(85.0)), Cell(speeds=around(100.0))
    assert against(SPEED, new, old).verdict == "fail"
    floors = sessions([1.1, 1 / 1.1], medians=(100.0, 110.0))
    found = against(SPEED, new, old, floors)
    assert found.verdict == "pass"
    assert found.evidence["limit_source"] == "noise floor"
    # twice the floor of 10 % between two sessions: 1 / 1.1²
    assert found.evidence["limit"] == pytest.approx(1.1**-2)
    assert found.evidence["floor"] == pytest.approx(0.1)
    assert "2 calibrated sessions" in found.evidence["floor_source"]


def test_a_floor_of_pairs_holds_within_a_job():
    new, old = Cell(speeds=around(85.0, 6)), Cell(speeds=around(100.0, 6))
    floors = sessions([1.1, 1 / 1.1] * 6)
    within = against(SPEED, new, old, floors, same_job=True)
    assert within.evidence["limit_source"] == "noise floor"
    assert 0.05 < within.evidence["floor"] <= 0.1 + 1e-9
    apart = against(SPEED, new, old, floors)
    assert apart.evidence["floor"] is None and apart.verdict == "fail"
    assert "one session only" in apart.evidence["floor_source"]


def test_a_floor_of_another_cell_or_a_ratio_changes_nothing():
    new, old = Cell(speeds=around(85.0)), Cell(speeds=around(100.0))
    floors = sessions([1.5, 1 / 1.5], medians=(100.0, 200.0), key="other")
    assert against(SPEED, new, old, floors).verdict == "fail"
    floors = sessions([1.5, 1 / 1.5], medians=(100.0, 200.0))
    rule = {"metric": "x_realtime", "ratio_min": 0.95, **BASE}
    found = against(rule, new, old, floors)
    assert found.verdict == "fail" and found.evidence["floor"] is None


def test_a_change_below_the_absolute_floor_is_none():
    rule = {**MEMORY, "at_least": "64 MiB"}
    small = Cell(memory=around(80 * 2.0**20)), Cell(memory=around(50 * 2.0**20))
    found = against(rule, *small)
    assert found.verdict == "pass" and found.observed == pytest.approx(1.6)
    assert found.evidence["limit_source"] == "absolute floor"
    assert found.evidence["limit"] == pytest.approx(1 + 64 / 50)
    assert against(MEMORY, *small).verdict == "fail"
    large = Cell(memory=around(1600 * 2.0**20)), Cell(memory=around(1000 * 2.0**20))
    assert against(rule, *large).verdict == "fail"


# what cannot be compared


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"environment": {**MACHINE, "cpu": "Other"}}, "cpu Test CPU, here Other"),
        ({"environment": {**MACHINE, "cores": 8}}, "cores 2, here 8"),
        ({"environment": {**MACHINE, "gpu": "H200"}}, "gpu None, here H200"),
        ({"threads": 1}, "threads all, here 1"),
        ({"timed_set": ("c1",)}, "other clips were timed"),
    ],
)
def test_other_hardware_threads_or_timed_clips(change, told):
    new = Cell(speeds=around(50.0), memory=around(1e9), **change)
    old = Cell(speeds=around(100.0), memory=around(1e9))
    result = judged([SPEED, MEMORY, HIT], [new], baseline_of(old))
    words = [rule.verdict for rule in result.rules]
    assert words == ["incomparable", "incomparable", "pass"]
    assert told in result.rules[0].reason
    assert (result.verdict, result.exit_code) == ("inconclusive", 0)
    blocked = judged([SPEED], [new], baseline_of(old), inconclusive="block")
    assert blocked.exit_code == 3


def test_a_rule_that_requires_the_same_hardware_does_not_apply():
    new = Cell(speeds=around(50.0), environment={**MACHINE, "cpu": "Other"})
    rule = {**SPEED, "requires": ["same_hardware"]}
    found = against(rule, new, Cell(speeds=around(100.0)))
    assert found.verdict == "not applicable" and "here Other" in found.reason
    same = against(rule, Cell(speeds=around(50.0)), Cell(speeds=around(100.0)))
    assert same.verdict == "fail"


@pytest.mark.parametrize("part", ["data", "scoring"])
def test_other_data_or_scoring_code(part):
    new = Cell(speeds=around(100.0), fingerprint={part: "1"})
    old = Cell(speeds=around(100.0), fingerprint={part: "2"})
    result = judged([HIT, SPEED], [new], baseline_of(old))
    assert [rule.verdict for rule in result.rules] == ["incomparable"] * 2
    assert "other " in result.rules[0].reason
    unknown = Cell(speeds=around(100.0), fingerprint={})
    assert against(HIT, new, unknown).verdict == "pass"


def test_a_failed_cell_is_missing_whatever_the_machine():
    error = {"kind": "crash", "message": "it died"}
    gone = Cell(status="error", hits=None, error=error, timed_set=())
    result = judged([SPEED, HIT], [gone], baseline_of(Cell(speeds=around(100.0))))
    assert [rule.verdict for rule in result.rules] == ["missing"] * 2
    assert all("it died" in rule.reason for rule in result.rules)
    assert result.exit_code == 1


def test_a_metric_that_the_baseline_lacks_is_missing():
    new, old = Cell(speeds=around(100.0)), Cell(timed_set=("c0",))
    found = against(SPEED, new, old)
    assert found.verdict == "missing"
    assert found.reason == "baseline main: x_realtime was not measured"


@pytest.mark.parametrize(("same_job", "words"), [(True, "pn"), (False, "np")])
def test_rules_for_one_job_or_for_two(same_job, words):
    rules = [
        {**SPEED, "requires": ["same_job"]},
        {**SPEED, "requires": ["other_job", "same_hardware"]},
    ]
    sides = Cell(speeds=around(100.0, 6)), Cell(speeds=around(100.0, 6))
    result = judged(rules, sides[:1], baseline_of(sides[1], same_job=same_job))
    assert "".join(rule.verdict[0] for rule in result.rules) == words


# accuracy


def test_accuracy_is_paired_by_clip():
    old = Cell()
    for shift, word in ((0.0, "pass"), (-5.0, "fail"), (5.0, "improved")):
        found = against(HIT, Cell(hits=tuple(h + shift for h in HITS)), old)
        assert (found.verdict, found.unit) == (word, "points")
        assert found.observed == pytest.approx(shift / 100)
        assert (found.low, found.high) == pytest.approx((shift / 100, shift / 100))
    worse = against(
        {**HIT, "metric": "miss"}, Cell(hits=tuple(h - 5 for h in HITS)), old
    )
    assert (worse.verdict, worse.observed) == ("fail", pytest.approx(0.05))


def test_groups_are_resampled_together():
    """Two speakers, one far better and one far worse: the interval spans both."""
    hits = tuple(h + (8 if i < 4 else -8) for i, h in enumerate(HITS))
    new = Cell(hits=hits, tags=("a",) * 4 + ("b",) * 4)
    run = run_of(new, bootstrap="speaker")
    found = only(judged(HIT, [new], baseline_of(Cell()), run=run))
    assert (found.low, found.high) == pytest.approx((-0.08, 0.08))
    assert found.verdict == "inconclusive"


CLIP = {"metric": "hit", "clip_margin": "20 points", **BASE}


def test_the_clip_that_fell_most_is_named():
    hits = (*HITS[:5], HITS[5] - 30, HITS[6] - 10, HITS[7] + 5)
    found = against(CLIP, Cell(hits=hits), Cell())
    assert found.verdict == "fail" and found.observed == pytest.approx(-0.3)
    assert found.reason == "against baseline main: worst clip c5"
    assert (found.n, found.unit) == (8, "points")
    assert against(
        {**CLIP, "clip_margin": "30 points"}, Cell(hits=hits), Cell()
    ).verdict
    loose = against({**CLIP, "clip_margin": "31 points"}, Cell(hits=hits), Cell())
    assert loose.verdict == "pass"
    risen = against({**CLIP, "metric": "miss"}, Cell(hits=hits), Cell())
    assert risen.verdict == "fail" and risen.observed == pytest.approx(0.3)
    assert risen.reason.endswith("worst clip c5")


def test_a_clip_that_is_undefined_is_not_the_worst():
    hits = (math.nan, *HITS[1:7], HITS[7] - 25)
    found = against(CLIP, Cell(hits=hits), Cell())
    assert (found.n, found.reason[-2:]) == (7, "c7")


def test_clips_are_joined_by_their_id():
    order = (7, 6, 5, 4, 3, 2, 1, 0)
    turned = Cell(hits=tuple(HITS[i] for i in order), ids=tuple(f"c{i}" for i in order))
    assert against(CLIP, turned, Cell()).observed == 0.0
    other = Cell(ids=tuple(f"d{i}" for i in range(8)))
    for rule in (CLIP, HIT):
        found = against(rule, other, Cell())
        assert found.verdict == "missing" and "no scored clip in common" in found.reason


def test_hashed_ids_of_a_private_baseline_are_found():
    old = Cell(ids=tuple(hashed(f"c{i}") for i in range(8)), hashed=True)
    old.timed_set = (hashed("c0"),)
    old.speeds = around(100.0)
    new = Cell(hits=(*HITS[:7], HITS[7] - 50), speeds=around(100.0))
    result = judged([CLIP, SPEED], [new], baseline_of(old))
    clip, speed = result.rules
    assert clip.verdict == "fail" and clip.reason.endswith(hashed("c7"))
    assert speed.verdict == "pass"


OUTPUTS = {"state": "outputs", "is": "identical", **BASE}


def test_outputs_bit_for_bit():
    digests = tuple("abcdefgh")
    same = against(OUTPUTS, Cell(digests=digests), Cell(digests=digests))
    assert (same.verdict, same.observed) == ("pass", "identical")
    moved = (*digests[:3], "x", *digests[4:])
    other = against(OUTPUTS, Cell(digests=moved), Cell(digests=digests))
    assert (other.verdict, other.observed) == ("fail", "differs")
    assert other.reason == "against baseline main: 1 of 8 clips differ, first: c3"
    lost = against(OUTPUTS, Cell(digests=(*digests[:7], None)), Cell(digests=digests))
    assert lost.observed == "differs" and lost.reason.endswith("first: c7")
    unknown = against(OUTPUTS, Cell(), Cell(digests=digests))
    assert (unknown.verdict, unknown.observed) == ("fail", "not measured")
    assert same.bound == "outputs identical to baseline"


# cells of the baseline and of the run


def test_a_cell_that_the_run_lost_is_missing():
    base = baseline_of(Cell(), Cell("b"), Cell("p", role="peer"))
    result = judged(HIT, [Cell()], base)
    assert [(r.key, r.verdict) for r in result.rules] == [
        (KEY, "pass"),
        ("b", "missing"),
    ]
    assert (result.verdict, result.exit_code) == ("incomplete", 4)
    elsewhere = judged({**HIT, "where": {"extractor": "praat"}}, [Cell()], base)
    assert all(rule.key != "b" for rule in elsewhere.rules)
    needs = judged({**HIT, "requires": ["cuda"]}, [Cell()], base)
    assert [rule.verdict for rule in needs.rules] == ["not applicable"]


def test_a_cell_that_the_run_skipped_is_not_applicable():
    skipped = [{"label": "crepe b", "reason": "no CUDA device"}]
    run = run_of(Cell(), skipped=skipped)
    result = judged(HIT, [Cell()], baseline_of(Cell(), Cell("b")), run=run)
    assert [rule.verdict for rule in result.rules] == ["pass", "not applicable"]
    assert result.rules[1].reason == "no CUDA device" and result.exit_code == 0


@pytest.mark.parametrize("rule", [HIT, OUTPUTS])
def test_a_cell_whose_worker_skipped_it_is_missing(rule):
    gone = Cell("b", status="skipped", error={"message": "no weights"})
    result = judged(rule, [gone], baseline_of(Cell("b")))
    assert [rule.verdict for rule in result.rules] == ["missing"]
    assert result.rules[0].reason == "skipped: no weights"
    never = judged(rule, [gone], baseline_of(gone))
    assert [rule.verdict for rule in never.rules] == ["not applicable"]


def test_a_cell_that_the_baseline_lacks_is_incomplete():
    result = judged(HIT, [Cell(), Cell("b")], baseline_of(Cell()))
    assert [rule.verdict for rule in result.rules] == ["pass", "missing"]
    assert result.rules[1].reason == ("baseline main has no such cell; save it again")
    assert result.exit_code == 4


AS_FAST = {"metric": "x_realtime", "ratio_min": 1.5, "to": {"extractor": "torchcrepe"}}


def peer(speeds, **more):
    return Cell("p", "torchcrepe", role="peer", speeds=speeds, **more)


def test_rounds_of_one_run_are_paired():
    base = around(100.0)
    for factor, word in ((2.0, "pass"), (1.2, "fail")):
        own = Cell(speeds={n: (factor + n / 1e6) * v for n, v in base.items()})
        found = only(judged(AS_FAST, [own, peer(base)]))
        assert found.verdict == word and found.evidence["paired"]
        assert found.observed == pytest.approx(factor, rel=1e-5)
        assert found.reason.startswith("against torchcrepe p: limit 1.5×")


def test_two_rounds_of_one_run_are_compared_by_their_values():
    found = only(
        judged(AS_FAST, [Cell(speeds=rounds(200, 201)), peer(rounds(100, 101))])
    )
    assert found.evidence is None and found.verdict == "pass"
    assert "point estimate" in found.reason


def test_the_incumbent_is_the_other_side():
    rule = {"metric": "hit", "margin": "1 points", "to": "incumbent"}
    old = Cell("i", "librosa_pyin", role="incumbent")
    worse = Cell(hits=tuple(h - 5 for h in HITS))
    found = only(judged(rule, [worse, old, peer({}, hits=(0.0,) * 8)]))
    assert (found.verdict, found.key) == ("fail", KEY)
    assert found.reason.startswith("against librosa_pyin i: ")
    none = judged(rule, [worse])
    assert only(none).verdict == "missing" and none.exit_code == 4
    assert "gate.incumbent=EXTRACTOR" in only(none).reason
    elsewhere = only(judged(rule, [worse, Cell("i", role="incumbent", dataset="x")]))
    assert elsewhere.verdict == "incomparable"


def test_agreement_with_the_peer_itself_does_not_apply():
    rule = {"metric": "agreement_hit", "margin": "2 points", "to": "incumbent"}
    pyin = Cell("i", "librosa_pyin", role="incumbent", same=None)
    found = only(judged(rule, [Cell(), pyin]))
    assert found.verdict == "not applicable"
    assert (
        found.reason
        == "librosa_pyin i has no agreement: it is the peer itself, or not compared"
    )
    lacking = only(judged(rule, [Cell(same=None), Cell("i", role="incumbent")]))
    assert lacking.verdict == "missing"
    both = only(judged(rule, [Cell(same=80.0), Cell("i", role="incumbent")]))
    assert both.verdict == "fail" and both.observed == pytest.approx(-0.1)


def test_data_without_truth_are_headed_as_such():
    rule = {**HIT, "requires": ["truth"]}
    result = judged(rule, [Cell(truth=None)], baseline_of(Cell(truth=None)))
    assert only(result).verdict == "not applicable"
    assert "agreement and cost only: the data have no truth" in render(result)
    with_truth = judged(rule, [Cell()], baseline_of(Cell()))
    assert "agreement and cost only" not in render(with_truth)


def test_explain_shows_what_a_verdict_rests_on():
    sides = Cell(speeds=rounds(49, 50, 51)), Cell(speeds=rounds(99, 100, 101))
    result = judged([SPEED, HIT], sides[:1], baseline_of(sides[1]))
    lines = explain(result, "r0").splitlines()
    assert lines[1] == "  3 rounds of baseline main: 99 100 101"
    assert lines[2] == "  3 rounds of the run: 49 50 51"
    assert "  limit: 0.95" in lines and "  limit source: threshold" in lines
    assert explain(result, "r1").splitlines()[1].startswith("  no test")
    with pytest.raises(UsageError, match="no rule 'r3'"):
        explain(result, "r3")


# runs of several machines as one


def run_named(name, *cells, skipped=(), **settings):
    """A run of records; ``cells`` are (key, label, status)."""
    records = [
        Record(
            Path(name) / key,
            {"key": key, "label": label, "role": "candidate", "status": status},
        )
        for key, label, status in cells
    ]
    plan = {
        "name": name,
        "settings": {"seed": 0, "bootstrap": None, "private": False, **settings},
        "cells": [{"key": key, "label": label} for key, label, _ in cells],
        "skipped": [{"label": label, "reason": "no CUDA device"} for label in skipped],
        "groups": [],
    }
    return Run(Path(name), plan, records)


def test_a_cell_that_one_run_skipped_and_the_other_measured():
    cpu = run_named("cpu", ("a", "crepe  cpu", "ok"), skipped=["crepe  cuda"])
    gpu = run_named("gpu", ("b", "crepe  cuda", "ok"), skipped=["praat  cpu"])
    both = merged([cpu, gpu])
    assert [record.key for record in both.records] == ["a", "b"]
    assert [cell["key"] for cell in both.plan["cells"]] == ["a", "b"]
    assert [entry["label"] for entry in both.plan["skipped"]] == ["praat  cpu"]
    assert (both.name, both.path) == ("cpu + gpu", cpu.path)
    assert merged([cpu]) is cpu


@pytest.mark.parametrize("skipped_first", [True, False])
def test_a_skipped_record_gives_way_to_a_measured_one(skipped_first):
    gone = run_named("one", ("a", "crepe  cuda", "skipped"))
    done = run_named("two", ("a", "crepe  cuda", "ok"))
    both = merged([gone, done] if skipped_first else [done, gone])
    assert [(r.key, r.status) for r in both.records] == [("a", "ok")]
    assert len(both.plan["cells"]) == 1


@pytest.mark.parametrize("status", ["ok", "error"])
def test_a_cell_measured_twice_is_refused(status):
    one = run_named("one", ("a", "crepe  cpu", "ok"))
    two = run_named("two", ("a", "crepe  cpu", status))
    with pytest.raises(UsageError, match="crepe  cpu was measured in more than one"):
        merged([one, two])


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"bootstrap": "speaker"}, {"private": True}]
)
def test_runs_of_other_settings_are_not_merged(change):
    one = run_named("one", ("a", "crepe  cpu", "ok"))
    two = run_named("two", ("b", "crepe  cuda", "ok"), **change)
    with pytest.raises(UsageError, match=f"one has {next(iter(change))} "):
        merged([one, two])


# roles


def roles_of(cells, name, dirs=()):
    """Roles where ``name`` is the incumbent of (key, extractor, model, role)."""
    records = [
        Record(
            Path(key),
            {
                "key": key,
                "label": f"{extractor} {model}  cpu",
                "role": role,
                "cell": {"extractor": extractor, "params": {"model": model}},
            },
        )
        for key, extractor, model, role in cells
    ]
    run = Run(Path("run"), {"name": "run", "cells": []}, records)
    before = copy.deepcopy([record.data for record in records])
    found = run_with(run, name, dirs)
    assert [record.data for record in records] == before
    return {record.key: record.role for record in found.records}


THREE = (
    ("a", "crepe", "tiny", "candidate"),
    ("b", "crepe", "full", "candidate"),
    ("p", "librosa_pyin", "none", "peer"),
)


@pytest.mark.parametrize(
    ("name", "roles"),
    [
        (None, "candidate candidate peer"),
        ("librosa_pyin", "candidate candidate incumbent"),
        ("crepe full  cpu", "candidate incumbent peer"),
        ("crepe full cpu", "candidate incumbent peer"),
        ("b", "candidate incumbent peer"),
        ("small", "incumbent candidate peer"),
        ("crepe", "incumbent incumbent candidate"),
    ],
)
def test_who_is_the_incumbent(tmp_path, name, roles):
    (tmp_path / "extractor").mkdir()
    preset = {"name": "crepe", "model": "tiny"}
    (tmp_path / "extractor" / "small.yaml").write_text(yaml.safe_dump(preset))
    found = roles_of(THREE, name, (tmp_path, conf_dir()))
    assert " ".join(found.values()) == roles


def test_peers_are_promoted_where_nobody_else_can_replace():
    cells = (("p", "librosa_pyin", "-", "peer"), ("q", "torchcrepe", "-", "peer"))
    assert roles_of(cells, "librosa_pyin") == {"p": "incumbent", "q": "candidate"}
    with_own = (*cells, ("a", "crepe", "tiny", "candidate"))
    found = roles_of(with_own, "librosa_pyin")
    assert found == {"p": "incumbent", "q": "peer", "a": "candidate"}


def test_an_incumbent_that_is_not_meant_becomes_a_candidate():
    cells = (("a", "crepe", "tiny", "incumbent"), ("p", "librosa_pyin", "-", "peer"))
    found = roles_of((*cells, ("b", "crepe", "full", "candidate")), "librosa_pyin")
    assert found == {"a": "candidate", "p": "incumbent", "b": "candidate"}


@pytest.mark.parametrize(
    ("name", "near"), [("librosa_pyn", "librosa_pyin"), ("crep", "crepe")]
)
def test_an_unknown_incumbent_brings_the_nearest(name, near):
    with pytest.raises(ConfigError, match=f"gate.incumbent={name}: no cell") as caught:
        roles_of(THREE, name)
    assert f"did you mean '{near}'" in str(caught.value)


def test_a_gate_that_needs_an_incumbent_says_so():
    rule = {"id": "r", "metric": "hit", "margin": "1 points", "to": "incumbent"}
    needing = parse_gate("mine", [rule], METRICS)
    with pytest.raises(ConfigError, match=r"add gate\.incumbent=EXTRACTOR"):
        check_incumbent(needing, None)
    check_incumbent(needing, "crepe")
    check_incumbent(parse_gate("mine", [{"id": "r", **HIT}], METRICS), None)
