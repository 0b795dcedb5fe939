"""``f0bench calibrate``: identical code against itself, kept as noise floors."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .ab_command import planned
from .duel import Duel
from .execute import utc_now
from .floors import Floors, add_session, load_floors, within
from .metrics.rounds import BY_ROUND, FASTEST, round_values

if TYPE_CHECKING:
    from .flags import Flags
    from .records import Record

PAIRS = 10  # pairs of rounds in a session
SHOWN = ("x_realtime", "latency_1s_p50_s", "first_call_s", "peak_host_bytes")

Cells = Mapping[str, Mapping[str, Mapping[str, Any]]]


def main(flags: Flags, words: Sequence[str]) -> int:
    """Measure every cell against itself and append a session to this machine's floors.

    Args:
        flags: those of ``run``.
        words: ``key=value`` as for ``run``; ``effort=ab`` where it is not stated.

    Returns:
        0, or 4 where a cell could not be timed.
    """
    from .console import progress_reporter
    from .environment import machine
    from .records import locked

    _, plan, found = planned(flags, words, "validity")
    root = Path(plan.settings.results_dir)
    folder = root / (plan.settings.name or f"calibrate-{plan.hash}")
    steps = len(plan.cells) * 2 * (2 + PAIRS)
    with progress_reporter(steps) as reporter, locked(folder):
        duel = Duel(plan, (None, None), folder, flags.command_line, reporter, found.gpu)
        duel.prepare(0)  # a session is never made of older rounds
        duel.measure(duel.taken, PAIRS)
        duel.close()
        old, new = duel.runs()
    sides = {r.key: (o, r) for o, r in zip(old.records, new.records, strict=True)}
    timed = {key: _cell(*pair) for key, pair in sides.items() if key in duel.taken}
    cells = {key: metrics for key, metrics in timed.items() if metrics}
    if cells:
        labels = {record.key: record.label for record in new.records}
        _keep(root, machine(found.gpu), cells, labels)
    lost = [cell.label for cell in plan.cells if cell.key not in cells]
    for label in lost:
        sys.stdout.write(f"not timed  {label}: see {folder}/base\n")
    return 4 if lost else 0


def _keep(
    root: Path, machine: Mapping[str, Any], cells: Cells, labels: Mapping[str, str]
) -> None:
    """Append the session and print the floors that now hold."""
    kept = add_session(root, machine, {"created_utc": utc_now(), "cells": cells})
    floors = load_floors(root, machine)
    assert floors is not None
    sys.stdout.write(table(cells, labels, floors))
    count = len(floors.sessions)
    sys.stdout.write(f"{count} session{'s' if count > 1 else ''} in {kept}\n")


def _cell(old: Record, new: Record) -> dict[str, dict[str, Any]]:
    """The rounds of both sides, of every metric."""
    found = {}
    sides = [(record.data, record.samples()) for record in (old, new)]
    for name in BY_ROUND:
        a, b = (round_values(*side, name) for side in sides)
        shared = sorted(set(a) & set(b))
        if shared and min(*a.values(), *b.values()) > 0:
            found[name] = {
                "old": [a[n] for n in shared],
                "new": [b[n] for n in shared],
            }
    return found


def table(cells: Cells, labels: Mapping[str, str], floors: Floors) -> str:
    """Floors of the headline costs, a line per cell and metric."""
    lines = [
        "noise floors of identical code, % (within a job of 10 pairs; between jobs)"
    ]
    for key, metrics in cells.items():
        for name in (n for n in SHOWN if n in metrics):
            rounds = metrics[name]
            inside = within(rounds["old"], rounds["new"], PAIRS, FASTEST.get(name))
            between, _ = floors.of(key, name, same_job=False, rounds=PAIRS)
            jobs = "one session" if between is None else f"{100 * between:.1f}"
            lines.append(f"  {labels[key]}  {name}  {100 * inside:.1f}  {jobs}")
    return "\n".join(lines) + "\n"
