"""Running a plan: the command ``run`` and, from Python, :func:`run_cell`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extractors.base import F0Extractor
from extractors.errors import ConfigError, nearest

from .cell import Cell, plain
from .compose import Request
from .config import DatasetConfig, EffortConfig, RunConfig, Settings, TaskConfig
from .console import progress_reporter
from .data import Data, load_data
from .environment import available, library_versions, machine
from .execute import Execution, utc_now
from .launching import Reporter
from .metrics.base import Value
from .plan import Plan, build
from .records import SCHEMA, Record, Run, load_run, locked, point_latest, write_json
from .summary import summarise
from .voicing import check_calibrations
from .work import Work, data_key

if TYPE_CHECKING:
    from .judging import Judged


@dataclass(frozen=True)
class Result:
    """What :func:`run_cell` returns.

    Attributes:
        record: everything that was stored about the cell.
        metrics: metric name → :class:`~harness.metrics.base.Value`.
    """

    record: Record
    metrics: dict[str, Value]

    def __repr__(self) -> str:
        shown = {
            name: round(value.value, 4)
            for name, value in self.metrics.items()
            if value.value is not None and name in ("pitch_f1_50c", "rpa_50c")
        }
        return f"Result({self.record.label!r}, {self.record.status}, {shown})"


def run_cell(
    extractor: str | type[F0Extractor],
    *,
    options: Mapping[str, Any] | None = None,
    dataset: DatasetConfig | str = "synthetic",
    task: TaskConfig | None = None,
    effort: EffortConfig | None = None,
    results_dir: str | Path = "results",
    name: str | None = None,
    **axes: Any,
) -> Result:
    """Measure one extractor and return its record and metrics.

    Args:
        extractor: a registered name, or a class that is registered as a plug-in.
        options: options of its constructor, e.g. ``{"threshold": 0.4}``.
        dataset: a :class:`DatasetConfig`, or ``"synthetic"``.
        task: range, hop and reading rule; the defaults of :class:`TaskConfig`.
        effort: how much is timed; accuracy only by default.
        results_dir: where the run is written.
        name: name of the run's folder.
        axes: ``model, decoder, device, batch_size, precision``.

    Raises:
        F0BenchError: the cell cannot be measured here; the message says why.

    >>> run_cell("crepe", model="tiny").metrics["rpa_50c"].value  # doctest: +SKIP
    """
    data = DatasetConfig(kind=dataset) if isinstance(dataset, str) else dataset
    settings = Settings(
        effort=effort or EffortConfig(name="accuracy", rounds=0),
        results_dir=str(results_dir),
        name=name,
    )
    config = RunConfig(
        extractor=extractor if isinstance(extractor, str) else extractor.name,
        options=dict(options or {}),
        axes={"device": "auto", **axes},
        task=task or TaskConfig(),
        dataset=data,
        settings=settings,
    )
    plan = build(Request([config]), available())
    if not plan.cells:
        raise ConfigError(plan.skipped[0].reason)
    run, _ = measure(plan, command="run_cell")
    return Result(run.records[0], summarise(run.records[0], seed=settings.seed))


def measure(
    plan: Plan,
    *,
    command: str,
    reporter: Reporter | None = None,
    gpu: str | None = None,
) -> tuple[Run, dict[str, int]]:
    """Measure a plan and return the run with counts of measured and reused cells."""
    settings = plan.settings
    folder = Path(settings.results_dir) / plan.name
    data = open_data(plan)
    with locked(folder):
        opened = OpenRun(plan, data, folder, command, gpu)
        execution = Execution(plan.cells, data, settings, folder, reporter, gpu)
        counts = opened.close(execution.run(), execution.notes)
        point_latest(folder)
    return load_run(folder), counts


class OpenRun:
    """``plan.json`` of a run: written when it begins, completed when it ends."""

    def __init__(
        self,
        plan: Plan,
        data: Mapping[str, Data],
        folder: Path,
        command: str,
        gpu: str | None = None,
    ) -> None:
        self.place = folder / "plan.json"
        self.began = time.monotonic()
        self.content = {**_describe(plan, data, command), "machine": machine(gpu)}
        write_json(self.place, self.content)

    def close(self, works: Sequence[Work], notes: Sequence[str]) -> dict[str, int]:
        """Add what is known at the end; returns counts of measured and reused cells."""
        self.content["wall_s"] = time.monotonic() - self.began
        self.content["notes"] = [*self.content["notes"], *notes]
        self.content["counts"] = counts = _counts(works)
        _add_scored(self.content["groups"], works)
        write_json(self.place, self.content)
        return counts


def open_data(plan: Plan) -> dict[str, Data]:
    """The data sets of a plan, checked against what its settings and cells need."""
    data = scan_data(plan.cells)
    _check_groups(plan.settings.bootstrap, data)
    check_calibrations((cell, data[data_key(cell)]) for cell in plan.cells)
    return data


def scan_data(cells: Sequence[Cell]) -> dict[str, Data]:
    """Open and scan every data set of a plan once."""
    by_config: dict[str, Data] = {}
    found: dict[str, Data] = {}
    for cell in cells:
        config = json.dumps(plain(asdict(cell.dataset)), sort_keys=True)
        if config not in by_config:
            by_config[config] = load_data(cell.dataset)
        found.setdefault(data_key(cell), by_config[config])
    return found


def _check_groups(tag: str | None, data: Mapping[str, Data]) -> None:
    """Refuse to resample by a tag that no clip has: the interval would be another."""
    known = {
        name for part in data.values() for clip in part.clips for name in clip.tags
    }
    if tag is not None and tag not in known:
        raise ConfigError(f"bootstrap={tag}: no clip has this tag{nearest(tag, known)}")


def _add_scored(groups: Sequence[dict[str, Any]], works: Sequence[Work]) -> None:
    """Say how many seconds of each data set could be scored."""
    for group in groups:
        found = [
            (work.accuracy or {}).get("seconds_scored")
            for work in works
            if work.data.name == group["dataset"]["name"]
        ]
        group["dataset"]["seconds_scored"] = max((f for f in found if f), default=None)


def _counts(works: Sequence[Work]) -> dict[str, int]:
    measured = sum(work.measured for work in works)
    return {"measured": measured, "reused": len(works) - measured}


def _describe(plan: Plan, data: Mapping[str, Data], command: str) -> dict[str, Any]:
    """``plan.json`` of a run."""
    groups: dict[str, dict[str, Any]] = {}
    for cell in plan.cells:
        key = data_key(cell)
        if key not in groups:
            groups[key] = {
                "task": plain(asdict(cell.task)),
                "dataset": data[key].describe(),
            }
    settings = plain(asdict(replace(plan.settings, results_dir="")))
    return {
        "schema": SCHEMA,
        "name": plan.name,
        "experiment": plan.settings.experiment,
        "command": command,
        "created_utc": utc_now(),
        "wall_s": None,
        "settings": settings,
        "cells": [{"key": c.key, "label": c.label, "role": c.role} for c in plan.cells],
        "skipped": [{"label": s.label, "reason": s.reason} for s in plan.skipped],
        "merged": list(plan.merged),
        "notes": [],
        "versions": library_versions(),
        "groups": list(groups.values()),
    }


def measure_and_judge(request: Request, command: str) -> tuple[Plan, Judged]:
    """Measure a request and judge it by the gate of its settings.

    Whatever the gate needs – its file, an incumbent, a baseline – is checked before
    anything is measured.

    Args:
        request: of :func:`harness.compose.compose`.
        command: what was typed, for the record.
    """
    from .baselines import load_baseline
    from .gate_file import load_gate
    from .incumbent import check_incumbent, plan_with
    from .judging import Against, judge_run
    from .metrics import all_metrics

    settings, dirs = request.configs[0].settings, request.config_dirs
    gate = load_gate(settings.gate, all_metrics(), dirs)
    check_incumbent(gate, settings.incumbent)
    place = settings.results_dir
    if settings.baseline is not None:
        load_baseline(place, settings.baseline)
    found = available(settings.threads)
    plan = plan_with(build(request, found), settings.incumbent, dirs)
    steps = 1 + len(plan.cells) * (2 + plan.settings.effort.rounds)
    with progress_reporter(steps) as reporter:
        run, _ = measure(plan, command=command, reporter=reporter, gpu=found.gpu)
    against = Against(settings.incumbent, settings.baseline)
    return plan, judge_run(run, gate, against, results_dir=place, dirs=dirs)


def run_command(request: Request, flags: Any) -> int:
    """The command ``run``: measure, report, judge; returns the exit code."""
    from .gate_command import publish, write_gate
    from .report import show, write_all

    _, judged = measure_and_judge(request, flags.command_line)
    content = write_gate(judged)
    shown = (judged.run, judged.summaries, content)
    write_all(*shown, judged.replacements)
    show(*shown, wide=flags.wide, replacements=judged.replacements)
    publish(judged)
    if flags.json:
        from .records import dumps
        from .report.document import document

        sys.stdout.write(dumps(document(*shown), indent=None) + "\n")
    return judged.result.exit_code
