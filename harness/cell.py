"""One combination to be measured, and the key that names it across code versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import Any

from .config import DatasetConfig, TaskConfig


def stable_hash(value: Any, length: int = 12) -> str:
    """Hash of plain data: SHA-256 over canonical JSON, shortened to ``length``."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


@dataclass(frozen=True)
class Cell:
    """*What* is measured; how it is measured belongs to the settings.

    Attributes:
        task: the task and what it asks.
        dataset: the recordings; their location is not part of the key.
        extractor: registered name.
        params: every constructor argument, defaults included, as plain JSON values.
        axes: the axes that this extractor declares, with their resolved values.
        voicing: a rule of :mod:`harness.voicing`.
        role: ``candidate``, ``incumbent`` or ``peer``; not part of the key.
        label: short name for tables, e.g. ``crepe tiny viterbi_weighted  cpu``; not
            part of the key.
    """

    task: TaskConfig
    dataset: DatasetConfig
    extractor: str
    params: Mapping[str, Any]
    axes: Mapping[str, Any] = field(default_factory=dict)
    voicing: str = "native"
    role: str = "candidate"
    label: str = ""

    @cached_property
    def key(self) -> str:
        """Twelve hexadecimal digits; equal choices have equal keys."""
        return stable_hash(self.choices())

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``; extractors without the axis run on the CPU."""
        return str(self.axes.get("device", "cpu"))

    def choices(self) -> dict[str, Any]:
        """What the key is a hash of, as plain JSON values."""
        dataset = asdict(self.dataset)
        for place in ("root", "manifest"):
            dataset.pop(place)
        dataset["name"] = dataset_name(self.dataset)
        params = dict(self.params)
        if "root" in params:  # where ready-made tracks lie is no choice either
            params["root"] = PurePath(str(params["root"])).name
        choices: dict[str, Any] = plain(
            {
                "task": asdict(self.task),
                "dataset": dataset,
                "extractor": self.extractor,
                "params": params,
                "voicing": self.voicing,
            }
        )
        return choices


def dataset_name(config: DatasetConfig) -> str:
    """Name of a data set in tables: stated, else from its folder or manifest."""
    place = config.root if config.kind == "folder" else config.manifest or config.root
    return config.name or (PurePath(place).stem if place else config.kind)


def plain(value: Any) -> Any:
    """Turn tuples, mappings and paths into what JSON can hold."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)
