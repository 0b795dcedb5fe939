"""What takes the time: stages, operations of torch, functions of Python, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SHOWN = 10


def render(label: str, found: Mapping[str, Any], folder: str) -> str:
    """Lines for a terminal; times are per call, under the profiler.

    Args:
        label: of the cell.
        found: what the worker answered.
        folder: where the files lie.
    """
    head = f"{label}: {found['calls']} calls of {found['audio_s']:g} s of audio each"
    lines = [f"{head}; profilers slow down what they watch, read shares only", ""]
    if found["stages"]:
        lines += [*_stages(found["stages"]), ""]
    operations = found["operations"]
    if operations is None:
        lines.append("  torch is not used: no operations and no trace")
    else:
        lines += _operations(operations)
    lines += ["", *_functions(found["functions"])]
    traced = "" if operations is None else "trace.json and "
    lines += ["", f" files {traced}functions.pstats in {folder}"]
    return "\n".join(lines) + "\n"


def _stages(seconds: Mapping[str, float]) -> list[str]:
    total = sum(seconds.values())
    lines = [f"  {'ms':>9}  {'%':>5}          stage"]
    for name in sorted(seconds, key=lambda name: -seconds[name]):
        share = 100.0 * seconds[name] / total
        lines.append(f"  {1e3 * seconds[name]:>9.3f}  {share:>5.1f}          {name}")
    return lines


def _operations(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    device = any(row["self_device_s"] for row in rows)
    by = "self_device_s" if device else "self_cpu_s"
    total = sum(row[by] for row in rows)
    lines = [f"  {'ms':>9}  {'%':>5}  {'calls':>6}  operation of torch"]
    for row in rows[:SHOWN]:
        share = 100.0 * row[by] / total if total else 0.0
        shown = f"  {1e3 * row[by]:>9.3f}  {share:>5.1f}  {row['count']:>6.4g}"
        lines.append(f"{shown}  {row['name'][:64]}")
    return lines


def _functions(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    total = sum(row["self_s"] for row in rows)
    lines = [f"  {'ms':>9}  {'%':>5}  {'calls':>6}  function of Python"]
    for row in rows[:SHOWN]:
        share = 100.0 * row["self_s"] / total if total else 0.0
        shown = f"  {1e3 * row['self_s']:>9.3f}  {share:>5.1f}  {row['count']:>6.4g}"
        lines.append(f"{shown}  {row['function'][-64:]}")
    return lines
