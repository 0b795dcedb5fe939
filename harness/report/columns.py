"""Which metrics the tables show, under which heading and in which unit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from harness.metrics.base import PLAIN_RATIOS, Metric, Value
from harness.metrics.precision import PRECISION

from . import text


@dataclass(frozen=True)
class Column:
    """One metric as a table column.

    Attributes:
        metric: name of the metric.
        head: the two lines of the heading; the second holds the unit.
        scale: factor from the metric's SI unit to the unit shown.
        digits: decimals, ``None`` for three significant digits.
        signed: write a plus sign.
        floored: what would round to 0 is shown as below the last decimal.
        part: ``value``; ``half_width`` of the interval, or both of its ends
            (``interval``); ``ratio`` to row 1.
    """

    metric: str
    head: tuple[str, str]
    scale: float = 1.0
    digits: int | None = 1
    signed: bool = False
    floored: bool = False
    part: str = "value"

    def show(self, values: Mapping[str, Value], first: Mapping[str, Value]) -> str:
        """The cell of a row with ``values``; ``first`` are the values of row 1."""
        if self.part != "interval":
            return self._number(self.pick(values, first))
        value = values.get(self.metric)
        if value is None or value.low is None or value.high is None:
            return text.UNDEFINED
        return f"{self._number(value.low)}–{self._number(value.high)}"

    def _number(self, value: float | None) -> str:
        found = text.number(
            value, scale=self.scale, digits=self.digits, signed=self.signed
        )
        if self.floored and value and not found.strip("0."):
            return f"<{found[:-1]}1"
        return found

    def pick(
        self, values: Mapping[str, Value], first: Mapping[str, Value]
    ) -> float | None:
        """The number behind :meth:`show`, in SI units; ``None`` where undefined."""
        value = values.get(self.metric)
        if value is None:
            return None
        if self.part == "half_width":
            return _half_width(value)
        if self.part == "ratio":
            return _ratio(value, first.get(self.metric))
        return value.value


def _half_width(value: Value) -> float | None:
    if value.low is None or value.high is None:
        return None
    return (value.high - value.low) / 2


def _ratio(value: Value, first: Value | None) -> float | None:
    if first is None or first is value or not first.value or value.value is None:
        return None
    return value.value / first.value


#: What the accuracy table shows without ``--wide``.
HEADLINE_ACCURACY = (
    Column("pitch_f1_50c", ("F1 50c", "%"), 100),
    Column("pitch_f1_50c", ("95 % CI", "±"), 100, part="half_width"),
    Column("rpa_50c", ("RPA 50c", "%"), 100),
    Column("rpa_10c", ("< 10 c", "%"), 100),
    Column("octave_error_rate", ("octave", "%"), 100),
    Column("vde", ("VDE", "%"), 100),
    Column("offset_s", ("offset", "ms"), 1000, signed=True),
    Column("agreement_rpa_50c", ("same as", "pYIN %"), 100),
)
#: What it shows besides where a cell computes in another precision than fp32.
HEADLINE_PRECISION = (
    Column("delta_fp32_p50_cents", ("to fp32", "p50 c"), digits=2),
    Column("delta_fp32_p95_cents", ("to fp32", "p95 c"), digits=2),
    Column("delta_fp32_voicing_ratio", ("to fp32", "V/UV %"), 100, digits=2),
)
#: What the cost table shows without ``--wide``.
HEADLINE_COST = (
    Column("x_realtime", ("speed", "× RT"), digits=None),
    Column("noise_iqr_ratio", ("noise", "%"), 100),
    Column("x_realtime", ("vs 1", "ratio"), digits=None, part="ratio"),
    Column("latency_1s_p50_s", ("1 s clip", "p50 ms"), 1000, digits=None),
    Column("first_call_s", ("first", "call s"), digits=2, floored=True),
    Column("peak_host_bytes", ("host", "GiB"), 2**-30, digits=2),
    Column("peak_gpu_allocated_bytes", ("GPU", "GiB"), 2**-30, digits=2),
)
#: What it shows besides where the scenario ``stream`` was measured.
HEADLINE_STREAM = (
    Column("stream_chunk_p50_s", ("chunk", "p50 ms"), 1000, digits=None),
    Column("stream_chunk_p95_s", ("chunk", "p95 ms"), 1000, digits=None),
    Column("stream_chunk_p99_s", ("chunk", "p99 ms"), 1000, digits=None),
    Column("stream_deadline_miss_ratio", ("late", "%"), 100),
    Column("stream_agreement_ratio", ("as offline", "%"), 100),
    Column("stream_delay_s", ("delay", "ms"), 1000, digits=None),
)
#: What it shows besides where windows were concatenated.
HEADLINE_CONCAT = (
    Column("concat_edge_error_cents", ("edge", "cents")),
    Column("concat_window_offset_frames", ("drift a", "window fr."), digits=2),
    Column("concat_value_error_cents", ("values", "cents")),
)
#: Per-clip tables show the first of these that has a value anywhere.
CLIP_METRICS = ("pitch_f1_50c", "rpa_50c", "agreement_rpa_50c")
_OTHER_TASK_COLUMNS = 8
#: Units that are counted: no decimals.
COUNTED = ("clips", "copies", "stages")
#: Beginnings of the names of times that are shown in ms.
MILLISECONDS = ("latency", "offset", "drift", "stream")


def accuracy_columns(
    metrics: Iterable[Metric], present: Collection[str], wide: bool
) -> list[Column]:
    """Columns of the accuracy table.

    Args:
        metrics: what the tasks of the rows score, in their order.
        present: names that have a value in at least one row.
        wide: show every metric with a value instead of the headline.
    """
    scored = list(metrics)
    if wide:
        return [generic(m) for m in scored if m.name in present]
    names = {m.name for m in scored}
    if not any(c.metric in names for c in HEADLINE_ACCURACY):  # another kind of task
        return [
            _labelled(m) for m in scored[:_OTHER_TASK_COLUMNS] if m not in PRECISION
        ]
    reduced = any(column.metric in present for column in HEADLINE_PRECISION)
    return [*HEADLINE_ACCURACY, *(HEADLINE_PRECISION if reduced else ())]


def cost_columns(
    metrics: Iterable[Metric], present: Collection[str], wide: bool
) -> list[Column]:
    """Columns of the cost table; arguments as for :func:`accuracy_columns`."""
    if wide:
        return [generic(m) for m in metrics if m.name in present]
    shown = list(HEADLINE_COST)
    for more in (HEADLINE_STREAM, HEADLINE_CONCAT):
        if any(column.metric in present for column in more):
            shown += more
    return shown


def generic(metric: Metric) -> Column:
    """A column for any metric, headed by its name and the unit shown."""
    scale, digits, unit = _shown(metric)
    signed = metric.direction == "zero"
    return Column(metric.name, (metric.name, unit), scale, digits, signed)


def _labelled(metric: Metric) -> Column:
    """As :func:`generic` under the metric's label, where that ends with the unit."""
    column = generic(metric)
    unit = column.head[1]
    if not metric.label.endswith(f" {unit}" if unit else ""):
        return column
    first, _, rest = metric.label.partition(" ")
    return replace(column, head=(first, rest))


def _shown(metric: Metric) -> tuple[float, int | None, str]:
    """Scale, decimals and unit for one of the units of :class:`Metric`."""
    if metric.unit == "1":
        plain = metric.name in PLAIN_RATIOS
        return (1.0, None, "") if plain else (100.0, 1, "%")
    if metric.unit == "bytes":
        return 2**-30, 2, "GiB"
    if metric.unit == "s" and metric.name.startswith(MILLISECONDS):
        return 1000.0, None, "ms"
    if metric.unit in COUNTED:
        return 1.0, 0, metric.unit
    if metric.unit == "x":
        return 1.0, None, "× RT" if "realtime" in metric.name else "×"
    return 1.0, 1 if metric.unit in ("cents", "dB") else None, metric.unit
