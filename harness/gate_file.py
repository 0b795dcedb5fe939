"""Gate files, read strictly and completely before anything is measured.

A gate file is a YAML list of rules, or a mapping with ``rules`` and ``inconclusive``
(``report``, the default, or ``block``). A rule judges either a metric::

    {id: no_offset, metric: offset_s, abs: "|x| <= 2 ms", roles: [candidate]}
    {id: as_good, metric: rpa_50c, margin: 0.5 points, to: {extractor: librosa_pyin}}
    {id: faster, metric: x_realtime, ratio_min: 10, to: {extractor: librosa_pyin}}
    {id: no_clip, metric: rpa_50c, clip_margin: 20 points, to: baseline}
    {id: as_fast, metric: x_realtime, ratio_min: 1, to: incumbent}
    {id: no_slower, metric: x_realtime, change_min: -5 %, to: baseline}
    {id: start, metric: first_call_s, change_max: 30 %, at_least: 0.1 s, to: baseline}

or a state of the record::

    {id: no_error, state: status, is: ok}
    {id: valid, state: validity, not: invalid}
    {id: same_outputs, state: outputs, is: identical, to: baseline}

or a requirement that no cell can show, by tests that must have passed or by a reason::

    {id: REQ-7, requirement: 2-D audio is refused, test: tests/test_a.py::test_shape}
    {id: REQ-8, requirement: runs on ARM64, not_measured: no such machine}

What no data could ever satisfy, and a bound on the wrong side of a metric, is refused.

Nothing in it is executed: bounds are parsed by two regular expressions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from extractors.errors import ConfigError, nearest

from .gate_entries import flag, known_keys, names, one_of, selector
from .gate_evidence import parse_evidence
from .gate_rules import (
    BASELINE,
    BOUNDS,
    KEYS,
    REQUIREMENTS,
    ROLES,
    STATES,
    SUBJECTS,
    TARGETS,
    UNITS,
    Bound,
    Gate,
    Rule,
    Selector,
)
from .metrics.base import Metric

_NUMBER = r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(?P<unit>\S*)"
_ABSOLUTE = re.compile(rf"(?P<left>x|\|x\|)\s*(?P<op><=|>=|==|<|>)\s*{_NUMBER}")
_QUANTITY = re.compile(_NUMBER)


def load_gate(
    name: str | Path, metrics: Mapping[str, Metric], conf_dirs: Path | Sequence[Path]
) -> Gate:
    """Read and check a gate file.

    Args:
        name: name of a file in ``gate/`` of a configuration folder, or a path that
            ends in ``.yaml``.
        metrics: every metric that a rule may name.
        conf_dirs: configuration folders, first match wins.

    Raises:
        ConfigError: no such gate, or an unknown key, name, unit or value in it.
    """
    import yaml

    dirs = [conf_dirs] if isinstance(conf_dirs, Path) else list(conf_dirs)
    path = _gate_file(str(name), dirs)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        text = " ".join(str(error).split())
        raise ConfigError(f"gate {path.name}: cannot be read: {text}") from None
    return parse_gate(path.stem, content, metrics)


def _gate_file(name: str, dirs: Sequence[Path]) -> Path:
    if name.endswith((".yaml", ".yml")):
        path = Path(name).expanduser()
        if not path.is_file():
            raise ConfigError(f"gate={name}: no such file")
        return path
    for folder in dirs:
        path = folder / "gate" / f"{name}.yaml"
        if path.is_file() and path.parent == folder / "gate":
            return path
    known = {path.stem for folder in dirs for path in (folder / "gate").glob("*.yaml")}
    raise ConfigError(f"gate={name}: no such gate{nearest(name, known)}")


def parse_gate(name: str, content: Any, metrics: Mapping[str, Metric]) -> Gate:
    """Check the content of a gate file; raises :class:`ConfigError`."""
    whole = {"rules": content} if isinstance(content, list) else content
    if not isinstance(whole, dict) or not isinstance(whole.get("rules"), list):
        raise ConfigError(f"gate {name}: expected a list of rules")
    known_keys(f"gate {name}", whole, ("rules", "inconclusive", "doc"))
    policy = one_of(
        f"gate {name}: inconclusive",
        whole.get("inconclusive", "report"),
        ("report", "block"),
    )
    rules = tuple(_rule(name, entry, metrics) for entry in whole["rules"])
    ids = [rule.id for rule in rules]
    for twice in sorted({i for i in ids if ids.count(i) > 1}):
        raise ConfigError(f"gate {name}: two rules have the id '{twice}'; rename one")
    if not rules:
        raise ConfigError(f"gate {name}: it has no rules and would judge nothing")
    return Gate(name, rules, policy == "block")


def _rule(gate: str, entry: Any, metrics: Mapping[str, Metric]) -> Rule:
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        raise ConfigError(f"gate {gate}: every rule is a mapping with an 'id': {entry}")
    where = f"gate {gate}: rule {entry['id']}"
    known_keys(where, entry, KEYS)
    common: dict[str, Any] = {
        "id": entry["id"],
        "roles": names(f"{where}: roles", entry.get("roles", ["candidate"]), ROLES),
        "where": selector(f"{where}: where", entry.get("where", {})),
        "requires": names(
            f"{where}: requires", entry.get("requires", []), tuple(REQUIREMENTS)
        ),
        "blocking": flag(f"{where}: blocking", entry.get("blocking", True)),
        "confident": flag(f"{where}: confident", entry.get("confident", False)),
        "doc": str(entry.get("doc", "")),
        "requirement": " ".join(str(entry.get("requirement", "")).split()),
    }
    rule = Rule(**common, **_subject(where, entry, metrics))
    _check_together(where, rule)
    return rule


def _subject(
    where: str, entry: Mapping[str, Any], metrics: Mapping[str, Metric]
) -> dict[str, Any]:
    """What the rule judges, and its bound."""
    named = [key for key in SUBJECTS if key in entry]
    if len(named) != 1:
        found = f"; not {' and '.join(named)}" if named else ""
        raise ConfigError(f"{where}: name one of {', '.join(SUBJECTS)}{found}")
    if named[0] == "metric":
        return _metric(where, entry, metrics)
    if named[0] == "state":
        return _state(where, entry)
    return parse_evidence(where, entry)


def _state(where: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    stray = (*BOUNDS, "confident", "at_least")
    wrong = [key for key in stray if key in entry]
    if wrong or ("is" in entry) == ("not" in entry):
        extra = f"; remove '{wrong[0]}'" if wrong else ""
        raise ConfigError(f"{where}: a state rule has one of 'is' and 'not'{extra}")
    state = one_of(f"{where}: state", entry["state"], tuple(STATES))
    known = STATES[state]
    key = "is" if "is" in entry else "not"
    named = names(f"{where}: {key}", entry[key], known)
    allowed = named if key == "is" else tuple(v for v in known if v not in named)
    to = entry.get("to")
    if (state == "outputs") != (to is not None):
        verb = "needs" if state == "outputs" else "has no"
        raise ConfigError(f"{where}: state {state} {verb} 'to'")
    target = None if to is None else _other_side(where, to)
    return {"state": state, "allowed": allowed, "to": target}


def _metric(
    where: str, entry: Mapping[str, Any], metrics: Mapping[str, Metric]
) -> dict[str, Any]:
    metric = metrics[one_of(f"{where}: metric", entry["metric"], tuple(metrics))]
    stray = [key for key in ("is", "not") if key in entry]
    if stray:
        raise ConfigError(f"{where}: '{stray[0]}' belongs to a state rule; use 'abs'")
    named = [key for key in BOUNDS if key in entry]
    if len(named) != 1:
        found = f"not {' and '.join(named)}" if named else "it has none"
        raise ConfigError(f"{where}: one of {', '.join(BOUNDS)} is needed; {found}")
    bound = _bound(f"{where}: {named[0]}", named[0], entry[named[0]], metric)
    to = _target(where, entry.get("to"), bound)
    if "confident" in entry and bound.kind != "abs":
        raise ConfigError(f"{where}: 'confident' belongs to 'abs'; remove it")
    if "at_least" in entry:
        bound = replace(bound, at_least=_at_least(where, entry, bound, metric))
    return {"metric": metric, "bound": bound, "to": to}


def _target(where: str, to: Any, bound: Bound) -> Selector | str | None:
    if bound.kind == "abs":
        if to is not None:
            raise ConfigError(f"{where}: an absolute bound has no 'to'; remove it")
        return None
    if to is None:
        raise ConfigError(
            f"{where}: 'to' is missing: baseline, incumbent, or a cell of the run"
        )
    return _other_side(where, to)


def _other_side(where: str, to: Any) -> Selector | str:
    if isinstance(to, str):
        return one_of(f"{where}: to", to, TARGETS)
    found = selector(f"{where}: to", to)
    if not found:
        raise ConfigError(f"{where}: 'to' names no cell; e.g. {{extractor: NAME}}")
    return found


def _bound(where: str, key: str, value: Any, metric: Metric) -> Bound:
    if key == "abs":
        return parse_absolute(where, value, metric)
    number, unit = _quantity(where, value)
    text = f"{key} {value}"
    if key.endswith("margin"):
        if metric.direction not in ("higher", "lower"):
            raise ConfigError(
                f"{where}: {metric.name} has no better side; bound it with 'abs'"
            )
        limit = number * _factor(where, unit, metric)
        _check_share(f"{where}={value}", limit, metric)
        if number < 0 or (key == "clip_margin" and metric.formula is None):
            what = "a margin is not negative" if number < 0 else "it has no clips"
            raise ConfigError(f"{where}={value}: {metric.name}: {what}; use 'abs'")
        return Bound(key, ">=", -limit, False, text)
    op = ">=" if key.endswith("min") else "<="
    _check_side(where, key, metric)
    if metric.direction == "zero":
        raise ConfigError(f"{where}: {metric.name} may be 0 or negative; use 'abs'")
    if key.startswith("change"):
        if unit != "%":
            raise ConfigError(f"{where}={value}: a change is given in %, e.g. -5 %")
        if number <= -100.0 or (number > 0) == (op == ">="):
            raise ConfigError(
                f"{where}={value}: change_min is a fall above -100 %, change_max a rise"
            )
        return Bound("change", op, 1.0 + number / 100.0, False, text)
    if unit or number <= 0:
        raise ConfigError(f"{where}={value}: a ratio is a positive number, e.g. 1.5")
    return Bound("ratio", op, number, False, text)


def _check_side(where: str, key: str, metric: Metric) -> None:
    """Refuse a bound that an improvement would break."""
    wrong = {"higher": "max", "lower": "min"}.get(metric.direction)
    if wrong and key.endswith(wrong):
        right = key.replace(wrong, {"max": "min", "min": "max"}[wrong])
        raise ConfigError(
            f"{where}: {metric.name} is better when {metric.direction}; use {right}"
        )


def _at_least(
    where: str, entry: Mapping[str, Any], bound: Bound, metric: Metric
) -> float:
    place = f"{where}: at_least"
    if bound.kind != "change":
        raise ConfigError(f"{place} belongs to change_min and change_max; remove it")
    number, unit = _quantity(place, entry["at_least"])
    if number <= 0:
        raise ConfigError(f"{place}={entry['at_least']}: expected a positive number")
    return number * _factor(place, unit, metric)


#: What a cell cannot meet both of.
_EXCLUSIVE = (("cpu", "cuda"), ("same_job", "other_job"))


def _check_together(where: str, rule: Rule) -> None:
    """Refuse selectors and requirements that contradict each other."""
    for pair in _EXCLUSIVE:
        if set(pair) <= set(rule.requires):
            raise ConfigError(f"{where}: requires {pair[0]} and {pair[1]}: never both")
    for device in ("cpu", "cuda"):
        other = {"cpu": "cuda", "cuda": "cpu"}[device]
        if device in rule.requires and rule.where.get("device") == (other,):
            raise ConfigError(f"{where}: requires {device}, but where says {other}")
    for name in ("same_hardware", "same_job", "other_job"):
        if name in rule.requires and rule.to is None:
            raise ConfigError(f"{where}: {name} needs 'to'")
    jobs = {"same_job", "other_job"} & set(rule.requires)
    if jobs and rule.to != BASELINE:
        raise ConfigError(f"{where}: {min(jobs)} needs 'to: baseline'")
    if rule.to == "incumbent" and "incumbent" in rule.roles:
        raise ConfigError(f"{where}: the incumbent cannot be compared with itself")
    if rule.to is not None and rule.to == rule.where:
        raise ConfigError(f"{where}: 'where' and 'to' select the same cells")


def parse_absolute(where: str, value: Any, metric: Metric) -> Bound:
    """Read ``"x < 6 GiB"`` or ``"|x| <= 0.002"``; raises :class:`ConfigError`.

    A number without a unit is in the metric's own unit.
    """
    found = _ABSOLUTE.fullmatch(str(value).strip())
    if found is None:
        raise ConfigError(
            f'{where}={value}: expected "x < 6 GiB" or "|x| <= 0.002" '
            "(operators <, <=, >, >=, ==)"
        )
    limit = float(found["number"]) * _factor(where, found["unit"], metric)
    magnitude = found["left"] == "|x|"
    _check_share(f"{where}={value}", limit, metric)
    if magnitude and limit < 0:
        raise ConfigError(f"{where}={value}: |x| is never negative; use 'x'")
    return Bound("abs", found["op"], limit, magnitude, str(value).strip())


def _check_share(where: str, limit: float, metric: Metric) -> None:
    """Refuse 85 where 85 % is meant: a share of frames lies between 0 and 1."""
    if metric.unit == "1" and metric.formula is not None and abs(limit) > 1:
        raise ConfigError(
            f"{where}: {metric.name} lies between 0 and 1; state the unit, e.g. 85 %"
        )


def _quantity(where: str, value: Any) -> tuple[float, str]:
    found = None if isinstance(value, bool) else _QUANTITY.fullmatch(str(value).strip())
    if found is None:
        raise ConfigError(f"{where}={value}: expected a number and its unit")
    return float(found["number"]), found["unit"]


def _factor(where: str, unit: str, metric: Metric) -> float:
    if not unit:
        return 1.0
    if unit not in UNITS:
        raise ConfigError(f"{where}: unknown unit '{unit}'{nearest(unit, UNITS)}")
    fits, factor = UNITS[unit]
    if fits != metric.unit:
        valid = [name for name, (own, _) in UNITS.items() if own == metric.unit]
        raise ConfigError(
            f"{where}: {metric.name} is not measured in {unit}; "
            f"use {' or '.join(valid) or 'a plain number'}"
        )
    return factor
