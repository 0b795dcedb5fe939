"""Rules of a gate for benchmarks: they name tests where other rules name cells.

Bounds, units and policy are those of :mod:`harness.gate_file`. Selectors name
``benchmark`` (the test, with or without the parameters in brackets, or its node id),
``group``, or the value of one parameter (``params.n``)::

    {id: no_slower, metric: call_s, change_max: 10 %, to: baseline}
    {id: faster, metric: call_s, ratio_max: 0.5, where: {benchmark: test_ours},
     to: {benchmark: test_librosa}}
    {id: quick, metric: call_s, abs: "x < 20 ms", where: {group: frames}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from extractors.errors import ConfigError, nearest

from .gate_file import parse_gate
from .gate_rules import BASELINE, BOUNDS, INCUMBENT, Gate, Selector
from .metrics.base import Metric
from .pytest_benchmark_files import Benchmark

DEFAULT_GATE = "pytest_benchmark"
CALL_S = Metric("call_s", "s", "lower", "median time of one call of a benchmark")
_BOUNDS = tuple(name for name in BOUNDS if name != "margin")
_KEYS = ("id", "metric", *_BOUNDS, "to", "where", "blocking", "confident", "at_least")
_FACTS = ("benchmark", "group")
PARAM = "params."


def load_rules(name: str | Path, conf_dirs: Sequence[Path]) -> Gate:
    """Read and check a gate file for benchmarks, by name or by path.

    Raises:
        ConfigError: no such gate, or something unknown in it.
    """
    import yaml

    from .confdir import gate_path, read_text

    path = gate_path(str(name), conf_dirs)
    try:
        content = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        text = " ".join(str(error).split())
        raise ConfigError(f"gate {path.name}: cannot be read: {text}") from None
    return parse_rules(path.stem, content)


def parse_rules(name: str, content: Any) -> Gate:
    """Check the content of a gate file for benchmarks; raises :class:`ConfigError`."""
    whole = {"rules": content} if isinstance(content, list) else content
    if not isinstance(whole, dict) or not isinstance(whole.get("rules"), list):
        raise ConfigError(f"gate {name}: expected a list of rules")
    entries = [entry if isinstance(entry, dict) else {} for entry in whole["rules"]]
    chosen = [_selectors(name, entry) for entry in entries]
    # Cells and benchmarks are named differently: what is left is the same.
    bare = [_without_names(entry) for entry in whole["rules"]]
    gate = parse_gate(name, {**whole, "rules": bare}, {CALL_S.name: CALL_S})
    rules = [
        replace(rule, where=where, to=to or rule.to)
        for rule, (where, to) in zip(gate.rules, chosen, strict=True)
    ]
    return replace(gate, rules=tuple(rules))


def _selectors(gate: str, entry: Mapping[str, Any]) -> tuple[Selector, Selector | None]:
    where = f"gate {gate}: rule {entry.get('id')}"
    for key in entry:
        if key not in (*_KEYS, "doc"):
            raise ConfigError(f"{where}: unknown key '{key}'{nearest(str(key), _KEYS)}")
    own = _selector(f"{where}: where", entry.get("where", {}))
    if entry.get("to") is None or entry["to"] == BASELINE:
        return own, None
    other = _selector(f"{where}: to", entry["to"])
    if not other or other == own:
        raise ConfigError(
            f"{where}: 'to' names another benchmark, e.g. {{benchmark: test_other}}"
        )
    return own, other


def _selector(where: str, value: Any) -> Selector:
    if not isinstance(value, dict):
        raise ConfigError(
            f"{where}={value}: expected baseline (in 'to') or a mapping, "
            "e.g. {benchmark: test_ours}"
        )
    found = {}
    for key, entry in value.items():
        if key not in _FACTS and not str(key).startswith(PARAM):
            valid = (*_FACTS, f"{PARAM}NAME")
            raise ConfigError(f"{where}: unknown key '{key}'{nearest(str(key), valid)}")
        texts = entry if isinstance(entry, list) else [entry]
        if not texts or any(isinstance(t, (dict, list)) or t is None for t in texts):
            raise ConfigError(f"{where}.{key}={entry}: expected a name or several")
        found[str(key)] = tuple(str(text) for text in texts)
    return found


def _without_names(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    bare = {key: value for key, value in entry.items() if key != "where"}
    return {**bare, "to": INCUMBENT} if isinstance(bare.get("to"), dict) else bare


def matches(benchmark: Benchmark, selector: Selector) -> bool:
    return all(_facts(benchmark, key) & set(v) for key, v in selector.items())


def _facts(benchmark: Benchmark, key: str) -> set[str]:
    """What a selector may call the benchmark."""
    if key == "benchmark":
        names = {benchmark.name, benchmark.fullname}
        return names | {bare_name(name) for name in names}
    if key == "group":
        return {benchmark.group} if benchmark.group is not None else set()
    value = benchmark.params.get(key.removeprefix(PARAM))
    return {value} if value is not None else set()


def bare_name(name: str) -> str:
    return name.partition("[")[0]
