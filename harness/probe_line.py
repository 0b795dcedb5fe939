"""A clock from time stamps and true times: offset and drift by least squares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NAMES = ("offset_s", "offset_se_s", "drift_s_per_min", "drift_se_s_per_min")


def clock_line(
    times: NDArray[np.float64], errors: NDArray[np.float64]
) -> dict[str, float | None]:
    """Offset at the middle and drift per minute, with their standard errors.

    Args:
        times: true times in s, shape ``(n,)``, ``n ≥ 3``, not all equal.
        errors: stamp minus true time in s, the same shape.

    Returns:
        :data:`NAMES`; all ``None`` where an error is not finite.
    """
    if not np.isfinite(errors).all():
        return dict.fromkeys(NAMES)
    minutes = (times - times.mean()) / 60.0
    spread = float(np.square(minutes).sum())
    offset, drift = float(errors.mean()), float((minutes * errors).sum() / spread)
    rest = errors - offset - drift * minutes
    variance = float(np.square(rest).sum()) / (len(times) - 2)
    found = (offset, (variance / len(times)) ** 0.5, drift, (variance / spread) ** 0.5)
    return dict(zip(NAMES, found, strict=True))
