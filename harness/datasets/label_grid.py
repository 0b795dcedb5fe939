"""The grid of a reference: holes in it, and its extent against the audio."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from extractors.errors import LabelError

from .base import Truth

GAP_FACTOR = 1.5  # a step longer than this many median steps is a hole
MAX_OVERHANG_S = 0.5  # labels this far outside the audio are trimmed, not refused


def on_grid(truth: Truth, hop_s: float | None, gaps: str | None) -> Truth:
    """Settle the seconds per frame, and what holes in the grid mean.

    Args:
        truth: rows as read; their ``frame_s`` is ignored.
        hop_s: declared seconds between rows; ``None`` takes the mean of the steps that
            are no holes (a written time may be rounded, their mean is not).
        gaps: ``unlabelled`` leaves holes out, ``unvoiced`` fills them with unvoiced
            frames, ``None`` refuses them.

    Raises:
        LabelError: holes that are not declared, or a single row without ``hop_s``.
    """
    steps = np.diff(truth.times)
    if not steps.size:
        if hop_s is None:
            raise LabelError("a single row has no grid; state dataset.hop in seconds")
        return replace(truth, frame_s=hop_s)
    hole = steps > GAP_FACTOR * float(np.median(steps))
    if hole.any() and gaps is None:
        raise _undeclared(truth, np.flatnonzero(hole))
    truth = replace(truth, frame_s=hop_s or float(np.mean(steps[~hole])))
    if hole.any() and gaps == "unvoiced":
        return _filled(truth, np.flatnonzero(hole))
    return truth


def _undeclared(truth: Truth, holes: NDArray[np.intp]) -> LabelError:
    hole, count = int(holes[0]), len(holes)
    only = " and lists voiced rows only" if truth.voiced.all() else ""
    advice = (
        "; state dataset.gaps=unvoiced if what is missing is unvoiced, else "
        "dataset.gaps=unlabelled"
    )
    return LabelError(
        f"the label grid has {count} hole(s){only}, the first from "
        f"{truth.times[hole]:.3f} s to {truth.times[hole + 1]:.3f} s{advice}"
    )


def _filled(truth: Truth, holes: NDArray[np.intp]) -> Truth:
    """Put unvoiced frames into the holes, on the grid of the labels."""
    added = [
        _between(float(truth.times[i]), float(truth.times[i + 1]), truth.frame_s)
        for i in holes
    ]
    return _with_unvoiced(truth, np.concatenate(added))


def _between(start: float, stop: float, step: float) -> NDArray[np.float64]:
    count = max(round((stop - start) / step), 1)
    return np.linspace(start, stop, count + 1)[1:-1]


def _with_unvoiced(truth: Truth, times: NDArray[np.float64]) -> Truth:
    merged = np.concatenate([truth.times, times])
    order = np.argsort(merged, kind="stable")
    f0 = np.concatenate([truth.f0, np.full(len(times), np.nan)])
    voiced = np.concatenate([truth.voiced, np.zeros(len(times), dtype=bool)])
    return replace(truth, times=merged[order], f0=f0[order], voiced=voiced[order])


def fit_to_audio(truth: Truth, seconds: float, *, fill: bool = False) -> Truth:
    """Trim label frames that lie outside the audio.

    A frame stands for ``frame_s`` seconds, so one whose centre lies within that of an
    end still describes audio and is kept: labels of real data sets end up to a frame
    beyond the last sample.

    Args:
        truth: labels of a clip.
        seconds: duration of its audio.
        fill: the labels leave unvoiced audio out (``gaps=unvoiced``), so what precedes
            the first and follows the last label is unvoiced too.

    Raises:
        LabelError: labels more than 0.5 s outside the audio belong to another
            recording or clock; or no label lies inside it.
    """
    over = max(float(truth.times[-1]) - seconds, -float(truth.times[0]))
    if over > MAX_OVERHANG_S:
        raise LabelError(
            f"labels run from {truth.times[0]:.3f} to {truth.times[-1]:.3f} s, "
            f"{over:.3f} s outside the audio of {seconds:.3f} s (at most "
            f"{MAX_OVERHANG_S} s is trimmed); check the pairing and dataset.hop"
        )
    edge = truth.frame_s
    inside = (truth.times > -edge) & (truth.times < seconds + edge)
    if not inside.any():
        raise LabelError(f"no label lies inside the audio of {seconds:.3f} s")
    kept = replace(
        truth,
        times=truth.times[inside],
        f0=truth.f0[inside],
        voiced=truth.voiced[inside],
    )
    return _with_unvoiced(kept, _ends(kept, seconds)) if fill else kept


def _ends(truth: Truth, seconds: float) -> NDArray[np.float64]:
    """Grid times before the first and after the last label, inside the audio."""
    step, first, last = truth.frame_s, float(truth.times[0]), float(truth.times[-1])
    before = first - step * np.arange(1, int(first / step + 1e-9) + 1)
    after = last + step * np.arange(1, int((seconds - last) / step + 1e-9) + 1)
    return np.concatenate([np.maximum(before, 0.0), np.minimum(after, seconds)])
