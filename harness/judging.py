"""A run before its gate: roles, baseline, noise floors, verdicts, and what is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .baselines import load_baseline
from .disagreements import Replacement, replacements
from .floors import load_floors
from .gate import judge
from .gate_evidence import TestResults
from .gate_facts import Summaries
from .gate_rules import INCUMBENT, Gate
from .incumbent import check_incumbent, run_with
from .records import Run
from .summary import summarise_run
from .verdict import GateResult


@dataclass(frozen=True)
class Against:
    """What a run is held against, as a command line says.

    Attributes:
        incumbent: extractor, preset, label or key of the cell to be replaced.
        baseline: name or folder of a baseline.
    """

    incumbent: str | None = None
    baseline: str | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Against:
        """As the settings of a run say."""
        return cls(settings.get("incumbent"), settings.get("baseline"))


@dataclass(frozen=True, eq=False)
class Judged:
    """A run with its verdicts.

    Attributes:
        run: with the roles that the incumbent gives.
        summaries: metric values by cell key.
        result: of the gate.
        replacements: what changes where a candidate replaces the incumbent.
    """

    run: Run
    summaries: Summaries
    result: GateResult
    replacements: Sequence[Replacement] = ()


def judge_run(
    run: Run,
    gate: Gate,
    against: Against,
    *,
    results_dir: str | Path,
    dirs: Sequence[Path],
    tests: TestResults | None = None,
) -> Judged:
    """Judge a measured run.

    Args:
        run: of :func:`harness.records.load_run`.
        gate: the rules.
        against: incumbent and baseline.
        results_dir: where baselines and noise floors lie.
        dirs: configuration folders, for presets.
        tests: results of tests that rules name.

    Raises:
        ConfigError: the gate needs an incumbent that is not named or not there.
        UsageError: no such baseline.
    """
    check_incumbent(gate, against.incumbent)
    held = run_with(run, against.incumbent, dirs)
    name = against.baseline
    baseline = load_baseline(results_dir, name) if name is not None else None
    floors = load_floors(results_dir, run.plan.get("machine") or {})
    summaries = summarise_run(held)
    found = judge(gate, held, summaries, baseline, floors, tests=tests)
    result = presentable(held, found)
    replaces = any(rule.to == INCUMBENT for rule in gate.rules)
    return Judged(held, summaries, result, replacements(held) if replaces else ())


def presentable(run: Run, result: GateResult) -> GateResult:
    """Verdicts without paths, and without ids of clips where the run is private."""
    from .ci.rules import cleaned
    from .report.privacy import Scrubber

    return cleaned(result, Scrubber(run))
