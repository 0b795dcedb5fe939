"""Two versions of the same cells, measured in one job, round beside round.

Everything that is not timed is done first, for both sides. Rounds then alternate: an
odd round measures the old side first, an even one the new side, so that a drift of the
machine meets both alike. Where a single thread is used, both rounds of a pair stay on
one CPU and the next pair on the next: on shared hosts one CPU may be a third faster
than another for a while.

After the first rounds a cell gets more only while its answer is unclear; and a cell
that looks worse is measured again, and fails only if the further rounds, looked at
alone, fail too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from extractors.registry import extractor_class

from . import verdict as verdicts
from .api import OpenRun, open_data
from .baselines import Baseline
from .execute import Execution
from .floors import Floors
from .gate import judge
from .gate_rules import Gate
from .launching import Reporter
from .meter.host import affinity
from .metrics.base import Value
from .metrics.cost import cost_values
from .plan import Plan
from .records import Record, Run, load_run
from .summary import counted_values
from .verdict import GateResult, RuleVerdict
from .versions import Version
from .work import Work

SIDES = ("base", "head")
START = 6  # pairs of rounds before the first look
STEP = 4  # pairs between looks
MOST = 34  # pairs after which an unclear answer stays so
CONFIRM = 14  # further pairs before a suspect can fail


@dataclass(frozen=True)
class Budget:
    """How many pairs of rounds are measured."""

    start: int = START
    step: int = STEP
    most: int = MOST
    confirm: int = CONFIRM


class Duel:
    """Both sides of a comparison; the caller holds the lock of the folder.

    Args:
        plan: the cells, the same for both sides.
        versions: code of the old and of the new side; ``None`` is the installed one.
        folder: results folder; the sides lie below it.
        command: as typed.
        reporter: told what is being done.
        gpu: name of the GPU.
    """

    def __init__(
        self,
        plan: Plan,
        versions: tuple[Version | None, Version | None],
        folder: Path,
        command: str,
        reporter: Reporter | None = None,
        gpu: str | None = None,
    ) -> None:
        self.plan = plan
        self.folder = folder
        data = open_data(plan)
        self.places = [folder / side for side in SIDES]
        self.opened = [
            OpenRun(_named(plan, place), data, place, command, gpu)
            for place in self.places
        ]
        self.sides = [
            Execution(plan.cells, data, plan.settings, place, reporter, gpu, version)
            for place, version in zip(self.places, versions, strict=True)
        ]
        self.taken: dict[str, int] = {}

    def prepare(self, most: int) -> None:
        """References, probes and accuracy of both sides; what can be timed is begun."""
        for side in self.sides:
            side.prepare()
        old, new = (
            {work.cell.key: work for group in side.groups() for work in group}
            for side in self.sides
        )
        for group in self.sides[0].groups():
            # Together: both sides must be timed on the same clips.
            both = [w for g in group if g.cell.key in new for w in (g, new[g.cell.key])]
            if both:
                self.sides[0].begin_rounds(both, most)
        keys = [cell.key for cell in self.plan.cells]
        self.taken = {key: 0 for key in keys if key in old and key in new}

    def measure(self, keys: Iterable[str], pairs: int) -> None:
        """Measure so many further pairs of rounds of the named cells, interleaved."""
        works = [{w.cell.key: w for w in side.work} for side in self.sides]
        wanted = set(keys)
        chosen = [key for key in self.taken if key in wanted]
        for _ in range(pairs):
            for key in chosen:
                self.taken[key] += 1
                self._pair(works, key, self.taken[key])

    def _pair(self, works: Sequence[Mapping[str, Work]], key: str, number: int) -> None:
        order = (0, 1) if number % 2 else (1, 0)
        cpu = self._cpu(works[0][key], number)
        for place in order:
            self.sides[place].round(works[place][key], number, cpu)

    def _cpu(self, work: Work, number: int) -> int | None:
        alone = extractor_class(work.cell.extractor).single_threaded
        if self.plan.settings.threads != 1 and not alone:
            return None
        usable = affinity()
        return usable[number % len(usable)] if usable else None

    def runs(self) -> tuple[Run, Run]:
        """What was measured so far; rounds of an earlier run count once taken."""
        for side in self.sides:
            side.write()
        old, new = (load_run(place) for place in self.places)
        return old, new

    def close(self) -> None:
        """Complete both ``plan.json``."""
        for opened, side in zip(self.opened, self.sides, strict=True):
            opened.close(side.work, side.notes)


def _named(plan: Plan, place: Path) -> Plan:
    return replace(
        plan, settings=replace(plan.settings, name=f"{place.parent.name}-{place.name}")
    )


def resolve(
    duel: Duel,
    gate: Gate,
    name: str,
    floors: Floors | None = None,
    budget: Budget | None = None,
) -> GateResult:
    """Measure until the gate can answer, confirm what fails, and judge.

    Args:
        duel: prepared; both sides are measured here.
        gate: its rules ``to: baseline`` compare the new side with the old one.
        name: of the old side, for messages.
        floors: calibrated noise floors.
        budget: how many pairs of rounds.
    """
    budget = budget or Budget()
    duel.measure(duel.taken, budget.start)
    result = _settled(duel, gate, name, floors, budget, {})
    suspects = {v.key for v in result.rules if _on_cost(v) and v.verdict == "fail"}
    if suspects:
        result = _confirmed(duel, gate, name, floors, budget, result, suspects)
    duel.close()
    return result


def _settled(
    duel: Duel,
    gate: Gate,
    name: str,
    floors: Floors | None,
    budget: Budget,
    since: Mapping[str, int],
) -> GateResult:
    """Judge, and add rounds to the cells whose answer is unclear, until none is."""
    looker = _Looker(duel, gate, name, floors, since)
    while True:
        result = looker.look()
        unclear = {
            v.key
            for v in result.rules
            if _on_cost(v) and v.verdict == verdicts.INCONCLUSIVE and v.blocking
        }
        short = {
            key
            for key in unclear & duel.taken.keys()
            if duel.taken[key] - since.get(key, 0) < budget.most
        }
        if not short:
            return result
        duel.measure(short, budget.step)


class _Looker:
    """Judges what was measured so far.

    Of what is not timed, only what the gate names is summarised, and only once.
    """

    def __init__(
        self,
        duel: Duel,
        gate: Gate,
        name: str,
        floors: Floors | None,
        since: Mapping[str, int],
    ) -> None:
        self.duel, self.gate, self.name = duel, gate, name
        self.floors, self.since = floors, since
        self.metrics = {rule.metric.name for rule in gate.rules if rule.metric}
        self.counted: dict[str, dict[str, Value]] = {}

    def look(self) -> GateResult:
        old, new = self.duel.runs()
        baseline = Baseline(self.name, old, same_job=True, since=self.since)
        for record in old.records:
            baseline.known[record.key] = self._summary(f"old {record.key}", record, old)
        summaries = {r.key: self._summary(r.key, r, new) for r in new.records}
        return judge(self.gate, new, summaries, baseline, self.floors)

    def _summary(self, name: str, record: Record, run: Run) -> dict[str, Value]:
        if name not in self.counted:
            self.counted[name] = counted_values(record, run.plan, self.metrics)
        return {**self.counted[name], **cost_values(record.data, record.samples())}


def _on_cost(verdict: RuleVerdict) -> bool:
    return bool(verdict.code)


def _confirmed(
    duel: Duel,
    gate: Gate,
    name: str,
    floors: Floors | None,
    budget: Budget,
    first: GateResult,
    suspects: set[str],
) -> GateResult:
    """Measure suspects again; only what fails again, by itself, stays a failure."""
    since = {key: duel.taken[key] for key in suspects}
    duel.measure(suspects, budget.confirm)
    failing = {v.id for v in first.rules if _on_cost(v) and v.verdict == "fail"}
    doubted = replace(gate, rules=tuple(r for r in gate.rules if r.id in failing))
    again = _settled(duel, doubted, name, floors, budget, since)
    found = {(v.id, v.key): v for v in again.rules}
    last = _Looker(duel, gate, name, floors, {}).look()
    states = {(v.id, v.key): v for v in last.rules if not _on_cost(v)}
    rules = [
        _both(v, found.get((v.id, v.key)), suspects)
        if _on_cost(v)
        else states.get((v.id, v.key), v)  # a further round may have crashed
        for v in first.rules
    ]
    return verdicts.conclude(
        first.gate,
        rules,
        last.reason,
        gate.block_inconclusive,
        notes=(*first.notes, "failures of cost were confirmed by further rounds"),
    )


def _both(
    first: RuleVerdict, again: RuleVerdict | None, suspects: set[str]
) -> RuleVerdict:
    if first.key not in suspects or first.verdict != verdicts.FAIL or again is None:
        return first
    if again.verdict == verdicts.FAIL:
        return replace(
            again, reason=f"{again.reason}; confirmed by {again.n} new pairs"
        )
    return replace(
        again,
        verdict=verdicts.INCONCLUSIVE,
        code="not_confirmed",
        reason=f"{first.reason}; not confirmed: {again.reason}",
    )
