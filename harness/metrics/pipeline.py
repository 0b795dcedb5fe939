"""Scores of the pipeline: F0 of windows, and zones, against what was generated.

Columns of a clip, all additive:

- ``windows``, ``scored_s``: how many windows there are, and seconds of the clip;
- ``ref_windows``: those whose truth is voiced in at least a fifth of the window; its F0
  is the median of the truth's voiced frames in cents;
- ``est_windows``: those of them with an estimate; ``hits_50c``: less than 50 cents off;
  ``fine``: less than 600 cents off, and ``sum_abs_cents`` over these, because one
  octave error says nothing about precision;
- ``zones_true, zones_found, zones_matched``: a found zone matches a true one where they
  share at least half of their union, each at most once, and ``sum_boundary_s``: the
  absolute errors of both ends of every match. A clip without known zones has none of
  these columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .base import Metric
from .f0 import ratio, share

MIN_VOICED = 0.2  # of a window: below it there is no F0 to ask for
MIN_OVERLAP = 0.5  # intersection over union of two zones that match
HIT_CENTS = 50.0
FINE_CENTS = 600.0

Values = NDArray[np.float64]
Span = tuple[float, float]


def window_truth(
    times: Values,
    f0: Values,
    voiced: NDArray[np.bool_],
    centres: Values,
    window_s: float,
) -> Values:
    """True F0 of every window in Hz, shape ``(windows,)``; NaN where too little voiced.

    Args:
        times: of the truth's frames, s, shape ``(T,)``, increasing.
        f0: Hz, shape ``(T,)``.
        voiced: shape ``(T,)``.
        centres: of the windows, s.
        window_s: their length.
    """
    edges = 1e-6  # a window includes the frame at its start, not the one at its end
    first = np.searchsorted(times, centres - window_s / 2 - edges)
    stop = np.searchsorted(times, centres + window_s / 2 - edges)
    found = np.full(len(centres), np.nan)
    for index, (a, b) in enumerate(zip(first, stop, strict=True)):
        inside = f0[a:b][voiced[a:b]]
        if b > a and len(inside) >= MIN_VOICED * (b - a):
            found[index] = np.exp2(np.median(np.log2(inside)))
    return found


def window_counts(
    truth: Values, found: Values | None, seconds: float
) -> dict[str, float]:
    """Columns of the windows of one clip; ``found`` is ``None`` for a missed clip."""
    f0 = np.full(len(truth), np.nan) if found is None else found
    asked = ~np.isnan(truth)
    both = asked & ~np.isnan(f0)
    cents = np.abs(1200 * np.log2(f0[both] / truth[both]))
    fine = cents[cents < FINE_CENTS]
    return {
        "windows": float(len(truth)),
        "scored_s": seconds,
        "ref_windows": float(asked.sum()),
        "est_windows": float(both.sum()),
        "hits_50c": float((cents < HIT_CENTS).sum()),
        "fine": float(len(fine)),
        "sum_abs_cents": float(fine.sum()),
    }


def zone_counts(true: Sequence[Span], found: Sequence[Span]) -> dict[str, float]:
    """Columns of the zones of one clip.

    Args:
        true, found: start and end in s, in the order of time, none overlapping another
            of its list. Two zones that share half of their union share it with no
            third one, so no match can take another's place.
    """
    errors = [
        abs(a[0] - b[0]) + abs(a[1] - b[1])
        for a in true
        for b in found
        if _overlap(a, b) > MIN_OVERLAP
    ]
    return {
        "zones_true": float(len(true)),
        "zones_found": float(len(found)),
        "zones_matched": float(len(errors)),
        "sum_boundary_s": float(sum(errors)),
    }


def _overlap(a: Span, b: Span) -> float:
    """Intersection over union of two spans."""
    both = min(a[1], b[1]) - max(a[0], b[0])
    either = max(a[1], b[1]) - min(a[0], b[0])
    return max(both, 0.0) / either if either > 0 else 0.0


PIPELINE: tuple[Metric, ...] = (
    Metric(
        "zone_recall",
        "1",
        "higher",
        "True zones that were found, of all true ones.",
        share("zones_matched", "zones_true"),
        "zones found %",
    ),
    Metric(
        "zone_precision",
        "1",
        "higher",
        "Found zones that are true, of all found ones.",
        share("zones_matched", "zones_found"),
        "zones right %",
    ),
    Metric(
        "zone_f1",
        "1",
        "higher",
        "Harmonic mean of zone precision and recall: 2 M / (true + found).",
        lambda c: ratio(2 * c["zones_matched"], c["zones_true"] + c["zones_found"]),
        "zones F1 %",
    ),
    Metric(
        "zone_boundary_error_s",
        "s",
        "lower",
        "Mean absolute error of the ends of zones that match.",
        lambda c: ratio(c["sum_boundary_s"], 2 * c["zones_matched"]),
        "zone ends s",
    ),
    Metric(
        "window_hits_50c",
        "1",
        "higher",
        "Windows whose F0 is less than 50 cents from the truth, of all whose truth is "
        "voiced; a window without an estimate is no hit.",
        share("hits_50c", "ref_windows"),
        "windows 50c %",
    ),
    Metric(
        "window_error_cents",
        "cents",
        "lower",
        "Mean absolute error of the F0 of windows that are less than 600 cents off.",
        share("sum_abs_cents", "fine"),
        "window error cents",
    ),
    Metric(
        "window_coverage",
        "1",
        "none",
        "Windows with an estimate, of all whose truth is voiced.",
        share("est_windows", "ref_windows"),
        "windows with F0 %",
    ),
)
