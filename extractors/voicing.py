"""The voicing threshold of extractors whose voicing is a threshold on confidence."""

from __future__ import annotations

from .errors import ConfigError


def threshold_or_default(threshold: float | None, default: float) -> tuple[float, str]:
    """Return the threshold and where it comes from, for the table head.

    Raises:
        ConfigError: a stated threshold lies outside [0, 1].
    """
    if threshold is None:
        return default, f"default {default:g}"
    if not 0 <= threshold <= 1:
        raise ConfigError(f"threshold={threshold} must lie in [0, 1]")
    return float(threshold), "stated"
