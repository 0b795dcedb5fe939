"""Accuracy metrics of F0 extraction, as formulas over the columns of ``counts.py``.

Every metric carries its threshold in its name and is undefined (NaN) where it has no
denominator. Two properties decide what a metric may be used for:

- *voicing ignored*: all reference-voiced frames count and the estimate is taken
  whatever its voicing (``rpa``, ``rca``, ``octave_…``, ``bias_cents``); a frame without
  an estimate is no hit. Calling frames unvoiced cannot raise ``rpa`` or ``rca``.
- *both voiced*: only frames that both sides call voiced count (``gpe``, ``fpe``). They
  describe errors but improve when an extractor abstains: never gate on them alone.

Against truth the names are plain; agreement with librosa's pYIN has the same metrics
under ``agreement_…``. pYIN is a peer there, not truth.

References:
    Salamon, Gómez, Ellis and Richard, "Melody Extraction from Polyphonic Music
    Signals", IEEE Signal Processing Magazine 31(2), 2014, as implemented in mir_eval.
    Chu and Alwan, "Reducing F0 Frame Error of F0 Tracking Algorithms under Noisy
    Conditions with an Unvoiced/Voiced Classification Frontend", ICASSP 2009.
    Pitch F1 is the harmonic mean of H/P and H/V: ``2H / (P + V)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .base import Columns, Formula, Metric
from .counts import HIT_CENTS

AGREEMENT = "agreement_"

_Floats = NDArray[np.float64]


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> _Floats:
    """Elementwise quotient, NaN where the denominator is zero."""
    top = np.asarray(numerator, dtype=np.float64)
    bottom = np.asarray(denominator, dtype=np.float64)
    shape = np.broadcast_shapes(top.shape, bottom.shape)
    out = np.full(shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom != 0)
    return out


def share(top: str, bottom: str) -> Formula:
    """Formula of one column divided by another."""
    return lambda c: ratio(c[top], c[bottom])


def _sum_share(tops: tuple[str, ...], bottom: str) -> Formula:
    return lambda c: ratio(sum(c[top] for top in tops), c[bottom])


def _false_alarm(c: Columns) -> _Floats:
    return ratio(c["unvoiced_as_voiced"], c["frames"] - c["ref_voiced"])


def _overall_accuracy(c: Columns) -> _Floats:
    quiet = c["frames"] - c["ref_voiced"] - c["unvoiced_as_voiced"]
    return ratio(c["both_hits_50c"] + quiet, c["frames"])


def _pitch_f1(c: Columns) -> _Floats:
    # without voiced reference no pitch can be right: undefined rather than 0
    voiced = np.where(c["ref_voiced"] > 0, c["est_voiced"] + c["ref_voiced"], 0.0)
    return ratio(2.0 * c["both_hits_50c"], voiced)


def _voicing_errors(c: Columns) -> _Floats:
    return c["voiced_as_unvoiced"] + c["unvoiced_as_voiced"]


def _vde(c: Columns) -> _Floats:
    return ratio(_voicing_errors(c), c["frames"])


def _ffe(c: Columns) -> _Floats:
    return ratio(_voicing_errors(c) + c["both_gross_20pct"], c["frames"])


def _fpe_std(c: Columns) -> _Floats:
    mean = ratio(c["both_sum_cents"], c["both_n_non_gross"])
    square = ratio(c["both_sum_sq_cents"], c["both_n_non_gross"])
    return np.sqrt(np.maximum(square - np.square(mean), 0.0))


def _scored_s(c: Columns) -> _Floats:
    return np.asarray(c["scored_s"], dtype=np.float64)


_OCTAVES_UP = ("any_octave_up_1", "any_octave_up_2", "any_octave_up_x3")
_OCTAVES_DOWN = ("any_octave_down_1", "any_octave_down_2", "any_octave_down_x3")

_higher = partial(Metric, unit="1", direction="higher")
_lower = partial(Metric, unit="1", direction="lower")
_zero_cents = partial(Metric, unit="cents", direction="zero")
_lower_cents = partial(Metric, unit="cents", direction="lower")


def _raw_pitch(limit: int) -> Metric:
    return _higher(
        name=f"rpa_{limit}c",
        definition=f"Raw pitch accuracy: share of reference-voiced frames with an "
        f"estimate, voiced or not, less than {limit} cents away (mir_eval).",
        formula=share(f"any_hits_{limit}c", "ref_voiced"),
        label=f"< {limit} c" if limit != 50 else "RPA 50c",
    )


def _raw_chroma(limit: int) -> Metric:
    return _higher(
        name=f"rca_{limit}c",
        definition=f"Raw chroma accuracy: as rpa_{limit}c after removing whole octaves "
        "(mir_eval).",
        formula=share(f"any_chroma_hits_{limit}c", "ref_voiced"),
        label=f"RCA {limit}c",
    )


def _pitch_metrics() -> tuple[Metric, ...]:
    return (
        *map(_raw_pitch, HIT_CENTS),
        _raw_chroma(50),
        _higher(
            name="pitch_f1_50c",
            definition="2H/(P+V): H frames voiced on both sides less than 50 cents "
            "apart, P frames the estimate calls voiced, V reference-voiced frames.",
            formula=_pitch_f1,
            label="F1 50c",
        ),
        _higher(
            name="overall_accuracy_50c",
            definition="Share of all frames that are right: voiced on both sides less "
            "than 50 cents apart, or unvoiced on both (mir_eval).",
            formula=_overall_accuracy,
            label="OA 50c",
        ),
        _zero_cents(
            name="bias_cents",
            definition="Mean signed error, estimate minus reference, over the hits of "
            "rpa_50c.",
            formula=share("any_hits_sum_cents", "any_hits_50c"),
            label="bias c",
        ),
    )


def _voicing_metrics() -> tuple[Metric, ...]:
    return (
        _higher(
            name="voicing_recall",
            definition="Share of reference-voiced frames called voiced (mir_eval).",
            formula=share("both_voiced", "ref_voiced"),
            label="V recall",
        ),
        _lower(
            name="voicing_false_alarm",
            definition="Share of reference-unvoiced frames called voiced (mir_eval).",
            formula=_false_alarm,
            label="V alarm",
        ),
        _higher(
            name="voicing_precision",
            definition="Share of the frames called voiced that are reference-voiced.",
            formula=share("both_voiced", "est_voiced"),
            label="V prec",
        ),
        _lower(
            name="vde",
            definition="Voicing decision error: share of all frames whose voicing is "
            "wrong (Chu and Alwan 2009).",
            formula=_vde,
            label="VDE",
        ),
        _lower(
            name="ffe",
            definition="F0 frame error: share of all frames with a voicing error or, "
            "voiced on both sides, a gross error of more than 20 % (Chu and Alwan "
            "2009).",
            formula=_ffe,
            label="FFE",
        ),
    )


def _octave_metrics() -> tuple[Metric, ...]:
    text = (
        "Share of reference-voiced frames with an estimate, voiced or not, within 50 "
    )
    return tuple(
        _lower(
            name=name,
            definition=f"{text}cents of {where}.",
            formula=_sum_share(tops, "ref_voiced"),
            label=label,
        )
        for name, tops, where, label in (
            (
                "octave_error_rate",
                _OCTAVES_UP + _OCTAVES_DOWN,
                "2, 3 or 4 times the reference, or 1/2, 1/3 or 1/4 of it",
                "octave",
            ),
            ("octave_up_rate", _OCTAVES_UP, "2, 3 or 4 times the reference", "oct up"),
            (
                "octave_down_rate",
                _OCTAVES_DOWN,
                "1/2, 1/3 or 1/4 of the reference",
                "oct down",
            ),
        )
    )


def _error_metrics() -> tuple[Metric, ...]:
    fine = "over frames voiced on both sides without gross error (Chu and Alwan 2009)."
    return (
        _lower(
            name="gpe_20pct",
            definition="Gross pitch error: share of the frames voiced on both sides "
            "where the estimate is more than 20 % off in Hz (Chu and Alwan 2009).",
            formula=share("both_gross_20pct", "both_voiced"),
            label="GPE",
        ),
        _zero_cents(
            name="fpe_bias_cents",
            definition=f"Fine pitch error: mean of the signed error, {fine}",
            formula=share("both_sum_cents", "both_n_non_gross"),
            label="FPE bias c",
        ),
        _lower_cents(
            name="fpe_std_cents",
            definition=f"Fine pitch error: standard deviation of the error, {fine}",
            formula=_fpe_std,
            label="FPE sd c",
        ),
        _lower_cents(
            name="fpe_mae_cents",
            definition=f"Fine pitch error: mean of the absolute error, {fine}",
            formula=share("both_sum_abs_cents", "both_n_non_gross"),
            label="FPE mae c",
        ),
    )


def _extent_metrics() -> tuple[Metric, ...]:
    describe = partial(Metric, direction="none")
    return (
        describe(
            name="voiced_ratio",
            unit="1",
            definition="Share of all reference frames that the estimate calls voiced.",
            formula=share("est_voiced", "frames"),
            label="voiced",
        ),
        describe(
            name="ref_voiced_ratio",
            unit="1",
            definition="Share of all reference frames that are reference-voiced.",
            formula=share("ref_voiced", "frames"),
            label="ref voiced",
        ),
        describe(
            name="scored_s",
            unit="s",
            definition="Seconds of reference frames that were scored.",
            formula=_scored_s,
            label="scored s",
        ),
    )


def _prefixed(formula: Formula, prefix: str) -> Formula:
    return lambda columns: formula(_View(columns, prefix))


class _View(dict[str, NDArray[np.float64]]):
    """Columns seen without their prefix; looked up one by one."""

    def __init__(self, columns: Columns, prefix: str) -> None:
        super().__init__()
        self._columns = columns
        self._prefix = prefix

    def __missing__(self, name: str) -> NDArray[np.float64]:
        return self._columns[self._prefix + name]


def _against_pyin(metric: Metric) -> Metric:
    same = metric.name == "rpa_50c"
    formula = metric.formula
    return replace(
        metric,
        name=AGREEMENT + metric.name,
        definition=f"Agreement with librosa's pYIN as reference. {metric.definition}",
        formula=formula and _prefixed(formula, AGREEMENT),
        label="same as pYIN" if same else f"{metric.label} ~pYIN",
    )


_GROUPS: tuple[Callable[[], tuple[Metric, ...]], ...] = (
    _pitch_metrics,
    _voicing_metrics,
    _octave_metrics,
    _error_metrics,
    _extent_metrics,
)

#: Metrics against truth.
TRUTH: tuple[Metric, ...] = tuple(m for group in _GROUPS for m in group())

#: Metrics against truth, then the same as agreement with pYIN.
ACCURACY: tuple[Metric, ...] = TRUTH + tuple(map(_against_pyin, TRUTH))
