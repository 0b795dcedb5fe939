"""The additive table: what one clip contributes to every accuracy metric.

Every column is a sum over reference frames, so clips are pooled by adding columns, and
every metric and interval can be recomputed from the stored table.

Voicing columns count frames: ``frames``, ``ref_voiced``, ``est_voiced``,
``both_voiced``, ``voiced_as_unvoiced``, ``unvoiced_as_voiced``; ``scored_s`` is their
duration. Pitch columns exist twice:

- ``any_…``: the reference is voiced, the estimate counts whatever its voicing;
- ``both_…``: reference and estimate are voiced.

With the error ``c = 1200 · log2(estimate / reference)`` in cents, each holds

- ``n``: frames with an estimate;
- ``hits_5c … hits_200c``: ``|c| < threshold``, strictly, as in mir_eval;
- ``chroma_hits_10c, …_50c``: the same after removing whole octaves;
- ``gross_20pct``: the estimate is more than 20 % of the reference off, in Hz
  (Chu and Alwan, ICASSP 2009);
- ``octave_up_1, octave_up_2, octave_up_x3`` and ``octave_down_…``: ``c`` strictly
  within 50 cents of ±1200, ±2400 and ±1200 · log2(3);
- ``n_non_gross, sum_cents, sum_abs_cents, sum_sq_cents`` over the frames that are not
  gross; ``hits_sum_cents`` over ``hits_50c``;
- ``hist_under, hist_000 … hist_119, hist_over``: ``c`` in 10-cent bins,
  ``[-600, -590)`` to ``[590, 600)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .alignment import Aligned, align

HIT_CENTS = (5, 10, 25, 50, 100, 200)
CHROMA_CENTS = (10, 50)
GROSS_RATIO = 0.2
OCTAVE_WINDOW_CENTS = 50.0
OCTAVES = (("1", 1200.0), ("2", 2400.0), ("x3", 1200.0 * float(np.log2(3.0))))
HIST_LIMIT_CENTS = 600
HIST_STEP_CENTS = 10
HIST_BINS = 2 * HIST_LIMIT_CENTS // HIST_STEP_CENTS
VIEWS = ("any", "both")

_Floats = NDArray[np.float64]


def count_columns(prefix: str = "") -> tuple[str, ...]:
    """Names of all columns of :func:`count`, in order.

    Args:
        prefix: what every name begins with, e.g. ``"agreement_"``.
    """
    pitch = [f"{view}_{name}" for view in VIEWS for name in _pitch_names()]
    return tuple(prefix + name for name in (*_VOICING, *pitch))


def count(aligned: Aligned, frame_s: float, prefix: str = "") -> dict[str, float]:
    """Count one clip.

    Args:
        aligned: reference and estimate on the reference's grid, ``T`` frames.
        frame_s: seconds that one reference frame stands for.
        prefix: what every column name begins with.

    Returns:
        Every column of :func:`count_columns`, in that order; integers as floats.
    """
    both = aligned.ref_voiced & aligned.est_voiced
    has_pitch = aligned.ref_voiced & ~np.isnan(aligned.est_cents)
    columns = _voicing_counts(aligned, frame_s)
    for view, frames in zip(VIEWS, (has_pitch, both), strict=True):
        found = _pitch_counts(aligned.error_cents[frames])
        columns |= {f"{view}_{name}": value for name, value in found.items()}
    return {prefix + name: float(value) for name, value in columns.items()}


def missed_counts(
    ref_times: ArrayLike,
    ref_f0: ArrayLike,
    ref_voiced: ArrayLike,
    frame_s: float,
    *,
    rule: str = "f0bench",
    prefix: str = "",
) -> dict[str, float]:
    """Count a clip on which the extractor failed: all voiced frames are missed.

    Arguments as in :func:`~harness.metrics.alignment.align` and :func:`count`.
    """
    missed = align(ref_times, ref_f0, ref_voiced, None, rule=rule)
    return count(missed, frame_s, prefix)


def histogram(
    columns: Mapping[str, Any], view: str = "any", prefix: str = ""
) -> tuple[_Floats, _Floats]:
    """The error histogram out of count columns.

    Args:
        columns: pooled columns, or one clip's.
        view: ``any`` or ``both``.
        prefix: what every column name begins with.

    Returns:
        Bin edges in cents, shape ``(122 + 1,)``, the outermost infinite, and the frames
        in each bin, shape ``(122,)``.
    """
    inner = np.arange(HIST_BINS + 1.0) * HIST_STEP_CENTS - HIST_LIMIT_CENTS
    edges = np.concatenate([[-np.inf], inner, [np.inf]])
    names = (f"{prefix}{view}_{name}" for name in _hist_names())
    return edges, np.array([float(columns[name]) for name in names])


_VOICING = (
    "frames",
    "scored_s",
    "ref_voiced",
    "est_voiced",
    "both_voiced",
    "voiced_as_unvoiced",
    "unvoiced_as_voiced",
)


def _hist_names() -> tuple[str, ...]:
    inner = (f"hist_{number:03d}" for number in range(HIST_BINS))
    return ("hist_under", *inner, "hist_over")


def _pitch_names() -> tuple[str, ...]:
    return tuple(_pitch_counts(np.empty(0)))


def _voicing_counts(aligned: Aligned, frame_s: float) -> dict[str, float]:
    ref, est = aligned.ref_voiced, aligned.est_voiced
    values = (
        len(aligned),
        len(aligned) * frame_s,
        ref.sum(),
        est.sum(),
        (ref & est).sum(),
        (ref & ~est).sum(),
        (~ref & est).sum(),
    )
    return dict(zip(_VOICING, values, strict=True))


def _pitch_counts(cents: _Floats) -> dict[str, float]:
    size = np.abs(cents)
    chroma = np.abs(size - 1200.0 * np.floor(size / 1200.0 + 0.5))
    counts: dict[str, float] = {"n": len(cents)}
    counts |= {f"hits_{limit}c": (size < limit).sum() for limit in HIT_CENTS}
    counts |= {
        f"chroma_hits_{limit}c": (chroma < limit).sum() for limit in CHROMA_CENTS
    }
    return counts | _gross_counts(cents) | _octave_counts(cents) | _hist_counts(cents)


def _gross_counts(cents: _Floats) -> dict[str, float]:
    gross = np.abs(np.exp2(cents / 1200.0) - 1.0) > GROSS_RATIO
    fine = cents[~gross]
    return {
        "gross_20pct": gross.sum(),
        "n_non_gross": len(fine),
        "sum_cents": fine.sum(),
        "sum_abs_cents": np.abs(fine).sum(),
        "sum_sq_cents": np.square(fine).sum(),
        "hits_sum_cents": cents[np.abs(cents) < 50].sum(),
    }


def _octave_counts(cents: _Floats) -> dict[str, float]:
    return {
        f"octave_{way}_{name}": (
            np.abs(cents - sign * size) < OCTAVE_WINDOW_CENTS
        ).sum()
        for way, sign in (("up", 1.0), ("down", -1.0))
        for name, size in OCTAVES
    }


def _hist_counts(cents: _Floats) -> dict[str, float]:
    place = np.floor((cents + HIST_LIMIT_CENTS) / HIST_STEP_CENTS) + 1
    bins = np.clip(place, 0, HIST_BINS + 1).astype(np.intp)
    frames = np.bincount(bins, minlength=HIST_BINS + 2)
    return dict(zip(_hist_names(), frames.tolist(), strict=True))
