"""What a request comes to: cells to measure, cells skipped, and what was merged.

An axis that an extractor does not declare is removed before hashing, so that unlike
extractors sweep together; cells that are then equal are one cell. A combination that
cannot run here – a value the extractor does not know, a device or a package that is
absent – is skipped with the reason, which is a valid outcome.

Every extractor that is to be measured is constructed once, because only its
constructor knows the bounds of its options: what it refuses is refused before anything
is measured.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from extractors import registry
from extractors.base import Extractor
from extractors.errors import ConfigError, ExtractorError, UnavailableError

from .cell import Cell, dataset_name, plain, stable_hash
from .cell_labels import unique_labels
from .compose import ProbeClass, Request
from .config import RunConfig, Settings
from .flags import run_name
from .resolve import AXES
from .schema import check_names, member
from .voicing import Calibration, fixed_threshold

MAX_GROUP = 8  # cells whose rounds are interleaved; more would age between rounds


class Machine(Protocol):
    """What the plan asks of the inventory."""

    @property
    def devices(self) -> Sequence[str]:
        """Usable devices, e.g. ``("cpu", "cuda")``."""

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why another device is not usable."""


@dataclass(frozen=True)
class Skipped:
    """A combination that cannot be measured here, and why."""

    label: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """Cells in the order of the request.

    Attributes:
        cells: to be measured; labels are unique.
        skipped: combinations that cannot run, each once.
        merged: one line per extractor whose choices collapsed.
        settings: how the cells are measured.
        notes: notes of the request.
        title: experiment, or names of the tasks; opens the run's name.
        keys: keys of all cells, skipped ones too, so that a run keeps its name.
    """

    cells: list[Cell]
    skipped: list[Skipped]
    merged: list[str]
    settings: Settings
    notes: list[str] = field(default_factory=list)
    title: str = "plan"
    keys: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Folder of the results: stated, else experiment or task and a hash."""
        if self.settings.name:
            return self.settings.name
        return f"{self.title}-{self.hash}"

    @property
    def hash(self) -> str:
        """Eight hexadecimal digits over the cells and how they are measured."""
        settings = self.settings
        how = {
            "effort": asdict(settings.effort),
            "scenarios": settings.scenarios,
            "threads": settings.threads,
            "seed": settings.seed,
        }
        return stable_hash(plain({"cells": sorted(self.keys), "how": how}), 8)


@dataclass
class _Tally:
    """What happened to the choices of one extractor."""

    asked: int = 0
    left: int = 0
    removed: dict[str, None] = field(default_factory=dict)

    def line(self, name: str) -> str | None:
        counts = f"{self.asked} → {self.left} cell{'s' if self.left != 1 else ''}"
        collapsed = f"; {counts}" if self.asked > self.left else ""
        if self.removed:
            verb = "do" if len(self.removed) > 1 else "does"
            return f"{name}: {', '.join(self.removed)} {verb} not apply{collapsed}"
        return f"{name}: equal choices{collapsed}" if collapsed else None


class _Skip(Exception):
    """This combination cannot run, for the reason given."""


def build(
    request: Request,
    inventory: Machine,
    probe_class: ProbeClass = registry.extractor_class,
) -> Plan:
    """Turn a request into cells.

    Args:
        request: of :func:`harness.compose.compose`.
        inventory: devices of this machine and why others are absent.
        probe_class: class of a registered extractor name.

    Raises:
        ConfigError: the request is empty, two places would share one name, or a
            constructor refuses its options.
        UsageError: the stated name of the run is no plain name.
    """
    if not request.configs:
        raise ConfigError("nothing to measure: the request holds no cell")
    if request.configs[0].settings.name is not None:
        run_name(request.configs[0].settings.name)
    tallies: dict[str, _Tally] = {}
    found: dict[str, Cell] = {}
    reasons: dict[str, str] = {}
    for config in request.configs:
        tally = tallies.setdefault(config.extractor, _Tally())
        tally.asked += 1
        cell, reason = _attempt(config, inventory, probe_class, tally)
        if cell.key not in found:
            tally.left += 1
            reason = reason or _refusal(cell, probe_class(cell.extractor))
        _check_places(cell, found.setdefault(cell.key, cell))
        if reason is not None:
            reasons[cell.key] = reason
    cells = unique_labels(list(found.values()), probe_class)
    lines = [tally.line(name) for name, tally in tallies.items()]
    return Plan(
        cells=[cell for cell in cells if cell.key not in reasons],
        skipped=[
            Skipped(cell.label, reasons[cell.key])
            for cell in cells
            if cell.key in reasons
        ],
        merged=[line for line in lines if line],
        settings=request.configs[0].settings,
        notes=list(request.notes),
        title=request.experiment or "-".join(sorted({c.task.name for c in cells})),
        keys=tuple(cell.key for cell in cells),
    )


def _check_places(cell: Cell, first: Cell) -> None:
    """Refuse two places of one name: their results would share one key."""
    if (cell.dataset.root, cell.dataset.manifest) != (
        first.dataset.root,
        first.dataset.manifest,
    ):
        raise ConfigError(
            f"two data sets are called '{dataset_name(cell.dataset)}'; "
            "give each its dataset.name"
        )
    if cell.params.get("root") != first.params.get("root"):
        raise ConfigError(
            f"two folders of {cell.extractor} have the same name "
            f"({cell.params['root']}); rename one"
        )


def _attempt(
    config: RunConfig, inventory: Machine, probe_class: ProbeClass, tally: _Tally
) -> tuple[Cell, str | None]:
    """The cell of one point, and the reason where it cannot run."""
    cls = probe_class(config.extractor)
    for axis, value in config.axes.items():
        member(axis, AXES, "axis")
        if axis not in cls.axes and (axis, value) != ("device", "auto"):
            tally.removed[axis] = None
    cell = _cell(config, cls, inventory)
    try:
        _check_task(cell, cls)
        _check_values(cell, cls)
        _check_voicing(cell, cls)
        _check_device(cell, inventory)
        _check_packages(cls)
    except _Skip as reason:
        return cell, str(reason)
    return cell, None


def _cell(config: RunConfig, cls: type[Extractor], inventory: Machine) -> Cell:
    params = _params(config, cls)
    axes = {axis: params[axis] for axis in cls.axes if axis in params}
    if "device" in axes:
        axes["device"] = params["device"] = _device(axes["device"], cls, inventory)
    return Cell(
        task=config.task,
        dataset=config.dataset,
        extractor=config.extractor,
        params=plain(params),
        axes=plain(axes),
        voicing=config.voicing,
        role=config.role or ("peer" if cls.peer else "candidate"),
    )


def _params(config: RunConfig, cls: type[Extractor]) -> dict[str, Any]:
    """Every constructor argument: stated, else the task's, else the default."""
    theta = fixed_threshold(config.voicing)
    stated = {
        **{name: getattr(config.task, name) for name in config.task.asked},
        **{axis: config.axes[axis] for axis in cls.axes if axis in config.axes},
        **config.options,
        **({} if theta is None else {"threshold": theta}),
    }
    check_names(config.extractor, cls, config.options, config.task.asked)
    found = {}
    for name, parameter in registry.options(cls).items():
        if name in stated:
            found[name] = stated[name]
        elif parameter.default is not inspect.Parameter.empty:
            found[name] = parameter.default
    return found


def _device(value: str, cls: type[Extractor], inventory: Machine) -> str:
    if value != "auto":
        return value
    known = cls.axes.get("device") or ("cpu",)
    return "cuda" if "cuda" in known and "cuda" in inventory.devices else "cpu"


def _check_task(cell: Cell, cls: type[Extractor]) -> None:
    """A task says by ``systems`` what it can give clips to; without it, to any."""
    from .tasks import BUILT_IN, task_class  # imports numpy

    wanted = getattr(task_class(cell.task.name), "systems", Extractor)
    if not issubclass(cls, wanted):
        known = [name for name in registry.targets() if _is(name, wanted)]
        fits = [t for t in BUILT_IN if issubclass(cls, task_class(t).systems)]
        remedies = [*(f"task={task}" for task in fits), ", ".join(known)]
        raise _Skip(
            f"{cell.extractor} does not do the task {cell.task.name}; "
            f"use {' or '.join(remedies)}"
        )


def _is(name: str, wanted: type[Extractor]) -> bool:
    try:
        return issubclass(registry.extractor_class(name), wanted)
    except ExtractorError:  # a plug-in that cannot be imported
        return False


def _check_values(cell: Cell, cls: type[Extractor]) -> None:
    for axis, value in cell.axes.items():
        known = cls.axes[axis]
        if known is not None and value not in known:
            names = ", ".join(map(str, known))
            raise _Skip(f"{cell.extractor} has no {axis} {value} (has {names})")


def _check_voicing(cell: Cell, cls: type[Extractor]) -> None:
    """A fixed threshold needs an option of the constructor, a learnt one a task.

    What an extractor calls voiced is decided anew from its confidence once the
    threshold is learnt, whether or not it has the option.
    """
    if Calibration.of(cell.voicing):
        from .tasks import task_class  # imports numpy

        if not hasattr(task_class(cell.task.name), "revoice"):
            raise _Skip(
                f"task {cell.task.name} has no voicing, so voicing={cell.voicing} "
                "cannot apply; use voicing=native"
            )
    elif cell.voicing != "native" and "threshold" not in registry.options(cls):
        raise _Skip(
            f"{cell.extractor} has no threshold, so voicing={cell.voicing} cannot "
            "apply; use voicing=native"
        )


def _check_device(cell: Cell, inventory: Machine) -> None:
    if cell.device not in inventory.devices:
        reason = inventory.reasons.get(cell.device, "not found on this machine")
        raise _Skip(f"no {cell.device}: {reason}")


def _check_packages(cls: type[Extractor]) -> None:
    missing = missing_packages(cls)
    if missing:
        raise _Skip(f"{', '.join(missing)} not installed; {pip_line(cls)}")


def _refusal(cell: Cell, cls: type[Extractor]) -> str | None:
    """Construct the extractor once; why it cannot run here, ``None`` where it can.

    Raises:
        ConfigError: the constructor refuses an option.
    """
    try:
        with redirect_stdout(sys.stderr):  # stdout is for the document of --json
            cls(**cell.params)
    except ConfigError as error:
        named = str(error).startswith(f"{cell.extractor}.")
        raise ConfigError(
            str(error) if named else f"{cell.extractor}: {error}"
        ) from error
    except UnavailableError as error:
        return str(error)
    except (Exception, SystemExit):
        return None  # a defect of a plug-in: its worker reports it, in that cell alone
    return None


def missing_packages(cls: type[Extractor]) -> list[str]:
    """Modules in the class attribute ``requires`` that are not installed."""
    return [name for name in cls.requires if importlib.util.find_spec(name) is None]


def pip_line(cls: type[Extractor]) -> str:
    """What installs the packages of an extractor."""
    if cls.extra:
        return f"pip install 'f0bench[{cls.extra}]'"
    return f"pip install {' '.join(cls.requires)}"


def groups(cells: Iterable[Cell], size: int = MAX_GROUP) -> list[list[Cell]]:
    """Cells whose rounds are interleaved: one task, data set and device each.

    At most ``size`` cells a group, in the order given.
    """
    found: dict[str, list[list[Cell]]] = {}
    for cell in cells:
        key = stable_hash(plain([asdict(cell.task), asdict(cell.dataset), cell.device]))
        batches = found.setdefault(key, [[]])
        if len(batches[-1]) == size:
            batches.append([])
        batches[-1].append(cell)
    return [batch for batches in found.values() for batch in batches]
