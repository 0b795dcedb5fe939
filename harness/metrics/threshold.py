"""What the voicing threshold costs and buys, recomputed from the full confidence.

A frame is voiced at threshold θ where it has an estimate and ``confidence >= θ``,
compared in float32 as extractors do. The counts of every θ come from one pass: they
equal those of ``align`` and ``count`` run anew on a track re-voiced at θ, including the
reading rule, which joins two frames only where both have the same voicing at that θ.

A curve belongs to one clip and curves add up. A threshold learnt here must not be
scored on the clips that it was learnt on: :func:`calibrate_across_groups` learns one
for each group (e.g. speaker) from all the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from extractors.errors import UsageError
from extractors.track import F0Track

from .alignment import (
    align,
    check_rule,
    from_zero,
    held_frames,
    hz_to_cents,
    interpolated,
    neighbours,
)
from .f0 import ratio

HIT_CENTS = 50.0
_COLUMNS = ("thresholds", "hits", "both_voiced", "est_voiced")

_Floats = NDArray[np.float64]
_Levels = NDArray[np.float32]
_Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """Counts of frames at each of K thresholds; curves on one grid add up.

    Attributes:
        thresholds: θ in [0, 1], shape ``(K,)``, increasing.
        hits: voiced on both sides and less than 50 cents apart (H), shape ``(K,)``.
        both_voiced: voiced on both sides, shape ``(K,)``.
        est_voiced: voiced in the estimate (P), shape ``(K,)``.
        ref_voiced: voiced in the reference (V); it does not depend on θ.
    """

    thresholds: _Floats
    hits: _Floats
    both_voiced: _Floats
    est_voiced: _Floats
    ref_voiced: float

    def __add__(self, other: ThresholdCurve) -> ThresholdCurve:
        if not np.array_equal(self.thresholds, other.thresholds):
            raise ValueError("curves on different thresholds do not add up")
        return ThresholdCurve(
            self.thresholds,
            self.hits + other.hits,
            self.both_voiced + other.both_voiced,
            self.est_voiced + other.est_voiced,
            self.ref_voiced + other.ref_voiced,
        )

    def as_dict(self) -> dict[str, Any]:
        """The counts as plain values, for a record."""
        columns = {name: getattr(self, name).tolist() for name in _COLUMNS}
        return {**columns, "ref_voiced": self.ref_voiced}

    @classmethod
    def from_dict(cls, counts: Mapping[str, Any]) -> ThresholdCurve:
        """The inverse of :meth:`as_dict`."""
        columns = {name: np.asarray(counts[name], dtype=float) for name in _COLUMNS}
        return cls(**columns, ref_voiced=float(counts["ref_voiced"]))

    @property
    def precision(self) -> _Floats:
        """H / P, shape ``(K,)``, NaN where nothing is called voiced."""
        return ratio(self.hits, self.est_voiced)

    @property
    def recall(self) -> _Floats:
        """H / V, shape ``(K,)``, NaN without voiced reference."""
        return ratio(self.hits, self.ref_voiced)

    @property
    def pitch_f1(self) -> _Floats:
        """2H / (P + V), shape ``(K,)``, NaN without voiced reference."""
        total = self.est_voiced + self.ref_voiced
        return ratio(2.0 * self.hits, total if self.ref_voiced > 0 else 0.0 * total)


@dataclass(frozen=True)
class Best:
    """The threshold with the highest pitch F1 on the clips it was learnt on."""

    threshold: float
    pitch_f1: float


@dataclass(frozen=True, eq=False)
class CrossCalibration:
    """Pitch F1 with each group scored at the threshold learnt on the other groups.

    Attributes:
        thresholds: the threshold that each group was scored at.
        columns: counts of each clip at the threshold of its group, in the order of the
            clips, under the names that the metric ``pitch_f1_50c`` reads: bootstrap
            them as any other counts.
    """

    thresholds: dict[str, float]
    columns: dict[str, _Floats]

    @property
    def pitch_f1(self) -> float | None:
        """Pooled 2H / (P + V), ``None`` without voiced reference."""
        hits = float(self.columns["both_hits_50c"].sum())
        voiced = float(self.columns["ref_voiced"].sum())
        called = float(self.columns["est_voiced"].sum())
        return 2.0 * hits / (called + voiced) if voiced > 0 else None


def grid(steps: int = 100) -> _Floats:
    """Thresholds 0, 1/steps, …, 1."""
    return np.arange(steps + 1) / steps


def threshold_curve(
    ref_times: ArrayLike,
    ref_f0: ArrayLike,
    ref_voiced: ArrayLike,
    track: F0Track,
    *,
    thresholds: ArrayLike | None = None,
    rule: str = "f0bench",
) -> ThresholdCurve:
    """Count one clip at every threshold.

    Args:
        ref_times, ref_f0, ref_voiced: the reference, as in
            :func:`~harness.metrics.alignment.align`.
        track: the estimate with its confidence before any threshold; its ``voiced`` is
            not used.
        thresholds: increasing, shape ``(K,)``; :func:`grid` by default.
        rule: reading rule, ``f0bench`` or ``mir_eval``.

    Raises:
        ConfigError: unknown rule.
    """
    check_rule(rule)
    steps = grid() if thresholds is None else np.asarray(thresholds, dtype=np.float64)
    ref = align(ref_times, ref_f0, ref_voiced, None, rule=rule)
    times = np.asarray(ref_times, dtype=np.float64)
    reading = (_read_mir_eval if rule == "mir_eval" else _read_f0bench)(times, track)
    joined = ref.ref_voiced & _hit(reading.joined_cents, ref.ref_cents)
    single = ref.ref_voiced & _hit(reading.single_cents, ref.ref_cents)
    own, low = reading.own_level, reading.low_level
    at = steps.astype(np.float32)
    return ThresholdCurve(
        steps,
        _reached(low[joined], at)
        + _reached(own[single], at)
        - _reached(low[single], at),
        _reached(own[ref.ref_voiced], at),
        _reached(own, at),
        float(ref.ref_voiced.sum()),
    )


def missed_curve(
    ref_times: ArrayLike,
    ref_f0: ArrayLike,
    ref_voiced: ArrayLike,
    *,
    thresholds: ArrayLike | None = None,
    rule: str = "f0bench",
) -> ThresholdCurve:
    """Count a clip on which the extractor failed: nothing is voiced at any threshold.

    Args:
        ref_times, ref_f0, ref_voiced, thresholds, rule: as for :func:`threshold_curve`.

    Raises:
        ConfigError: unknown rule.
    """
    check_rule(rule)
    steps = grid() if thresholds is None else np.asarray(thresholds, dtype=np.float64)
    ref = align(ref_times, ref_f0, ref_voiced, None, rule=rule)
    nothing = np.zeros(len(steps))
    return ThresholdCurve(steps, nothing, nothing, nothing, float(ref.ref_voiced.sum()))


def best_threshold(curve: ThresholdCurve) -> Best | None:
    """The θ of the highest pitch F1; of equal maxima the middle one.

    Returns:
        ``None`` where pitch F1 is undefined (no voiced reference).
    """
    f1 = curve.pitch_f1
    if np.isnan(f1).all():
        return None
    top = np.flatnonzero(f1 == np.nanmax(f1))
    middle = top[(len(top) - 1) // 2]
    return Best(float(curve.thresholds[middle]), float(f1[middle]))


def calibrate_across_groups(
    curves: Sequence[ThresholdCurve], groups: Sequence[str]
) -> CrossCalibration:
    """Score every clip at the threshold learnt on the clips of all other groups.

    Args:
        curves: one per clip, all on one grid.
        groups: the group of each clip, e.g. its speaker.

    Raises:
        UsageError: fewer than two groups, or other groups without voiced reference.
        ValueError: as many groups as curves are needed.
    """
    if len(curves) != len(groups):
        raise ValueError(f"{len(groups)} groups for {len(curves)} clips")
    names = sorted(set(groups))
    if len(names) < 2:
        raise UsageError(
            f"{len(names)} group of clips: calibrating across groups needs at least 2; "
            "add a tag that splits the clips, e.g. dataset.tags.speaker"
        )
    sums = {name: _total(curves, groups, name) for name in names}
    chosen = {name: _learnt_without(name, sums) for name in names}
    columns = [_at(c, chosen[g]) for c, g in zip(curves, groups, strict=True)]
    hits, called, voiced = np.array(columns).T
    return CrossCalibration(
        chosen, {"both_hits_50c": hits, "est_voiced": called, "ref_voiced": voiced}
    )


@dataclass(frozen=True, eq=False)
class _Reading:
    """What an estimate says at each reference time, for every θ at once, ``(T,)``.

    A frame is voiced for θ ≤ ``own_level``. Up to ``low_level`` its neighbour is voiced
    too and the pitch is ``joined_cents``; between the two levels it stands at a voicing
    edge and the pitch is ``single_cents``.
    """

    own_level: _Levels
    low_level: _Levels
    joined_cents: _Floats
    single_cents: _Floats


def _read_f0bench(times: _Floats, track: F0Track) -> _Reading:
    around = neighbours(times, track.times)
    cents = hz_to_cents(track.f0)
    level = _levels(track)
    own = np.where(around.inside, level[around.nearest], np.float32(-np.inf))
    low = np.minimum(own, np.minimum(level[around.left], level[around.right]))
    return _Reading(own, low, interpolated(cents, around), cents[around.nearest])


def _read_mir_eval(times: _Floats, track: F0Track) -> _Reading:
    times, _ = from_zero(times)
    held = held_frames(times, track.times)
    own = np.where(held >= 0, _levels(track)[held], np.float32(-np.inf))
    nothing = np.zeros(len(times), dtype=np.bool_)
    cents = align(times, np.ones(len(times)), nothing, track, rule="mir_eval").est_cents
    return _Reading(own, own, cents, cents)  # its pitch does not depend on voicing


def _levels(track: F0Track) -> _Levels:
    """Confidence, or minus infinity where a frame cannot be voiced at any θ."""
    return np.where(np.isnan(track.f0), np.float32(-np.inf), track.confidence)


def _hit(cents: _Floats, ref_cents: _Floats) -> _Flags:
    return np.abs(cents - ref_cents) < HIT_CENTS


def _reached(levels: _Levels, thresholds: _Levels) -> _Floats:
    """How many levels are at or above each threshold, shape ``(K,)``."""
    below = np.searchsorted(np.sort(levels), thresholds, side="left")
    return (len(levels) - below).astype(np.float64)


def _total(
    curves: Sequence[ThresholdCurve], groups: Sequence[str], name: str
) -> ThresholdCurve:
    own = [c for c, group in zip(curves, groups, strict=True) if group == name]
    return sum(own[1:], start=own[0])


def _learnt_without(name: str, sums: dict[str, ThresholdCurve]) -> float:
    others = [curve for group, curve in sums.items() if group != name]
    best = best_threshold(sum(others[1:], start=others[0]))
    if best is None:
        raise UsageError(
            f"no voiced reference outside group '{name}': no threshold can be learnt; "
            "use a data set with labels in at least 2 groups"
        )
    return best.threshold


def _at(curve: ThresholdCurve, threshold: float) -> tuple[float, float, float]:
    place = int(np.flatnonzero(curve.thresholds == threshold)[0])
    return float(curve.hits[place]), float(curve.est_voiced[place]), curve.ref_voiced
