"""What changes when a candidate takes the place of an incumbent, without any truth.

Clips that both answered are contrasted one by one (:mod:`harness.contrast`). Stored
outputs are streamed, so that memory does not grow with the corpus beyond a few values
per clip.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from extractors.errors import RecordError
from extractors.track import F0Track

from .contrast import (
    AGREE_CENTS,
    KINDS,
    ClipChange,
    Contrast,
    Disagreement,
    Pair,
    contrast,
)

if TYPE_CHECKING:
    from .records import Record, Run

#: Longest list of clips in the JSON form; every clip can be computed again.
MAX_CHANGES = 500

_COLUMNS = ("time_s", "f0_hz", "voiced", "confidence")

_Tracks = tuple[F0Track, F0Track]


@dataclass(frozen=True)
class Replacement:
    """A candidate against an incumbent; pairs are (incumbent, candidate).

    Attributes:
        candidate_label, incumbent_label: the cells.
        clips: that both answered.
        frames: of the incumbent in those clips.
        agreeing_ratio: share of frames of none of the kinds.
        shares: share of frames by kind, for every one of
            :data:`harness.contrast.KINDS`.
        segments: how many disagreements there are.
        worst: the longest of them, see :attr:`Disagreement.rank`.
        median_abs_cents: median over clips of the clip's median ``|c|`` over frames
            that both voice, ``None`` where no clip has any.
        changes: every clip, see :attr:`ClipChange.rank`.
    """

    candidate_label: str
    incumbent_label: str
    clips: int
    frames: int
    agreeing_ratio: float
    shares: Mapping[str, float]
    segments: int
    worst: tuple[Disagreement, ...]
    median_abs_cents: float | None
    changes: tuple[ClipChange, ...]

    @property
    def medians(self) -> int:
        """Clips in which both sides have a median F0."""
        return sum(change.median_cents is not None for change in self.changes)

    @property
    def medians_moved(self) -> int:
        """Clips whose median F0 moves by 50 cents or more."""
        found = (change.median_cents for change in self.changes)
        return sum(cents is not None and abs(cents) >= AGREE_CENTS for cents in found)

    @property
    def one_sided(self) -> list[ClipChange]:
        """Clips in which one side has voiced frames and the other has none."""
        return [c for c in self.changes if c.median_hz.count(None) == 1]

    @property
    def spread_semitones(self) -> Pair:
        """Median spread over the clips in which both sides have one."""
        known = [c.spread_semitones for c in self.changes]
        known = [pair for pair in known if None not in pair]
        return _median(pair[0] for pair in known), _median(pair[1] for pair in known)

    @property
    def voiced_ratio(self) -> tuple[float, float]:
        """Mean voiced ratio, clips weighted by their duration."""
        total = math.fsum(c.seconds for c in self.changes)
        before = math.fsum(c.seconds * c.voiced_ratio[0] for c in self.changes)
        after = math.fsum(c.seconds * c.voiced_ratio[1] for c in self.changes)
        return before / total, after / total


def replacements(run: Run, worst: int = 10) -> list[Replacement]:
    """Every candidate of a run against every incumbent of the same task and data.

    Those that cannot be contrasted are left out; arguments and errors as for
    :func:`replacement`.
    """
    incumbents = [record for record in run.records if record.role == "incumbent"]
    found = [
        replacement(record, incumbent, worst)
        for record in run.records
        if record.role == "candidate"
        for incumbent in incumbents
        if _work(record) == _work(incumbent)
    ]
    return [known for known in found if known is not None]


def _work(record: Record) -> list[Any]:
    return [record.data["cell"][name] for name in ("task", "dataset")]


def replacement(
    candidate: Record, incumbent: Record, worst: int = 10
) -> Replacement | None:
    """Contrast a candidate with an incumbent on every clip that both answered.

    Args:
        candidate, incumbent: cells of one task on the same data; the caller sees to
            that.
        worst: how many disagreements to keep.

    Returns:
        ``None`` where either cell kept no F0 tracks or no clip was answered by both.

    Raises:
        RecordError: a stored table cannot be read.
    """
    if not (_has_tracks(candidate) and _has_tracks(incumbent)):
        return None
    common = _common(candidate, incumbent)
    tally = _Tally(worst)
    for clip_id, (ours, theirs) in _pairs(candidate, incumbent, frozenset(common)):
        tally.add(contrast(clip_id, common[clip_id], theirs, ours, worst))
    return tally.result(candidate.label, incumbent.label) if tally.changes else None


def both_answered(first: Record, second: Record) -> Iterator[_Tracks] | None:
    """Tracks of every clip that both cells answered, first and second, one at a time.

    Returns:
        ``None`` where either cell kept no F0 tracks or no clip was answered by both.

    Raises:
        RecordError: a stored table cannot be read.
    """
    if not (_has_tracks(first) and _has_tracks(second)):
        return None
    common = frozenset(_common(first, second))
    if not common:
        return None
    return (tracks for _, tracks in _pairs(first, second, common))


def as_dict(found: Replacement, changes: int = MAX_CHANGES) -> dict[str, Any]:
    """Plain data for strict JSON; ``changes`` bounds the number of listed clips.

    Pairs are lists: the incumbent's value, then the candidate's.
    """
    return {
        "candidate": {"label": found.candidate_label},
        "incumbent": {"label": found.incumbent_label},
        "clips": found.clips,
        "frames": found.frames,
        "agreeing_ratio": found.agreeing_ratio,
        "shares": dict(found.shares),
        "median_abs_cents": found.median_abs_cents,
        "medians": found.medians,
        "medians_moved": found.medians_moved,
        "one_sided": len(found.one_sided),
        "spread_semitones": list(found.spread_semitones),
        "voiced_ratio": list(found.voiced_ratio),
        "segments": found.segments,
        "worst": [asdict(segment) for segment in found.worst],
        "changes": [_change_dict(change) for change in found.changes[:changes]],
    }


def _change_dict(change: ClipChange) -> dict[str, Any]:
    plain = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(change).items()
    }
    return plain | {"median_cents": change.median_cents}


@dataclass
class _Tally:
    """Sums over clips, and the longest disagreements so far."""

    keep: int
    counts: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(1 + len(KINDS), np.int64)
    )
    segments: int = 0
    worst: list[Disagreement] = field(default_factory=list)
    cents: list[float | None] = field(default_factory=list)
    changes: list[ClipChange] = field(default_factory=list)

    def add(self, clip: Contrast) -> None:
        self.counts += clip.counts
        self.segments += clip.segments
        self.worst = heapq.nsmallest(
            self.keep, [*self.worst, *clip.worst], key=lambda found: found.rank
        )
        self.cents.append(clip.abs_cents)
        self.changes.append(clip.change)

    def result(self, candidate: str, incumbent: str) -> Replacement:
        frames = int(self.counts.sum())
        ratios = [int(n) / frames for n in self.counts]
        return Replacement(
            candidate_label=candidate,
            incumbent_label=incumbent,
            clips=len(self.changes),
            frames=frames,
            agreeing_ratio=ratios[0],
            shares=dict(zip(KINDS, ratios[1:], strict=True)),
            segments=self.segments,
            worst=tuple(self.worst),
            median_abs_cents=_median(self.cents),
            changes=tuple(sorted(self.changes, key=lambda change: change.rank)),
        )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _has_tracks(record: Record) -> bool:
    from .report.frames import columns, tracks_path

    return columns(tracks_path(record)) >= {"clip_id", *_COLUMNS}


def _common(candidate: Record, incumbent: Record) -> dict[str, float]:
    """Seconds by id of the clips that both answered, in the incumbent's order."""
    ours, theirs = (_answered(record) for record in (candidate, incumbent))
    return {clip: seconds for clip, seconds in theirs.items() if clip in ours}


def _answered(record: Record) -> dict[str, float]:
    clips = record.clips()
    if clips.empty:
        return {}
    clips = clips[clips["status"] != "missed"]
    ids = clips["clip_id"].astype(str)
    return dict(zip(ids, clips["seconds"].astype(float), strict=True))


def _pairs(
    candidate: Record, incumbent: Record, wanted: frozenset[str]
) -> Iterator[tuple[str, _Tracks]]:
    """Tracks of the candidate and of the incumbent, clip by clip.

    Both tables have the order of the data set, so that one track of each is held at a
    time. In tables of another order, what comes first waits for its counterpart.
    """
    sides = (_stream(candidate, wanted), _stream(incumbent, wanted))
    waiting: tuple[dict[str, F0Track], dict[str, F0Track]] = ({}, {})
    for step in zip_longest(*sides):
        for side, item in enumerate(step):
            if item is None:  # this table has ended
                continue
            clip_id, track = item
            other = waiting[1 - side].pop(clip_id, None)
            if other is None:
                waiting[side][clip_id] = track
            else:
                yield clip_id, (track, other) if side == 0 else (other, track)


def _stream(record: Record, wanted: frozenset[str]) -> Iterator[tuple[str, F0Track]]:
    from .passes.outputs import OutputReader
    from .report.frames import tracks_path

    path = tracks_path(record)
    try:
        with OutputReader(path) as reader:
            for clip_id, columns in reader.stream():
                if clip_id in wanted:
                    yield clip_id, F0Track(*(columns[name] for name in _COLUMNS))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())  # arrow writes several lines
        raise RecordError(
            f"{path}: {reason}; remove the cell's folder and run again"
        ) from None
