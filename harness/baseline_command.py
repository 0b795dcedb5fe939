"""``f0bench baseline save|accept|diff|list``: what runs are compared with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extractors.errors import UsageError, nearest

if TYPE_CHECKING:
    from .flags import Flags

USAGE = {
    "save": "baseline save RUN NAME",
    "accept": "baseline accept CELL METRIC --reason TEXT",
    "diff": "baseline diff NAME RUN",
    "list": "baseline list",
}
SIZE_NOTE = 1 << 20  # bytes above which a baseline is no longer read in a review


def main(flags: Flags, words: Sequence[str]) -> int:
    """Do what the first word says; see :data:`USAGE`.

    Raises:
        UsageError: an unknown action, a missing word, no such run or baseline.
    """
    actions: Mapping[str, Callable[[Flags, Sequence[str]], int]] = {
        "save": save,
        "accept": accept,
        "diff": diff,
        "list": show,
    }
    if not words or words[0] not in actions:
        what = f"'{words[0]}'{nearest(words[0], actions)}" if words else "nothing"
        known = "; ".join(USAGE.values())
        raise UsageError(f"baseline was asked for {what}; it does: {known}")
    return actions[words[0]](flags, words[1:])


def save(flags: Flags, words: Sequence[str]) -> int:
    """Write the measured cells of a run as a baseline."""
    from .baselines import save_baseline
    from .records import find_run, load_run

    run, name = _words("save", words, 2)
    folder, notes = save_baseline(
        load_run(find_run(flags.results_dir, run)), flags.results_dir, name
    )
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    notes += [_large(size)] if size > SIZE_NOTE else []
    print(f"{len(files)} files, {size / 1024:.0f} KiB in {folder}")
    for note in notes:
        print(f"note  {note}")
    return 0


def _large(size: int) -> str:
    return (
        f"{size / SIZE_NOTE:.1f} MiB is more than a review reads; fewer clips "
        "(dataset.limit) or less effort make it smaller"
    )


def accept(flags: Flags, words: Sequence[str]) -> int:
    """Acknowledge a regression that the gate of a run found."""
    from .acceptances import accept as write
    from .baselines import folder_of
    from .records import find_run, read_json

    if len(words) == 2:
        words = [*words, "latest"]
    cell, metric, word = _words("accept", words, 3)
    if not (flags.reason or "").strip():
        raise UsageError("baseline accept needs --reason TEXT: why is it accepted?")
    gate = read_json(find_run(flags.results_dir, word) / "gate.json")
    name = gate.get("baseline")
    if not name:
        raise UsageError(
            f"{word} was not judged against a baseline; first: "
            f"f0bench gate {word} gate=regression --baseline NAME"
        )
    folder = folder_of(flags.results_dir, name)
    if not folder.is_dir():
        raise UsageError(f"baseline {name} of {word} is not in {folder.parent}/")
    entries = write(
        folder,
        gate,
        cell,
        metric,
        reason=str(flags.reason),
        until=_day(flags.until),
        today=date.today(),
        lower_is_better=_lower_is_better(metric),
    )
    for entry in entries:
        print(f"accepted  {entry.label}: {entry.rule}: {entry.metric}: {entry.told}")
    print(f"commit {folder / 'accepted.json'}")
    return 0


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--until {text}: expected a day, e.g. 2027-03-31") from None


def _lower_is_better(metric: str) -> bool:
    from .metrics import all_metrics

    found = all_metrics().get(metric)
    return found is not None and found.direction == "lower"


def diff(flags: Flags, words: Sequence[str]) -> int:
    """What a run changes against a baseline, cell by cell."""
    from .baselines import load_baseline
    from .records import find_run, load_run
    from .report.command import show_comparison
    from .report.page import Source
    from .summary import summarise_run

    name, word = _words("diff", words, 2)
    baseline = load_baseline(flags.results_dir, name)
    run = load_run(find_run(flags.results_dir, word))
    old = Source(baseline.run, summarise_run(baseline.run))
    return show_comparison(old, Source(run, summarise_run(run)), flags)


def show(flags: Flags, words: Sequence[str]) -> int:
    """Name, date, cells and acceptances of every baseline."""
    from .baselines import load_baseline, names
    from .records import dumps

    _words("list", words, 0)
    found = [load_baseline(flags.results_dir, n) for n in names(flags.results_dir)]
    for baseline in found:
        print(baseline.told)
        for entry in baseline.accepted:
            late = entry.until and date.today() > date.fromisoformat(entry.until)
            state = "expired" if late else "accepted"
            what = f"{entry.label}: {entry.rule}: {entry.metric}"
            print(f"  {state}  {what}: {entry.told}")
    if not found:
        place = Path(flags.results_dir) / "baselines"
        print(f"no baseline in {place}/; f0bench baseline save RUN NAME makes one")
    if flags.json:
        sys.stdout.write(dumps([_as_dict(b) for b in found], indent=None) + "\n")
    return 0


def _as_dict(baseline: Any) -> dict[str, Any]:
    return {
        "name": baseline.name,
        "cells": [record.label for record in baseline.records],
        "accepted": [vars(entry) for entry in baseline.accepted],
    }


def _words(action: str, words: Sequence[str], count: int) -> Sequence[str]:
    if len(words) != count:
        raise UsageError(f"{USAGE[action]}: got {len(words)} words after {action}")
    return words
