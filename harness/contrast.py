"""Two answers for one clip, laid over each other; neither side counts as right.

The candidate is read at the incumbent's frame times by the rule ``f0bench`` of
:mod:`harness.metrics.alignment`, whatever rule the task scores with. With ``c`` the
candidate's pitch minus the incumbent's in cents, a frame is

- ``octave down``, ``octave up``: both voiced, ``c`` negative or positive and ``|c|``
  strictly within 50 cents of 1200 or 2400;
- ``> 50 cents``: both voiced, ``|c| > 50``, and no octave;
- ``voicing lost``: voiced by the incumbent only;
- ``voicing gained``: voiced by the candidate only;
- else the two agree on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from extractors.track import F0Track

from .metrics.alignment import Aligned, align
from .metrics.counts import OCTAVE_WINDOW_CENTS

OCTAVE_DOWN, OCTAVE_UP, OFF = "octave down", "octave up", "> 50 cents"
LOST, GAINED = "voicing lost", "voicing gained"
KINDS = (OCTAVE_DOWN, OCTAVE_UP, OFF, LOST, GAINED)
#: How far two voiced frames may lie apart and agree.
AGREE_CENTS = 50.0

_VOICING = (LOST, GAINED)
_OCTAVES_CENTS = (1200.0, 2400.0)

#: Two values that may be undefined, mostly the incumbent's and the candidate's.
Pair = tuple[float | None, float | None]
_Floats = NDArray[np.float64]
_Codes = NDArray[np.int8]


@dataclass(frozen=True)
class Disagreement:
    """Consecutive frames of one clip that disagree in one way.

    Attributes:
        clip_id: the clip.
        start_s: time of the first frame.
        duration_s: number of frames × the incumbent's median step in this clip.
        kind: one of :data:`KINDS`.
        incumbent_hz, candidate_hz: medians over the frames, ``None`` on the side that
            is unvoiced.
    """

    clip_id: str
    start_s: float
    duration_s: float
    kind: str
    incumbent_hz: float | None
    candidate_hz: float | None

    @property
    def rank(self) -> tuple[float, bool, str, float]:
        """The longest first; of one length, pitch before voicing, then by place."""
        return (-self.duration_s, self.kind in _VOICING, self.clip_id, self.start_s)


@dataclass(frozen=True)
class ClipChange:
    """What users report of one clip; pairs are (incumbent, candidate).

    Attributes:
        clip_id: the clip.
        seconds: its duration.
        median_hz: median F0 over a side's own voiced frames, ``None`` without any.
        spread_semitones: standard deviation (n − 1) of ``12 · log2 F0`` over them,
            ``None`` with fewer than two.
        voiced_ratio: share of a side's own frames that is voiced.
    """

    clip_id: str
    seconds: float
    median_hz: Pair
    spread_semitones: Pair
    voiced_ratio: tuple[float, float]

    @property
    def median_cents(self) -> float | None:
        """Candidate's median relative to the incumbent's; ``None`` unless both are."""
        before, after = self.median_hz
        if before is None or after is None:
            return None
        return 1200.0 * math.log2(after / before)

    @property
    def differs(self) -> bool:
        """Whether any of the three values does."""
        pairs: tuple[Pair, ...]
        pairs = (self.median_hz, self.spread_semitones, self.voiced_ratio)
        return any(before != after for before, after in pairs)

    @property
    def rank(self) -> tuple[float, str]:
        """Sorts the largest move of the median first, clips without one last."""
        cents = self.median_cents
        return (math.inf if cents is None else -abs(cents), self.clip_id)


@dataclass(frozen=True, eq=False)
class Contrast:
    """Everything that one clip contributes.

    Attributes:
        counts: int64, shape ``(6,)``: frames that agree, then frames of each of
            :data:`KINDS`.
        segments: how many disagreements there are.
        worst: the longest of them, see :attr:`Disagreement.rank`.
        abs_cents: median ``|c|`` over frames that both voice, ``None`` without any.
        change: what users report.
    """

    counts: NDArray[np.int64]
    segments: int
    worst: list[Disagreement]
    abs_cents: float | None
    change: ClipChange


def contrast(
    clip_id: str,
    seconds: float,
    incumbent: F0Track,
    candidate: F0Track,
    keep: int = 10,
) -> Contrast:
    """Lay the candidate's answer for one clip over the incumbent's.

    Args:
        clip_id: the clip.
        seconds: its duration.
        incumbent, candidate: the answers, of at least one frame each.
        keep: how many disagreements to describe.
    """
    aligned = align(incumbent.times, incumbent.f0, incumbent.voiced, candidate)
    codes = classify(aligned)
    runs = _runs(codes)
    hop_s = _hop(incumbent.times, seconds)
    size = np.abs(aligned.error_cents[aligned.ref_voiced & aligned.est_voiced])
    return Contrast(
        counts=np.bincount(codes, minlength=1 + len(KINDS)),
        segments=len(runs),
        worst=[
            _described(clip_id, run, incumbent.times, hop_s, aligned)
            for run in runs[:keep]
        ],
        abs_cents=float(np.median(size)) if len(size) else None,
        change=clip_change(clip_id, seconds, incumbent, candidate),
    )


def classify(aligned: Aligned) -> _Codes:
    """The kind of every frame: 0 where the two agree, else 1 + index in ``KINDS``.

    Args:
        aligned: the incumbent as reference, the candidate as estimate, ``T`` frames.

    Returns:
        int8, shape ``(T,)``.
    """
    cents = aligned.error_cents
    far = aligned.ref_voiced & aligned.est_voiced & (np.abs(cents) > AGREE_CENTS)
    octave = far & np.logical_or.reduce(
        [np.abs(np.abs(cents) - o) < OCTAVE_WINDOW_CENTS for o in _OCTAVES_CENTS]
    )
    frames = {
        OCTAVE_DOWN: octave & (cents < 0),
        OCTAVE_UP: octave & (cents > 0),
        OFF: far & ~octave,
        LOST: aligned.ref_voiced & ~aligned.est_voiced,
        GAINED: ~aligned.ref_voiced & aligned.est_voiced,
    }
    codes = np.zeros(len(aligned), np.int8)
    for code, kind in enumerate(KINDS, start=1):
        codes[frames[kind]] = code
    return codes


def clip_change(
    clip_id: str, seconds: float, incumbent: F0Track, candidate: F0Track
) -> ClipChange:
    """What users report of one clip; arguments as for :func:`contrast`."""
    sides = (_reported(incumbent), _reported(candidate))
    median, spread = zip(*sides, strict=True)
    voiced = (float(incumbent.voiced.mean()), float(candidate.voiced.mean()))
    return ClipChange(clip_id, seconds, median, spread, voiced)


def _runs(codes: _Codes) -> list[tuple[str, slice]]:
    """Kind and place of all consecutive frames that disagree alike, longest first."""
    edges = np.flatnonzero(np.diff(codes)) + 1
    found = [
        (KINDS[codes[start] - 1], slice(start, end))
        for start, end in pairwise([0, *edges.tolist(), len(codes)])
        if codes[start]
    ]
    return sorted(
        found,
        key=lambda run: (run[1].start - run[1].stop, run[0] in _VOICING, run[1].start),
    )


def _described(
    clip_id: str, run: tuple[str, slice], times: _Floats, hop_s: float, aligned: Aligned
) -> Disagreement:
    kind, part = run
    return Disagreement(
        clip_id,
        round(float(times[part.start]), 6),
        round((part.stop - part.start) * hop_s, 6),  # equal lengths compare equal
        kind,
        None if kind == GAINED else _middle_hz(aligned.ref_cents[part]),
        None if kind == LOST else _middle_hz(aligned.est_cents[part]),
    )


def _middle_hz(cents: _Floats) -> float:
    # In Hz as medians of a clip are: with an even count that of cents differs.
    return float(np.median(10.0 * np.exp2(cents / 1200.0)))


def _hop(times: _Floats, seconds: float) -> float:
    """Median step in seconds; a single frame stands for its whole clip."""
    return float(np.median(np.diff(times))) if len(times) > 1 else seconds


def _reported(track: F0Track) -> Pair:
    """Median F0 in Hz and its spread in semitones."""
    hertz = track.f0[track.voiced].astype(np.float64)
    median = float(np.median(hertz)) if len(hertz) else None
    spread = float(np.std(12 * np.log2(hertz), ddof=1)) if len(hertz) > 1 else None
    return median, spread
