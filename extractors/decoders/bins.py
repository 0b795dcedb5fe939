"""The 360 pitch bins of CREPE: 20 cents apart from 31.70 Hz to 2005.5 Hz.

Bin ``b`` lies at ``20 · b + 1997.3794084376191`` cents above 10 Hz (Kim, Salamon, Li
and Bello 2018, "CREPE: A Convolutional Representation for Pitch Estimation").
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from extractors.errors import ConfigError

PITCH_BINS = 360
CENTS_PER_BIN = 20.0
CENTS_OF_BIN_0 = 1997.3794084376191  # above 10 Hz


def cents_to_hz(cents: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hz of cents above 10 Hz, any shape."""
    return np.asarray(10.0 * np.exp2(cents / 1200.0), dtype=np.float64)


def bins_to_cents(bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cents above 10 Hz of bin numbers, any shape."""
    return np.asarray(CENTS_PER_BIN * bins + CENTS_OF_BIN_0, dtype=np.float64)


def allowed_bins(fmin: float, fmax: float) -> slice:
    """Bins that an F0 range in Hz leaves open, as torchcrepe cuts them.

    The first is the bin at or below ``fmin``, the last the one below ``fmax``. A pitch
    outside the range is folded onto an open bin, not rejected.

    Raises:
        ConfigError: no bin lies in the range.
    """
    low = math.floor(max(_position(fmin), 0.0))
    high = math.ceil(min(_position(fmax), float(PITCH_BINS)))
    if low >= high:
        raise ConfigError(
            f"fmin={fmin} Hz, fmax={fmax} Hz leave none of CREPE's bins, "
            "31.70–2005.5 Hz; widen the range"
        )
    return slice(low, high)


def _position(hz: float) -> float:
    # float32 as in torchcrepe: a limit that lies on a bin must fall on the same side
    cents = np.float32(1200) * np.log2(np.float32(hz) / np.float32(10))
    return float((cents - np.float32(CENTS_OF_BIN_0)) / np.float32(CENTS_PER_BIN))
