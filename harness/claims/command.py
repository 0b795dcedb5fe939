"""``f0bench claims RUN [claims=NAME]``: published figures beside what was measured."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extractors.errors import ConfigError, UsageError, nearest

if TYPE_CHECKING:
    from harness.flags import Flags
    from harness.records import Run
    from harness.report.table import Block

    from .model import Finding, Ledger

DEFAULT = "voice_man"
KEY = "claims"


def main(flags: Flags, words: Sequence[str]) -> int:
    """Hold a file of claims against a run; write ``claims.md`` and ``claims.json``.

    Args:
        flags: ``results_dir``, ``config_dir``, ``out`` and ``json`` are read.
        words: the run (a name, a path or ``latest``, the default) and ``claims=NAME``.

    Returns:
        0 whatever the statuses are; 4 where the run measured nothing.

    Raises:
        UsageError: no such run, or several.
        ConfigError: no such file of claims, or a mistake in it.
    """
    from harness.records import dumps, find_run, load_run, write_json, write_text
    from harness.report.privacy import Scrubber

    from . import view

    runs, name = split(words)
    if len(runs) > 1:
        raise UsageError(f"claims takes one run, got {len(runs)}: {' '.join(runs)}")
    run = load_run(find_run(flags.results_dir, *runs))
    ledger, findings = checked(run, name or DEFAULT, flags.config_dir)
    scrub = Scrubber(run)
    document: dict[str, Any] = {"run": run.name}
    document |= view.as_dict(ledger, findings, scrub)
    folder = flags.out or run.path
    write_text(folder / "claims.md", view.markdown(ledger, findings, scrub))
    write_json(folder / "claims.json", document)
    sys.stdout.write(view.render(ledger, findings, scrub))
    if flags.json:
        sys.stdout.write(dumps(document, indent=None) + "\n")
    measured = any(record.status in ("ok", "partial") for record in run.records)
    return 0 if measured else 4


def split(words: Sequence[str]) -> tuple[list[str], str | None]:
    """Runs, and the name that ``claims=NAME`` states, ``None`` without it.

    A path may hold ``=``: only a word that begins with a plain key is an assignment.

    Raises:
        ConfigError: another key, or one without a value.
    """
    runs: list[str] = []
    name: str | None = None
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key == KEY:
            if not value:
                raise ConfigError(f"{KEY}= needs a name, e.g. {KEY}={DEFAULT}")
            name = value
        elif equals and key.replace("_", "").isalpha():
            raise ConfigError(f"unknown key '{key}'{nearest(key, (KEY,))}")
        else:
            runs.append(word)
    return runs, name


def checked(
    run: Run, name: str, config_dir: Path | None = None, summaries: Any = None
) -> tuple[Ledger, list[Finding]]:
    """A file of claims and what ``run`` says of it."""
    from harness.confdir import search_dirs
    from harness.metrics import all_metrics
    from harness.summary import summarise_run

    from .judge import check
    from .reader import load_claims

    ledger = load_claims(name, all_metrics(), search_dirs(config_dir))
    values = summarise_run(run) if summaries is None else summaries
    return ledger, check(ledger, run, values)


def report_block(
    run: Run, summaries: Any, name: str, config_dir: Path | None = None
) -> Block:
    """The ledger as a part of the report of ``run``; arguments as :func:`checked`."""
    from harness.report.privacy import Scrubber

    from . import view

    ledger, findings = checked(run, name, config_dir, summaries)
    return view.block(ledger, findings, Scrubber(run))
