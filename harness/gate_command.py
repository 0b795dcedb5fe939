"""``f0bench gate RUN… [gate=NAME]``: judge finished runs again, by any gate."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extractors.errors import ConfigError, UsageError, nearest

from .verdict import GateResult, as_dict, explain, render

if TYPE_CHECKING:
    from .flags import Flags
    from .judging import Judged

DEFAULT_GATE = "validity"
GATE_FILE = "gate.json"
JUNIT_FILE = "junit.xml"
KEYS = ("gate", "gate.incumbent", "gate.baseline", "gate.tests")


@dataclass(frozen=True)
class Asked:
    """Words of the command line.

    Attributes:
        runs: names or folders.
        gate: name of the gate, ``None`` where it is not stated.
        incumbent, baseline: as stated, else ``None``.
        tests: JUnit XML with results of tests, as stated, else ``None``.
    """

    runs: tuple[str, ...] = ("latest",)
    gate: str | None = None
    incumbent: str | None = None
    baseline: str | None = None
    tests: str | None = None


def main(flags: Flags, words: Sequence[str]) -> int:
    """Judge runs, print one line per rule, write ``gate.json``, ``junit.xml``.

    Several runs are judged as one: what a CPU and a GPU runner measured of one plan.

    Args:
        flags: ``results_dir``, ``config_dir``, ``baseline``, ``explain`` and ``json``
            are read.
        words: runs (names, paths or ``latest``, the default), ``gate=NAME``,
            ``gate.incumbent=NAME``; by default what the run was judged by.
            ``gate.tests=FILE`` are the results that rules with ``test`` look at.

    Returns:
        The exit code of the gate: 0, 1, 3 or 4.

    Raises:
        UsageError: no such run, baseline or rule; runs that are not of one plan.
        ConfigError: the gate file is absent or wrong.
    """
    asked = parse_words(words)
    if flags.pytest_benchmark:
        return _pytest_benchmark(flags, asked)
    judged = _judged(flags, asked)
    result = judged.result
    content = write_gate(judged)
    if flags.explain:
        sys.stdout.write(explain(result, flags.explain))
        return result.exit_code
    publish(judged)
    return _say(flags, told(judged), content, result)


def _judged(flags: Flags, asked: Asked) -> Judged:
    from .confdir import search_dirs
    from .gate_evidence import read_results
    from .gate_file import load_gate
    from .judging import Against, judge_run
    from .merge import merged
    from .metrics import all_metrics
    from .records import find_run, load_run

    runs = [load_run(find_run(flags.results_dir, word)) for word in asked.runs]
    run = merged(runs)
    settings: Mapping[str, Any] = run.plan.get("settings", {})
    dirs = search_dirs(flags.config_dir)
    name = asked.gate or settings.get("gate") or DEFAULT_GATE
    gate = load_gate(name, all_metrics(), dirs)
    usual = Against.of(settings)
    against = Against(
        asked.incumbent or usual.incumbent,
        flags.baseline or asked.baseline or usual.baseline,
    )
    tests = read_results(asked.tests) if asked.tests else None
    return judge_run(
        run, gate, against, results_dir=flags.results_dir, dirs=dirs, tests=tests
    )


def _pytest_benchmark(flags: Flags, asked: Asked) -> int:
    """Judge results of pytest-benchmark; ``--out`` says where files go, if anywhere."""
    from .confdir import search_dirs
    from .pytest_benchmark import judge_files
    from .pytest_benchmark_files import benchmark_files
    from .pytest_benchmark_rules import DEFAULT_GATE as USUAL
    from .pytest_benchmark_rules import load_rules

    if asked.incumbent or asked.runs != Asked.runs:
        word = asked.incumbent or asked.runs[0]
        raise UsageError(
            f"gate --pytest-benchmark judges files, no run and no incumbent: {word}"
        )
    gate = load_rules(asked.gate or USUAL, search_dirs(flags.config_dir))
    name = flags.baseline or asked.baseline
    old = benchmark_files([name]) if name else ()
    result = judge_files(benchmark_files([str(flags.pytest_benchmark)]), old, gate)
    content = as_dict(result)
    if flags.out:
        write_files(flags.out, content, result)
    return _say(flags, render(result, full=True), content, result)


def _say(
    flags: Flags, text: str, content: Mapping[str, Any], result: GateResult
) -> int:
    sys.stdout.write(f"{text}\nexit {result.exit_code}\n")
    if flags.json:
        from .records import dumps

        sys.stdout.write(dumps(content, indent=None) + "\n")
    return result.exit_code


def told(judged: Judged) -> str:
    """The gate block: a line or table row per rule, then what a replacement changes."""
    from . import traceability
    from .report.privacy import Scrubber
    from .report.replacement import lines

    scrub = Scrubber(judged.run)
    traced = any(rule.requirement for rule in judged.result.rules)
    show = traceability.render if traced else render
    parts = [show(judged.result, full=True)]
    parts += ["\n".join(lines(found, scrub)) for found in judged.replacements]
    return "\n\n".join(parts)


def publish(judged: Judged) -> None:
    """Tell the CI system that this process runs in, if it runs in one."""
    from .ci import publish

    publish(judged.run, judged.summaries, judged.result)


def parse_words(words: Sequence[str]) -> Asked:
    """Split words into runs and assignments.

    A path may hold ``=``: only a word that begins with a plain key is an assignment.

    Raises:
        ConfigError: an unknown key, or one without a value.
    """
    runs: list[str] = []
    stated: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key in KEYS:
            if not value:
                raise ConfigError(f"{key}= needs a name, e.g. gate=validity")
            stated[key.removeprefix("gate.")] = value
        elif equals and key.replace("_", "").replace(".", "").isalpha():
            raise ConfigError(f"unknown key '{key}'{nearest(key, KEYS)}")
        else:
            runs.append(word)
    return Asked(
        tuple(runs) or ("latest",),
        stated.get("gate"),
        stated.get("incumbent"),
        stated.get("baseline"),
        stated.get("tests"),
    )


def write_gate(judged: Judged) -> dict[str, Any]:
    """Write ``gate.json`` and ``junit.xml`` into the results folder, by rename.

    Returns:
        The content of ``gate.json``.
    """
    from .disagreements import as_dict as replacement_dict
    from .report.privacy import Scrubber

    found = [replacement_dict(entry) for entry in judged.replacements]
    replacements = Scrubber(judged.run).data(found)
    content = {**as_dict(judged.result), "replacements": replacements}
    write_files(judged.run.path, content, judged.result)
    return content


def write_files(folder: Path, content: Mapping[str, Any], result: GateResult) -> None:
    """``gate.json`` and ``junit.xml`` in ``folder``."""
    from .junit import as_xml
    from .records import write_json, write_text

    write_json(folder / GATE_FILE, content)
    write_text(folder / JUNIT_FILE, as_xml(result))
