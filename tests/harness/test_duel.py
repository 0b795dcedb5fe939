"""How many rounds are measured, in which order, and what is measured again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from harness import duel as module
from harness.config import Settings
from harness.duel import CONFIRM, MOST, START, STEP, Budget, Duel, resolve
from harness.gate_file import parse_gate
from harness.metrics import all_metrics
from harness.plan import Plan
from harness.records import Record, Run

SLOWER = {
    "id": "no_slower",
    "metric": "x_realtime",
    "change_min": "-5 %",
    "to": "baseline",
}
MEMORY = {
    "id": "memory",
    "metric": "peak_host_bytes",
    "change_max": "10 %",
    "to": "baseline",
}
STATUS = {"id": "no_error", "state": "status", "is": ["ok"]}
PITCH = {"id": "pitch", "metric": "rpa_50c", "margin": "1 points", "to": "baseline"}
LONG = 80  # rounds of a script

# Rounds that differ by up to 0.1 %, no two alike: ties make tests slow.
SAME = [1 + 1e-3 * (7 * i % LONG) / LONG for i in range(LONG)]
OLD = [1 + 1e-3 * (11 * i % LONG) / LONG for i in range(LONG)]
TWICE = [2 * wall for wall in SAME]
# Of the fast quarter of the rounds, half are within the limit and half beyond it.
UNCLEAR = [wall * (1.07 if i % 8 else 1.04) for i, wall in enumerate(SAME)]


def gate_of(*rules, **head):
    return parse_gate("test", {"rules": list(rules), **head}, all_metrics())


class Scripted(Record):
    """A record whose round i took ``walls[i - 1]`` seconds for ten of audio."""

    @classmethod
    def of(cls, key, walls, status="ok", error=None, hits=None):
        cell = {
            "task": {"name": "f0", "hop_s": 0.01},
            "dataset": {"name": "toy", "kind": "folder"},
            "extractor": "toy",
            "params": {},
            "axes": {},
        }
        memory = {"host_peak_bytes": 1000}
        rounds = [{"n": n + 1, "memory": memory} for n in range(len(walls))]
        data = {
            "key": key,
            "label": f"toy {key}",
            "role": "candidate",
            "status": status,
            "error": error,
            "cell": cell,
            "data": {"truth": "exact"},
            "rounds": rounds,
            "memory": memory,
            "validity": {"state": "valid", "reasons": []},
        }
        made = cls(Path("nowhere"), data)
        object.__setattr__(made, "script", (walls, hits))
        return made

    def samples(self):
        walls, _ = self.script
        rows = [
            {"scenario": "offline", "pass": 0, "audio_s": 10.0, "round": n, "wall_s": w}
            for n, w in enumerate(walls, 1)
        ]
        return pd.DataFrame(rows)

    def clips(self):
        return pd.DataFrame(self.script[1] or {})


@dataclass
class Side:
    """What one side measures: walls by cell, and from which round on it fails."""

    walls: dict
    crash: dict = field(default_factory=dict)
    hits: dict = field(default_factory=dict)

    def run(self, taken):
        records = []
        for key, count in taken.items():
            last = self.crash.get(key, LONG)
            walls = self.walls[key][: min(count, last)]
            failed = count > last
            records.append(
                Scripted.of(
                    key,
                    walls,
                    "partial" if failed else "ok",
                    {"kind": "exit", "message": "it died"} if failed else None,
                    self.hits.get(key),
                )
            )
        cells = [{"key": r.key, "label": r.label, "role": r.role} for r in records]
        plan = {"name": "x", "cells": cells, "settings": {"seed": 0}, "skipped": []}
        return Run(Path("nowhere"), plan, records)


class Script:
    """Stands for a prepared :class:`Duel`; notes what it is asked to measure."""

    def __init__(self, old, new):
        self.sides = (old, new)
        self.taken = dict.fromkeys(new.walls, 0)
        self.asked = []
        self.closed = 0

    def measure(self, keys, pairs):
        keys = sorted(keys)
        self.asked.append((*keys, pairs))
        for key in keys:
            self.taken[key] += pairs
            assert self.taken[key] <= LONG, "no end in sight"

    def runs(self):
        return tuple(side.run(self.taken) for side in self.sides)

    def close(self):
        self.closed += 1


def duel(new, *rules, crash=None, hits=None, **more):
    """Resolve a script; returns the script, the verdicts by rule and cell, the result.

    Args:
        new: walls of the new side by cell; the old one takes a second per round.
        crash: round of the new side after which a cell fails.
        hits: counts of the old side's clips; the new side has none that hits.
    """
    base = Side(dict.fromkeys(new, OLD), hits=hits or {})
    lost = {key: {**c, "any_hits_50c": [0.0] * 6} for key, c in (hits or {}).items()}
    script = Script(base, Side(new, crash or {}, lost))
    result = resolve(script, gate_of(*(rules or (SLOWER,))), "v1", **more)
    assert script.closed == 1
    return script, {(v.id, v.key): v for v in result.rules}, result


def test_a_clear_answer_ends_the_measurement():
    script, found, result = duel({"a": SAME})
    assert script.asked == [("a", START)]
    assert found["no_slower", "a"].verdict == "pass"
    assert found["no_slower", "a"].n == START
    assert (result.verdict, result.exit_code) == ("pass", 0)


def test_an_unclear_answer_gets_more_rounds_up_to_the_most():
    script, found, result = duel({"a": UNCLEAR})
    looks = (MOST - START) // STEP
    assert script.asked == [("a", START)] + [("a", STEP)] * looks
    verdict = found["no_slower", "a"]
    assert (verdict.verdict, verdict.n) == ("inconclusive", MOST)
    assert result.exit_code == 0


def test_doubt_ends_as_soon_as_it_is_gone():
    # One pair is slow: within the range of six pairs, not in the fast quarter of ten.
    walls = [1.2, *SAME]
    script, found, _ = duel({"a": walls})
    assert found["no_slower", "a"].verdict == "pass"
    assert script.taken["a"] == START + STEP


def test_only_unclear_cells_get_more_rounds():
    script, found, _ = duel({"a": SAME, "b": UNCLEAR, "c": SAME})
    assert script.asked[0] == ("a", "b", "c", START)
    assert set(script.asked[1:]) == {("b", STEP)}
    assert script.taken == {"a": START, "b": MOST, "c": START}
    assert found["no_slower", "a"].verdict == "pass"


def test_doubt_about_rules_that_do_not_block_gets_no_rounds():
    script, found, _ = duel({"a": UNCLEAR}, {**SLOWER, "blocking": False})
    assert script.asked == [("a", START)]
    assert found["no_slower", "a"].verdict == "inconclusive"


def test_the_budget_is_the_callers():
    budget = Budget(start=3, step=1, most=5, confirm=4)
    assert duel({"a": UNCLEAR}, budget=budget)[0].asked == [
        *(("a", 3), ("a", 1), ("a", 1)),
    ]
    assert duel({"a": TWICE}, budget=budget)[0].asked == [("a", 3), ("a", 4)]


def test_a_suspect_fails_when_it_fails_again():
    script, found, result = duel({"a": TWICE, "b": SAME})
    assert script.asked == [("a", "b", START), ("a", CONFIRM)]
    verdict = found["no_slower", "a"]
    assert (verdict.verdict, verdict.code) == ("fail", "beyond")
    assert verdict.n == CONFIRM  # the new pairs alone
    assert verdict.reason.endswith(f"confirmed by {CONFIRM} new pairs")
    assert len(verdict.evidence["new"]) == CONFIRM
    assert found["no_slower", "b"].verdict == "pass"
    assert (result.verdict, result.exit_code) == ("fail", 1)
    assert any("confirmed by further rounds" in note for note in result.notes)


def test_a_suspect_that_does_not_fail_again_is_in_doubt():
    walls = TWICE[:START] + SAME
    script, found, result = duel({"a": walls})
    assert script.asked == [("a", START), ("a", CONFIRM)]
    verdict = found["no_slower", "a"]
    assert (verdict.verdict, verdict.code) == ("inconclusive", "not_confirmed")
    assert "not confirmed" in verdict.reason
    assert not verdict.fails
    assert (result.verdict, result.exit_code) == ("inconclusive", 0)


def test_a_confirmation_in_doubt_gets_as_many_rounds_as_the_first_look():
    script, found, _ = duel({"a": TWICE[:START] + UNCLEAR})
    assert script.taken["a"] == START + MOST
    assert found["no_slower", "a"].code == "not_confirmed"


def test_what_is_in_doubt_blocks_where_the_gate_says_so():
    base, new = Side({"a": OLD}), Side({"a": UNCLEAR})
    result = resolve(Script(base, new), gate_of(SLOWER, inconclusive="block"), "v1")
    assert (result.verdict, result.exit_code) == ("inconclusive", 3)


def test_an_improvement_needs_no_confirmation():
    script, found, _ = duel({"a": [wall / 2 for wall in SAME]})
    assert script.asked == [("a", START)]
    assert found["no_slower", "a"].verdict == "pass"  # six pairs are not tested


def test_only_failed_rules_are_asked_again():
    script, found, _ = duel({"a": TWICE}, SLOWER, MEMORY)
    assert script.asked == [("a", START), ("a", CONFIRM)]
    assert found["memory", "a"].verdict == "pass"
    assert found["memory", "a"].n == START


def test_failures_that_are_no_cost_are_not_measured_again():
    clips = {
        "clip_id": list("abcdef"),
        "ref_voiced": [100.0] * 6,
        "any_hits_50c": [99.0, 98.0, 99.0, 97.0, 99.0, 98.0],
    }
    script, found, result = duel({"a": SAME}, PITCH, SLOWER, hits={"a": clips})
    assert script.asked == [("a", START)]
    assert found["pitch", "a"].verdict == "fail"
    assert found["no_slower", "a"].verdict == "pass"
    assert result.exit_code == 1


# crashes


@pytest.mark.parametrize("last", [0, 2, 5])
def test_a_side_that_crashes_ends_the_measurement(last):
    script, found, result = duel({"a": SAME}, SLOWER, STATUS, crash={"a": last})
    assert script.taken["a"] <= MOST
    assert found["no_error", "a"].verdict == "fail"
    assert found["no_slower", "a"].verdict in ("missing", "inconclusive", "pass")
    assert result.exit_code == 1


def test_a_crash_during_confirmation_is_a_failure():
    script, found, result = duel({"a": TWICE}, SLOWER, STATUS, crash={"a": START + 1})
    assert script.taken["a"] >= START + CONFIRM
    assert found["no_slower", "a"].code == "not_confirmed"
    assert found["no_error", "a"].verdict == "fail"
    assert result.exit_code == 1


def test_a_duel_that_can_time_nothing_is_judged_once():
    script = Script(Side({"a": SAME}), Side({"a": SAME}))
    run = script.sides[1].run({"a": 0})
    script.taken = {}
    script.runs = lambda: (run, run)
    result = resolve(script, gate_of(SLOWER, STATUS), "v1")
    assert [v.verdict for v in result.rules] == ["missing", "pass"]
    assert result.exit_code == 1


# the real one: who goes first, and on which clips


class Execution:
    """Stands for harness.execute.Execution; notes its rounds in ``log``."""

    lost: frozenset[tuple[str, str]] = frozenset()

    def __init__(self, cells, data, settings, folder, reporter, gpu, version):
        self.name, self.log = folder.name, version
        self.work = [SimpleNamespace(cell=cell, timed_set=None) for cell in cells]
        self.cpus = {}

    def prepare(self):
        self.log.append((self.name, "prepare"))

    def groups(self):
        works = [w for w in self.work if (self.name, w.cell.key) not in self.lost]
        return iter([works] if works else [])

    def begin_rounds(self, group, keep):
        self.log.append(("begin", keep, [work.cell.key for work in group]))
        for work in group:
            work.timed_set = ("clip",)

    def round(self, work, number, cpu=None):
        self.log.append((self.name, work.cell.key, number))
        self.cpus[self.name, work.cell.key, number] = cpu


@pytest.fixture
def begun(monkeypatch, tmp_path):
    """``begun(*keys, lost=…)``: a prepared duel and the log of its executions."""
    monkeypatch.setattr(module, "Execution", Execution)
    monkeypatch.setattr(module, "open_data", lambda plan: {})
    monkeypatch.setattr(module, "OpenRun", lambda *words: SimpleNamespace())

    def begin(*keys, lost=(), threads=None):
        monkeypatch.setattr(Execution, "lost", set(lost))
        log = []
        cells = [SimpleNamespace(key=key, extractor="torchcrepe") for key in keys]
        plan = Plan(cells, [], [], Settings(threads=threads))
        found = Duel(plan, (log, log), tmp_path / "ab", "test")
        found.prepare(9)
        return found, log

    return begin


@pytest.mark.parametrize("threads", [None, 1])
def test_both_rounds_of_a_pair_stay_on_one_cpu_with_one_thread(
    begun, threads, monkeypatch
):
    monkeypatch.setattr(module, "affinity", lambda: [3, 5])
    found, _ = begun("a", threads=threads)
    found.measure(["a"], 3)
    old, new = (side.cpus for side in found.sides)
    placed = [(old["base", "a", n], new["head", "a", n]) for n in (1, 2, 3)]
    alone = [(5, 5), (3, 3), (5, 5)]
    assert placed == (alone if threads == 1 else [(None, None)] * 3)


def test_everything_untimed_is_done_before_the_first_round(begun):
    found, log = begun("a", "b")
    assert log == [
        ("base", "prepare"),
        ("head", "prepare"),
        ("begin", 9, ["a", "a", "b", "b"]),
    ]
    assert found.taken == {"a": 0, "b": 0}
    sets = {work.timed_set for side in found.sides for work in side.work}
    assert sets == {("clip",)}


def test_the_side_that_goes_first_alternates(begun):
    found, log = begun("a", "b")
    del log[:]
    found.measure(found.taken, 2)
    assert log == [
        *(("base", "a", 1), ("head", "a", 1), ("base", "b", 1), ("head", "b", 1)),
        *(("head", "a", 2), ("base", "a", 2), ("head", "b", 2), ("base", "b", 2)),
    ]
    del log[:]
    found.measure(iter(["b"]), 1)  # goes on where the cell itself stopped
    assert log == [("base", "b", 3), ("head", "b", 3)]
    assert found.taken == {"a": 2, "b": 3}


@pytest.mark.parametrize("side", ["base", "head"])
def test_a_cell_that_one_side_cannot_run_is_not_timed(begun, side):
    found, log = begun("a", "b", lost=[(side, "a")])
    assert found.taken == {"b": 0}
    assert log[-1] == ("begin", 9, ["b", "b"])
    found.measure(["a", "b"], 1)
    assert found.taken == {"b": 1}
    none, log = begun("a", lost=[(side, "a")])
    assert none.taken == {}
    assert log == [("base", "prepare"), ("head", "prepare")]
