"""Noise floors: how much identical code differs on this machine.

``f0bench calibrate`` measures the same code against itself in interleaved rounds and
appends a *session*: for every cell and metric the values of the rounds of both sides.
Two floors follow from the sessions:

- within a job: half the width of the central 95 % of the effects that as many pairs as
  were compared would give, drawn with replacement from the pairs (bootstrap). The
  effect is what the gate compares: the ratio of the fast quarters of times, the median
  ratio of pairs of anything else;
- between jobs: the largest ratio of two sessions, of their fast quarters or medians.
  One session knows nothing of it.

Sessions lie in ``floors/<machine>.json`` below the results folder. The machine is named
by CPU, cores and GPU, so that a folder may hold several.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from .cell import stable_hash
from .fast_quarter import End, fast_mean
from .metrics.rounds import FASTEST
from .pairing import HARDWARE
from .records import SCHEMA, read_json, write_json

#: Share of A/A effects that lies within the floor.
COVERAGE = 0.95
SIDES = ("old", "new")
DRAWS = 2000
#: Sessions that are kept; older ones describe another state of the machine.
MAX_SESSIONS = 20


@dataclass(frozen=True)
class Floors:
    """Sessions of one machine.

    Attributes:
        sessions: oldest first, each ``{"created_utc", "cells": {key: {metric:
            {"old", "new"}}}}``: one value per round, pairs at equal places.
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
        fastest = FASTEST.get(metric)
        if not entries:
            return None, "not calibrated: f0bench calibrate measures it"
        if same_job:
            old, new = ([v for e in entries for v in e[side]] for side in SIDES)
            floor = within(old, new, rounds, fastest)
            return floor, f"{len(old)} calibrated pairs of rounds"
        if len(entries) < 2:
            return None, "calibrated in one session only: says nothing between jobs"
        levels = [_level([*entry["old"], *entry["new"]], fastest) for entry in entries]
        return max(levels) / min(levels) - 1.0, f"{len(entries)} calibrated sessions"


def within(
    old: Sequence[float], new: Sequence[float], rounds: int, fastest: End | None
) -> float:
    """Floor of the effect of ``rounds`` pairs of identical code, as a fraction.

    Args:
        old, new: values of calibrated rounds, pairs at equal places.
        rounds: pairs that are compared.
        fastest: compare fast quarters, see :func:`harness.decide.compare_rounds`.
    """
    import numpy as np

    pairs = np.array([old, new], dtype=np.float64)
    size = (DRAWS, max(rounds, 1))
    drawn = pairs[:, np.random.default_rng(0).integers(pairs.shape[1], size=size)]
    if fastest is None:
        effects = np.median(np.log(drawn[1] / drawn[0]), axis=1)
    else:
        effects = np.log(fast_mean(drawn[1], fastest) / fast_mean(drawn[0], fastest))
    return float(math.expm1(np.quantile(np.abs(effects), COVERAGE)))


def _level(values: Sequence[float], fastest: End | None) -> float:
    return median(values) if fastest is None else float(fast_mean(values, fastest))


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
