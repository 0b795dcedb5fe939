"""What a user should know about a data set before measuring on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.audio import Audio
from extractors.errors import F0BenchError
from extractors.track import F0Track

from ..config import TaskConfig
from .base import Dataset, Truth
from .clock import ClockResult, label_clock
from .folder import AUDIO_SUFFIXES, Unpaired
from .labels import first_rows
from .registry import Scanned, scan_clip, walk

Track = Callable[[Audio], F0Track]

CLOCK_SECONDS = 60.0  # of labelled audio that the tracker is run on at most
CLOCK_LIMIT_S = 0.010  # labels further off are a problem: trackers differ by less
CLOCK_NOTE_S = 0.005  # and further off than this are worth a note
FIRST_ROWS = 5
LISTED = 3  # names in a message
TOLERANCE = 2.0 ** (50 / 1200)  # a truth this far out of range can still be hit


@dataclass(frozen=True)
class Extent:
    """Labels against audio, over all clips with truth.

    Attributes:
        labelled_s: labelled seconds.
        audio_s: seconds of the audio of these clips.
        longest_gap_s: longest stretch at an end of a clip that has no label.
        longest_gap_id: the clip it belongs to.
    """

    labelled_s: float = 0.0
    audio_s: float = 0.0
    longest_gap_s: float = 0.0
    longest_gap_id: str = ""


@dataclass(frozen=True)
class Range:
    """The pitch of voiced label frames against the task's range.

    Attributes:
        low_hz, median_hz, high_hz: 1st, 50th and 99th percentile of the F0.
        below, above: share of voiced frames below ``fmin`` and above ``fmax``.
        best_rpa_50c: the best raw pitch accuracy of a tracker that stays in range: the
            share of voiced frames less than 50 cents outside it, or inside.
    """

    low_hz: float
    median_hz: float
    high_hz: float
    below: float
    above: float
    best_rpa_50c: float


@dataclass(frozen=True)
class CheckReport:
    """Findings of :func:`check`.

    Attributes:
        name: of the data set.
        clips, seconds: readable clips and their length.
        rates: number of clips by sampling rate in Hz.
        with_truth: clips with usable labels.
        truth_kinds: number of clips by kind of truth.
        unreadable, bad_labels: reason by clip id.
        unpaired: what pairing left over.
        truth_guess: without truth, the value of ``dataset.truth`` that most files
            beside the audio fit, if any.
        rows_of, rows: a clip and the first lines of its label file.
        extent: labels against audio, ``None`` without labels.
        voiced_share: of labelled frames.
        voiced_only: clips whose labels hold no unvoiced frame at all.
        range: pitch against ``fmin`` and ``fmax``, ``None`` without voiced frames.
        clock: label clock against a tracker, ``None`` where none was given.
        problems: what makes the data set unfit as configured.
        warnings: what the user should know.
    """

    name: str
    fmin: float
    fmax: float
    clips: int = 0
    seconds: float = 0.0
    rates: Mapping[int, int] = field(default_factory=dict)
    with_truth: int = 0
    truth_kinds: Mapping[str, int] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    bad_labels: Mapping[str, str] = field(default_factory=dict)
    unpaired: Unpaired = field(default_factory=Unpaired)
    truth_guess: str | None = None
    rows_of: str = ""
    rows: tuple[str, ...] = ()
    extent: Extent | None = None
    voiced_share: float | None = None
    voiced_only: tuple[str, ...] = ()
    range: Range | None = None
    clock: ClockResult | None = None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 if there are problems, else 0."""
        return 1 if self.problems else 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for strict JSON; sampling rates become strings."""
        found = asdict(self)
        found["rates"] = {str(rate): count for rate, count in self.rates.items()}
        found["exit_code"] = self.exit_code
        return found


class _Tally:
    """Running findings over the clips, without keeping their audio."""

    def __init__(self) -> None:
        self.clips, self.seconds, self.with_truth = 0, 0.0, 0
        self.rates: Counter[int] = Counter()
        self.kinds: Counter[str] = Counter()
        self.unreadable: dict[str, str] = {}
        self.bad_labels: dict[str, str] = {}
        self.voiced_only: list[str] = []
        self.extent = Extent()
        self.frames = 0
        self.f0: list[NDArray[np.float64]] = []
        self.rows_of = ""
        self.rows: tuple[str, ...] = ()
        self.audio: list[Path] = []

    def add(self, scanned: Scanned) -> None:
        info, audio = scanned.info, scanned.audio
        self.audio += [Path(source) for source in scanned.clip.sources[:1]]
        if audio is not None:
            self.clips += 1
            self.seconds += audio.seconds
            self.rates[audio.sr] += 1
        else:
            self.unreadable[info.id] = info.error or ""
        if info.truth_error:
            self.bad_labels[info.id] = info.truth_error
        if not self.rows and len(scanned.clip.sources) > 1:
            self._show(scanned)
        if scanned.truth is not None and audio is not None:
            self._add_truth(info.id, scanned.truth, audio.seconds)

    def _show(self, scanned: Scanned) -> None:
        try:
            lines = first_rows(Path(scanned.clip.sources[1]), FIRST_ROWS)
        except F0BenchError:
            return
        self.rows_of, self.rows = scanned.info.id, tuple(lines)

    def _add_truth(self, id: str, truth: Truth, seconds: float) -> None:
        self.with_truth += 1
        self.kinds[truth.kind] += 1
        self.frames += len(truth.times)
        self.f0.append(truth.f0[truth.voiced])
        if truth.voiced.all():
            self.voiced_only.append(id)
        self.extent = _extended(self.extent, id, truth, seconds)


def _extended(extent: Extent, id: str, truth: Truth, seconds: float) -> Extent:
    gap = max(float(truth.times[0]), seconds - float(truth.times[-1]))
    longer = gap > extent.longest_gap_s
    return Extent(
        extent.labelled_s + truth.seconds,
        extent.audio_s + seconds,
        gap if longer else extent.longest_gap_s,
        id if longer else extent.longest_gap_id,
    )


def check(
    dataset: Dataset, task: TaskConfig, *, track: Track | None = None
) -> CheckReport:
    """Read a whole data set once and report on it.

    Args:
        dataset: to be looked at; at most one clip is held at a time.
        task: gives ``fmin`` and ``fmax`` in Hz.
        track: a tracker to compare the label clock with; it is run on up to 60 s of
            annotated clips that lie across the set as listed.

    Raises:
        DatasetError: the data set has no clips, or no label matches its pattern.
    """
    tally = _Tally()
    for scanned in walk(dataset):
        tally.add(scanned)
    voiced = np.concatenate(tally.f0) if tally.f0 else np.zeros(0)
    report = CheckReport(
        name=dataset.name,
        fmin=task.fmin,
        fmax=task.fmax,
        clips=tally.clips,
        seconds=tally.seconds,
        rates=dict(sorted(tally.rates.items())),
        with_truth=tally.with_truth,
        truth_kinds=dict(tally.kinds),
        unreadable=tally.unreadable,
        bad_labels=tally.bad_labels,
        unpaired=_unpaired(dataset),
        truth_guess=_truth_guess(dataset, tally),
        rows_of=tally.rows_of,
        rows=tally.rows,
        extent=tally.extent if tally.with_truth else None,
        voiced_share=len(voiced) / tally.frames if tally.frames else None,
        voiced_only=tuple(tally.voiced_only),
        range=pitch_range(voiced, task.fmin, task.fmax),
        clock=_clock(dataset, track, tally) if track else None,
    )
    return _judged(report)


def _unpaired(dataset: Dataset) -> Unpaired:
    unpaired = getattr(dataset, "unpaired", None)
    found = unpaired() if unpaired else Unpaired()
    return found if isinstance(found, Unpaired) else Unpaired()


def _truth_guess(dataset: Dataset, tally: _Tally) -> str | None:
    """A value for ``dataset.truth``, of a data set that reads it and has no truth."""
    if tally.with_truth or not hasattr(dataset, "pattern"):
        return None
    return sibling_pattern(tally.audio)


def sibling_pattern(recordings: Iterable[Path]) -> str | None:
    """The commonest name that files beside recordings have, as ``{stem}_f0.csv``.

    Of equally common names one that speaks of F0 or pitch goes first. Other recordings
    and hidden files do not count; ``None`` where nothing else is there.
    """
    stems: dict[Path, set[str]] = {}
    for path in recordings:
        stems.setdefault(path.parent, set()).add(path.stem)
    counts = Counter(
        "{stem}" + rest
        for folder, known in stems.items()
        for file in folder.iterdir()
        if file.suffix.lower() not in AUDIO_SUFFIXES and file.is_file()
        for rest in _rests(file.name, known)
    )
    ranked = sorted(counts, key=lambda p: (-counts[p], not _speaks_of_pitch(p), p))
    return ranked[0] if ranked else None


def _rests(name: str, stems: set[str]) -> list[str]:
    """What follows a recording's stem in a name, at a mark that ends a word."""
    ends = (i for i, mark in enumerate(name) if mark in "._-" and name[:i] in stems)
    return [name[i:] for i in ends]


def _speaks_of_pitch(pattern: str) -> bool:
    return any(word in pattern.lower() for word in ("f0", "pitch"))


def pitch_range(
    voiced_hz: NDArray[np.float64], fmin: float, fmax: float
) -> Range | None:
    """Where the pitch of voiced frames lies; ``None`` where there are none."""
    if not len(voiced_hz):
        return None
    low, median, high = np.percentile(voiced_hz, [1, 50, 99])
    reachable = (voiced_hz > fmin / TOLERANCE) & (voiced_hz < fmax * TOLERANCE)
    return Range(
        float(low),
        float(median),
        float(high),
        float(np.mean(voiced_hz < fmin)),
        float(np.mean(voiced_hz > fmax)),
        float(np.mean(reachable)),
    )


def _clock(dataset: Dataset, track: Track, tally: _Tally) -> ClockResult | None:
    """Label clock on every k-th clip, so that all parts of the set are heard."""
    if not tally.with_truth:
        return None
    every = max(round(tally.extent.audio_s / CLOCK_SECONDS), 1)
    chosen = (
        scan_clip(clip, dataset)
        for number, clip in enumerate(dataset.clips())
        if number % every == 0
    )
    pairs = (
        (scanned.truth, track(scanned.audio))
        for scanned in chosen
        if scanned.truth is not None and scanned.audio is not None
    )
    return label_clock(pairs)


def _judged(report: CheckReport) -> CheckReport:
    return replace(
        report, problems=tuple(_problems(report)), warnings=tuple(_warnings(report))
    )


def _problems(report: CheckReport) -> list[str]:
    found: list[str] = []
    if not report.clips:
        found.append("no clip can be read")
    found += [f"{id}: {reason}" for id, reason in report.unreadable.items()]
    found += [f"{id}: {reason}" for id, reason in report.bad_labels.items()]
    if _off(report.clock) > CLOCK_LIMIT_S:
        found.append(_clock_text(report.clock))
    return found


def _off(clock: ClockResult | None) -> float:
    return abs(clock.offset_s) if clock and clock.offset_s is not None else 0.0


def _clock_text(clock: ClockResult | None) -> str:
    if clock is None or clock.offset_s is None:
        return ""
    side = "late" if clock.offset_s > 0 else "early"
    return (
        f"labels are {1e3 * abs(clock.offset_s):.0f} ms {side}: agreement with the "
        f"tracker rises from {clock.share_at_zero:.2f} to {clock.share_at_best:.2f} "
        f"with dataset.offset changed by {-1e3 * clock.offset_s:+.0f} ms"
    )


def _warnings(report: CheckReport) -> list[str]:
    found: list[str] = []
    if not report.with_truth:
        found.append(_no_truth(report))
    if report.unpaired.audio and (report.with_truth or report.bad_labels):
        found.append(f"without labels: {_some(report.unpaired.audio)}")
    if report.unpaired.labels:
        found.append(f"labels without audio: {_some(report.unpaired.labels)}")
    if report.voiced_share == 0:
        found.append(
            "no label is voiced: pitch cannot be scored; see dataset.columns and "
            "dataset.unvoiced if the recordings are not silent"
        )
    if report.voiced_only and len(report.voiced_only) == report.with_truth:
        found.append(
            "no label is unvoiced: voicing cannot be scored, and a tracker that never "
            "says unvoiced loses nothing; if the labels leave unvoiced frames out, set "
            "dataset.gaps=unvoiced"
        )
    if report.range and report.range.best_rpa_50c < 1:
        outside = report.range.below + report.range.above
        found.append(
            f"truth lies outside {report.fmin:g}–{report.fmax:g} Hz in "
            f"{100 * outside:.1f} % of voiced frames; "
            f"the best rpa_50c possible is {report.range.best_rpa_50c:.3f}"
        )
    if CLOCK_NOTE_S < _off(report.clock) <= CLOCK_LIMIT_S:
        found.append(_clock_text(report.clock))
    if report.clock and report.clock.reason:
        found.append(f"label clock inconclusive: {report.clock.reason}")
    return found


def _no_truth(report: CheckReport) -> str:
    text = "no truth: only agreement and cost can be measured"
    if report.bad_labels:
        return f"{text}; no label file can be used as configured"
    if report.truth_guess is None:
        return (
            f"{text}; set dataset.truth=PATTERN, e.g. labels/{{stem}}.csv, or "
            "truth_path in the manifest"
        )
    return (
        f"{text}; set dataset.truth={report.truth_guess} if these files beside the "
        "audio are its labels"
    )


def _some(names: tuple[str, ...]) -> str:
    rest = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {rest} more" if rest > 0 else "")
