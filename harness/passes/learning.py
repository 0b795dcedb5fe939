"""Learning the voicing threshold of one system on clips that are not scored.

The threshold with the highest pitch F1 over the pooled frames of the learning clips is
frozen; every other answer, also those of the timed rounds, is voiced anew from its
confidence at that threshold. What the system answered for the learning clips is kept
beside the scored tracks, with its own voicing.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from extractors.errors import ExtractorError
from harness.datasets.registry import open_dataset
from harness.jobs import Job, System
from harness.metrics.threshold import ThresholdCurve, best_threshold
from harness.tasks import Task
from harness.tasks.base import Item, Voicing
from harness.voicing import Calibration

from .common import Answer
from .outputs import OutputWriter

#: Answers for the learning clips, beside ``tracks.parquet``.
FILE = "learning.parquet"


class Learner:
    """The rule ``calibrated(TAG=VALUE)`` for one system of an accuracy pass.

    Attributes:
        clips: ids of the learning clips.
        threshold: the frozen threshold, ``None`` before :meth:`freeze`.
    """

    def __init__(
        self, job: Job, task: Task, place: System, rule: Calibration, stack: ExitStack
    ) -> None:
        assert isinstance(task, Voicing)  # the plan skips the cells of other tasks
        self.rule = rule
        self.clips = learning_clips(job, task, rule)
        self.threshold: float | None = None
        self._task = task
        self._voicing: Voicing = task
        self._extractor = place.extractor
        self._curve: ThresholdCurve | None = None
        self._taught = {"clips": 0, "clips_missed": 0, "frames": 0}
        self._writer = stack.enter_context(OutputWriter(Path(place.folder) / FILE))

    def learn(self, items: Sequence[Item], answers: Sequence[Answer]) -> None:
        """Count the learning clips among ``items`` at every threshold."""
        for item, answer in zip(items, answers, strict=True):
            if item.id not in self.clips:
                continue
            curve = self._voicing.threshold_curve(item, answer.output)
            self._curve = curve if self._curve is None else self._curve + curve
            self._taught["clips"] += 1
            self._taught["clips_missed"] += answer.error is not None
            self._taught["frames"] += len(item.truth.times)
            if answer.error is None:
                self._writer.add(item.id, self._task.columns(answer.output))

    def freeze(self) -> dict[str, Any]:
        """Fix the threshold; returns what the record says of the voicing.

        Raises:
            ExtractorError: no learning clip was answered, or the confidence is the same
                in all frames.
        """
        curve, taught = self._curve, self._taught
        if curve is None or taught["clips"] == taught["clips_missed"]:
            raise ExtractorError(
                f"{self._extractor} failed on all {taught['clips']} clips that "
                f"{self.rule} learns on; use voicing=native"
            )
        best = best_threshold(curve)
        if best is None or len(set(curve.est_voiced) - {0.0}) < 2:
            raise ExtractorError(
                f"{self._extractor} has the same confidence in all frames, so that "
                f"{self.rule} cannot learn a threshold; use voicing=native"
            )
        self.threshold = best.threshold
        where = f"{self.rule.tag} {self.rule.value}, {taught['clips']} clips"
        missed = taught["clips_missed"]
        where += f", {missed} missed" if missed else ""
        return {
            "threshold": best.threshold,
            "source": f"calibrated {best.threshold:g} (learnt on {where})",
            "learnt_on": {
                "tag": self.rule.tag,
                "value": self.rule.value,
                **taught,
                "pitch_f1": best.pitch_f1,
                "curve": curve.as_dict(),
            },
        }

    def revoice(self, answers: Sequence[Answer]) -> list[Answer]:
        """The answers, voiced at the frozen threshold."""
        assert self.threshold is not None
        return [
            answer
            if answer.error
            else Answer(self._voicing.revoice(answer.output, self.threshold))
            for answer in answers
        ]


def learning_clips(job: Job, task: Task, rule: Calibration) -> frozenset[str]:
    """Ids of the clips that teach the threshold; no audio is read."""
    clips = task.inputs(open_dataset(job.dataset))
    return frozenset(clip.id for clip in clips if rule.teaches(clip.tags))
