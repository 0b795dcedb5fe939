"""Rules that judge no cell: a named test that passed, or the reason why nothing can.

A requirement such as "2-D audio is refused" is no metric of a cell; a test of the
repository shows it. Two things are asked of a test, and neither stands for the other:

- it *exists*: the file is there and defines the name (read as source, never imported);
- it *passed*: says the JUnit XML that ``pytest --junitxml FILE`` wrote and
  ``gate.tests=FILE`` names. Of a parametrised test no case failed and one passed.

A test that exists and has no result is ``inconclusive``. One that does not exist, was
skipped as a whole, or is not among the results is ``missing``, as is what the gate file
itself calls not measured: where the rule blocks, the gate fails.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from extractors.errors import ConfigError, UsageError, nearest

from . import verdict as verdicts
from .gate_facts import verdict
from .gate_rules import Rule
from .verdict import RuleVerdict

#: Keys that a rule without a cell may have.
OWN_KEYS = ("id", "requirement", "test", "not_measured", "blocking", "doc")
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
_TEST = re.compile(r"[\w\-./]+\.py(::[A-Za-z_]\w*){1,2}")
#: Children of a JUnit case that say it did not pass.
_OUTCOMES = {"failure": FAILED, "error": FAILED, "skipped": SKIPPED}


@dataclass(frozen=True)
class TestResults:
    """Outcomes of tests, as a JUnit XML file tells them.

    Attributes:
        name: name of the file, without its folder.
        when: time of the first suite, empty where the file does not tell.
        outcomes: of every case, by its dotted name without parameters.
        skipped: why a test was skipped, by the same name; the first reason of several.
    """

    __test__ = False  # pytest collects classes of this name otherwise

    name: str
    when: str
    outcomes: Mapping[str, Sequence[str]]
    skipped: Mapping[str, str] = field(default_factory=dict)


def parse_evidence(where: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a rule that names tests or a reason, as arguments of ``Rule``.

    Raises:
        ConfigError: another key beside them, not ``PATH.py::NAME``, or no reason.
    """
    for key in entry:
        if key not in OWN_KEYS:
            raise ConfigError(f"{where}: '{key}' needs a metric or a state; remove it")
    if "not_measured" in entry:
        reason = " ".join(str(entry["not_measured"] or "").split())
        if not reason or isinstance(entry["not_measured"], (bool, list, dict)):
            raise ConfigError(f"{where}: not_measured needs the reason, a sentence")
        return {"not_measured": reason}
    stated = entry["test"]
    listed = stated if isinstance(stated, list) else [stated]
    for test in listed:
        if not isinstance(test, str) or not _TEST.fullmatch(test):
            example = "tests/test_a.py::test_b"
            raise ConfigError(f"{where}: test={test}: expected e.g. {example}")
    if not listed:
        raise ConfigError(f"{where}: test names none; not_measured: REASON says why")
    return {"tests": tuple(listed)}


def read_results(file: str | Path) -> TestResults:
    """Read what ``pytest --junitxml FILE`` wrote.

    Raises:
        UsageError: no such file, or not JUnit XML.
    """
    path = Path(file).expanduser()
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        text = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"gate.tests={file}: {text}; pytest --junitxml {file} writes it"
        ) from None
    found: dict[str, list[str]] = {}
    reasons: dict[str, str] = {}
    for case in root.iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name', '')}".partition("[")[0]
        found.setdefault(name, []).append(_outcome(case))
        skip = case.find("skipped")
        if skip is not None and (why := " ".join(skip.get("message", "").split())):
            reasons.setdefault(name, why)
    if not found:
        raise UsageError(f"gate.tests={file}: it holds no test case")
    when = next((s.get("timestamp") or "" for s in root.iter("testsuite")), "")
    return TestResults(path.name, when[:19], found, reasons)


def _outcome(case: ET.Element) -> str:
    kinds = {_OUTCOMES[child.tag] for child in case if child.tag in _OUTCOMES}
    if FAILED in kinds:
        return FAILED
    return SKIPPED if SKIPPED in kinds else PASSED


def without_cell(rule: Rule, results: TestResults | None) -> RuleVerdict:
    """Judge a rule that names tests, or a reason for having none."""
    if rule.not_measured:
        text = f"not measured: {rule.not_measured}"
        return verdict(rule, None, verdicts.MISSING, text)
    found = [_judged(test, results) for test in rule.tests]
    word, observed, _ = min(found, key=lambda entry: _WORST.index(entry[0]))
    reason = "; ".join(dict.fromkeys(text for _, _, text in found))
    return verdict(rule, None, word, reason, observed=observed)


#: The first of these that a test of a rule has is the verdict of the rule.
_WORST = (verdicts.FAIL, verdicts.MISSING, verdicts.INCONCLUSIVE, verdicts.PASS)


def _judged(test: str, results: TestResults | None) -> tuple[str, str, str]:
    """Verdict, outcome and reason of one test."""
    absent = why_absent(test)
    if results is None:
        if absent:
            return verdicts.MISSING, "not found", absent
        return verdicts.INCONCLUSIVE, "not run", "it exists, no result is given"
    counts = Counter(results.outcomes.get(_dotted(test), ()))
    if not counts:
        text = absent or f"{test.partition('::')[2]} is not among the results"
        return verdicts.MISSING, "not run", text
    text = ", ".join(f"{n} {name}" for name, n in sorted(counts.items()))
    if counts[FAILED]:
        return verdicts.FAIL, FAILED, text
    if not counts[PASSED]:
        why = results.skipped.get(_dotted(test), "")
        return verdicts.MISSING, SKIPPED, f"{text}: {why}" if why else text
    return verdicts.PASS, PASSED, text


def _dotted(test: str) -> str:
    """The name that pytest gives a test in JUnit XML."""
    path, _, name = test.partition("::")
    return f"{path.removesuffix('.py').replace('/', '.')}.{name.replace('::', '.')}"


def why_absent(test: str) -> str:
    """Why a test cannot be found in the sources, empty where it is there.

    Paths are sought below the working directory, then beside the installed packages:
    a wheel has no tests.
    """
    path, *names = test.split("::")
    for root in (Path.cwd(), Path(__file__).resolve().parents[1]):
        if (root / path).is_file():
            defined = set(_defined((root / path).read_text(encoding="utf-8")))
            wanted = "::".join(names)
            if wanted in defined:
                return ""
            return f"{path} defines no {wanted}{nearest(wanted, defined)}"
    return f"there is no {path} here"


def _defined(source: str) -> Iterator[str]:
    """Names of tests in a module, those of classes as ``Class::name``."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.parse(source).body:
        if isinstance(node, functions) and node.name.startswith("test"):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, functions) and inner.name.startswith("test"):
                    yield f"{node.name}::{inner.name}"


def told(results: TestResults | None) -> str:
    """Where the results of tests come from, for the head of the gate."""
    if results is None:
        return "tests: looked up only; gate.tests=FILE tells whether they passed"
    cases = sum(len(outcomes) for outcomes in results.outcomes.values())
    when = f" of {results.when}" if results.when else ""
    return f"tests: {cases} results from {results.name}{when}"
