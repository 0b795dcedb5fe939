"""Comparing the fast quarter of the rounds of two sides.

A shared host adds time and never takes any away, and it does so for seconds at a time:
whole rounds are slow together, often by a third, and the two rounds of a pair need not
be slow together. What code costs shows in the rounds that were disturbed least, so the
mean of the fastest quarter of one side is compared with that of the other. (That the
fastest of several runs varies least: Chen and Revels, "Robust benchmarking in noisy
environments", arXiv:1608.04295; a quarter instead of one round lets a resampling test
see how firm the difference is.)

The interval is the percentile bootstrap over rounds (scipy's ``bootstrap``). The test
permutes: if the new side is the old one times the limit, either value of a pair may as
well have been measured on the other side (scipy's ``permutation_test``). A permuted
side is only as extreme as the observed one if the fast rounds of one side stay
together, so few fast rounds cannot reach a small p.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

#: Which values of a side are its fast ones: low times, high speeds.
End = Literal["lowest", "highest"]

DRAWS = 2000
PERMUTATIONS = 9999


def fast_count(rounds: int) -> int:
    """How many of so many rounds the fast quarter holds: one at least."""
    return -(-rounds // 4)


def fast_mean(values: Any, fastest: End, axis: int = -1) -> Any:
    """Mean of the fast quarter along ``axis``, of an array or sequence of numbers."""
    import numpy as np

    data = np.asarray(values, dtype=np.float64)
    count = fast_count(data.shape[axis])
    ordered = np.sort(data, axis=axis)
    first = 0 if fastest == "lowest" else data.shape[axis] - count
    return ordered.take(range(first, first + count), axis=axis).mean(axis=axis)


def fast_ratio(old: Sequence[float], new: Sequence[float], fastest: End) -> float:
    """Fast mean of the new rounds over that of the old ones."""
    return float(fast_mean(new, fastest) / fast_mean(old, fastest))


def fast_interval(
    old: Sequence[float], new: Sequence[float], fastest: End, *, paired: bool
) -> tuple[float, float]:
    """99 % percentile-bootstrap interval of :func:`fast_ratio`, always the same one.

    Args:
        paired: draw pairs of rounds, not rounds of each side.
    """
    import numpy as np
    from scipy import stats

    from .meter.statistics import CONFIDENCE

    found = stats.bootstrap(
        (old, new),
        _statistic(fastest),
        paired=paired,
        vectorized=True,
        confidence_level=CONFIDENCE,
        n_resamples=DRAWS,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)


def fast_p(
    old: Sequence[float],
    new: Sequence[float],
    fastest: End,
    *,
    paired: bool,
    above: bool,
) -> float:
    """One-sided p of "the fast mean of ``new`` is above (below) that of ``old``".

    Exact where there are at most :data:`PERMUTATIONS` ways to permute, else of so many
    random ones, always the same.
    """
    import numpy as np
    from scipy import stats

    found = stats.permutation_test(
        (old, new),
        _statistic(fastest),
        permutation_type="samples" if paired else "independent",
        alternative="greater" if above else "less",
        n_resamples=PERMUTATIONS,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def _statistic(fastest: End) -> Any:
    def ratio(old: Any, new: Any, axis: int = -1) -> Any:
        return fast_mean(new, fastest, axis) / fast_mean(old, fastest, axis)

    return ratio
