"""Metrics: pure functions over additive counts, and quantities of cost."""

from __future__ import annotations

from .base import Metric as Metric
from .base import Value as Value


def all_metrics() -> dict[str, Metric]:
    """Every metric that a table can show and a gate rule can name, by name."""
    from .cost import COST
    from .f0 import ACCURACY
    from .pipeline import PIPELINE
    from .precision import PRECISION
    from .spectrogram import SPECTROGRAM

    scored = (*ACCURACY, *SPECTROGRAM, *PIPELINE)
    return {metric.name: metric for metric in (*scored, *PRECISION, *COST)}
