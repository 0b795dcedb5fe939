"""Headline metrics of a run as files for services that track them over commits.

- ``github-action-benchmark``: two JSON lists of ``name, value, unit, range, extra``,
  one per direction, because that action takes ``customBiggerIsBetter`` and
  ``customSmallerIsBetter`` apart; in the units that tables show.
- ``bmf``: Bencher Metric Format, ``{cell: {measure: {value, lower_value,
  upper_value}}}``; in SI units, as stated in the name of each measure.

Undefined values are left out, and so are cells whose record is invalid: a tracker has
no place to say so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extractors.errors import ConfigError, UsageError, nearest
from harness.export import choose
from harness.metrics.base import Metric, Value
from harness.records import write_json

if TYPE_CHECKING:
    from harness.records import Record, Run

ACCURACY = ("pitch_f1_50c", "rpa_50c", "rpa_10c", "octave_error_rate", "vde")
COST = ("x_realtime", "latency_1s_p50_s", "first_call_s", "peak_host_bytes")
GPU = (
    "peak_gpu_allocated_bytes",
    "peak_gpu_reserved_bytes",
    "peak_gpu_nvml_process_bytes",
    "peak_gpu_nvml_device_delta_bytes",
)
HEADLINE = (*ACCURACY, *COST, *GPU)
#: Unit of a metric: factor and text of the unit that people read.
UNITS: Mapping[str, tuple[float, str]] = {
    "1": (100.0, "%"),
    "s": (1e3, "ms"),
    "bytes": (2.0**-20, "MiB"),
    "x": (1.0, "x real time"),
}
#: Direction of a metric: name of the action's tool.
TOOLS = {"higher": "customBiggerIsBetter", "lower": "customSmallerIsBetter"}


@dataclass(frozen=True)
class Point:
    """One defined value of one cell.

    Attributes:
        cell: name of the cell, unique in the run.
        key: key of the cell.
        metric: what was measured.
        value: in the metric's unit.
    """

    cell: str
    key: str
    metric: Metric
    value: Value


Files = Mapping[str, Any]


def export_trackers(
    run: Run,
    summaries: Mapping[str, Mapping[str, Value]],
    form: str,
    folder: Path,
    cell: str | None = None,
    clean: Callable[[object], str] = str,
) -> list[Path]:
    """Write the headline metrics of a run.

    Args:
        run: the run.
        summaries: metric values by cell key.
        form: ``github-action-benchmark`` or ``bmf``.
        folder: where; made if it does not exist.
        cell: key (or its beginning) or label of a single cell; all by default.
        clean: removes from a label what must not leave the machine.

    Returns:
        The written files.

    Raises:
        ConfigError: unknown format.
        UsageError: no such cell, or no cell has a value that may be tracked.
    """
    if form not in WRITERS:
        raise ConfigError(f"--format {form}: unknown{nearest(form, WRITERS)}")
    found = list(points(run, choose(run, cell), summaries, clean))
    if not found:
        raise UsageError(
            f"{run.name}: no cell is valid and has a headline metric; "
            f"'f0bench report {run.name}' says why"
        )
    paths = []
    for name, content in WRITERS[form](found).items():
        write_json(folder / name, content)
        paths.append(folder / name)
    return paths


def points(
    run: Run,
    records: Sequence[Record],
    summaries: Mapping[str, Mapping[str, Value]],
    clean: Callable[[object], str] = str,
) -> Iterator[Point]:
    """The defined headline metrics of the valid ones of ``records``, cell by cell."""
    from harness.metrics import all_metrics

    known = all_metrics()
    names = _names(run, clean)
    for record in records:
        if record.data["validity"]["state"] == "invalid":
            continue
        values = summaries.get(record.key, {})
        for name in HEADLINE:
            value = values.get(name, Value(None))
            if _number(value.value) is not None:
                yield Point(names[record.key], record.key, known[name], value)


def _names(run: Run, clean: Callable[[object], str]) -> dict[str, str]:
    """A name for every cell: its label, with the data set where there are several."""
    sets = {str(record.data["data"]["name"]) for record in run.records}
    found: dict[str, str] = {}
    for record in run.records:
        place = f"@{record.data['data']['name']}"
        parts = record.label.split()
        parts += [place] if len(sets) > 1 and place not in parts else []
        name = clean(" ".join(parts))
        taken = name in found.values()
        found[record.key] = f"{name} {record.key[:6]}" if taken else name
    return found


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def github_action_benchmark(found: Iterable[Point]) -> Files:
    """Content of both files, by name; a direction without a value has an empty list."""
    lists: dict[str, list[dict[str, Any]]] = {tool: [] for tool in TOOLS.values()}
    for point in found:
        lists[TOOLS[point.metric.direction]].append(_entry(point))
    return {f"{tool}.json": entries for tool, entries in lists.items()}


def _entry(point: Point) -> dict[str, Any]:
    factor, unit = UNITS[point.metric.unit]
    value = point.value
    assert value.value is not None
    entry: dict[str, Any] = {
        "name": f"{point.cell}: {point.metric.name}",
        "value": factor * value.value,
        "unit": unit,
        "extra": f"n = {value.n}, cell {point.key}",
    }
    low, high = _number(value.low), _number(value.high)
    if low is not None and high is not None:
        entry["range"] = f"{factor * low:.4g} … {factor * high:.4g}"
    return entry


def bencher(found: Iterable[Point]) -> Files:
    """Content of ``bmf.json``; measures are slugs, as ``latency-1s-p50-s``."""
    cells: dict[str, dict[str, dict[str, float]]] = {}
    for point in found:
        ends = {
            "value": point.value.value,
            "lower_value": point.value.low,
            "upper_value": point.value.high,
        }
        cells.setdefault(point.cell, {})[_slug(point.metric)] = {
            name: number
            for name, end in ends.items()
            if (number := _number(end)) is not None
        }
    return {"bmf.json": cells}


def _slug(metric: Metric) -> str:
    return metric.name.replace("_", "-")


WRITERS: Mapping[str, Callable[[Iterable[Point]], Files]] = {
    "github-action-benchmark": github_action_benchmark,
    "bmf": bencher,
}
