"""What a claim is, and what a measurement makes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.gate_rules import UNITS, Selector
from harness.metrics.base import Metric, Value

if TYPE_CHECKING:
    from harness.records import Record

REPRODUCED, BETTER, NOT_REPRODUCED = "reproduced", "better", "not_reproduced"
OTHER_HARDWARE, MALFORMED = "other_hardware", "malformed"
CONTRADICTED, NOT_MEASURED = "contradicted", "not_measured"
STATUSES = (
    *(REPRODUCED, BETTER, NOT_REPRODUCED, OTHER_HARDWARE),
    *(MALFORMED, CONTRADICTED, NOT_MEASURED),
)
#: What a figure's own text decides, whatever is measured.
FLAWS = (MALFORMED, CONTRADICTED)
#: How far a measurement may lie from a figure that was stated as a plain number.
TOLERANCE = 0.1
#: Units of figures that no metric has; a claim in them cannot name a metric.
FOREIGN_UNITS = ("1", "dB", "windows/s", "bytes/window", "MB/window")


@dataclass(frozen=True)
class Figure:
    """A published figure: a number, a range, or a bound.

    Attributes:
        low, high: ends of what it says, in ``unit``; equal for a plain number, infinite
            on the open side of a bound.
        unit: as stated.
        text: as the file has it.
    """

    low: float
    high: float
    unit: str
    text: str

    @property
    def is_bound(self) -> bool:
        """Whether it is open on one side, as ``< 5 s`` is."""
        return math.isinf(self.low) or math.isinf(self.high)

    def within(self, tolerance: float) -> tuple[float, float]:
        """Ends in SI units, widened by ``tolerance``; a bound is never widened."""
        factor = UNITS[self.unit][1]
        low, high = self.low * factor, self.high * factor
        if self.is_bound:
            return low, high
        return low - tolerance * abs(low), high + tolerance * abs(high)


@dataclass(frozen=True)
class Hardware:
    """What a figure was stated for.

    Attributes:
        text: name for people.
        gpu, cpu: part of the name that a machine reports, empty where none is stated.
        cores: logical CPUs, ``None`` where none are stated.
    """

    text: str
    gpu: str = ""
    cpu: str = ""
    cores: int | None = None

    def differs(self, machine: Mapping[str, Any], device: str) -> str:
        """How ``machine`` differs from it, empty where it does not.

        Args:
            machine: ``cpu, cores, gpu`` as records have them.
            device: ``cpu`` or ``cuda``: where the measured cell ran.
        """
        found = str(machine.get("gpu")) if device == "cuda" else "the CPU"
        if self.gpu and self.gpu.casefold() not in found.casefold():
            return found
        name, count = str(machine.get("cpu")), machine.get("cores")
        if self.cpu and self.cpu.casefold() not in name.casefold():
            return name
        if self.cores is not None and self.cores != count:
            return f"{name}, {count} cores"
        return ""


#: Stands for figures that do not depend on the machine.
ANY = Hardware("any")


@dataclass(frozen=True)
class Claim:
    """One published figure and what tests it.

    Attributes:
        id: unique in its file.
        source: the document it stands in.
        text: what the figure is of, in few words.
        figure: the figure.
        hardware: what it was stated for.
        metric: the metric that tests it, ``None`` where none does.
        where: the cells that test it.
        to: the figure is the ratio to these cells, instead of a value.
        audio_s: the figure is the time for so many seconds of audio, worked out from a
            measured speed.
        flaw: ``malformed`` or ``contradicted``, else empty.
        flaw_reason: what is wrong with it.
        untested: why nothing tests it, empty where a metric does.
    """

    id: str
    source: str
    text: str
    figure: Figure
    hardware: Hardware = ANY
    metric: Metric | None = None
    where: Selector = field(default_factory=dict)
    to: Selector | None = None
    audio_s: float | None = None
    flaw: str = ""
    flaw_reason: str = ""
    untested: str = ""

    @property
    def unit(self) -> str:
        """Unit of what is measured: the metric's, ``x`` of a ratio, ``s`` of a time."""
        if self.metric is None:
            return self.figure.unit
        if self.to is not None:
            return "x"
        return self.metric.unit if self.audio_s is None else "s"

    @property
    def direction(self) -> str:
        """Which side of the figure is the good one: ``higher``, ``lower``, ``none``."""
        assert self.metric is not None
        if self.to is not None:
            return "higher"  # ratios are given so that more is better
        return self.metric.direction if self.audio_s is None else "lower"

    @property
    def tested_by(self) -> str:
        """Cell and metric in words, empty where nothing tests it."""
        if self.metric is None:
            return ""
        cell = _words(self.where)
        against = f" to {_words(self.to)}" if self.to is not None else ""
        return f"{self.metric.name} of {cell}{against}"


def _words(selector: Selector) -> str:
    return " ".join("|".join(values) for values in selector.values()) or "any cell"


@dataclass(frozen=True)
class Ledger:
    """A file of claims.

    Attributes:
        name: name of the file.
        about: what was published where, one sentence.
        claims: in the order of the file.
        tolerance: how far a measurement may lie from a plain number, as a ratio.
    """

    name: str
    about: str
    claims: tuple[Claim, ...]
    tolerance: float = TOLERANCE


@dataclass(frozen=True, eq=False)
class Finding:
    """What one cell says of one claim.

    Attributes:
        claim: the claim.
        status: one of :data:`STATUSES`.
        reason: one sentence.
        value: what was measured, in SI units; ``None`` inside where nothing was.
        record: the cell, ``None`` where there is none.
    """

    claim: Claim
    status: str
    reason: str
    value: Value = field(default_factory=lambda: Value(None))
    record: Record | None = None
