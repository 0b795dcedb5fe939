"""Noise floors: how much identical code differs on this machine.

``f0bench calibrate`` measures the same code against itself in interleaved rounds and
appends a *session*: for every cell and metric the ratios of the pairs of rounds and the
median of all rounds. Two floors follow from the sessions:

- within a job: half the width of the central 95 % of the ratios of medians that as many
  pairs as were compared would give, drawn with replacement from the pairs (bootstrap);
- between jobs: the largest ratio of the medians of two sessions. One session knows
  nothing of it.

Sessions lie in ``floors/<machine>.json`` below the results folder. The machine is named
by CPU, cores and GPU, so that a folder may hold several.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cell import stable_hash
from .pairing import HARDWARE
from .records import SCHEMA, read_json, write_json

#: Share of A/A effects that lies within the floor.
COVERAGE = 0.95
DRAWS = 2000
#: Sessions that are kept; older ones describe another state of the machine.
MAX_SESSIONS = 20


@dataclass(frozen=True)
class Floors:
    """Sessions of one machine.

    Attributes:
        sessions: oldest first, each ``{"created_utc", "cells": {key: {metric:
            {"ratios", "median"}}}}``.
    """

    sessions: Sequence[Mapping[str, Any]]

    def of(
        self, key: str, metric: str, *, same_job: bool, rounds: int
    ) -> tuple[float | None, str]:
        """Floor of a metric of a cell as a fraction, and where it comes from.

        Args:
            key: key of the cell.
            metric: name of the metric.
            same_job: both sides were measured in one job, interleaved.
            rounds: pairs of rounds that are compared.
        """
        entries = [
            session["cells"][key][metric]
            for session in self.sessions
            if metric in session["cells"].get(key, {})
        ]
        if not entries:
            return None, "not calibrated: f0bench calibrate measures it"
        if same_job:
            ratios = [r for entry in entries for r in entry["ratios"]]
            return within(ratios, rounds), f"{len(ratios)} calibrated pairs of rounds"
        medians = [entry["median"] for entry in entries]
        if len(medians) < 2:
            return None, "calibrated in one session only: says nothing between jobs"
        return max(medians) / min(medians) - 1.0, f"{len(medians)} calibrated sessions"


def within(ratios: Sequence[float], rounds: int) -> float:
    """Floor of the median of ``rounds`` ratios of identical code, as a fraction."""
    import numpy as np

    logs = np.log(np.asarray(ratios, dtype=np.float64))
    drawn = np.random.default_rng(0).choice(logs, size=(DRAWS, max(rounds, 1)))
    effects = np.abs(np.median(drawn, axis=1))
    return float(math.expm1(np.quantile(effects, COVERAGE)))


def floors_path(results_dir: str | Path, machine: Mapping[str, Any]) -> Path:
    """File of the sessions of a machine."""
    named = [machine.get(name) for name in HARDWARE]
    return Path(results_dir) / "floors" / f"{stable_hash(named, 8)}.json"


def load_floors(results_dir: str | Path, machine: Mapping[str, Any]) -> Floors | None:
    """The sessions of a machine, ``None`` where it was never calibrated.

    Raises:
        RecordError: the file is no JSON of this schema.
    """
    place = floors_path(results_dir, machine)
    return Floors(read_json(place)["sessions"]) if place.exists() else None


def add_session(
    results_dir: str | Path, machine: Mapping[str, Any], session: Mapping[str, Any]
) -> Path:
    """Append one session and return the file."""
    place = floors_path(results_dir, machine)
    known = load_floors(results_dir, machine)
    sessions = [*(known.sessions if known else ()), session][-MAX_SESSIONS:]
    described = {name: machine.get(name) for name in HARDWARE}
    write_json(
        place, {"schema": SCHEMA, "machine": described, "sessions": list(sessions)}
    )
    return place
