"""The rules of a gate file, read strictly and completely before anything is measured.

A gate file is a YAML list of rules, or a mapping with ``rules`` and ``inconclusive``
(``report``, the default, or ``block``). A rule judges either a metric::

    {id: no_offset, metric: offset_s, abs: "|x| <= 2 ms", roles: [candidate]}
    {id: as_good, metric: rpa_50c, margin: 0.5 points, to: {extractor: librosa_pyin}}
    {id: faster, metric: x_realtime, ratio_min: 10, to: {extractor: librosa_pyin}}
    {id: no_slower, metric: x_realtime, change_min: -5 %, to: baseline}

or a state of the record::

    {id: no_error, state: status, is: ok}
    {id: valid, state: validity, not: invalid}

Nothing in it is executed: bounds are parsed by two regular expressions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from extractors.errors import ConfigError, nearest

from .metrics.base import Metric

BASELINE = "baseline"
BOUNDS = ("abs", "margin", "ratio_min", "ratio_max", "change_min", "change_max")
KEYS = (
    *("id", "metric", "state", "is", "not", *BOUNDS, "to", "roles", "where"),
    *("requires", "blocking", "confident", "doc"),
)
ROLES = ("candidate", "incumbent", "peer")
#: What a selector may name: the cell itself, and the work that it was given.
SUBJECT_KEYS = ("extractor", "model", "decoder", "device", "precision", "batch_size")
CONTEXT_KEYS = ("task", "dataset", "kind")
REQUIREMENTS: Mapping[str, str] = {
    "batch_axis": "the extractor has no batch size",
    "cpu": "the cell does not run on the CPU",
    "cuda": "the cell does not run on CUDA",
    "exact_truth": "the truth of the data is not exact",
    "extraction": "ready-made answers are scored, nothing is extracted",
    "same_hardware": "the other side ran on other hardware",
    "truth": "the data have no truth",
}
COMPARED = ("identical", "differs", "not measured")
STATES: Mapping[str, tuple[str, ...]] = {
    "status": ("ok", "partial", "error", "skipped"),
    "validity": ("valid", "noisy", "invalid", "not measured"),
    "batch": COMPARED,
    "order": COMPARED,
    "repeat": COMPARED,
}
#: Unit in a bound: unit of the metric that it fits, and the factor to it.
UNITS: Mapping[str, tuple[str, float]] = {
    "GiB": ("bytes", 2.0**30),
    "MiB": ("bytes", 2.0**20),
    "KiB": ("bytes", 2.0**10),
    "GB": ("bytes", 1e9),
    "MB": ("bytes", 1e6),
    "bytes": ("bytes", 1.0),
    "us": ("s", 1e-6),
    "ms": ("s", 1e-3),
    "s": ("s", 1.0),
    "ms/min": ("s/min", 1e-3),
    "s/min": ("s/min", 1.0),
    "%": ("1", 0.01),
    "points": ("1", 0.01),
    "cents": ("cents", 1.0),
    "Hz": ("Hz", 1.0),
    "x": ("x", 1.0),
    "frames/s": ("frames/s", 1.0),
    "1/s": ("1/s", 1.0),
    "clips": ("clips", 1.0),
}

_NUMBER = r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(?P<unit>\S*)"
_ABSOLUTE = re.compile(rf"(?P<left>x|\|x\|)\s*(?P<op><=|>=|==|<|>)\s*{_NUMBER}")
_QUANTITY = re.compile(_NUMBER)

Selector = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Bound:
    """What a value is held against.

    Attributes:
        kind: ``abs``, ``margin`` (difference to another cell) or ``ratio``.
        op: ``<, <=, >, >=`` or ``==``; the value stands on the left.
        limit: in the metric's unit, or a ratio.
        magnitude: the absolute value is judged.
        text: as the gate file has it.
    """

    kind: str
    op: str
    limit: float
    magnitude: bool
    text: str


@dataclass(frozen=True)
class Rule:
    """One rule of a gate.

    Attributes:
        id: unique in its gate.
        metric: the metric judged, ``None`` for a state rule.
        bound: bound of the metric, ``None`` for a state rule.
        state: the state judged, ``None`` for a metric rule.
        allowed: values of the state that pass.
        to: cell of the same run to compare with, or ``"baseline"``.
        roles: roles of the cells that are judged.
        where: further choice of cells.
        requires: what must hold, else the rule is not applicable.
        blocking: a failure fails the gate.
        confident: an absolute bound fails only with the whole interval beyond it.
        doc: why the rule exists.
    """

    id: str
    metric: Metric | None = None
    bound: Bound | None = None
    state: str | None = None
    allowed: tuple[str, ...] = ()
    to: Selector | str | None = None
    roles: tuple[str, ...] = ("candidate",)
    where: Selector = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    blocking: bool = True
    confident: bool = False
    doc: str = ""

    @property
    def bound_text(self) -> str:
        """The bound as a reader of the gate's output should see it."""
        if self.bound is None:
            return f"{self.state} {' or '.join(self.allowed)}"
        return f"{self.bound.text}{self._against()}"

    def _against(self) -> str:
        if self.to is None:
            return ""
        if isinstance(self.to, str):
            return f" to {self.to}"
        return f" to {' '.join('|'.join(v) for v in self.to.values())}"


@dataclass(frozen=True)
class Gate:
    """A named list of rules; ``block_inconclusive`` makes doubt an exit code of 3."""

    name: str
    rules: tuple[Rule, ...]
    block_inconclusive: bool = False


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
    _known_keys(f"gate {name}", whole, ("rules", "inconclusive", "doc"))
    policy = _one_of(
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
    _known_keys(where, entry, KEYS)
    common: dict[str, Any] = {
        "id": entry["id"],
        "roles": _names(f"{where}: roles", entry.get("roles", ["candidate"]), ROLES),
        "where": _selector(f"{where}: where", entry.get("where", {})),
        "requires": _names(
            f"{where}: requires", entry.get("requires", []), tuple(REQUIREMENTS)
        ),
        "blocking": _flag(f"{where}: blocking", entry.get("blocking", True)),
        "confident": _flag(f"{where}: confident", entry.get("confident", False)),
        "doc": str(entry.get("doc", "")),
    }
    if ("metric" in entry) == ("state" in entry):
        raise ConfigError(f"{where}: name one of 'metric' and 'state'")
    if "state" in entry:
        return Rule(**common, **_state(where, entry))
    return Rule(**common, **_metric(where, entry, metrics))


def _state(where: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    wrong = [key for key in (*BOUNDS, "to", "confident") if key in entry]
    if wrong or ("is" in entry) == ("not" in entry):
        extra = f"; remove '{wrong[0]}'" if wrong else ""
        raise ConfigError(f"{where}: a state rule has one of 'is' and 'not'{extra}")
    state = _one_of(f"{where}: state", entry["state"], tuple(STATES))
    known = STATES[state]
    key = "is" if "is" in entry else "not"
    named = _names(f"{where}: {key}", entry[key], known)
    allowed = named if key == "is" else tuple(v for v in known if v not in named)
    return {"state": state, "allowed": allowed}


def _metric(
    where: str, entry: Mapping[str, Any], metrics: Mapping[str, Metric]
) -> dict[str, Any]:
    metric = metrics[_one_of(f"{where}: metric", entry["metric"], tuple(metrics))]
    stray = [key for key in ("is", "not") if key in entry]
    if stray:
        raise ConfigError(f"{where}: '{stray[0]}' belongs to a state rule; use 'abs'")
    named = [key for key in BOUNDS if key in entry]
    if len(named) != 1:
        found = f"not {' and '.join(named)}" if named else "it has none"
        raise ConfigError(f"{where}: one of {', '.join(BOUNDS)} is needed; {found}")
    bound = _bound(f"{where}: {named[0]}", named[0], entry[named[0]], metric)
    to = _target(where, entry.get("to"), bound)
    if "same_hardware" in entry.get("requires", []) and to is None:
        raise ConfigError(f"{where}: same_hardware needs 'to'")
    if "confident" in entry and bound.kind != "abs":
        raise ConfigError(f"{where}: 'confident' belongs to 'abs'; remove it")
    return {"metric": metric, "bound": bound, "to": to}


def _target(where: str, to: Any, bound: Bound) -> Selector | str | None:
    if bound.kind == "abs":
        if to is not None:
            raise ConfigError(f"{where}: an absolute bound has no 'to'; remove it")
        return None
    if to is None:
        raise ConfigError(f"{where}: 'to' is missing: baseline, or a cell of the run")
    if isinstance(to, str):
        return _one_of(f"{where}: to", to, (BASELINE,))
    found = _selector(f"{where}: to", to)
    if not found:
        raise ConfigError(f"{where}: 'to' names no cell; e.g. {{extractor: NAME}}")
    return found


def _bound(where: str, key: str, value: Any, metric: Metric) -> Bound:
    if key == "abs":
        return parse_absolute(where, value, metric)
    number, unit = _quantity(where, value)
    text = f"{key} {value}"
    if key == "margin":
        if metric.direction not in ("higher", "lower"):
            raise ConfigError(
                f"{where}: {metric.name} has no better side; bound it with 'abs'"
            )
        limit = number * _factor(where, unit, metric)
        return Bound("margin", ">=", -limit, False, text)
    op = ">=" if key.endswith("min") else "<="
    if key.startswith("change"):
        if unit != "%":
            raise ConfigError(f"{where}={value}: a change is given in %, e.g. -5 %")
        return Bound("ratio", op, 1.0 + number / 100.0, False, text)
    if unit or number <= 0:
        raise ConfigError(f"{where}={value}: a ratio is a positive number, e.g. 1.5")
    return Bound("ratio", op, number, False, text)


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
    return Bound("abs", found["op"], limit, found["left"] == "|x|", str(value).strip())


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


def _selector(where: str, value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}={value}: expected a mapping, e.g. {{model: tiny}}")
    _known_keys(where, value, (*SUBJECT_KEYS, *CONTEXT_KEYS))
    found = {key: _texts(f"{where}.{key}", entry) for key, entry in value.items()}
    if "extractor" in found:
        from extractors.registry import targets

        for name in found["extractor"]:
            _one_of(f"{where}.extractor", name, tuple(targets()))
    return found


def _known_keys(where: str, entry: Mapping[Any, Any], valid: Sequence[str]) -> None:
    for key in entry:
        if key not in valid:
            raise ConfigError(f"{where}: unknown key '{key}'{nearest(str(key), valid)}")


def _one_of(where: str, value: Any, valid: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in valid:
        raise ConfigError(f"{where}: unknown '{value}'{nearest(str(value), valid)}")
    return value


def _texts(where: str, value: Any) -> tuple[str, ...]:
    entries = value if isinstance(value, list) else [value]
    if not entries or any(isinstance(v, (dict, list)) or v is None for v in entries):
        raise ConfigError(f"{where}={value}: expected a name or a list of names")
    return tuple(str(entry) for entry in entries)


def _names(where: str, value: Any, valid: Sequence[str]) -> tuple[str, ...]:
    entries = value if isinstance(value, list) else [value]
    return tuple(_one_of(where, entry, valid) for entry in entries)


def _flag(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{where}={value}: expected true or false")
    return value
