"""The probabilities of pYIN that do not depend on the signal (Mauch and Dixon 2014).

Thresholds ``i / N`` on the difference function have the masses of a Beta distribution.
Given a threshold, the ``m`` troughs below it share its mass by a truncated Boltzmann
distribution over their rank ``r``, counted from the shortest period,

    (1 − e^−λ) / (1 − e^−λm) · e^−λr  =  share[m] · decay[r].

The hidden states are the pitch bins, voiced and unvoiced. Pitch moves by a triangle
that ``max_transition_rate`` limits, voicing changes with ``switch_prob``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from extractors.decoders.band import Band, band_of

from .parameters import Parameters

Values = NDArray[np.float64]
TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, eq=False)
class Model:
    """Tables for one set of parameters.

    Attributes:
        thresholds: rising, ``(N,)``, the last is 1.
        mass: probability of each threshold, ``(N,)``.
        missed: ``(N + 1,)``; ``missed[i]`` is what the lowest trough gets where the
            first ``i`` thresholds have no trough below them.
        share: ``(M + 1,)`` for up to ``M`` troughs; entry 0 is unused.
        decay: ``(M,)``.
        band: transitions; block 0 is voiced, block 1 unvoiced.
        frequencies: Hz of each pitch bin, ``(n,)``.
    """

    thresholds: Values
    mass: Values
    missed: Values
    share: Values
    decay: Values
    band: Band
    frequencies: Values


@lru_cache(maxsize=8)
def model_of(parameters: Parameters) -> Model:
    """The tables of ``parameters``, a few of them remembered."""
    options = parameters.options
    thresholds, mass = threshold_prior(options.n_thresholds, options.beta_parameters)
    below = np.array([np.sum(mass[:i]) for i in range(len(mass) + 1)])
    share, decay = trough_prior(options.boltzmann_parameter, parameters.lags)
    bins = np.arange(parameters.pitch_bins)
    return Model(
        thresholds,
        mass,
        options.no_trough_prob * below,
        share,
        decay,
        band_of(
            pitch_transitions(parameters.pitch_bins, parameters.band_width),
            TINY,
            voicing_transitions(options.switch_prob),
        ),
        parameters.fmin * 2 ** (bins / parameters.bins_per_octave),
    )


def threshold_prior(count: int, shape: tuple[float, float]) -> tuple[Values, Values]:
    """Thresholds and their masses under a Beta distribution, both ``(count,)``."""
    from scipy.special import betainc  # its distribution function

    edges = np.linspace(0, 1, count + 1)
    return edges[1:], np.diff(betainc(shape[0], shape[1], edges))


def trough_prior(steepness: float, lags: int) -> tuple[Values, Values]:
    """``share`` and ``decay`` for as many troughs as so many lags can hold."""
    most = lags // 2 + 1
    count = np.arange(1, most + 1)
    share = (1 - np.exp(-steepness)) / (1 - np.exp(-steepness * count))
    return np.concatenate([[0.0], share]), np.exp(-steepness * np.arange(most))


def voicing_transitions(switch_prob: float) -> Values:
    """From voiced and unvoiced to voiced and unvoiced, ``(2, 2)``."""
    stay = 1 - switch_prob
    return np.array([[stay, 1.0 - stay], [1.0 - stay, stay]])


def pitch_transitions(bins: int, width: int) -> Values:
    """Triangle of ``width`` bins around every bin, cut at the ends, rows of sum 1.

    librosa pads the triangle to ``bins``, rotates it to its row and cuts it. Where one
    of the two numbers is even, that decides on which side the longer half lies, so it
    is done in the same steps.

    Returns:
        float64, ``(bins, bins)``.
    """
    rise = np.arange(1, (width + 1) // 2 + 1)
    if width % 2:
        half = 2 * rise / (width + 1.0)
        triangle = np.concatenate([half, half[-2::-1]])
    else:
        half = (2 * rise - 1.0) / width
        triangle = np.concatenate([half, half[::-1]])
    before = (bins - width) // 2
    padded = np.pad(triangle, (before, bins - width - before))
    distance = np.abs(np.arange(bins)[:, None] - np.arange(bins))
    rows = [np.roll(padded, bins // 2 + i + 1) for i in range(bins)]
    matrix = np.where(distance <= width // 2, rows, 0.0)
    matrix /= matrix.sum(axis=1, keepdims=True)
    return matrix
