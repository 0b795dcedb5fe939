"""Where loudness and F0 rise together, above what a recording had before.

This measures two rises and claims nothing about emotion: a hoarse shout without pitch
is not found, a song that modulates upwards and gets louder is.

Every window has a level ``20 · log10(rms)`` in dB of full scale and the median F0 of
its voiced frames. Its *baseline* is the median of both over the windows before it that
lie in no zone, ``baseline_s`` seconds of them at most. A window is *raised* when its
level is ``min_rise_db`` and its F0 ``min_rise_percent`` above the baseline, or more.
A zone is a run of raised windows; the baseline stands still while it lasts, so a rise
that stays is one zone to the end, and a rise slower than ``baseline_s`` is none.

Windows without enough voiced frames have no F0: they are part of no baseline, and end a
zone only when they last longer than ``max_gap_s``.

A zone begins half a hop before the centre of its first window and ends half a hop
behind the centre of its last: a window is raised about when more than half of it is, so
both ends are right to within half a hop and what the two medians smear.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError

Values = NDArray[np.float64]
MIN_BASELINE = 3  # windows; a median of fewer is one window's accident
SILENCE = 1e-10  # full scale; keeps the level of digital silence finite (−200 dB)


@dataclass(frozen=True)
class EscalationRule:
    """What counts as a rise.

    Attributes:
        min_rise_db: of level.
        min_rise_percent: of F0.
        baseline_s: seconds of earlier windows that a window is compared to.
        min_coverage: share of voiced frames that a window's F0 needs.
        max_gap_s: seconds without F0 that a zone bridges.

    Raises:
        ConfigError: a value is out of its bounds.
    """

    min_rise_db: float = 3.0
    min_rise_percent: float = 10.0
    baseline_s: float = 10.0
    min_coverage: float = 0.2
    max_gap_s: float = 1.0

    def __post_init__(self) -> None:
        if not (self.min_rise_db > 0 and self.min_rise_percent > 0):
            raise ConfigError(
                f"min_rise_db={self.min_rise_db} and "
                f"min_rise_percent={self.min_rise_percent} must be above 0"
            )
        if not (self.baseline_s > 0 and self.max_gap_s >= 0):
            raise ConfigError(
                f"baseline_s={self.baseline_s} must be above 0 and "
                f"max_gap_s={self.max_gap_s} at least 0"
            )
        if not 0 < self.min_coverage <= 1:
            raise ConfigError(f"min_coverage={self.min_coverage} must lie in (0, 1]")


@dataclass(frozen=True)
class EscalationZone:
    """A stretch of raised level and F0, and the evidence for it.

    Attributes:
        start_s, end_s: seconds.
        rise_db, rise_percent: median of the zone's raised windows over the baseline.
        level_db, f0_hz: that median itself; dB of full scale, and Hz.
        baseline_db, baseline_hz: what it is compared to.
        windows: raised windows in the zone.
        coverage: mean share of voiced frames in them.
        confidence: mean confidence in them.
    """

    start_s: float
    end_s: float
    rise_db: float
    rise_percent: float
    level_db: float
    f0_hz: float
    baseline_db: float
    baseline_hz: float
    windows: int
    coverage: float
    confidence: float


@dataclass(frozen=True, eq=False)
class WindowEvidence:
    """What is known of every window, all float64 of shape ``(windows,)``.

    Attributes:
        centre_s: seconds.
        level_db: dB of full scale.
        f0_hz: NaN where unknown.
        coverage, confidence: in [0, 1].
    """

    centre_s: Values
    level_db: Values
    f0_hz: Values
    coverage: Values
    confidence: Values


def levels_db(windows: NDArray[np.float32]) -> Values:
    """Level of every window in dB of full scale, shape ``(windows,)``."""
    found = np.empty(len(windows))
    for index, window in enumerate(windows):  # overlapping views are never copied whole
        found[index] = np.sqrt(np.mean(np.square(window, dtype=np.float64)))
    return np.asarray(20 * np.log10(np.maximum(found, SILENCE)))


def find_zones(
    evidence: WindowEvidence, hop_s: float, rule: EscalationRule
) -> list[EscalationZone]:
    """Zones in the order of time.

    Args:
        evidence: of every window.
        hop_s: seconds between windows.
        rule: what counts as a rise.
    """
    known = ~np.isnan(evidence.f0_hz) & (evidence.coverage >= rule.min_coverage)
    windows = min(rule.baseline_s / hop_s, len(known))  # there are no more
    before: deque[int] = deque(maxlen=max(MIN_BASELINE, round(windows)))
    zones: list[EscalationZone] = []
    zone: list[int] = []
    for index in np.flatnonzero(known).tolist():
        late = bool(zone) and (index - zone[-1] - 1) * hop_s > rule.max_gap_s
        raised = len(before) >= MIN_BASELINE and _raised(evidence, before, index, rule)
        if zone and (late or not raised):
            zones.append(_zone(evidence, before, zone, hop_s))
            zone = []
        if raised:
            zone.append(index)
        else:
            before.append(index)
    if zone:
        zones.append(_zone(evidence, before, zone, hop_s))
    return zones


def _baseline(evidence: WindowEvidence, before: deque[int]) -> tuple[float, float]:
    index = list(before)
    level = float(np.median(evidence.level_db[index]))
    return level, float(np.exp2(np.median(np.log2(evidence.f0_hz[index]))))


def _raised(
    evidence: WindowEvidence, before: deque[int], index: int, rule: EscalationRule
) -> bool:
    level, f0 = _baseline(evidence, before)
    louder = evidence.level_db[index] - level >= rule.min_rise_db
    higher = evidence.f0_hz[index] >= f0 * (1 + rule.min_rise_percent / 100)
    return bool(louder and higher)


def _zone(
    evidence: WindowEvidence, before: deque[int], zone: list[int], hop_s: float
) -> EscalationZone:
    base_level, base_f0 = _baseline(evidence, before)
    level, f0 = _baseline(evidence, deque(zone))
    return EscalationZone(
        start_s=float(evidence.centre_s[zone[0]]) - hop_s / 2,
        end_s=float(evidence.centre_s[zone[-1]]) + hop_s / 2,
        rise_db=level - base_level,
        rise_percent=100 * (f0 / base_f0 - 1),
        level_db=level,
        f0_hz=f0,
        baseline_db=base_level,
        baseline_hz=base_f0,
        windows=len(zone),
        coverage=float(evidence.coverage[zone].mean()),
        confidence=float(evidence.confidence[zone].mean()),
    )
