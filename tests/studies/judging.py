"""How often the gate raises a false alarm, and how often it finds a planted fault.

    python tests/studies/judging.py measure --out loaded --sides none,again
    python tests/studies/judging.py measure --out quiet --quiet --rounds 110
    python tests/studies/judging.py accuracy --out quiet
    python tests/studies/judging.py evaluate --out quiet   (or loaded: prints tables)

The first three take about half an hour each on two cores. *measure* runs rounds of six
versions of one tracker (identical code twice, 1.1, 1.2 and 1.5 times slower, twice the
memory) in turn, each round in a process of its own, while other load is switched on and
off at random. *evaluate* then replays the procedure of ``f0bench ab`` on stretches of
these rounds: 200 for identical code, 50 for each fault, which overlap, so that
neighbouring comparisons share rounds. A comparison takes 6 to 34 pairs, and 14 to 34
further ones to confirm a suspect. *accuracy* measures the versions with a fault of
accuracy or validity on sets of different seeds; *evaluate* judges them against the
sound version.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from harness.ab_command import see
from harness.api import OpenRun, open_data
from harness.baselines import Baseline
from harness.compose import compose
from harness.confdir import conf_dir
from harness.duel import Budget, resolve
from harness.environment import available
from harness.execute import Execution
from harness.gate import judge
from harness.gate_file import load_gate
from harness.gate_rules import Gate
from harness.meter.host import affinity
from harness.metrics import all_metrics
from harness.metrics.rounds import BY_ROUND
from harness.plan import Plan, build
from harness.records import Record, Run, load_run
from harness.summary import summarise_run
from harness.versions import Version, open_version

HERE = Path(__file__).parent
SIDES = ("none", "again", "slow_1.1", "slow_1.2", "slow_1.5", "memory_2")
ACCURACY = (
    *("none", "offset_8ms", "octave_flips_1pct", "dither", "one_clip_broken"),
    *("one_clip_raises", "nan", "empty", "constant", "cached"),
)
POOL = [
    *("extractor=planted", "threads=1", "effort=ab", "effort.timed_s=3"),
    "dataset.seconds=8",
]
WANTED = (50, 200)  # comparisons of a fault, and of identical code
LOAD_S = (5.0, 40.0)  # s, shortest and longest time that other load is on or off


def version(out: Path, fault: str) -> Version:
    """The tracker with one fault, as ``ab`` opens it."""
    folder = out / "versions" / fault
    folder.mkdir(parents=True, exist_ok=True)
    text = (HERE / "planted.py").read_text(encoding="utf-8")
    word = "none" if fault == "again" else fault
    extra = "# the same code in another file\n" if fault == "again" else ""
    text = text.replace('FAULT = "none"', f'FAULT = "{word}"') + extra
    (folder / "planted.py").write_text(text, encoding="utf-8")
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "planted"\n[project.entry-points."f0bench.extractors"]\n'
        'planted = "planted:Planted"\n',
        encoding="utf-8",
    )
    return open_version(str(folder), Path.cwd(), out / ".cache" / "versions")


def plan_of(out: Path, words: Sequence[str]) -> Plan:
    request = compose([*words, f"results_dir={out}"])
    return build(request, available(None))


def gate_of(keep: Any = lambda rule: True) -> Gate:
    gate = load_gate("regression", all_metrics(), conf_dir())
    return replace(gate, rules=tuple(rule for rule in gate.rules if keep(rule)))


# measure


def measure(out: Path, numbers: int, quiet: bool, wanted: Sequence[str]) -> None:
    """Rounds of the sides in turn, with other load on and off unless ``quiet``."""
    versions = {side: version(out, side) for side in wanted}
    see(versions["none"])
    plan = plan_of(out, POOL)
    sides = {side: _begun(plan, out / side, versions[side]) for side in wanted}
    for execution, _ in sides.values():
        execution.prepare()
        for group in execution.groups():
            execution.begin_rounds(group, numbers)
    cpus = affinity()  # as ab does for a single thread
    log_path = out / "load.jsonl"
    with log_path.open("a", encoding="utf-8") as log, _Load(quiet) as load:
        for number in range(1, numbers + 1):
            order = wanted if number % 2 else tuple(reversed(wanted))
            before = load.on
            for side in order:
                execution = sides[side][0]
                execution.round(execution.work[0], number, cpus[number % len(cpus)])
            entry = {"number": number, "load": [before, load.on]}
            print(json.dumps(entry), file=log, flush=True)
    for execution, opened in sides.values():
        opened.close(execution.work, execution.notes)


def _begun(plan: Plan, folder: Path, code: Version) -> tuple[Execution, OpenRun]:
    named = replace(plan, settings=replace(plan.settings, name=folder.name))
    data = open_data(plan)
    opened = OpenRun(named, data, folder, "study")
    return Execution(plan.cells, data, plan.settings, folder, version=code), opened


class _Load:
    """Two processes that compute, switched on and off at random times."""

    def __init__(self, quiet: bool) -> None:
        self.switch = multiprocessing.Event()
        self.workers = [
            multiprocessing.Process(target=_burn, args=(self.switch, seed), daemon=True)
            for seed in (1, 2)
        ]
        self.driver = multiprocessing.Process(
            target=_drive, args=(self.switch,), daemon=True
        )
        self.processes = () if quiet else (*self.workers, self.driver)

    @property
    def on(self) -> bool:
        return self.switch.is_set()

    def __enter__(self) -> _Load:
        for process in self.processes:
            process.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()


def _burn(switch: Any, seed: int) -> None:
    while True:
        switch.wait()
        sum(random.Random(seed).random() for _ in range(20_000))


def _drive(switch: Any) -> None:
    dice = random.Random(0)
    while True:
        time.sleep(dice.uniform(*LOAD_S))
        switch.clear() if switch.is_set() else switch.set()


# evaluate


class Replay:
    """Stands for :class:`harness.duel.Duel`: takes rounds that were measured before."""

    def __init__(self, old: Run, new: Run, start: int) -> None:
        self.sides, self.start = (Pool(old), Pool(new)), start
        self.taken = {record.key: 0 for record in new.records}

    def measure(self, keys: Iterable[str], pairs: int) -> None:
        for key in keys:
            self.taken[key] += pairs

    def runs(self) -> tuple[Run, Run]:
        old, new = (side.cut(self.start, self.taken) for side in self.sides)
        return old, new

    def close(self) -> None:
        """Nothing to complete."""


class Pool:
    """A run with many rounds; a part of them is a run of its own."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def cut(self, start: int, taken: Mapping[str, int]) -> Run:
        records = [CutRecord.of(r, start, taken[r.key]) for r in self.run.records]
        return replace(self.run, records=records)


class CutRecord(Record):
    """A record with the rounds from ``start + 1`` on, numbered from 1."""

    @classmethod
    def of(cls, record: Record, start: int, count: int) -> CutRecord:
        wanted = range(start + 1, start + count + 1)
        rounds = [
            {**part, "n": part["n"] - start}
            for part in record.data["rounds"]
            if part["n"] in wanted
        ]
        made = cls(record.path, {**record.data, "rounds": rounds})
        samples = all_samples(record)
        part = samples[samples["round"].isin(wanted)]
        object.__setattr__(made, "cut", part.assign(round=part["round"] - start))
        return made

    def samples(self) -> pd.DataFrame:
        return self.cut  # type: ignore[attr-defined]  # set by of(): it is frozen


@lru_cache(maxsize=16)
def all_samples(record: Record) -> pd.DataFrame:
    """Timed calls of a whole pool, read once."""
    return record.samples()


def evaluate(out: Path) -> None:
    """Print the tables of false alarms and of detection rates."""
    pool = {side: load_run(out / side) for side in SIDES if (out / side).is_dir()}
    load = _loads(out)
    gate = gate_of(_on_cost)
    rows = []
    for side in [side for side in pool if side != "none"]:
        for start in _starts(len(load), WANTED[side == "again"]):
            rows.append(_compare(pool, side, start, gate, load))
    (out / "cost.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    print(_table(rows))


def _starts(numbers: int, wanted: int) -> range:
    """Where comparisons begin: about as many as wanted, as far apart as that allows."""
    budget = Budget()
    span = numbers - budget.most - budget.confirm  # the last ones must not run dry
    return range(0, span, max(1, span // wanted))


def _on_cost(rule: Any) -> bool:
    return rule.metric is not None and rule.metric.name in BY_ROUND


def _loads(out: Path) -> dict[int, float]:
    """Share of the ends of every number's rounds at which other load was on."""
    lines = (out / "load.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    return {e["number"]: sum(e["load"]) / 2 for e in entries}


def _compare(
    pool: Mapping[str, Run], side: str, start: int, gate: Gate, load: dict[int, float]
) -> dict[str, Any]:
    replay = Replay(pool["none"], pool[side], start)
    result = resolve(replay, gate, "base")  # type: ignore[arg-type]  # a stand-in
    taken = max(replay.taken.values())
    window = [load[n] for n in range(start + 1, start + taken + 1) if n in load]
    return {
        "side": side,
        "start": start,
        "pairs": taken,
        "load": sum(window) / len(window),
        "alarm": any(v.fails for v in result.rules),
        "verdicts": {v.id: v.verdict for v in result.rules},
    }


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| version | comparisons | alarms | % | pairs, median | verdicts |"]
    lines += ["| :-- | --: | --: | --: | --: | :-- |"]
    for side in dict.fromkeys(row["side"] for row in rows):
        own = [row for row in rows if row["side"] == side]
        alarms = sum(row["alarm"] for row in own)
        pairs = sorted(row["pairs"] for row in own)[len(own) // 2]
        words = Counter(
            f"{rule} {word}"
            for row in own
            for rule, word in row["verdicts"].items()
            if word in ("fail", "inconclusive", "improved")
        )
        told = ", ".join(f"{name} {count}" for name, count in words.most_common(4))
        lines.append(
            f"| {side} | {len(own)} | {alarms} | {100 * alarms / len(own):.1f} "
            f"| {pairs} | {told} |"
        )
    return "\n".join(lines)


# accuracy


def accuracy(out: Path, runs: int) -> None:
    """Measure the versions with a fault of accuracy and the sound one, many seeds."""
    versions = {fault: version(out, fault) for fault in ACCURACY}
    see(versions["none"])
    for seed in range(runs):
        words = [*POOL[:3], f"dataset.seed={seed}", "task.agreement=false"]
        plan = plan_of(out, [*words, "scenarios=[offline]"])
        for fault in ACCURACY:
            _scored(out, plan, versions[fault], fault, seed)


def evaluate_accuracy(out: Path) -> None:
    """Print how many runs of each fault the gate fails against the sound version."""
    gate = gate_of(lambda rule: not _on_cost(rule))
    rows = []
    seeds = sorted(int(p.name.split("-")[-1]) for p in out.glob("accuracy/cached-*"))
    for seed in seeds:
        base = Baseline("base", load_run(_place(out, "none", seed)), same_job=True)
        for fault in ACCURACY:
            head = load_run(_place(out, fault, seed))
            result = judge(gate, head, summarise_run(head), base)
            failed = [v.id for v in result.rules if v.fails]
            rows.append({"fault": fault, "seed": seed, "failed": failed})
    (out / "accuracy.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    print(accuracy_table(rows))


def _place(out: Path, fault: str, seed: int) -> Path:
    return out / "accuracy" / f"{fault}-{seed}"


def _scored(out: Path, plan: Plan, code: Version, fault: str, seed: int) -> None:
    execution, opened = _begun(plan, _place(out, fault, seed), code)
    execution.prepare()
    for group in execution.groups():  # one round: are timed answers the scored ones?
        execution.begin_rounds(group, 1)
        for work in group:
            execution.round(work, 1)
    opened.close(execution.work, execution.notes)


def accuracy_table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| fault | runs | found | % | by |", "| :-- | --: | --: | --: | :-- |"]
    for fault in dict.fromkeys(row["fault"] for row in rows):
        own = [row["failed"] for row in rows if row["fault"] == fault]
        found = sum(bool(failed) for failed in own)
        rules = Counter(rule for failed in own for rule in failed).most_common(4)
        told = ", ".join(f"{rule} {count}" for rule, count in rules)
        share = 100 * found / len(own)
        lines.append(f"| {fault} | {len(own)} | {found} | {share:.0f} | {told} |")
    return "\n".join(lines)


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("measure", "accuracy", "evaluate"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=260, help="of every side")
    parser.add_argument("--sides", default=",".join(SIDES), help="default: %(default)s")
    parser.add_argument("--quiet", action="store_true", help="no other load")
    parser.add_argument("--runs", type=int, default=50, help="of every fault")
    asked = parser.parse_args(words)
    out = asked.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if asked.what == "measure":
        measure(out, asked.rounds, asked.quiet, asked.sides.split(","))
    elif asked.what == "accuracy":
        accuracy(out, asked.runs)
    else:
        if (out / "load.jsonl").exists():
            evaluate(out)
        if (out / "accuracy").exists():
            evaluate_accuracy(out)


if __name__ == "__main__":
    main(sys.argv[1:])
