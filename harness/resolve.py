"""One point of a sweep: a composed dictionary and plain values become a RunConfig."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from extractors import registry
from extractors.base import Extractor
from extractors.errors import ConfigError, nearest

from .confdir import GROUPS, gate_path
from .config import DatasetConfig, EffortConfig, RunConfig, Settings, task_config
from .hydra_files import resolve
from .schema import (
    DEVICES,
    ROLES,
    SCENARIOS,
    bound,
    build,
    check_dataset,
    check_effort,
    check_names,
    check_option,
    check_task,
    coerce,
    field_hints,
    fitted,
    member,
    seconds,
    unknown_key,
)
from .voicing import Calibration, voicing_rule

AXES = ("model", "decoder", "device", "precision", "batch_size")
#: Keys that say how a plan is executed; a run has one value of each.
SETTINGS = (
    "effort",
    "scenarios",
    "gate",
    "incumbent",
    "baseline",
    "threads",
    "seed",
    "results_dir",
    "budget",
    "timeout_s",
    "bootstrap",
)
TOP_LEVEL = (*AXES, "voicing", "role", *(k for k in SETTINGS if k not in GROUPS))


def run_config(
    node: dict[str, Any],
    values: Mapping[str, Any],
    probe_class: Callable[[str], type[Extractor]],
    stated: Mapping[str, Any],
    dirs: Sequence[Path],
) -> RunConfig:
    """Apply plain values to a composed dictionary and check everything.

    Args:
        node: the composed configuration; changed in place.
        values: dotted keys that exist, and their plain values.
        probe_class: class of a registered extractor name.
        stated: further fields of :class:`~harness.config.Settings`.
        dirs: configuration folders, for the gate's name.

    Raises:
        ConfigError: unknown keys, wrong types, values out of bounds.
    """
    own = _apply(node, values)
    node = resolve(node)
    _check_top(node)
    name, cls = _extractor(node, probe_class)
    asked = _mapping(node, "task")
    task = build(task_config(str(asked.get("name"))), asked, "task")
    options, axes = _options(name, cls, node, own, task.asked)
    dataset = fitted(build(DatasetConfig, _mapping(node, "dataset"), "dataset"))
    check_task(task)
    check_dataset(dataset)
    voicing = _voicing(node, name, options, dataset.split)
    role = node.get("role")
    if role is not None:
        member(str(role), ROLES, "role")
    return RunConfig(
        extractor=name,
        options=options,
        axes=axes,
        task=task,
        dataset=dataset,
        settings=_settings(node, stated, dirs),
        voicing=voicing,
        role=role,
    )


def _voicing(
    node: Mapping[str, Any], name: str, options: Mapping[str, Any], split: str | None
) -> str:
    voicing = voicing_rule(node.get("voicing") or "native")
    if voicing != "native" and "threshold" in options:
        raise ConfigError(
            f"voicing={voicing} and {name}.threshold={options['threshold']} state the "
            "same thing; keep one of them"
        )
    rule = Calibration.of(voicing)
    if rule is not None and rule.tag == "split" and split is not None:
        raise ConfigError(
            f"voicing={voicing} and dataset.split={split}: the clips of one split "
            "teach the threshold and the others are scored; use dataset.split=null"
        )
    return voicing


def _apply(node: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Set dotted keys; return the options that were stated for one extractor alone."""
    own = {}
    for key, value in values.items():
        parts = key.split(".")
        if len(parts) > 1 and parts[0] not in node:
            own[key] = value
            continue
        place = node
        for part in parts[:-1]:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"{key}={value}: {part} is a single value")
            place = inner
        place[parts[-1]] = value
    return own


def _check_top(node: Mapping[str, Any]) -> None:
    valid = {*TOP_LEVEL, *GROUPS, "grid"}
    for key in node:
        if key not in valid:
            raise unknown_key(key, valid)


def _mapping(node: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = node.get(key)
    if not isinstance(found, Mapping):
        raise ConfigError(f"{key}={found}: expected a mapping of keys")
    return found


def _extractor(
    node: Mapping[str, Any], probe_class: Callable[[str], type[Extractor]]
) -> tuple[str, type[Extractor]]:
    name = _mapping(node, "extractor").get("name")
    if name not in registry.targets():
        raise ConfigError(
            f"extractor.name={name} is not registered"
            f"{nearest(str(name), registry.targets())}"
        )
    return str(name), probe_class(str(name))


def _options(
    name: str,
    cls: type[Extractor],
    node: Mapping[str, Any],
    own: Mapping[str, Any],
    asked: Collection[str],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Constructor options and axes: own keys before top level before the YAML."""
    mine = {k: v for k, v in _mapping(node, "extractor").items() if k != "name"}
    prefix = f"{name}."
    alone = {k.removeprefix(prefix): own[k] for k in own if k.startswith(prefix)}
    for key in (*mine, *alone):
        if key in AXES and key not in cls.axes:
            raise ConfigError(f"{name} has no option '{key}'{nearest(key, cls.axes)}")
    top = {axis: node[axis] for axis in AXES if node.get(axis) is not None}
    stated = {**mine, **top, **alone}
    axes = {k: axis_value(k, v) for k, v in stated.items() if k in AXES}
    options = {
        k: check_option(name, cls, k, v, asked)
        for k, v in stated.items()
        if k not in AXES
    }
    check_names(name, cls, options, asked)
    return options, {key: value for key, value in axes.items() if value is not None}


def axis_value(key: str, value: Any) -> Any:
    """Type and bounds of an axis value, ``None`` where it is not stated."""
    if value is None:
        return None
    if key == "batch_size":
        number = coerce(value, int, key)
        bound(number >= 1, key, number, "≥ 1")
        return number
    text = coerce(value, str, key)
    if key == "device":
        member(text, DEVICES, key)
    return text


def _settings(
    node: Mapping[str, Any], stated: Mapping[str, Any], dirs: Sequence[Path]
) -> Settings:
    effort = build(EffortConfig, _mapping(node, "effort"), "effort")
    check_effort(effort)
    plain = {k: node[k] for k in SETTINGS if k in node and k != "effort"}
    budget_s = seconds(plain.pop("budget", None), "budget")
    if isinstance(plain.get("scenarios"), str):
        plain["scenarios"] = [plain["scenarios"]]
    values = {**plain, **stated, "budget_s": budget_s}
    settings = _typed_settings(values, effort)
    _check_settings(settings, dirs)
    return settings


def _typed_settings(values: Mapping[str, Any], effort: EffortConfig) -> Settings:
    hints = field_hints(Settings)
    typed = {key: coerce(value, hints[key], key) for key, value in values.items()}
    return Settings(effort=effort, **typed)


def _check_settings(settings: Settings, dirs: Sequence[Path]) -> None:
    for scenario in settings.scenarios:
        member(scenario, SCENARIOS, "scenarios")
    threads = settings.threads
    bound(threads is None or threads >= 1, "threads", threads, "≥ 1")
    bound(settings.seed >= 0, "seed", settings.seed, "≥ 0")
    bound(settings.timeout_s > 0, "timeout_s", settings.timeout_s, "above 0 s")
    gate_path(settings.gate, dirs)
