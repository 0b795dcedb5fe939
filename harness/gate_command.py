"""``f0bench gate RUN [gate=NAME]``: judge a finished run again, by any gate."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from extractors.errors import ConfigError, UsageError, nearest

from .verdict import GateResult, as_dict, render

if TYPE_CHECKING:
    from .records import Run

DEFAULT_GATE = "validity"
GATE_FILE = "gate.json"
JUNIT_FILE = "junit.xml"


def main(flags: Any, words: Sequence[str]) -> int:
    """Judge a run, print one line per rule, write ``gate.json``, ``junit.xml``.

    Args:
        flags: ``results_dir``, ``config_dir`` and ``json`` are read.
        words: the run (a name, a path or ``latest``, the default) and ``gate=NAME``;
            the gate of the run's settings by default.

    Returns:
        The exit code of the gate: 0, 1, 3 or 4.

    Raises:
        UsageError: no such run, or more than one is named.
        ConfigError: the gate file is absent or wrong.
    """
    from .confdir import search_dirs
    from .gate import judge, load_gate
    from .metrics import all_metrics
    from .records import dumps, find_run, load_run
    from .summary import summarise_run

    word, name = parse_words(words)
    run = load_run(find_run(getattr(flags, "results_dir", "results"), word))
    chosen = name or run.plan.get("settings", {}).get("gate") or DEFAULT_GATE
    dirs = search_dirs(getattr(flags, "config_dir", None))
    gate = load_gate(chosen, all_metrics(), dirs)
    result = judge(gate, run, summarise_run(run))
    write_gate(run, result)
    sys.stdout.write(render(result, full=True) + f"\nexit {result.exit_code}\n")
    if getattr(flags, "json", False):
        sys.stdout.write(dumps(as_dict(result), indent=None) + "\n")
    return result.exit_code


def parse_words(words: Sequence[str]) -> tuple[str, str | None]:
    """Split words into the run and the name of the gate, ``None`` where not stated.

    A path may hold ``=``: only a word that begins with a plain key is an assignment.
    """
    runs, gate = [], None
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key == "gate":
            if not value:
                raise ConfigError("gate= needs a name, e.g. gate=validity")
            gate = value
        elif equals and key.replace("_", "").isalpha():
            raise ConfigError(f"unknown key '{key}'{nearest(key, ['gate'])}")
        else:
            runs.append(word)
    if len(runs) > 1:
        raise UsageError(f"gate judges one run, not {len(runs)}: {' '.join(runs)}")
    return (runs[0] if runs else "latest"), gate


def write_gate(run: Run, result: GateResult) -> None:
    """Write ``gate.json`` and ``junit.xml`` into the results folder, by rename."""
    from .junit import as_xml
    from .records import replacing, write_json

    write_json(run.path / GATE_FILE, as_dict(result))
    with replacing(run.path / JUNIT_FILE) as temporary:
        temporary.write_text(as_xml(result), encoding="utf-8")
