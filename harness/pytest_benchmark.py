"""Judging results of pytest-benchmark by the rules of a gate.

The metric is ``call_s``, the median time of a call. A rule bounds it absolutely, to a
baseline (other files), or to another benchmark of the same files; see
:mod:`harness.pytest_benchmark_rules`. A benchmark is held against those of ``to`` that
share its group and, apart from what the selectors name, its parameters; a ``to`` of
parameters alone means the same test. What ``to`` names is not judged itself where
``where`` chooses others too.

A file is a process, and a process is one round (:mod:`harness.decide`). Files of one
side and the other are unpaired; benchmarks of the same file are a pair. With fewer than
:data:`~harness.gate_sides.MIN_SIDE` files on a side, the calls of a process are all
there is, and they say nothing of the next process: layout of memory, hash seeds, clock
and neighbours differ. Then the interval of a ratio is the ratio times and over
:data:`BETWEEN_PROCESSES` and the spread of the calls: only what lies beyond the limit
with all of that is a failure, only what lies within it a pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from extractors.errors import nearest

from . import verdict as verdicts
from .decide import ALPHA, Effect, compare_rounds
from .gate_facts import verdict
from .gate_rules import BASELINE, Gate, Rule, Selector
from .gate_sides import MIN_SIDE, Open, Side, opened, settle
from .pytest_benchmark_files import Benchmark, Suite, Timing, read_suite
from .pytest_benchmark_rules import (
    DEFAULT_GATE,
    PARAM,
    bare_name,
    load_rules,
    matches,
)
from .records import Record
from .verdict import GateResult, RuleVerdict

#: How much slower one process of the same code may be than another, as a factor. On
#: hosted CI runners, medians of identical code differ by about a quarter between jobs.
BETWEEN_PROCESSES = 1.3


@dataclass(frozen=True)
class _Case:
    new: Suite
    old: Suite | None


def judge_files(
    new: Sequence[Path], old: Sequence[Path] = (), gate: Gate | None = None
) -> GateResult:
    """Apply every rule to every benchmark that it selects.

    Args:
        new: files of ``pytest --benchmark-json``; each is one process.
        old: files of the baseline.
        gate: from :func:`load_rules`; by default no benchmark may take more than 10 %
            longer than in the baseline.

    Returns:
        Verdicts and exit code: 1 a blocking rule failed; 4 incomplete: nothing was
        measured, a benchmark is not in every new file, or the baseline has one that is
        gone, or there is none; 3 undecided where the gate blocks on that; else 0.

    Raises:
        ConfigError: a file is not pytest-benchmark's.
        UsageError: a file cannot be read.
    """
    from .confdir import search_dirs

    rules = gate or load_rules(DEFAULT_GATE, search_dirs())
    case = _Case(read_suite(new), read_suite(old) if old else None)
    found, tests = settle([v for rule in rules.rules for v in _rule(rule, case)])
    doubt = rules.block_inconclusive
    result = verdicts.conclude(rules.name, found, _incomplete(case), doubt)
    return replace(result, notes=_notes(rules, case, tests))


def _incomplete(case: _Case) -> str:
    suite = case.new
    if not suite.benchmarks:
        return f"nothing was measured: {suite.told} without a benchmark"
    for benchmark in suite.benchmarks.values():
        if len(benchmark.timings) < suite.processes:
            count = f"{len(benchmark.timings)} of {suite.processes} files"
            return f"{benchmark.fullname} is in {count}: it failed, or was not run"
    return ""


def _notes(gate: Gate, case: _Case, tests: int) -> tuple[str, ...]:
    sides = [case.new]
    if case.old is not None and any(rule.to == BASELINE for rule in gate.rules):
        sides.append(case.old)
    told = [f"{s.told} ({_count(s.processes, 'process', 'es')})" for s in sides]
    found = [" against baseline ".join(told)]
    if min(s.processes for s in sides) < MIN_SIDE and any(r.to for r in gate.rules):
        found.append(
            f"fewer than {MIN_SIDE} processes on a side: identical code may differ by "
            f"{BETWEEN_PROCESSES - 1:.0%} from one to the next, so small changes stay "
            f"undecided; give {MIN_SIDE} files or more of each"
        )
    elif len(sides) > 1 and _apart(*sides):
        found.append(
            "one side was measured after the other: what else changed meanwhile is "
            "part of the ratios; measure both in turns"
        )
    if len({s.pythons for s in sides}) > 1:
        versions = " and ".join("/".join(s.pythons) for s in reversed(sides))
        found.append(f"measured with Python {versions}")
    if any(not machine["cpu"] for s in sides for machine in s.machines):
        found.append("the CPU is not named in the files: was it the same?")
    if tests > 1:
        found.append(f"{tests} tests corrected together (Holm), at {ALPHA:.0%} in all")
    return tuple(found)


def _apart(one: Suite, other: Suite) -> bool:
    if not one.span or not other.span:
        return False
    return one.span[1] < other.span[0] or other.span[1] < one.span[0]


def _count(n: int, noun: str, plural: str = "s") -> str:
    return f"{n} {noun}{'' if n == 1 else plural}"


def _rule(rule: Rule, case: _Case) -> Iterator[RuleVerdict | Open]:
    chosen = [b for b in case.new.benchmarks.values() if matches(b, rule.where)]
    if isinstance(rule.to, Mapping):  # a yardstick is not held against itself
        chosen = [b for b in chosen if not matches(b, rule.to)] or chosen
    lost = list(_lost(rule, case))
    if not chosen and not lost:
        yield _absent(rule, case, rule.where)
    for benchmark in chosen:
        yield from _judge(rule, benchmark, case)
    yield from lost


def _judge(rule: Rule, own: Benchmark, case: _Case) -> Iterator[RuleVerdict | Open]:
    if rule.to is None:
        yield _absolute(rule, own, case)
    elif rule.to == BASELINE:
        yield _to_baseline(rule, own, case)
    else:
        yield from _to_benchmarks(rule, own, case)


def _lost(rule: Rule, case: _Case) -> Iterator[RuleVerdict]:
    """Benchmarks of the baseline that are gone: nothing protects them."""
    if rule.to != BASELINE or case.old is None:
        return
    for name, benchmark in case.old.benchmarks.items():
        if name not in case.new.benchmarks and matches(benchmark, rule.where):
            text = f"baseline {case.old.told} has it; it failed, or was not run"
            record = _record(benchmark, case.old)
            yield verdict(rule, record, verdicts.MISSING, text, incomplete=True)


def _absent(rule: Rule, case: _Case, wanted: Selector) -> RuleVerdict:
    """No benchmark is what a selector names."""
    suite = case.new
    if not suite.benchmarks:
        text = "nothing was measured"
        return verdict(rule, None, verdicts.MISSING, text, incomplete=True)
    named = " ".join("|".join(values) for values in wanted.values())
    known = {bare_name(benchmark.name) for benchmark in suite.benchmarks.values()}
    hint = nearest(wanted["benchmark"][0], known) if "benchmark" in wanted else ""
    text = f"no benchmark matches {named}{hint}"
    return verdict(rule, None, verdicts.MISSING, text)


def _record(benchmark: Benchmark, suite: Suite) -> Record:
    """The benchmark in the form in which verdicts name a cell."""
    names = [other.name for other in suite.benchmarks.values()]
    label = benchmark.name if names.count(benchmark.name) == 1 else benchmark.fullname
    return Record(Path(), {"key": benchmark.fullname, "label": label})


def _absolute(rule: Rule, own: Benchmark, case: _Case) -> RuleVerdict:
    from .meter.statistics import median_value

    assert rule.bound is not None
    timings = list(own.timings.values())
    value = median_value([timing.median_s for timing in timings])
    if len(timings) == 1:
        value = replace(value, n=timings[0].rounds, reason="the calls are not stored")
        if timings[0].data:
            value = median_value(timings[0].data)
    word, reason = verdicts.judge_absolute(rule.bound, value, rule.confident)
    return verdict(rule, _record(own, case.new), word, reason, value)


def _to_baseline(rule: Rule, own: Benchmark, case: _Case) -> RuleVerdict | Open:
    record = _record(own, case.new)
    old = case.old.benchmarks.get(own.fullname) if case.old else None
    if case.old is None or old is None:
        text = "no baseline given; state one with --baseline OLD.json"
        if case.old is not None:
            text = f"baseline {case.old.told} has no such benchmark; save it again"
        return verdict(rule, record, verdicts.MISSING, text, incomplete=True)
    reason = _other_machine(case.new, case.old) or _timed_otherwise(own, old)
    if reason:
        return verdict(rule, record, verdicts.INCOMPARABLE, reason)
    effect = compare(list(old.timings.values()), list(own.timings.values()))
    other = Side(_record(old, case.old), {}, f"baseline {case.old.told}")
    return opened(rule, Side(record, {}, case.new.told), other, effect)


def _to_benchmarks(
    rule: Rule, own: Benchmark, case: _Case
) -> Iterator[RuleVerdict | Open]:
    """One verdict per benchmark that ``to`` names, on the same group and parameters."""
    assert rule.to is not None and not isinstance(rule.to, str)
    suite, record = case.new, _record(own, case.new)
    named = [
        b
        for b in suite.benchmarks.values()
        if b.fullname != own.fullname and matches(b, rule.to)
    ]
    alike = [other for other in named if _same_work(rule, own, other)]
    for other in alike:
        reason = _timed_otherwise(own, other)
        if reason:
            yield verdict(rule, record, verdicts.INCOMPARABLE, reason)
            continue
        shared = sorted(set(own.timings) & set(other.timings))
        sides = [[b.timings[n] for n in shared] for b in (other, own)]
        beside = _record(other, suite)
        against = Side(beside, {}, beside.label)
        effect = compare(*sides, paired=True)
        yield opened(rule, Side(record, {}, record.label), against, effect)
    if not named:
        yield replace(_absent(rule, case, rule.to), key=record.key, label=record.label)
    elif not alike:
        text = f"{named[0].name} is of another group or test, or of other parameters"
        yield verdict(rule, record, verdicts.INCOMPARABLE, text)


def _same_work(rule: Rule, own: Benchmark, other: Benchmark) -> bool:
    assert isinstance(rule.to, Mapping)
    named = {*rule.where, *rule.to}
    of_parameters = all(key.startswith(PARAM) for key in rule.to)
    if of_parameters and bare_name(own.fullname) != bare_name(other.fullname):
        return False
    if "group" not in named and own.group != other.group:
        return False
    return all(
        own.params[name] == other.params[name]
        for name in set(own.params) & set(other.params)
        if f"{PARAM}{name}" not in named
    )


def _other_machine(new: Suite, old: Suite) -> str:
    """Why times of two sides cannot be compared, or an empty string."""
    other = []
    for name in ("cpu", "cores", "architecture", "python"):
        values = [_stated(side, name) for side in (old, new)]
        if len({*values[0], *values[1]}) > 1:
            was, here = ("/".join(side) for side in values)
            other.append(f"{name} {was}, here {here}")
    return f"measured on other hardware: {'; '.join(other)}" if other else ""


def _stated(suite: Suite, name: str) -> list[str]:
    return sorted({str(m[name] or "not stated") for m in suite.machines})


def _timed_otherwise(new: Benchmark, old: Benchmark) -> str:
    other = [
        f"{name} {old.options[name]}, here {value}"
        for name, value in new.options.items()
        if value != old.options[name]
    ]
    return f"timed otherwise: {'; '.join(other)}" if other else ""


def compare(
    old: Sequence[Timing], new: Sequence[Timing], *, paired: bool = False
) -> Effect:
    """The ratio of the times of two sides, ``new`` to ``old``.

    Args:
        old, new: one timing per process.
        paired: the times at equal places come from one process.

    Returns:
        The effect over processes; with few of them its ``spread`` is the largest of
        the interquartile ranges over the medians, and of the ranges between processes.
    """
    sides = [{i: t.median_s for i, t in enumerate(side)} for side in (old, new)]
    effect = compare_rounds(sides[0], sides[1], paired=paired)
    if effect.value.value is None or min(len(old), len(new)) >= MIN_SIDE:
        return effect
    return _widened(effect, [*old, *new])


def _widened(effect: Effect, timings: Sequence[Timing]) -> Effect:
    """The effect of a few processes with the interval that is assumed for it."""
    counts = f"{len(effect.old)} and {len(effect.new)} processes"
    if min(timing.rounds for timing in timings) < 2:
        text = f"{counts}, a single call: no spread"
        return replace(effect, value=replace(effect.value, reason=text), method=text)
    point = effect.value.value
    assert point is not None
    within = max(timing.iqr_s / timing.median_s for timing in timings)
    between = [(max(s) - min(s)) / median(s) for s in (effect.old, effect.new)]
    spread = max(within, *between)
    factor = BETWEEN_PROCESSES * (1.0 + spread)
    method = (
        f"{counts}: taken to differ by {BETWEEN_PROCESSES - 1:.0%} among themselves "
        f"and by their spread of {spread:.1%}"
    )
    value = replace(effect.value, low=point / factor, high=point * factor, reason="")
    return replace(effect, value=value, method=method, spread=spread)
