"""Concatenate–extract–split, kept as a labelled comparison to windows framed alone.

All windows are joined to one signal, tracked at once, and every window is given the
next ``1 + n // hop`` frames. Two things go wrong, and both are measured here:

* *edge error*: a frame within 512 samples (at 16 kHz) of a join reads two windows, and
  the decoder's path runs on from one into the next;
* *window offset*: a window has ``n / hop`` frames in the joined signal, not
  ``1 + n // hop``: window ``i`` is read ``i · (1 + n // hop - n / hop)`` frames late.
  One second at 16 kHz drifts by a frame per window; after 100 windows every value
  belongs to the window after it, and the last ones have no frames at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .crepe.frames import SAMPLE_RATE, WINDOW
from .track import F0Track
from .windows import WindowSummary

Cents = NDArray[np.float64]


def split(track: F0Track, windows: int, n_samples: int, hop: int) -> Iterator[F0Track]:
    """Deal the frames of joined windows out, as the comparison does it.

    Args:
        track: of the joined signal.
        windows: number of windows.
        n_samples: samples of a window.
        hop: samples between frames.

    Yields:
        One track per window; those behind the end are empty.
    """
    each = 1 + n_samples // hop
    for first in range(0, windows * each, each):
        yield part(track, slice(first, first + each))


def part(track: F0Track, frames: slice) -> F0Track:
    """Some frames of a track, with the times that they have there."""
    return F0Track(
        track.times[frames],
        track.f0[frames],
        track.voiced[frames],
        track.confidence[frames],
    )


def window_offsets(windows: int, n_samples: int, hop: int) -> NDArray[np.float64]:
    """Frames by which each window is read too late, float64, shape ``(windows,)``."""
    excess = Fraction(1 + n_samples // hop) - Fraction(n_samples, hop)
    return np.asarray(np.arange(windows) * float(excess), dtype=np.float64)


@dataclass(frozen=True)
class ConcatReport:
    """What joining windows does to their frames and to their values.

    Cents are absolute differences to the window extracted alone, on frames that both
    call voiced; NaN where there is no such frame.

    Attributes:
        edge_error_cents, edge_error_max_cents: mean and maximum on frames that read
            across a join, the drift taken out.
        inner_error_cents: mean on all other frames.
        edge_frames, inner_frames: how many frames those are.
        edge_voicing_changes: edge frames that are voiced on one side only.
        offset_frames: by how much the last window is read too late.
        value_error_cents: median difference of the windows' values, drift included.
        value_error_max_cents: the largest of them.
        values_lost: windows with a value alone and none after joining.
    """

    edge_error_cents: float
    edge_error_max_cents: float
    inner_error_cents: float
    edge_frames: int
    inner_frames: int
    edge_voicing_changes: int
    offset_frames: float
    value_error_cents: float
    value_error_max_cents: float
    values_lost: int


def compare(
    alone: Sequence[F0Track],
    joined: F0Track,
    values: tuple[WindowSummary, WindowSummary],
    *,
    n_samples: int,
    sr: int,
    hop: int,
) -> ConcatReport:
    """Measure what joining does.

    Args:
        alone: tracks of the windows, each by itself.
        joined: track of the joined windows.
        values: summaries of the windows alone, and after :func:`split`.
        n_samples: samples of a window.
        sr: Hz.
        hop: samples between frames.
    """
    found = [
        _frame_errors(track, joined, index * n_samples, n_samples, sr, hop)
        for index, track in enumerate(alone)
    ]
    cents = np.concatenate([errors for errors, _, _ in found])
    edge = np.concatenate([near for _, near, _ in found])
    changed = np.concatenate([flags for _, _, flags in found])
    both = ~np.isnan(cents)
    at_edge, inside = cents[edge & both], cents[~edge & both]
    value = _cents(values[0].f0, values[1].f0)
    lost = ~np.isnan(values[0].f0) & np.isnan(values[1].f0)
    offsets = window_offsets(len(alone), n_samples, hop)
    return ConcatReport(
        edge_error_cents=_mean(at_edge),
        edge_error_max_cents=_max(at_edge),
        inner_error_cents=_mean(inside),
        edge_frames=len(at_edge),
        inner_frames=len(inside),
        edge_voicing_changes=int((changed & edge).sum()),
        offset_frames=float(offsets[-1]) if len(offsets) else float("nan"),
        value_error_cents=_median(value),
        value_error_max_cents=_max(value[~np.isnan(value)]),
        values_lost=int(lost.sum()),
    )


def _frame_errors(
    track: F0Track, joined: F0Track, start: int, n_samples: int, sr: int, hop: int
) -> tuple[Cents, NDArray[np.bool_], NDArray[np.bool_]]:
    """Cents, whether a frame reads across a join, and whether its voicing changed."""
    centres = np.arange(len(track), dtype=np.int64) * hop
    there = np.minimum((2 * (start + centres) + hop) // (2 * hop), len(joined) - 1)
    reach = WINDOW / 2 * sr / SAMPLE_RATE
    edge = (centres < reach) | (centres > n_samples - reach)
    voiced = track.voiced & joined.voiced[there]
    cents = np.where(voiced, _cents(track.f0, joined.f0[there]), np.nan)
    return cents, edge, track.voiced != joined.voiced[there]


def _cents(first: NDArray[np.float32], second: NDArray[np.float32]) -> Cents:
    ratio = first.astype(np.float64) / second
    return np.asarray(np.abs(1200 * np.log2(ratio)))


def _mean(values: Cents) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _max(values: Cents) -> float:
    return float(values.max()) if len(values) else float("nan")


def _median(values: Cents) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")
