"""Reading an estimate at the times of a reference: the step before any counting.

Reference and estimate live on grids of their own. Metrics are functions of aligned
arrays, so one of two stated rules reads the estimate at every reference time:

``f0bench`` (default)
    - voicing of the nearest frame; of two equally near frames (within 1 ns) the
      earlier one;
    - pitch linear in cents between the two frames around the reference time, where
      both have an estimate, equal voicing and lie less than 100 cents apart; else the
      estimate of the nearest frame. It never crosses a voicing edge;
    - further than one hop (median step of the estimate) from every frame: unvoiced and
      no estimate.

``mir_eval``
    what :func:`mir_eval.melody.to_cent_voicing` does with its defaults (mir_eval 0.8):
    voicing and the presence of an estimate are those of the last frame at or before
    the reference time, pitch is linear in cents towards the next estimate, and a side
    that starts after 0 s gets its first frame repeated at 0 s. It is written anew here
    because the original loops over frames in Python and warns on legal input; the
    tests hold it against the original.

Cents are relative to 10 Hz: ``1200 · log2(f / 10 Hz)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from extractors.errors import ConfigError, nearest
from extractors.track import F0Track

RULES = ("f0bench", "mir_eval")

_BASE_HZ = 10.0
_JOIN_CENTS = 100.0  # further apart, two frames are a jump and not a glide
_TIE_S = 1e-9  # decimal grids such as 5 ms in 10 ms tie only up to rounding

_Floats = NDArray[np.float64]
_Flags = NDArray[np.bool_]
_Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Aligned:
    """Reference and estimate on one grid, all arrays of shape ``(T,)``.

    Attributes:
        ref_voiced: bool, the reference is voiced.
        ref_cents: float64, cents re 10 Hz, NaN in unvoiced reference frames.
        est_voiced: bool, the estimate is voiced.
        est_cents: float64, cents re 10 Hz, NaN where there is no estimate.

    Raises:
        ValueError: arrays of different shapes, or a voiced frame without cents.
    """

    ref_voiced: _Flags
    ref_cents: _Floats
    est_voiced: _Flags
    est_cents: _Floats

    def __post_init__(self) -> None:
        shapes = {
            name: getattr(self, name).shape
            for name in ("ref_voiced", "ref_cents", "est_voiced", "est_cents")
        }
        if len(set(shapes.values())) > 1 or self.ref_voiced.ndim != 1:
            raise ValueError(f"arrays must be 1-D and of one length, not {shapes}")
        for side in ("ref", "est"):
            cents, voiced = (
                getattr(self, f"{side}_cents"),
                getattr(self, f"{side}_voiced"),
            )
            if np.isnan(cents[voiced]).any():
                raise ValueError(f"{side}_cents is NaN in a voiced frame")

    def __len__(self) -> int:
        return len(self.ref_voiced)

    @property
    def error_cents(self) -> _Floats:
        """Estimate minus reference in cents, NaN where either has no pitch."""
        return self.est_cents - self.ref_cents


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The frames of an estimate around each reference time, arrays of shape ``(T,)``.

    Attributes:
        left, right: frame at or before, and frame after; equal outside the range.
        weight: share of ``right`` in a linear reading, in [0, 1].
        nearest: the nearer of the two, the earlier one in a tie.
        inside: whether the nearest frame is at most one hop away.
    """

    left: _Index
    right: _Index
    weight: _Floats
    nearest: _Index
    inside: _Flags


def hz_to_cents(f0_hz: ArrayLike) -> _Floats:
    """Cents re 10 Hz of frequencies in Hz; NaN for NaN, zero and negative values."""
    hz = np.asarray(f0_hz, dtype=np.float64)
    return 1200.0 * np.log2(np.where(hz > 0, hz, np.nan) / _BASE_HZ)


def check_rule(rule: str) -> None:
    """Refuse a reading rule that does not exist.

    Raises:
        ConfigError: ``rule`` is not one of :data:`RULES`.
    """
    if rule not in RULES:
        raise ConfigError(f"task.resample={rule}{nearest(rule, RULES)}")


def align(
    ref_times: ArrayLike,
    ref_f0: ArrayLike,
    ref_voiced: ArrayLike,
    track: F0Track | None,
    *,
    rule: str = "f0bench",
) -> Aligned:
    """Read ``track`` at the reference times.

    Args:
        ref_times: s, shape ``(T,)``, increasing.
        ref_f0: Hz, shape ``(T,)``; positive wherever the reference is voiced.
        ref_voiced: bool, shape ``(T,)``.
        track: the estimate; ``None`` for an extractor that failed on the clip: nothing
            is voiced and there is no estimate.
        rule: ``f0bench`` or ``mir_eval``, see the module.

    Returns:
        Arrays of length T; with ``mir_eval`` T + 1 where the reference starts after 0.

    Raises:
        ConfigError: unknown rule.
    """
    check_rule(rule)
    times = np.asarray(ref_times, dtype=np.float64)
    flags = np.asarray(ref_voiced, dtype=np.bool_)
    cents = np.where(flags, hz_to_cents(ref_f0), np.nan)
    if rule == "mir_eval":
        times, order = from_zero(times)
        flags, cents = flags[order], cents[order]
    if track is None or len(track) == 0:
        voiced, pitch = np.zeros(len(times), np.bool_), np.full(len(times), np.nan)
    elif rule == "mir_eval":
        voiced, pitch = _read_mir_eval(times, track)
    else:
        voiced, pitch = _read_f0bench(times, track)
    return Aligned(flags, cents, voiced, pitch)


def neighbours(ref_times: _Floats, est_times: _Floats) -> Neighbours:
    """Find the frames around each reference time, in O(T log T).

    Args:
        ref_times: s, shape ``(T,)``.
        est_times: s, shape ``(N,)``, increasing, N ≥ 1.
    """
    after = np.searchsorted(est_times, ref_times, side="right")
    left = np.maximum(after - 1, 0)
    right = np.minimum(after, len(est_times) - 1)
    to_left = ref_times - est_times[left]
    to_right = est_times[right] - ref_times
    span = np.where(right > left, est_times[right] - est_times[left], 1.0)
    near_left = np.abs(to_left) <= np.abs(to_right) + _TIE_S
    inside = np.minimum(np.abs(to_left), np.abs(to_right)) <= (
        _hop(ref_times, est_times) + _TIE_S
    )
    weight = np.where(right > left, to_left / span, 0.0)
    return Neighbours(left, right, weight, np.where(near_left, left, right), inside)


def interpolated(cents: _Floats, around: Neighbours) -> _Floats:
    """Pitch linear in cents between close neighbours, else that of the nearest frame.

    Args:
        cents: cents of the estimate, shape ``(N,)``, NaN where there is none.
        around: the frames around the reference times, shape ``(T,)``.

    Returns:
        Cents, shape ``(T,)``; voicing is not looked at.
    """
    step = cents[around.right] - cents[around.left]
    linear = cents[around.left] + around.weight * step
    return np.where(np.abs(step) < _JOIN_CENTS, linear, cents[around.nearest])


def held_frames(ref_times: _Floats, est_times: _Floats) -> _Index:
    """Frame whose voicing mir_eval's rule holds at each reference time.

    Args:
        ref_times: s, shape ``(T,)``, starting at 0 (see :func:`from_zero`).
        est_times: s, shape ``(N,)``, N ≥ 1.

    Returns:
        Indices into the estimate, shape ``(T,)``; -1 where mir_eval appends silence.
    """
    times, order = _extended(ref_times, est_times)
    if _same_grid(times, ref_times):
        return order
    found = np.searchsorted(times, _rounded(ref_times), side="right") - 1
    return order[np.maximum(found, 0)]


def from_zero(times: _Floats) -> tuple[_Floats, _Index]:
    """Repeat the first frame at 0 s where a grid starts later, as mir_eval does.

    Returns:
        The times, and for each the index of the frame it came from.
    """
    order = np.arange(len(times))
    if len(times) == 0 or times[0] <= 0:
        return times, order
    return np.insert(times, 0, 0.0), np.insert(order, 0, 0)


def _hop(ref_times: _Floats, est_times: _Floats) -> float:
    """Median step of the estimate; of the reference where it has a single frame."""
    times = est_times if len(est_times) > 1 else ref_times
    return float(np.median(np.diff(times))) if len(times) > 1 else 0.0


def _read_f0bench(ref_times: _Floats, track: F0Track) -> tuple[_Flags, _Floats]:
    around = neighbours(ref_times, track.times)
    cents = hz_to_cents(track.f0)
    even = track.voiced[around.left] == track.voiced[around.right]
    pitch = np.where(even, interpolated(cents, around), cents[around.nearest])
    voiced = track.voiced[around.nearest] & around.inside
    return voiced, np.where(around.inside, pitch, np.nan)


def _read_mir_eval(ref_times: _Floats, track: F0Track) -> tuple[_Flags, _Floats]:
    held = held_frames(ref_times, track.times)
    cents = hz_to_cents(track.f0)
    present = (held >= 0) & ~np.isnan(cents[held])
    voiced = track.voiced[held] & present
    times, order = _extended(ref_times, track.times)
    if _same_grid(times, ref_times):
        return voiced, np.where(present, cents[held], np.nan)
    values = np.where(order >= 0, cents[order], np.nan)
    pitch = np.interp(_rounded(ref_times), times, _filled_forward(values))
    return voiced, np.where(present, pitch, np.nan)


def _extended(ref_times: _Floats, est_times: _Floats) -> tuple[_Floats, _Index]:
    """The estimate's grid with mir_eval's extra frames; -1 marks appended silence."""
    times, order = from_zero(est_times)
    if _same_grid(times, ref_times):
        return times, order
    times = _rounded(times)
    if len(ref_times) and _rounded(ref_times)[-1] > times[-1]:
        times = np.append(times, _rounded(ref_times)[-1])
        order = np.append(order, -1)
    return times, order


def _same_grid(est_times: _Floats, ref_times: _Floats) -> bool:
    return est_times.shape == ref_times.shape and np.allclose(est_times, ref_times)


def _rounded(times: _Floats) -> _Floats:
    """mir_eval compares times at ten decimals."""
    return np.round(times, 10)


def _filled_forward(values: _Floats) -> _Floats:
    """Replace NaN by the last value before it, or 0 at the start."""
    known = np.where(np.isnan(values), 0, np.arange(len(values)))
    return np.nan_to_num(values[np.maximum.accumulate(known)])
