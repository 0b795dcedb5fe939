"""The rules of a gate: what a rule may name, and what it holds against what.

A rule judges a metric of a cell against a bound, or a state of its record. It stands
alone (``abs``), or names in ``to`` the other side: a baseline, the incumbent, or
another cell of the same run. A requirement that no cell can show rests on named tests,
or says why it is not measured (:mod:`harness.gate_evidence`). Files of rules are read
by :mod:`harness.gate_file`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .metrics.base import Metric

BASELINE, INCUMBENT = "baseline", "incumbent"
TARGETS = (BASELINE, INCUMBENT)
BOUNDS = (
    *("abs", "margin", "clip_margin", "ratio_min", "ratio_max"),
    *("change_min", "change_max"),
)
KEYS = (
    *("id", "metric", "state", "is", "not", *BOUNDS, "to", "roles", "where"),
    *("requires", "blocking", "confident", "at_least", "doc"),
    *("requirement", "test", "not_measured"),
)
#: What a rule rests on: exactly one of these.
SUBJECTS = ("metric", "state", "test", "not_measured")
ROLES = ("candidate", "incumbent", "peer")
#: What a selector may name: the cell itself, and the work that it was given.
SUBJECT_KEYS = (
    *("extractor", "algorithm", "model", "decoder", "device", "precision"),
    "batch_size",
)
CONTEXT_KEYS = ("task", "transform", "dataset", "kind")
REQUIREMENTS: Mapping[str, str] = {
    "batch_axis": "the extractor has no batch size",
    "cpu": "the cell does not run on the CPU",
    "cuda": "the cell does not run on CUDA",
    "exact_truth": "the truth of the data is not exact",
    "extraction": "ready-made answers are scored, nothing is extracted",
    "other_job": "both sides were measured in one job",
    "same_hardware": "the other side ran on other hardware",
    "same_job": "the other side was measured in another job",
    "truth": "the data have no truth",
}
COMPARED = ("identical", "differs", "not measured")
STATES: Mapping[str, tuple[str, ...]] = {
    "status": ("ok", "partial", "error", "skipped"),
    "validity": ("valid", "noisy", "invalid", "not measured"),
    "batch": COMPARED,
    "order": COMPARED,
    "repeat": COMPARED,
    "outputs": COMPARED,
}
#: States that a skipped cell has, too; of all others it says nothing.
STATES_OF_ANY_CELL = ("status", "validity")
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
    "min": ("s", 60.0),
    "h": ("s", 3600.0),
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
    "frames": ("frames", 1.0),
    "copies": ("copies", 1.0),
    "copies/batch": ("copies/batch", 1.0),
    "stages": ("stages", 1.0),
}

Selector = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Bound:
    """What a value is held against.

    Attributes:
        kind: ``abs``, ``margin`` (difference to another cell), ``clip_margin`` (the
            same of the clip that fell most), ``ratio`` (to another cell) or
            ``change`` (a ratio near 1, to which noise floors apply).
        op: ``<, <=, >, >=`` or ``==``; the value stands on the left.
        limit: in the metric's unit, or a ratio.
        magnitude: the absolute value is judged.
        text: as the gate file has it.
        at_least: change below which there is none, in the metric's unit.
    """

    kind: str
    op: str
    limit: float
    magnitude: bool
    text: str
    at_least: float = 0.0


@dataclass(frozen=True)
class Rule:
    """One rule of a gate.

    Attributes:
        id: unique in its gate.
        metric: the metric judged, ``None`` for a state rule.
        bound: bound of the metric, ``None`` for a state rule.
        state: the state judged, ``None`` for a metric rule.
        allowed: values of the state that pass.
        to: cell of the same run to compare with, ``"baseline"`` or ``"incumbent"``.
        roles: roles of the cells that are judged.
        where: further choice of cells.
        requires: what must hold, else the rule is not applicable.
        blocking: a failure fails the gate.
        confident: an absolute bound fails only with the whole interval beyond it.
        doc: why the rule exists.
        requirement: what is required, in one line; such rules are shown as a table.
        tests: tests that must have passed, ``PATH.py::NAME``; they need no cell.
        not_measured: why a machine cannot measure what is required.
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
    requirement: str = ""
    tests: tuple[str, ...] = ()
    not_measured: str = ""

    @property
    def needs_cell(self) -> bool:
        """Whether the rule judges cells of a run."""
        return self.metric is not None or self.state is not None

    @property
    def subject(self) -> str:
        """Name of what is judged: a metric, a state, ``test`` or ``not measured``."""
        if self.metric is not None:
            return self.metric.name
        return self.state or ("test" if self.tests else "not measured")

    @property
    def bound_text(self) -> str:
        """The bound as a reader of the gate's output should see it."""
        if not self.needs_cell:
            return ", ".join(self.tests) or "none"
        if self.bound is None:
            return f"{self.state} {' or '.join(self.allowed)}{self._against()}"
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
