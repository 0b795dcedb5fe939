"""Accuracy metrics of spectrograms: how far values are from those of a reference.

The columns of a clip are sums over all bins and frames of the value ``x`` of a system
and the value ``r`` of the reference, so that clips are pooled by adding columns:

- ``values``: how many there are; ``scored_s``: seconds of the clip;
- ``sq_error = sum (x - r)²``, ``energy = sum r²``;
- ``loud_values``: those with ``r`` within 80 dB of the clip's largest, and
  ``sum_sq_db`` over them: squares of the difference of levels in dB.

A clip without an answer counts as all zeros: an error of 0 dB. It has no level, so the
last two columns leave it out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .base import Columns, Metric
from .f0 import ratio

#: Levels are compared down to this many dB below the largest value of a clip.
RANGE_DB = 80.0

_Floats = NDArray[np.float64]


def spectrogram_counts(
    reference: NDArray[np.float32],
    found: NDArray[np.float32] | None,
    seconds: float,
    *,
    power: bool,
) -> dict[str, float]:
    """Count one clip.

    Args:
        reference: shape ``(bins, frames)``, not negative.
        found: the same shape; ``None`` where there is no answer.
        seconds: duration of the clip.
        power: values are powers (10 dB a decade), else magnitudes (20 dB).

    Returns:
        The columns of the module's description.
    """
    r = reference.astype(np.float64)
    x = np.zeros_like(r) if found is None else found.astype(np.float64)
    factor = 10.0 if power else 20.0
    floor = float(r.max(initial=0.0)) * 10.0 ** (-RANGE_DB / factor)
    loud = (r > floor) & (found is not None)
    # a value of zero is taken as lying at the floor: its level would be -inf
    levels = factor * np.log10(np.maximum(x[loud], floor) / r[loud])
    return {
        "values": float(r.size),
        "scored_s": seconds,
        "sq_error": float(np.square(x - r).sum()),
        "energy": float(np.square(r).sum()),
        "loud_values": float(loud.sum()),
        "sum_sq_db": float(np.square(levels).sum()),
    }


def _relative(c: Columns) -> _Floats:
    return np.sqrt(ratio(c["sq_error"], c["energy"]))


def _relative_db(c: Columns) -> _Floats:
    with np.errstate(divide="ignore"):
        found = 10.0 * np.log10(ratio(c["sq_error"], c["energy"]))
    # equal bit for bit: no finite level, and no better one either
    return np.where(np.isneginf(found), EXACT_DB, found)


#: Stated for answers that equal the reference; float32 cannot come nearer than this.
EXACT_DB = -200.0

SPECTROGRAM: tuple[Metric, ...] = (
    Metric(
        "spectrum_error_db",
        "dB",
        "lower",
        "Energy of the difference from librosa's spectrogram over the energy of "
        f"librosa's, in dB; {EXACT_DB:g} where they are equal.",
        _relative_db,
        "error dB",
    ),
    Metric(
        "spectrum_relative_error",
        "1",
        "lower",
        "Norm of the difference from librosa's spectrogram over the norm of librosa's.",
        _relative,
        "relative error",
    ),
    Metric(
        "spectrum_level_error_db",
        "dB",
        "lower",
        "Root mean square difference of levels from librosa's, over values at most "
        f"{RANGE_DB:g} dB below the largest of their clip.",
        lambda c: np.sqrt(ratio(c["sum_sq_db"], c["loud_values"])),
        "level dB",
    ),
)
