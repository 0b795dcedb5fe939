"""Summaries of raw samples of time that claim no more than the samples carry.

Order-statistic intervals follow Conover, *Practical Nonparametric Statistics*, 3rd
ed., section 3.2: the number of n samples at or below the p-quantile is binomial(n, p).
Quantiles between samples are interpolated linearly (type 7 of Hyndman & Fan 1996).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.metrics.base import Value

CONFIDENCE = 0.99
Floats = NDArray[np.float64]


def minimum_n(p: float, confidence: float = CONFIDENCE) -> int:
    """Samples needed before the p-quantile may be stated, ``0.5 < p < 1``.

    With fewer, the estimate rests on the single largest sample. The rule asks that, at
    ``confidence``, two samples or more lie above the true quantile:
    ``pⁿ + n·(1−p)·pⁿ⁻¹ ≤ 1 − confidence``, which gives 64, 130 and 662 for the 90th,
    95th and 99th percentile.
    """
    n = 1
    while p**n + n * (1 - p) * p ** (n - 1) > 1 - confidence:
        n += 1
    return n


def order_interval(
    n: int, p: float = 0.5, confidence: float = CONFIDENCE
) -> tuple[int, int] | None:
    """Ranks (from 1) of the samples that bracket the p-quantile of n samples.

    Each tail holds at most half of ``1 − confidence``.

    Returns:
        ``(lower, upper)``, or ``None`` where n samples are too few on either side.
    """
    if n < 1:
        return None
    from scipy.special import bdtr

    tail = (1 - confidence) / 2
    at_most = np.asarray(bdtr(np.arange(n, dtype=np.float64), n, p), dtype=np.float64)
    lower = int(np.count_nonzero(at_most <= tail))
    above = np.flatnonzero(1 - at_most <= tail)
    if lower == 0 or not above.size:
        return None
    return lower, int(above[0]) + 1


def median_value(samples: ArrayLike) -> Value:
    """Median with its 99 % order-statistic interval, which needs 8 samples."""
    return _quantile_value(_finite(samples), 0.5)


def percentile_value(samples: ArrayLike, percent: float) -> Value:
    """Percentile with its 99 % interval, ``None`` below :func:`minimum_n` samples.

    Args:
        samples: seconds, NaN left out.
        percent: above 50 and below 100.
    """
    data = _finite(samples)
    needed = minimum_n(percent / 100)
    if len(data) < needed:
        reason = f"{len(data)} samples; p{percent:g} needs {needed}"
        return Value(None, n=len(data), reason=reason)
    return _quantile_value(data, percent / 100)


def _quantile_value(data: Floats, p: float) -> Value:
    n = len(data)
    if n == 0:
        return Value(None, reason="no samples")
    value = float(np.quantile(data, p))
    ranks = order_interval(n, p)
    if ranks is None:
        return Value(value, n=n, reason=f"{n} samples: too few for a 99 % interval")
    data = np.sort(data)
    return Value(value, float(data[ranks[0] - 1]), float(data[ranks[1] - 1]), n)


def signed_rank_value(samples: ArrayLike, confidence: float = CONFIDENCE) -> Value:
    """Hodges–Lehmann estimate of the centre of symmetric samples, with its interval.

    The estimate is the median of all means of two samples (each with itself too), the
    interval reaches between two order statistics of these means and holds exactly the
    shifts that Wilcoxon's signed-rank test does not refuse (Hollander, Wolfe and
    Chicken, *Nonparametric Statistical Methods*, 3rd ed., section 3.3). It is given
    from 8 samples on, at 99 %.
    """
    data = _finite(samples)
    n = len(data)
    if n == 0:
        return Value(None, reason="no samples")
    first, second = np.triu_indices(n)
    means = np.sort((data[first] + data[second]) / 2)
    value = float(np.median(means))
    rank = int(np.count_nonzero(_signed_rank_cdf(n) <= (1 - confidence) / 2))
    if rank == 0:
        return Value(value, n=n, reason=f"{n} samples: too few for a 99 % interval")
    return Value(value, float(means[rank - 1]), float(means[-rank]), n)


def _signed_rank_cdf(n: int) -> Floats:
    """P(W ≤ w) of Wilcoxon's signed-rank statistic for w = 0 … n(n + 1)/2."""
    chance = np.ones(1)
    for number in range(1, n + 1):
        grown = np.zeros(len(chance) + number)
        grown[: len(chance)] += chance / 2  # this rank has a negative sign
        grown[number:] += chance / 2
        chance = grown
    return np.cumsum(chance)


def iqr_ratio(samples: ArrayLike) -> float | None:
    """Interquartile range over median, ``None`` below 3 samples or at median 0."""
    data = _finite(samples)
    if len(data) < 3:
        return None
    low, middle, high = np.quantile(data, [0.25, 0.5, 0.75])
    return float((high - low) / middle) if middle > 0 else None


def _finite(samples: ArrayLike) -> Floats:
    data = np.asarray(samples, dtype=np.float64).ravel()
    return data[np.isfinite(data)]


def ratio_of_medians(
    above: ArrayLike,
    below: ArrayLike,
    *,
    rounds_above: Sequence[int] | None = None,
    rounds_below: Sequence[int] | None = None,
    seed: int = 0,
    replicates: int = 2000,
) -> Value:
    """``median(above) / median(below)`` with a 99 % percentile bootstrap interval.

    Where both sides name the round of every sample and share at least two rounds, the
    rounds they share are drawn together and the samples within each drawn round apart:
    interleaved rounds have the state of the machine in common. Otherwise the samples
    of either side are drawn on their own.

    Args:
        above, below: samples, e.g. speeds of two cells; at least 8 each for an
            interval.
        rounds_above, rounds_below: round of each sample, as long as the samples.
    """
    a, b = _Side.of(above, rounds_above), _Side.of(below, rounds_below)
    n = min(len(a.data), len(b.data))
    if n == 0 or np.median(b.data) == 0:
        return Value(None, n=n, reason="no samples" if n == 0 else "median of 0")
    value = float(np.median(a.data) / np.median(b.data))
    if order_interval(n) is None:
        return Value(value, n=n, reason=f"{n} samples: too few for a 99 % interval")
    draw = _drawing(a, b)
    random = np.random.default_rng(seed)
    ratios = np.array([_ratio(*draw(random)) for _ in range(replicates)])
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(ratios, [tail, 1 - tail])
    return Value(value, float(low), float(high), n)


class _Side:
    """Samples of one side of a ratio, and the same split by round."""

    def __init__(self, data: Floats, rounds: dict[int, Floats]) -> None:
        self.data = data
        self.rounds = rounds

    @classmethod
    def of(cls, samples: ArrayLike, rounds: Sequence[int] | None) -> _Side:
        data = np.asarray(samples, dtype=np.float64).ravel()
        known = np.isfinite(data)
        if rounds is None:
            return cls(data[known], {})
        labels = np.asarray(rounds)
        if labels.shape != data.shape:
            raise ValueError(f"{labels.size} rounds for {data.size} samples")
        data, labels = data[known], labels[known]
        return cls(data, {int(r): data[labels == r] for r in np.unique(labels)})


Draw = Callable[[np.random.Generator], tuple[Floats, Floats]]


def _drawing(a: _Side, b: _Side) -> Draw:
    """How one replicate of both sides is drawn."""
    shared = sorted(a.rounds.keys() & b.rounds.keys())
    if len(shared) < 2:
        return lambda random: (_again(a.data, random), _again(b.data, random))

    def by_round(random: np.random.Generator) -> tuple[Floats, Floats]:
        picked = [shared[i] for i in random.integers(len(shared), size=len(shared))]
        first = [_again(a.rounds[r], random) for r in picked]
        second = [_again(b.rounds[r], random) for r in picked]
        return np.concatenate(first), np.concatenate(second)

    return by_round


def _again(data: Floats, random: np.random.Generator) -> Floats:
    return data[random.integers(len(data), size=len(data))]


def _ratio(a: Floats, b: Floats) -> float:
    return float(_middle(a) / _middle(b))


def _middle(data: Floats) -> float:
    """Median without the checks that make ``numpy.median`` slow on short arrays."""
    half = len(data) // 2
    if len(data) % 2:
        return float(np.partition(data, half)[half])
    parted = np.partition(data, [half - 1, half])
    return float((parted[half - 1] + parted[half]) / 2)
