"""Short, unique names of cells for tables: ``crepe tiny viterbi_weighted  cpu``.

A label holds the extractor's name, its model, then only what tells cells of this
extractor apart, and always the device, last and set off by two spaces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from extractors import registry
from extractors.base import Extractor

from .cell import Cell, dataset_name

_AXES = ("model", "decoder", "precision", "batch_size", "device")


def label_of(cell: Cell, shown: Sequence[str] = ("model", "decoder")) -> str:
    """Label of one cell with the choices named in ``shown``.

    Args:
        cell: any cell.
        shown: axes, parameters, ``voicing``, ``task`` or ``dataset``.
    """
    parts = [cell.extractor]
    parts += [_part(cell, name) for name in shown if name != "device"]
    if cell.voicing != "native" and "voicing" not in shown:
        parts.append(cell.voicing)
    return f"{' '.join(part for part in parts if part)}  {cell.device}"


def _part(cell: Cell, name: str) -> str:
    if name in ("model", "decoder", "precision"):
        return str(cell.axes.get(name, ""))
    if name == "batch_size":
        return f"b{cell.axes[name]}" if name in cell.axes else ""
    if name == "voicing":
        return cell.voicing
    if name == "dataset":
        return f"@{dataset_name(cell.dataset)}"
    if name == "task":
        return cell.task.brief
    return f"{name}={cell.params[name]}" if name in cell.params else ""


def unique_labels(
    cells: Sequence[Cell], probe_class: Callable[[str], type[Extractor]]
) -> list[Cell]:
    """Label every cell; where labels still collide, the key's first digits decide."""
    shared = [
        what
        for what, value in (("task", _task), ("dataset", _dataset))
        if len({value(cell) for cell in cells}) > 1
    ]
    shown = {
        name: [*_shown(name, cells, probe_class(name)), *shared]
        for name in {cell.extractor for cell in cells}
    }
    labelled = [replace(c, label=label_of(c, shown[c.extractor])) for c in cells]
    count = Counter(cell.label for cell in labelled)
    return [
        replace(cell, label=f"{cell.label} {cell.key[:6]}")
        if count[cell.label] > 1
        else cell
        for cell in labelled
    ]


def _task(cell: Cell) -> Any:
    return cell.task


def _dataset(cell: Cell) -> Any:
    return dataset_name(cell.dataset)


def _shown(name: str, cells: Sequence[Cell], cls: type[Extractor]) -> list[str]:
    """What the cells of one extractor differ in, or have changed from the default."""
    mine = [cell for cell in cells if cell.extractor == name]
    defaults = {key: p.default for key, p in registry.options(cls).items()}
    found = ["model"]
    for axis in ("decoder", "precision"):
        values = {cell.axes.get(axis) for cell in mine}
        if len(values) > 1 or values != {defaults.get(axis)}:
            found.append(axis)
    if _varies("batch_size", mine):
        found.append("batch_size")
    if len({cell.voicing for cell in mine}) > 1:
        found.append("voicing")
    task = {name for cell in mine for name in cell.task.asked}
    task |= {"threshold"} if "voicing" in found else set()
    others = [key for key in defaults if key not in _AXES and key not in task]
    return found + [key for key in others if _varies(key, mine)]


def _varies(key: str, cells: Sequence[Cell]) -> bool:
    return len({str(cell.params.get(key)) for cell in cells}) > 1
