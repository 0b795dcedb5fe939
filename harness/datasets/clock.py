"""The clock of labels, measured against a tracker.

Labels that are ``d`` seconds late say at ``t + d`` what the audio did at ``t``. The
tracker is therefore read at ``label time − d`` for a sweep of ``d``, and the ``d`` with
the smallest loss is the lateness. The loss of a frame is its squared error in cents,
cut at 50 cents: squared, so that the minimum is a parabola and its vertex finer than
the sweep; cut, so that octave errors count no more than other misses. Frames with a
steady pitch agree with themselves at every offset and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extractors.track import F0Track

from .base import Truth

Floats = NDArray[np.float64]

SWEEP_S = 0.060  # offsets from −60 ms to +60 ms …
STEP_S = 0.002  # … in steps of 2 ms
HIT_CENTS = 50.0
JUMP_CENTS = 100.0  # pitch is not interpolated across a larger step of the tracker
MOVING_CENTS_PER_S = 100.0  # slower frames say nothing about time
MIN_FRAMES = 50  # moving frames below which no offset is reported
MIN_RISE = 0.02  # of the loss (0–1) 20 ms away from its minimum, else it is flat
NEIGHBOUR_S = 0.020


@dataclass(frozen=True)
class ClockResult:
    """How late labels are, by a tracker.

    Attributes:
        offset_s: seconds by which the labels are late (negative: early), ``None`` where
            the measurement is inconclusive; subtract it from ``dataset.offset``.
        share_at_zero: share of moving voiced frames within 50 cents as the labels are.
        share_at_best: the same at the best offset of the sweep.
        n_frames: voiced label frames with moving pitch that the sweep rests on.
        reason: why ``offset_s`` is missing.
    """

    offset_s: float | None
    share_at_zero: float | None
    share_at_best: float | None
    n_frames: int
    reason: str = ""


def label_clock(pairs: Iterable[tuple[Truth, F0Track]]) -> ClockResult:
    """Sweep the label offset over ±60 ms and find where labels and tracks agree best.

    Args:
        pairs: reference and track of each clip; the track's own time stamps must be
            right (``f0bench probe`` measures them).
    """
    reach = round(SWEEP_S / STEP_S)
    offsets: Floats = np.arange(-reach, reach + 1, dtype=np.float64) * STEP_S
    loss, hits, frames = np.zeros(len(offsets)), np.zeros(len(offsets)), 0
    for truth, track in pairs:
        errors = _errors(truth, track, offsets)
        loss += np.minimum((errors / HIT_CENTS) ** 2, 1.0).sum(axis=1)
        hits += (errors < HIT_CENTS).sum(axis=1)
        frames += errors.shape[1]
    if not frames:
        reason = "no voiced frames with moving pitch in both labels and tracks"
        return ClockResult(None, None, None, 0, reason)
    return _result(offsets, loss / frames, hits / frames, frames)


def _result(offsets: Floats, loss: Floats, hits: Floats, frames: int) -> ClockResult:
    best = int(np.argmin(loss))
    reason = _doubt(offsets, loss, best, frames)
    return ClockResult(
        None if reason else _vertex(offsets, loss, best),
        float(hits[len(offsets) // 2]),
        float(hits[best]),
        frames,
        reason,
    )


def _doubt(offsets: Floats, loss: Floats, best: int, frames: int) -> str:
    """Why the minimum of the sweep is no measurement, empty if it is one."""
    if frames < MIN_FRAMES:
        return f"{frames} voiced frames with moving pitch, at least {MIN_FRAMES} needed"
    width = round(NEIGHBOUR_S / STEP_S)
    if not width <= best < len(offsets) - width:
        return (
            f"agreement is best at {1e3 * offsets[best]:+.0f} ms, near the end of "
            "the sweep; the labels may be further off or belong to other audio"
        )
    rise = min(loss[best - width], loss[best + width]) - loss[best]
    if rise < MIN_RISE:
        return (
            f"agreement hardly depends on the offset (it falls by {rise:.3f} within "
            f"20 ms, at least {MIN_RISE} needed); the pitch moves too little"
        )
    return ""


def _vertex(offsets: Floats, loss: Floats, best: int) -> float:
    """Vertex of the parabola fitted within ±10 ms of the minimum, in seconds."""
    near = slice(best - 5, best + 6)
    square, slope, _ = np.polyfit(offsets[near] - offsets[best], loss[near], 2)
    if square <= 0:
        return float(offsets[best])
    shift = np.clip(-slope / (2 * square), -5 * STEP_S, 5 * STEP_S)
    return float(offsets[best] + shift)


def _errors(truth: Truth, track: F0Track, offsets: Floats) -> Floats:
    """|cents| of the moving frames at each offset, ``(offsets, frames)``; NaN → inf."""
    known = np.isfinite(track.f0)
    if known.sum() < 2:
        return np.zeros((len(offsets), 0))
    used = moving(truth)
    times, wanted = truth.times[used], 1200 * np.log2(truth.f0[used])
    inside = (times >= track.times[0] + SWEEP_S) & (times <= track.times[-1] - SWEEP_S)
    at = times[inside][None, :] - offsets[:, None]
    cents = np.full(len(track), np.nan)
    cents[known] = 1200 * np.log2(track.f0[known].astype(np.float64))
    read = _read(track.times, cents, at)
    return np.asarray(np.nan_to_num(np.abs(read - wanted[inside]), nan=np.inf))


def _read(times: Floats, cents: Floats, at: Floats) -> Floats:
    """Linear between two frames less than 100 cents apart, else the nearest frame."""
    right = np.clip(np.searchsorted(times, at), 1, len(times) - 1)
    left = right - 1
    part = np.clip((at - times[left]) / (times[right] - times[left]), 0.0, 1.0)
    step = cents[right] - cents[left]
    nearest = np.where(part < 0.5, cents[left], cents[right])
    smooth = np.abs(step) < JUMP_CENTS  # false where either is NaN
    return np.where(smooth, cents[left] + part * np.where(smooth, step, 0.0), nearest)


def moving(truth: Truth) -> NDArray[np.bool_]:
    """Frames inside voiced stretches whose pitch moves, shape ``(T,)``."""
    used = np.zeros(len(truth.times), dtype=bool)
    if len(used) < 3:
        return used
    cents = np.full(len(used), np.nan)
    cents[truth.voiced] = 1200 * np.log2(truth.f0[truth.voiced])
    span = truth.times[2:] - truth.times[:-2]
    slope = np.abs(cents[2:] - cents[:-2]) / span
    whole = truth.voiced[:-2] & truth.voiced[1:-1] & truth.voiced[2:]
    near = span < 3 * truth.frame_s  # not across a hole of the grid
    used[1:-1] = whole & near & (np.nan_to_num(slope) >= MOVING_CENTS_PER_S)
    return used
