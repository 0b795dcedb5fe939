"""The clock of an extractor: time offset, drift and pitch bias from one long chirp.

An estimate stamped ``T`` that really belongs to ``T − offset`` errs by the pitch that
the contour covered meanwhile. With the slope ``s`` of the contour in cents per second
and ``τ`` the time from the middle of the clip::

    error(T) = estimate(T) − truth(T) = bias − s(T) · (offset + drift · τ)

**Sign: track time minus true time. A positive offset means stamps that are late.**
A slope that alternates makes offset and bias separate regressors, so that an
exponential glide's curvature, seen through any window, falls on the bias alone.

The contour repeats itself. The drift is estimated between equal places of different
periods only (fixed effects), where a tracker's own errors cancel; the offset from all
of them. A standard error is the larger of the ordinary one and the cluster-robust one
over visits, a rise and the fall that undoes it (Cameron & Miller 2015, eq. 11 and 12):
neighbouring frames share their window, and a tracker errs differently at each pitch.
Frames more than four robust standard deviations off the fit are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extractors.track import F0Track

from .probe_signals import Contour

Floats = NDArray[np.float64]

MARGIN_S = 0.1  # from a turn: half of the longest analysis window in use
OUTLIER_CENTS = 100.0  # an octave error says nothing about time
FLOOR_CENTS = 5.0  # nothing nearer is an outlier, however exact the rest
MIN_FRAMES = 100
MIN_SHARE = 0.2  # of the usable frames
ROUNDS = 6  # of refitting after outliers were excluded


@dataclass(frozen=True)
class Clock:
    """What the chirp says; ``None`` with a reason where too little was tracked.

    Attributes:
        offset_s: track time minus true time at the middle of the clip.
        offset_se_s: its standard error.
        drift_s_per_min: growth of the offset in seconds per minute.
        drift_se_s_per_min: its standard error.
        bias_cents: mean error of pitch once the offset is removed.
        frames: frames that the fit rests on.
        usable: frames away from turns, whether tracked or not.
        reason: why values are missing.
    """

    offset_s: float | None = None
    offset_se_s: float | None = None
    drift_s_per_min: float | None = None
    drift_se_s_per_min: float | None = None
    bias_cents: float | None = None
    frames: int = 0
    usable: int = 0
    reason: str = ""


@dataclass(frozen=True, eq=False)
class _Frames:
    """Frames away from turns that hold an estimate, all of shape ``(n,)``."""

    error: Floats  # cents
    slope: Floats  # cents per second
    tau: Floats  # seconds from the middle
    place: NDArray[np.int64]  # number of the frame within its period
    visit: NDArray[np.int64]  # number of the rise and fall within its period

    def keep(self, mask: NDArray[np.bool_]) -> _Frames:
        return _Frames(
            self.error[mask],
            self.slope[mask],
            self.tau[mask],
            self.place[mask],
            self.visit[mask],
        )


def measure(track: F0Track, contour: Contour, periods: int, hop_s: float) -> Clock:
    """Fit offset, drift and bias to a track of ``contour`` played ``periods`` times.

    Args:
        track: what the extractor returned.
        contour: one period; it ends where it began.
        periods: how often it was played, at least 2.
        hop_s: the hop that was asked for, in seconds.
    """
    usable, frames = _frames(track, contour, periods, hop_s)
    mask = np.abs(frames.error) <= OUTLIER_CENTS
    fit = np.zeros(3)
    for _ in range(ROUNDS):
        kept = frames.keep(mask)
        if not _enough(kept, usable):
            return Clock(usable=usable, frames=len(kept.error), reason=_few(kept))
        fit = _fit(kept)
        again = np.abs(_residual(frames, fit)) <= _limit(_residual(kept, fit))
        if (again == mask).all():
            break
        mask = again
    return _clock(kept, fit, usable)


def _frames(
    track: F0Track, contour: Contour, periods: int, hop_s: float
) -> tuple[int, _Frames]:
    total = contour.seconds * periods
    times = np.asarray(track.times, dtype=np.float64)
    phase = np.mod(times, contour.seconds)
    near = (times < 0) | (times > total) | (contour.from_knot(phase) < MARGIN_S)
    known = ~near & np.isfinite(track.f0)
    times, phase = times[known], phase[known]
    cents = 1200.0 * np.log2(np.asarray(track.f0, dtype=np.float64)[known])
    frames = _Frames(
        error=cents - contour.at(phase),
        slope=contour.slope(phase),
        tau=times - total / 2.0,
        place=np.rint(phase / hop_s).astype(np.int64),
        visit=contour.leg(phase) // 2,
    )
    return int((~near).sum()), frames


def _limit(residual: Floats) -> float:
    """Four standard deviations, from the median absolute deviation, within bounds."""
    deviation = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
    return min(OUTLIER_CENTS, max(FLOOR_CENTS, 4.0 * deviation))


def _enough(frames: _Frames, usable: int) -> bool:
    n = len(frames.error)
    both = bool((frames.slope > 0).any() and (frames.slope < 0).any())
    periods = len(np.unique(frames.place)) < n
    return n >= MIN_FRAMES and n >= MIN_SHARE * usable and both and periods


def _few(frames: _Frames) -> str:
    return (
        f"{len(frames.error)} frames of the chirp lie within "
        f"{OUTLIER_CENTS:.0f} cents of its pitch, too few for a fit"
    )


def _fit(frames: _Frames) -> Floats:
    """Coefficients ``(bias, offset, drift per second)``."""
    drift = float(_drift(frames)[0][0])
    flat = frames.error + frames.slope * drift * frames.tau
    bias, offset = _least_squares(_level_columns(frames), flat)
    return np.array([bias, offset, drift])


def _level_columns(frames: _Frames) -> Floats:
    return np.column_stack([np.ones_like(frames.slope), -frames.slope])


def _drift(frames: _Frames) -> tuple[Floats, Floats, Floats]:
    """Drift between equal places of the periods: coefficients, columns, errors."""
    columns = np.column_stack([-frames.slope * frames.tau, frames.tau])
    inside = _within(columns, frames.place)
    error = _within(frames.error[:, None], frames.place)[:, 0]
    return _least_squares(inside, error), inside, error


def _within(columns: Floats, group: NDArray[np.int64]) -> Floats:
    """Columns less the mean of their group."""
    _, index, sizes = np.unique(group, return_inverse=True, return_counts=True)
    sums = [np.bincount(index, weights=column) for column in columns.T]
    means = np.column_stack(sums) / sizes[:, None]
    return np.asarray(columns - means[index], dtype=np.float64)


def _least_squares(columns: Floats, values: Floats) -> Floats:
    return np.asarray(np.linalg.lstsq(columns, values, rcond=None)[0], np.float64)


def _residual(frames: _Frames, fit: Floats) -> Floats:
    bias, offset, drift = fit
    modelled = bias - frames.slope * (offset + drift * frames.tau)
    residual: Floats = frames.error - modelled
    return residual


def _clock(frames: _Frames, fit: Floats, usable: int) -> Clock:
    columns = _level_columns(frames)
    level_se = _standard_errors(columns, _residual(frames, fit), frames.visit, 3)
    slopes, inside, error = _drift(frames)
    left = error - inside @ slopes
    lost = len(np.unique(frames.place)) + 2  # means and coefficients were fitted
    drift_se = _standard_errors(inside, left, frames.visit, lost)
    return Clock(
        offset_s=float(fit[1]),
        offset_se_s=float(level_se[1]),
        drift_s_per_min=60.0 * float(fit[2]),
        drift_se_s_per_min=60.0 * float(drift_se[0]),
        bias_cents=float(fit[0]),
        frames=len(frames.error),
        usable=usable,
    )


def _standard_errors(
    columns: Floats, residual: Floats, cluster: NDArray[np.int64], fitted: int
) -> Floats:
    """Per coefficient the larger of ``√diag(σ² A⁻¹)`` and the cluster-robust
    ``√diag(A⁻¹ · Σ_g X_gᵀ e_g e_gᵀ X_g · A⁻¹)``, with ``A = XᵀX``.
    """
    bread = np.linalg.pinv(columns.T @ columns)
    variance = float(residual @ residual) / max(1, len(residual) - fitted)
    _, index = np.unique(cluster, return_inverse=True)
    sums = [np.bincount(index, weights=column * residual) for column in columns.T]
    scores = np.column_stack(sums)
    groups = len(scores)
    few = groups / max(1, groups - 1)
    robust = few * np.diag(bread @ (scores.T @ scores) @ bread)
    larger = np.maximum(variance * np.diag(bread), robust)
    return np.asarray(np.sqrt(larger), dtype=np.float64)
