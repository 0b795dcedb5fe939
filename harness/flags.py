"""The flags of f0bench, which may stand anywhere on the line, and their commands.

Everything else on the line is a word: the command, ``key=value`` for the composition,
or the name of a run. A flag that a command does not know is refused.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from extractors.errors import UsageError, nearest

COMMANDS = (
    "run",
    "probe",
    "check",
    "ab",
    "calibrate",
    "gate",
    "baseline",
    "report",
    "compare",
    "export",
    "claims",
    "tune",
    "list",
    "doctor",
)
COMPOSING = ("run", "check", "probe", "ab", "calibrate", "tune")
MEASURING = ("run", "ab", "calibrate")
READING_JSON = ("gate", "baseline", "report", "compare", "claims")
READING = ("export", *READING_JSON)
TRACK_FORMATS = ("librosa", "mir_eval", "crepe")
TRACKER_FORMATS = ("github-action-benchmark", "bmf")
FORMATS = (*TRACK_FORMATS, *TRACKER_FORMATS)
LATEST = "latest"  # the link to the newest run


@dataclass(frozen=True)
class Flags:
    """What the flags of a command line say.

    Attributes:
        multirun: allow sweeps.
        config_dir: folder with further configuration.
        cfg: print the composed configuration (``job``) and stop.
        dry_run: show the plan and stop.
        json: end stdout with one JSON document.
        fresh: measure everything again.
        name: name of the results folder.
        private: hash clip ids in what is written.
        wide: show every column.
        by: tags that split a table.
        calibrate: tag across whose values voicing thresholds are learnt.
        format: what to export, one of :data:`FORMATS`.
        cell: key or label of the cell to export.
        out: folder to write to.
        into: Markdown file that receives the run between two markers.
        marker: name of these markers, the run's experiment by default.
        baseline: baseline that a gate compares with.
        explain: id of the rule whose evidence is shown.
        reason: why a regression is accepted.
        until: last day (ISO) of an acceptance.
        repo: git repository of the revisions that ``ab`` measures.
        pytest_benchmark: results of pytest-benchmark to be judged.
        fail_on_regression: exit 1 where a compared value is worse.
        perf: look at what decides speed instead.
        warm: compile the kernels of every installed extractor.
        results_dir: where runs lie, for commands that read them.
        debug: show tracebacks.
        help: show help and stop.
        version: show the version and stop.
        command_line: the line as typed, quoted for a POSIX shell.
    """

    multirun: bool = False
    config_dir: Path | None = None
    cfg: str | None = None
    dry_run: bool = False
    json: bool = False
    fresh: bool = False
    name: str | None = None
    private: bool = False
    wide: bool = False
    by: tuple[str, ...] = ()
    calibrate: str | None = None
    format: str | None = None
    cell: str | None = None
    out: Path | None = None
    into: Path | None = None
    marker: str | None = None
    baseline: str | None = None
    explain: str | None = None
    reason: str | None = None
    until: str | None = None
    repo: Path | None = None
    pytest_benchmark: str | None = None
    fail_on_regression: bool = False
    perf: bool = False
    warm: bool = False
    results_dir: str = "results"
    debug: bool = False
    help: bool = False
    version: bool = False
    command_line: str = "f0bench"


@dataclass(frozen=True)
class Flag:
    """How one flag is written, which commands take it, and what help says.

    ``takes`` names the value in help texts; an empty one makes the flag a switch.
    """

    names: tuple[str, ...]
    commands: tuple[str, ...]
    help: str
    takes: str = ""
    choices: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """The attribute of :class:`Flags` that the flag sets."""
        return self.names[-1].removeprefix("--").replace("-", "_")


FLAGS = (
    Flag(("-m", "--multirun"), (*MEASURING, "probe"), "allow sweeps: key=a,b"),
    Flag(
        ("--config-dir",),
        (*COMPOSING, "gate", "baseline", "report", "claims", "list"),
        "folder whose options add to or replace those shipped",
        "DIR",
    ),
    Flag(
        ("--cfg",),
        ("run", "check", "probe"),
        "print the composed choices and stop",
        "job",
        ("job",),
    ),
    Flag(("--dry-run",), ("run",), "show cells, merged and skipped ones, and stop"),
    Flag(
        ("--json",),
        (*COMPOSING, *READING_JSON, "list", "doctor"),
        "end stdout with one JSON document",
    ),
    Flag(("--fresh",), MEASURING, "measure everything again"),
    Flag(("--name",), MEASURING, "name of the results folder", "NAME"),
    Flag(("--private",), ("run",), "hash clip ids in what is written"),
    Flag(("--wide",), ("run", "report", "compare"), "show every column"),
    Flag(("--by",), ("report",), "split the table by tags", "TAG[,TAG]"),
    Flag(
        ("--calibrate",),
        ("report",),
        "add pitch F1 with thresholds learnt on the other values of a tag",
        "TAG",
    ),
    Flag(("--format",), ("export",), "what to write, see above", "FORMAT", FORMATS),
    Flag(("--cell",), ("export",), "only this cell", "KEY_OR_LABEL"),
    Flag(
        ("--out",),
        ("report", "export", "gate", "claims", "tune"),
        "folder to write to",
        "DIR",
    ),
    Flag(
        ("--into",),
        ("report",),
        "put the run between the markers of a Markdown file",
        "FILE",
    ),
    Flag(
        ("--marker",),
        ("report",),
        "name of these markers; default: the run's experiment",
        "NAME",
    ),
    Flag(("--baseline",), ("run", "gate"), "compare with a saved baseline", "NAME"),
    Flag(
        ("--explain",), ("gate", "ab"), "rounds, test and limit behind a rule", "RULE"
    ),
    Flag(
        ("--pytest-benchmark",),
        ("gate",),
        "judge results of pytest-benchmark instead of a run",
        "FILE[,FILE]",
    ),
    Flag(("--reason",), ("baseline",), "why a regression is accepted", "TEXT"),
    Flag(("--until",), ("baseline",), "last day of an acceptance", "YYYY-MM-DD"),
    Flag(("--repo",), ("ab",), "git repository of the revisions; default: .", "DIR"),
    Flag(
        ("--fail-on-regression",),
        ("compare", "baseline"),
        "exit 1 where a value is clearly worse",
    ),
    Flag(("--perf",), ("doctor",), "what decides speed: threads, clocks, memory, TF32"),
    Flag(("--warm",), ("doctor",), "compile the kernels of every installed extractor"),
    Flag(
        ("--results-dir",),
        (*READING, "doctor"),
        "where runs lie; default: results",
        "DIR",
    ),
    Flag(("--debug",), COMMANDS, "show the traceback of an error"),
    Flag(("-h", "--help"), COMMANDS, "show this help"),
    Flag(("--version",), (), "show the version"),
)


def parse(argv: Sequence[str]) -> tuple[str | None, Flags, list[str]]:
    """Split a command line into command, flags and words.

    Returns:
        The command (``None`` where there is none), its flags, and the other words in
        order.

    Raises:
        UsageError: unknown command or flag (with the nearest one), a flag that the
            command does not take, or a missing or surplus value.
    """
    flags, used, words = _scan(list(argv))
    flags = replace(flags, command_line=shlex.join(["f0bench", *argv]))
    command = words.pop(0) if words else None
    if command == "help":
        return (words[0] if words else None), replace(flags, help=True), []
    if command is not None and command not in COMMANDS:
        raise UsageError(f"unknown command '{command}'{nearest(command, COMMANDS)}")
    for flag in used if command else ():
        if command not in flag.commands and flag.field != "version":
            raise UsageError(
                f"{command} takes no {flag.names[-1]}"
                f"; it belongs to {', '.join(flag.commands)}"
            )
    return command, flags, words


def run_name(name: str) -> str:
    """Return ``name`` if it can be that of a folder directly below the results.

    Raises:
        UsageError: it is empty, has several path components, begins with a dot, holds
            a control character, or is ``latest``, the link to the newest run.
    """
    parts = set("/\\") & set(name)
    if parts or not name.isprintable() or name.startswith(".") or name in ("", LATEST):
        raise UsageError(
            f"--name {name!r} cannot be a folder of results; use one plain name that "
            f"does not begin with a dot and is not '{LATEST}', e.g. --name before"
        )
    return name


def _scan(rest: list[str]) -> tuple[Flags, list[Flag], list[str]]:
    names = {name: flag for flag in FLAGS for name in flag.names}
    flags, used, words = Flags(), [], []
    while rest:
        text = rest.pop(0)
        if text == "--":
            words += rest
            break
        if not text.startswith("-") or text == "-":
            words.append(text)
            continue
        name, equals, value = text.partition("=")
        if name not in names:
            raise UsageError(f"unknown flag '{name}'{nearest(name, names)}")
        flag = names[name]
        given = _value(flag, name, value if equals else None, rest)
        flags = replace(flags, **{flag.field: given})
        used.append(flag)
    return flags, used, words


def _value(flag: Flag, name: str, value: str | None, rest: list[str]) -> Any:
    if not flag.takes:
        if value is not None:
            raise UsageError(f"{name} takes no value, but got '{value}'")
        return True
    if value is None:
        value = rest.pop(0) if rest and not rest[0].startswith("-") else ""
    if not value:
        raise UsageError(f"{name} needs a value: {name} {flag.takes}")
    if flag.choices and value not in flag.choices:
        raise UsageError(f"{name} {value}{nearest(value, flag.choices)}")
    if flag.field == "name":
        return run_name(value)
    if flag.field == "by":
        return tuple(tag for tag in value.split(",") if tag)
    if flag.field in ("config_dir", "out", "into", "repo"):
        return Path(value).expanduser()
    return value
