"""The task F0: audio in, :class:`~extractors.track.F0Track` out.

Scored against truth (annotation or exact synthesis) and, as agreement, against
librosa's pYIN at the same range and hop. pYIN is a peer, not truth: the two are
different columns and never mixed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from extractors.base import F0Extractor, check_output
from extractors.registry import build_f0, extractor_class, options
from extractors.track import F0Track
from harness.config import TaskConfig
from harness.datasets.base import Clip, Dataset, Truth
from harness.metrics.alignment import align
from harness.metrics.base import Metric
from harness.metrics.counts import count
from harness.metrics.f0 import ACCURACY
from harness.metrics.threshold import ThresholdCurve, missed_curve, threshold_curve

from .base import Item

PEER = "librosa_pyin"
STAND_IN = "pyin"
CONFIDENCE_ROUNDING = 1e-6  # float32 of numbers that agree within 1e-12
MOVED_CENTS = 50.0  # a frame that changes by more was decided differently


class F0Task:
    """F0 extraction; see :class:`harness.tasks.base.Task` for the interface."""

    name = "f0"
    metrics: Sequence[Metric] = ACCURACY
    systems = F0Extractor

    def __init__(self, config: TaskConfig) -> None:
        self.config = config

    def inputs(self, dataset: Dataset) -> Iterator[Clip]:
        """Every clip: F0 can be asked of any recording."""
        return dataset.clips()

    def reference(self, item: Item) -> Truth | None:
        """The truth of the clip, ``None`` where it has none."""
        truth: Truth | None = item.truth
        return truth

    def run(self, system: Any, items: Sequence[Item]) -> list[F0Track]:
        """Extract all items in one call."""
        clips = [item.audio for item in items]
        if hasattr(system, "extract_ids"):
            return list(system.extract_ids([item.id for item in items], clips))
        return list(system.extract(clips))

    def check(self, items: Sequence[Item], outputs: Sequence[F0Track]) -> None:
        """One track per clip, over the whole of it."""
        check_output(outputs, [item.audio for item in items])

    def score(
        self, item: Item, output: F0Track | None, peer: F0Track | None = None
    ) -> dict[str, float]:
        """Counts against truth, and against pYIN under ``agreement_``."""
        counts: dict[str, float] = {}
        truth = self.reference(item)
        if truth is not None:
            counts.update(self._count(truth, output))
        if peer is not None:
            other = as_truth(peer, self.config.hop_s)
            counts.update(self._count(other, output, prefix="agreement_"))
        return counts

    def _count(
        self, truth: Truth, output: F0Track | None, prefix: str = ""
    ) -> dict[str, float]:
        rule = self.config.resample
        aligned = align(truth.times, truth.f0, truth.voiced, output, rule=rule)
        return count(aligned, truth.frame_s, prefix)

    def threshold_curve(self, item: Item, output: F0Track | None) -> ThresholdCurve:
        """Counts against truth; see :mod:`harness.metrics.threshold`."""
        truth: Truth = item.truth
        reference, rule = (truth.times, truth.f0, truth.voiced), self.config.resample
        if output is None:
            return missed_curve(*reference, rule=rule)
        return threshold_curve(*reference, output, rule=rule)

    def revoice(self, output: F0Track, threshold: float) -> F0Track:
        """The track voiced where it has an F0 and ``confidence >= threshold``.

        Compared in float32, as extractors and the curve do.
        """
        voiced = ~np.isnan(output.f0) & (output.confidence >= np.float32(threshold))
        return replace(output, voiced=voiced)

    def peer(self) -> tuple[str, Mapping[str, Any]]:
        """librosa's pYIN at the task's range and hop."""
        return PEER, self._range()

    def stand_in(self) -> tuple[str, Mapping[str, Any]]:
        """Our pYIN, see :mod:`harness.passes.stand_in`."""
        return STAND_IN, self._range()

    def _range(self) -> dict[str, Any]:
        config = self.config
        return {"fmin": config.fmin, "fmax": config.fmax, "hop_s": config.hop_s}

    def contradiction(self, output: F0Track, of_peer: F0Track) -> str | None:
        """The first frame in which F0 or voicing differ at all, or the confidence."""
        if len(output) != len(of_peer):
            return f"{len(output)} frames instead of {len(of_peer)}"
        same = (output.times == of_peer.times) & (output.voiced == of_peer.voiced)
        same &= np.isclose(output.f0, of_peer.f0, rtol=0, atol=0, equal_nan=True)
        same &= np.abs(output.confidence - of_peer.confidence) <= CONFIDENCE_ROUNDING
        if same.all():
            return None
        frame = int(np.flatnonzero(~same)[0])
        found, expected = (
            f"{track.f0[frame]:.3f} Hz, voiced={track.voiced[frame]}"
            for track in (output, of_peer)
        )
        return f"frame {frame}: {found} instead of {expected}"

    def is_peer(self, name: str, params: Mapping[str, Any]) -> bool:
        """pYIN at the task's range and hop; both Viterbis find the same path."""
        if name != PEER:
            return False
        known = options(extractor_class(PEER))
        default = {key: parameter.default for key, parameter in known.items()}
        asked = {**default, **dict(self.peer()[1])}
        return {**params, "viterbi": asked["viterbi"]} == asked

    def build(self, name: str, params: Mapping[str, Any]) -> F0Extractor:
        """Construct the extractor ``name``."""
        return build_f0(name, params)

    def probe(
        self, name: str, params: Mapping[str, Any], *, seed: int, quick: bool
    ) -> dict[str, Any]:
        """Offset, bias, drift, range, silence, level and invariances; see the probe."""
        from harness.probe import probe

        known = options(extractor_class(name))
        if name == PEER:  # the same answers, and nothing is timed here
            params = {**params, "viterbi": "banded"}

        def construct(**overrides: Any) -> F0Extractor:
            changed = {k: v for k, v in overrides.items() if k in known}
            system = build_f0(name, {**params, **changed})
            system.load()
            return system

        config = self.config
        return probe(
            construct,
            fmin=config.fmin,
            fmax=config.fmax,
            hop_s=config.hop_s,
            seed=seed,
            quick=quick,
        )

    def columns(self, output: F0Track) -> dict[str, Any]:
        """``time_s, f0_hz, voiced, confidence``, as in ``tracks.parquet``."""
        return {
            "time_s": output.times,
            "f0_hz": output.f0,
            "voiced": output.voiced,
            "confidence": output.confidence,
        }

    def restore(self, columns: Mapping[str, Any]) -> F0Track:
        """A track from its stored columns."""
        return F0Track(
            columns["time_s"],
            columns["f0_hz"],
            columns["voiced"],
            columns["confidence"],
        )

    def truth_columns(self, truth: Truth) -> dict[str, Any]:
        """``time_s, f0_hz, voiced, confidence`` of a truth (confidence 1)."""
        return {
            "time_s": np.asarray(truth.times, dtype=np.float64),
            "f0_hz": np.asarray(truth.f0, dtype=np.float32),
            "voiced": np.asarray(truth.voiced, dtype=bool),
            "confidence": np.ones(len(truth.times), dtype=np.float32),
        }

    def difference(self, first: F0Track, second: F0Track) -> dict[str, float]:
        """Frames that flip their voicing or move by more than 50 cents."""
        frames = max(len(first), len(second))
        if len(first) != len(second) or not np.array_equal(first.times, second.times):
            return {"frames": frames, "moved": frames, "identical": 0.0}
        with np.errstate(divide="ignore", invalid="ignore"):
            cents = np.abs(1200 * np.log2(first.f0 / second.f0))
        flipped = first.voiced != second.voiced
        moved = flipped | (first.voiced & (cents > MOVED_CENTS))
        return {
            "frames": float(frames),
            "moved": float(moved.sum()),
            "identical": float(_equal(first, second)),
        }


def _equal(first: F0Track, second: F0Track) -> bool:
    return (
        np.array_equal(first.f0, second.f0, equal_nan=True)
        and np.array_equal(first.voiced, second.voiced)
        and np.array_equal(first.confidence, second.confidence)
    )


def as_truth(track: F0Track, hop_s: float) -> Truth:
    """Treat the track of a peer as a reference on its own frames."""
    return Truth(
        np.asarray(track.times),
        np.asarray(track.f0, dtype=np.float64),
        np.asarray(track.voiced),
        hop_s,
        "peer",
    )
