"""``f0bench ab BASE HEAD``: two versions of an extractor's code, in one job."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extractors.errors import ConfigError, UsageError, nearest

from .config import Settings
from .duel import Budget, Duel, resolve
from .versions import Version, open_version

if TYPE_CHECKING:
    from .flags import Flags
    from .gate_rules import Gate
    from .plan import Plan
    from .records import Run
    from .verdict import GateResult

GATE = "regression"
EFFORT = "ab"


def main(flags: Flags, words: Sequence[str]) -> int:
    """Measure both versions, judge HEAD against BASE, print a line per rule.

    Args:
        flags: those of ``run``, and ``repo``.
        words: BASE, HEAD, then ``key=value`` as for ``run``; ``gate=regression`` and
            ``effort=ab`` where they are not stated.

    Returns:
        The exit code of the gate: 0, 1, 3 or 4.

    Raises:
        UsageError: BASE or HEAD is missing or cannot be found; no rule to explain.
        ConfigError: as for ``run``.
    """
    names, rest = split_words(words)
    cache = _results_dir(rest) / ".cache" / "ab"
    repository = flags.repo or Path.cwd()
    old, new = (open_version(name, repository, cache) for name in names)
    see(new)
    gate, plan, found = planned(flags, rest, GATE)
    _check_rule(gate, flags.explain)
    folder = Path(plan.settings.results_dir) / _folder_name(plan, old, new)
    return _fight(flags, plan, (old, new), folder, gate, found.gpu)


def _check_rule(gate: Gate, name: str | None) -> None:
    """Refuse a rule to be explained that the gate does not have, before measuring."""
    known = [rule.id for rule in gate.rules]
    if name is not None and name not in known:
        raise UsageError(f"gate {gate.name}: no rule '{name}'{nearest(name, known)}")


def _results_dir(words: Sequence[str]) -> Path:
    """Where results go: the plan says so too late, it needs the versions' code."""
    stated = [w.partition("=")[2] for w in words if w.startswith("results_dir=")]
    return Path(stated[-1] if stated else Settings().results_dir).expanduser()


def split_words(words: Sequence[str]) -> tuple[tuple[str, str], list[str]]:
    """BASE and HEAD, and the rest; a word with ``=`` is a key unless it is a folder.

    Raises:
        UsageError: there are not two names.
    """
    named = [w for w in words if "=" not in w or Path(w).expanduser().is_dir()]
    if len(named) != 2:
        raise UsageError(
            f"ab takes two versions, BASE and HEAD, got {len(named)}: "
            "f0bench ab v1.2 . extractor=NAME"
        )
    return (named[0], named[1]), [w for w in words if w not in named]


def planned(flags: Flags, words: Sequence[str], gate: str) -> tuple[Gate, Plan, Any]:
    """The gate, the cells and the inventory of a command that measures two sides."""
    from .compose import compose, stated_by
    from .environment import available
    from .gate_file import load_gate
    from .metrics import all_metrics
    from .plan import build

    if not words:
        raise ConfigError("nothing to measure: state extractor=NAME")
    given = {word.partition("=")[0] for word in words}
    usual = {"gate": gate, "effort": EFFORT}
    stated = [f"{k}={v}" for k, v in usual.items() if k not in given]
    request = compose(
        [*words, *stated],
        multirun=flags.multirun,
        config_dir=flags.config_dir,
        stated=stated_by(flags),
    )
    settings = request.configs[0].settings
    rules = load_gate(settings.gate, all_metrics(), request.config_dirs)
    found = available(settings.threads)
    plan = build(request, found)
    if not plan.cells:
        reasons = "; ".join(f"{s.label}: {s.reason}" for s in plan.skipped)
        raise ConfigError(f"nothing can be measured here: {reasons}")
    return rules, plan, found


def see(version: Version) -> None:
    """Let this process find the extractors of ``version``, for the plan."""
    from extractors import registry

    sys.path.insert(0, str(version.overlay))
    importlib.invalidate_caches()
    registry.targets.cache_clear()


def _folder_name(plan: Plan, old: Version, new: Version) -> str:
    from .cell import stable_hash

    if plan.settings.name:
        return plan.settings.name
    return f"ab-{stable_hash([plan.hash, old.hash, new.hash], 8)}"


def _fight(
    flags: Flags,
    plan: Plan,
    versions: tuple[Version, Version],
    folder: Path,
    gate: Gate,
    gpu: str | None,
) -> int:
    """Measure and judge both versions and show the result; returns the exit code."""
    from .console import progress_reporter
    from .floors import load_floors
    from .records import locked

    budget = Budget()
    steps = len(plan.cells) * 2 * (2 + budget.start)
    with progress_reporter(steps) as reporter, locked(folder):
        duel = Duel(plan, versions, folder, flags.command_line, reporter, gpu)
        duel.prepare(2 * budget.most + budget.confirm)
        floors = load_floors(folder.parent, duel.sides[0].machine)
        result = resolve(duel, gate, versions[0].name, floors, budget)
        _, new = duel.runs()
    pairs = ", ".join(f"{duel.taken.get(c.key, 0)} of {c.label}" for c in plan.cells)
    return _show(flags, new, result, pairs)


def _show(flags: Flags, new: Run, result: GateResult, pairs: str) -> int:
    from .gate_command import publish, told, write_gate
    from .judging import Judged, presentable
    from .summary import summarise_run
    from .verdict import explain

    # The other side is no baseline that somebody could accept a fall against.
    result = presentable(new, replace(result, baseline=""))
    judged = Judged(new, summarise_run(new), result)
    content = write_gate(judged)
    publish(judged)
    sys.stdout.write(f"{told(judged)}\npairs of rounds: {pairs}\n")
    if flags.explain:
        sys.stdout.write(explain(result, flags.explain))
    sys.stdout.write(f"files {new.path}\nexit {result.exit_code}\n")
    if flags.json:
        from .records import dumps

        sys.stdout.write(dumps(content, indent=None) + "\n")
    return result.exit_code
