"""From words to choices: Hydra's files and override grammar, checked and typed.

A request is a list of *points*, each one value per key. The words of the command line
span a product; an experiment's ``grid`` is a union of products that the words multiply
(a word replaces the same key in every row). Each point becomes a frozen
:class:`~harness.config.RunConfig`, and nothing of Hydra leaves this module.

``NAME.key=value``, with the name of a registered extractor, is an option of that
extractor alone; ``extractor.key=value`` of every extractor in the request.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from extractors import registry
from extractors.base import Extractor
from extractors.errors import ConfigError, nearest

from . import words as grammar
from .confdir import GROUPS, options, search_dirs
from .confdir import conf_dir as conf_dir
from .confdir import gate_path as gate_path
from .config import DatasetConfig, EffortConfig, RunConfig, TaskConfig
from .flags import Flags
from .hydra_files import Files, open_files
from .resolve import SETTINGS, TOP_LEVEL, run_config
from .schema import KINDS, applies, field_names, unknown_key
from .words import Word

ProbeClass = Callable[[str], type[Extractor]]
Point = dict[str, Any]

MAX_POINTS = 20_000
#: Settings that a command line may state as keys of the gate.
OF_GATE = ("incumbent", "baseline")
_NODES: Mapping[str, Any] = {
    "task": TaskConfig,
    "dataset": DatasetConfig,
    "effort": EffortConfig,
}


@dataclass(frozen=True)
class Request:
    """Everything that a command asked for, checked; nothing has been read yet.

    Attributes:
        configs: one per point of the sweep, in the order asked for; equal cells are
            merged later, by the plan.
        experiment: name of the experiment, if any.
        notes: what the user should be told about the composition.
        config_dirs: configuration folders in search order, e.g. for gate files.
    """

    configs: list[RunConfig]
    experiment: str | None = None
    notes: list[str] = field(default_factory=list)
    config_dirs: tuple[Path, ...] = ()


def compose(
    overrides: Sequence[str] = (),
    *,
    multirun: bool = False,
    config_dir: str | Path | None = None,
    default_experiment: str | None = None,
    stated: Mapping[str, Any] | None = None,
    probe_class: ProbeClass = registry.extractor_class,
) -> Request:
    """Compose, check and type a request.

    Args:
        overrides: ``key=value`` words as typed.
        multirun: allow sweeps.
        config_dir: folder that adds or replaces options of the shipped configuration.
        default_experiment: experiment where there are no words at all.
        stated: settings that flags state: ``name``, ``fresh``, ``private``.
        probe_class: class of a registered extractor name.

    Raises:
        ConfigError: anything unknown, of a wrong type or out of bounds, on one line.
    """
    dirs = search_dirs(config_dir)
    listed = partial(_group_options, dirs)
    found = [_plain(w) for w in grammar.parse(overrides, listed, multirun=multirun)]
    notes = []
    if not overrides and default_experiment:
        found = [Word("experiment", (default_experiment,), "")]
        notes.append(f"no words given: experiment={default_experiment}")
    for word in found:
        check_key(word.key, probe_class)
    experiment = _experiment(found)
    with open_files(dirs) as files:
        points = _points(found, experiment, files, probe_class)
        make = partial(
            _config, files=files, probe_class=probe_class, experiment=experiment
        )
        configs = [make(point, stated=stated or {}) for point in points]
    _check_together(configs, found, probe_class)
    return Request(configs, experiment, notes, dirs)


def stated_by(flags: Flags) -> dict[str, Any]:
    """Settings that the flags of a command line state."""
    found = {"name": flags.name, "fresh": flags.fresh, "private": flags.private}
    return found | ({"baseline": flags.baseline} if flags.baseline else {})


def _plain(word: Word) -> Word:
    """``gate.incumbent`` and ``gate.baseline`` are settings beside the gate's name."""
    head, _, rest = word.key.partition(".")
    return replace(word, key=rest) if head == "gate" and rest in OF_GATE else word


def _group_options(dirs: Sequence[Path], group: str) -> list[str]:
    found = set(options(group, dirs))
    return sorted(found | set(registry.targets()) if group == "extractor" else found)


def _experiment(found: Iterable[Word]) -> str | None:
    for word in found:
        if word.key == "experiment":
            if len(word.values) > 1:
                raise ConfigError(f"{word.text}: one experiment a run; run it twice")
            return None if word.values[0] is None else str(word.values[0])
    return None


def check_key(key: str, probe_class: ProbeClass) -> None:
    """Refuse a key that does not exist, before anything is composed.

    Raises:
        ConfigError: with the nearest key, field, extractor or option.
    """
    head, _, rest = key.partition(".")
    if key == "extractor.name":
        raise ConfigError("extractor.name cannot be set; state extractor=NAME")
    if head in _NODES and rest:
        _check_field(key, head, rest)
    elif head in registry.targets() and rest:
        valid = registry.options(probe_class(head))
        if rest not in valid:
            raise ConfigError(f"{head} has no option '{rest}'{nearest(rest, valid)}")
    elif not (key in TOP_LEVEL or key in GROUPS or (head == "extractor" and rest)):
        fields = [f"{node}.{n}" for node in _NODES for n in field_names(_NODES[node])]
        dotted = [f"{name}.{rest}" for name in registry.targets()]
        if rest and _near(key, fields):
            raise unknown_key(key, fields)
        if rest and _near(head, registry.targets()):
            raise unknown_key(key, dotted)
        raise unknown_key(key, [*TOP_LEVEL, *GROUPS])


def _near(name: str, valid: Iterable[str]) -> bool:
    return "did you mean" in nearest(name, valid)


def _check_field(key: str, node: str, rest: str) -> None:
    fields = field_names(_NODES[node])
    if rest not in fields and not key.startswith("dataset.tags."):
        raise unknown_key(key, [f"{node}.{name}" for name in fields])


def _points(
    found: Sequence[Word],
    experiment: str | None,
    files: Files,
    probe_class: ProbeClass,
) -> list[Point]:
    """The product of the words, multiplied by the rows of the experiment's grid."""
    axes = {w.key: list(w.values) for w in found if w.key != "experiment"}
    for key, values in axes.items():
        _check_setting(key, values)
    rows = [{**row, **axes} for row in _rows(experiment, axes, files, probe_class)]
    count = sum(math.prod(len(values) for values in row.values()) for row in rows)
    if count > MAX_POINTS:
        raise ConfigError(f"the sweep has {count} cells; at most {MAX_POINTS} at once")
    return [
        dict(zip(row, combination, strict=True))
        for row in rows
        for combination in itertools.product(*row.values())
    ]


def _check_setting(key: str, values: Sequence[Any]) -> None:
    if len(values) > 1 and key.partition(".")[0] in SETTINGS:
        raise ConfigError(
            f"{key}={','.join(map(str, values))}: {key} says how a run is measured and "
            "cannot be swept; run it twice"
        )


def _rows(
    experiment: str | None,
    axes: Mapping[str, list[Any]],
    files: Files,
    probe_class: ProbeClass,
) -> list[dict[str, list[Any]]]:
    if experiment is None:
        return [{}]
    once = {g: str(v[0]) for g, v in axes.items() if g in GROUPS and v[0] is not None}
    once.pop("extractor", None)  # may be a registered name without a file
    grid = files.compose({**once, "experiment": experiment}).get("grid")
    if grid is None:
        return [{}]
    if not isinstance(grid, list) or not all(isinstance(row, dict) for row in grid):
        raise ConfigError(f"experiment {experiment}: grid must be a list of mappings")
    for row in grid:
        for key, value in row.items():
            check_key(str(key), probe_class)
            _check_setting(key, value if isinstance(value, list) else [value])
    return [{str(key): _listed(value) for key, value in row.items()} for row in grid]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _config(
    point: Point,
    *,
    files: Files,
    probe_class: ProbeClass,
    experiment: str | None,
    stated: Mapping[str, Any],
) -> RunConfig:
    choices = {} if experiment is None else {"experiment": experiment}
    values = dict(point)
    bare = None
    for group in GROUPS:
        if group in values:
            name = values.pop(group)
            if group == "extractor" and _without_file(name, files.dirs):
                bare = str(name)
            elif name is None or isinstance(name, (list, dict)):
                shown = "null" if name is None else name
                raise ConfigError(f"{group}={shown}: expected one name")
            else:
                choices[group] = str(name)
    node = files.compose(choices)
    if bare is not None:
        node["extractor"] = {"name": bare}
    return run_config(
        node, values, probe_class, {**stated, "experiment": experiment}, files.dirs
    )


def _without_file(name: Any, dirs: Sequence[Path]) -> bool:
    """Whether a registered extractor has no YAML; its defaults serve then."""
    if name in options("extractor", dirs):
        return False
    if name in registry.targets():
        return True
    if isinstance(name, str):
        valid = _group_options(dirs, "extractor")
        raise ConfigError(f"unknown extractor '{name}'{nearest(name, valid)}")
    return False


def _check_together(
    configs: Sequence[RunConfig], found: Sequence[Word], probe_class: ProbeClass
) -> None:
    """What only the whole request can show."""
    if len({repr(config.settings) for config in configs}) > 1:
        raise ConfigError(
            "cells of one run must share their settings (effort, scenarios, threads "
            "…); run them apart"
        )
    used = {config.extractor for config in configs}
    kinds = {config.dataset.kind for config in configs}
    for word in found:
        _check_used(word, kinds)
        head, dot, _ = word.key.partition(".")
        if dot and head in registry.targets() and head not in used:
            raise ConfigError(
                f"{word.text} has no effect: no cell uses {head}; add extractor={head}"
            )
    for axis in ("model", "decoder", "precision"):
        _check_axis(axis, configs, probe_class)


def _check_used(word: Word, kinds: set[str]) -> None:
    """Refuse a data-set key that no data set of the request reads."""
    head, _, rest = word.key.partition(".")
    name = rest.partition(".")[0]
    if head != "dataset" or not rest or any(name in applies(kind) for kind in kinds):
        return
    takers = [f"dataset={kind}" for kind in KINDS if name in applies(kind)]
    raise ConfigError(
        f"{word.text} has no effect with dataset={'/'.join(sorted(kinds))}; "
        f"add {' or '.join(takers)}"
    )


def _check_axis(
    axis: str, configs: Sequence[RunConfig], probe_class: ProbeClass
) -> None:
    """Refuse a value that none of the request's extractors knows: it is a typo."""
    known: set[Any] = set()
    for name in {config.extractor for config in configs}:
        declared = probe_class(name).axes
        if axis in declared:
            values = declared[axis]
            if values is None:
                return
            known.update(values)
    for config in configs if known else ():
        value = config.axes.get(axis)
        if value is not None and value not in known:
            raise ConfigError(f"{axis}={value}{nearest(str(value), map(str, known))}")
