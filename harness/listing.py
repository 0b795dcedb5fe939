"""``f0bench list``: the names a command line may use, and what they mean."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from extractors import registry
from extractors.errors import ConfigError, F0BenchError, UsageError, nearest

from .confdir import option_file, options, read_text, search_dirs
from .flags import Flags
from .plan import missing_packages, pip_line

Row = dict[str, Any]

AGREEMENT = "agreement_"  # begins the names of metrics against the second tracker

DECODERS: Mapping[str, str] = {
    "argmax": "the most probable bin of each frame",
    "weighted_argmax": "average in cents over ±4 bins around the most probable bin",
    "viterbi": "the most probable path of bins through the clip",
    "viterbi_weighted": "that path, refined by the average over ±4 bins around it",
}


def main(flags: Flags, words: Sequence[str]) -> int:
    """Print one topic, or all of them; returns the exit code.

    Raises:
        UsageError: unknown topic, with the nearest one.
    """
    for word in words:
        if word not in TOPICS:
            raise UsageError(f"unknown topic '{word}'{nearest(word, TOPICS)}")
    dirs = search_dirs(flags.config_dir)
    found = {topic: TOPICS[topic](dirs) for topic in (words or TOPICS)}
    if flags.json:
        document = {"schema": 1, **found}
        print(json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False))
    else:
        _show(found)
    return 0


def extractors(dirs: Sequence[Path]) -> list[Row]:
    """Registered extractors: axes and their values, role, whether installed."""
    presets: dict[str, list[str]] = {}
    for preset in options("extractor", dirs):
        presets.setdefault(_stated_name(preset, dirs), []).append(preset)
    return [
        _extractor(name, presets.get(name, [])) for name in sorted(registry.targets())
    ]


def _stated_name(preset: str, dirs: Sequence[Path]) -> str:
    node = _yaml(option_file("extractor", preset, dirs))
    return str(node.get("name", preset)) if isinstance(node, Mapping) else preset


def _extractor(name: str, presets: Sequence[str]) -> Row:
    row: Row = {"name": name, "presets": list(presets)}
    try:
        cls = registry.extractor_class(name)
    except F0BenchError as error:
        return {**row, "axes": {}, "role": None, "extra": None, "state": str(error)}
    missing = missing_packages(cls)
    return {
        **row,
        "axes": {
            axis: None if values is None else list(values)
            for axis, values in cls.axes.items()
        },
        "role": "peer" if cls.peer else "candidate",
        "extra": cls.extra,
        "state": pip_line(cls) if missing else "installed",
    }


def decoders(dirs: Sequence[Path]) -> list[Row]:
    """Every decoder that some extractor declares."""
    users: dict[str, list[str]] = {}
    for row in extractors(dirs):
        for decoder in row["axes"].get("decoder") or ():
            users.setdefault(decoder, []).append(row["name"])
    return [
        {"name": name, "definition": DECODERS.get(name, ""), "extractors": names}
        for name, names in users.items()
    ]


def datasets(dirs: Sequence[Path]) -> list[Row]:
    """Data sets, for ``dataset=NAME``."""
    return _files("dataset", dirs)


def labels(dirs: Sequence[Path]) -> list[Row]:
    """Presets of the label reader, for ``dataset.labels=NAME``."""
    from dataclasses import asdict

    from .datasets.label_format import PRESETS

    rows = []
    for name, preset in sorted(PRESETS.items()):
        stated = {k: v for k, v in asdict(preset).items() if v is not None}
        text = ", ".join(f"{k} {_text(v)}" for k, v in stated.items() if k != "note")
        rows.append({"name": name, "definition": preset.note, "format": text})
    return rows


def tasks(dirs: Sequence[Path]) -> list[Row]:
    """Registered tasks, for ``task=NAME``; one without a file cannot be composed."""
    from .tasks import targets

    files = options("task", dirs)
    return [
        {
            "name": name,
            "definition": _task_text(name),
            "state": "installed" if name in files else f"needs task/{name}.yaml",
        }
        for name in sorted(targets())
    ]


def _task_text(name: str) -> str:
    """First sentence of the module that a task is defined in."""
    from .tasks import task_class

    try:
        text = sys.modules[task_class(name).__module__].__doc__ or ""
    except (ImportError, AttributeError) as error:
        return f"cannot be imported: {error}"
    bare = re.sub(r":\w+:`~?[\w.]*?(\w+)`", r"\1", text.partition("\n\n")[0])
    return " ".join(bare.split())


def metrics(dirs: Sequence[Path]) -> list[Row]:
    """Every metric with unit, direction and definition."""
    from .metrics import all_metrics

    return [
        {
            "name": metric.name,
            "unit": metric.unit,
            "direction": metric.direction,
            "definition": metric.definition,
        }
        for metric in all_metrics().values()
    ]


def experiments(dirs: Sequence[Path]) -> list[Row]:
    """Named unions of cells."""
    return _files("experiment", dirs)


def efforts(dirs: Sequence[Path]) -> list[Row]:
    """How much timing is done."""
    return _files("effort", dirs)


def gates(dirs: Sequence[Path]) -> list[Row]:
    """Sets of rules."""
    return _files("gate", dirs)


def claims(dirs: Sequence[Path]) -> list[Row]:
    """Files of published figures, for ``claims RUN claims=NAME``."""
    return _files("claims", dirs)


def _files(group: str, dirs: Sequence[Path]) -> list[Row]:
    return [
        {"name": name, "definition": _comment(option_file(group, name, dirs))}
        for name in options(group, dirs)
    ]


def _comment(path: Path) -> str:
    """The comment that opens a YAML file, without Hydra's own directive."""
    text = []
    for line in read_text(path).splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @"):
            text.append(line.lstrip("# "))
    return " ".join(text)


def _yaml(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        told = " ".join(str(error).split())
        raise ConfigError(f"{path}: not readable as YAML: {told}") from None


TOPICS: Mapping[str, Callable[[Sequence[Path]], list[Row]]] = {
    "extractors": extractors,
    "decoders": decoders,
    "datasets": datasets,
    "labels": labels,
    "tasks": tasks,
    "metrics": metrics,
    "experiments": experiments,
    "efforts": efforts,
    "gates": gates,
    "claims": claims,
}


def _show(found: Mapping[str, Sequence[Row]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 160)
    for topic, listed in found.items():
        rows = _once(listed) if topic == "metrics" else listed
        table = Table(title=topic, title_justify="left", box=SIMPLE_HEAD)
        for column in rows[0] if rows else ():
            fixed = column in ("name", "role", "extra")
            table.add_column(column, overflow="fold", no_wrap=fixed)
        for row in rows:
            table.add_row(*(Text(_text(value)) for value in row.values()))
        console.print(table)
        if len(rows) < len(listed):
            console.print(
                f"Each accuracy metric exists as {AGREEMENT}<name> too: the same "
                "against a second tracker in place of the truth.\n"
            )


def _once(rows: Sequence[Row]) -> list[Row]:
    """Metrics without those that repeat another one against the second tracker."""
    names = {row["name"] for row in rows}
    return [
        row
        for row in rows
        if not (
            row["name"].startswith(AGREEMENT)
            and row["name"].removeprefix(AGREEMENT) in names
        )
    ]


def _text(value: Any) -> str:
    """A value for a table: lists by commas, mappings by lines, nothing as a dash."""
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return "\n".join(
            f"{key}: {'any' if item is None else _text(item)}"
            for key, item in value.items()
        )
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)
