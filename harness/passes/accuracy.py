"""The accuracy pass: every clip once, scored against its references."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from extractors.base import F0Extractor, TwoStage
from harness.jobs import Job, System, Teller
from harness.tasks import Task, make_task
from harness.tasks.base import Item
from harness.voicing import Calibration

from .common import Answer, Follower, Reader, SharedInference, ask
from .learning import Learner
from .outputs import CountTable, OutputReader, OutputWriter, write_clips

SEEDS = 5  # runs of a random peer; measurement.md asks for the spread over five


class _Desk:
    """One system of the pass with everything that is collected about it."""

    def __init__(
        self, job: Job, task: Task, place: System, system: Any, stack: ExitStack
    ) -> None:
        self.task = task
        self.place = place
        self.system = system
        self.seed = job.seed
        self.unlabelled = job.unlabelled
        self.rows: list[dict[str, Any]] = []
        self.counts = CountTable()
        self.seed_sums: list[dict[str, float]] = []
        self.errors: list[dict[str, Any]] = []
        self.seconds = 0.0
        self.random = _is_random(system)
        rule = Calibration.of(place.voicing)
        self.learner = rule and Learner(job, task, place, rule, stack)
        self.voicing = {
            "threshold": system.threshold,
            "source": system.threshold_source,
        }
        self.writer = stack.enter_context(
            OutputWriter(Path(place.folder) / "tracks.parquet")
        )

    @property
    def unscored(self) -> frozenset[str]:
        """Ids of the clips that its threshold is learnt on."""
        return self.learner.clips if self.learner else frozenset()

    def learn(self, items: Sequence[Item]) -> None:
        """Run one block and learn from those of its clips that are to be learnt on."""
        if self.learner and not self.unscored.isdisjoint(i.id for i in items):
            self.system.reseed(self.seed)
            self.learner.learn(items, ask(self.task, self.system, items))

    def freeze(self) -> None:
        """Fix the threshold, if one is learnt, before anything is scored."""
        if self.learner:
            self.voicing = self.learner.freeze()

    def answer(self, items: Sequence[Item], peers: Mapping[str, Any]) -> None:
        """Run, score and store one block, but for the clips it has learnt on.

        The whole block is run where another system needs all of it: what systems share
        is the inference of a block.
        """
        scored = [item for item in items if item.id not in self.unscored]
        if not scored:
            return
        share = sum(i.seconds for i in scored) / sum(i.seconds for i in items)
        answers = self._voiced(self._known(items, peers) or self._ask(items, share))
        for item, answer in zip(items, answers, strict=True):
            if item.id not in self.unscored:
                self._keep(item, answer, peers.get(item.id))
        if self.random:
            self._spread(items, answers)

    def _known(self, items: Sequence[Item], peers: Mapping[str, Any]) -> list[Answer]:
        """The reference's outputs where this system is the reference itself.

        They come from the same code with the same parameters; the timed rounds still
        compare what they compute with them.
        """
        if not self.place.is_peer or any(item.id not in peers for item in items):
            return []
        return [Answer(peers[item.id]) for item in items]

    def _ask(self, items: Sequence[Item], share: float) -> list[Answer]:
        """Answers to a block of which ``share`` is scored, in seconds of audio."""
        self.system.reseed(self.seed)
        began = time.perf_counter()
        answers = ask(self.task, self.system, items)
        spent = time.perf_counter() - began
        if isinstance(self.system, Follower):  # its inference was paid for by another
            spent += self.system.borrowed_s()
        self.seconds += share * spent
        return answers

    def _voiced(self, answers: list[Answer]) -> list[Answer]:
        return self.learner.revoice(answers) if self.learner else answers

    def _keep(self, item: Item, answer: Answer, peer: Any) -> None:
        counts = self.task.score(
            item, answer.output, None if self.place.is_peer else peer
        )
        error = answer.error
        self.rows.append(
            {
                "clip_id": item.id,
                "seconds": item.seconds,
                "status": "missed" if error else "ok",
                "error": self._text(item, error),
                "digest": None if error else digest(self.task, answer.output),
                **{f"tag_{name}": value for name, value in item.tags.items()},
            }
        )
        self.counts.add(counts)
        if error:
            self.errors.append(error)
        else:
            self.writer.add(item.id, self.task.columns(answer.output))

    def _text(self, item: Item, error: dict[str, Any] | None) -> str | None:
        """What went wrong with a clip, for its row."""
        if error:
            return f"{error['kind']}: {error['message']}"
        label = self.unlabelled.get(item.id)
        return f"labels: {label}" if label else None

    def _spread(self, items: Sequence[Item], first: Sequence[Answer]) -> None:
        """Score the same block under further seeds; only the pooled sums are kept."""
        sums = self.seed_sums or [{} for _ in range(SEEDS)]
        self.seed_sums = sums
        for index in range(SEEDS):
            answers: Sequence[Answer] = first
            if index:
                self.system.reseed(self.seed + index)
                answers = self._voiced(ask(self.task, self.system, items))
            for item, answer in zip(items, answers, strict=True):
                if item.id in self.unscored:
                    continue
                for name, value in self.task.score(item, answer.output).items():
                    sums[index][name] = sums[index].get(name, 0.0) + value

    def finish(self) -> dict[str, Any]:
        """Write the counts and return what the record says of this pass."""
        path = Path(self.place.folder) / "clips.parquet"
        write_clips(path, self.rows, self.counts)
        return {
            "clips": len(self.rows),
            "clips_missed": len(self.errors),
            "seconds": sum(row["seconds"] for row in self.rows),
            "seconds_scored": self.counts.total("scored_s"),
            "extract_s": self.seconds,
            "missed": [error["clip_id"] for error in self.errors],
            "errors": self.errors[:20],
            "seeds": self._seed_metrics(),
            "voicing": {"rule": self.place.voicing, **self.voicing},
            "describe": dict(self.system.describe()),
        }

    def _seed_metrics(self) -> dict[str, Any] | None:
        if not self.seed_sums or not self.seed_sums[0]:
            return None
        values: dict[str, list[float]] = {}
        for metric in self.task.metrics:
            if metric.formula is None or metric.name.startswith("agreement_"):
                continue
            values[metric.name] = [
                float(metric.formula({k: np.asarray(v) for k, v in sums.items()}))
                for sums in self.seed_sums
            ]
        return {"n": SEEDS, "metrics": values}


def digest(task: Task, output: Any) -> str:
    """Fingerprint of an output: equal digests mean equal bytes."""
    hashed = hashlib.sha256()
    for name, column in sorted(task.columns(output).items()):
        hashed.update(name.encode())
        hashed.update(np.ascontiguousarray(column).tobytes())
    return hashed.hexdigest()[:16]


def _is_random(system: Any) -> bool:
    system = getattr(system, "system", system)
    return type(system).reseed is not F0Extractor.reseed


def accuracy_pass(job: Job, teller: Teller) -> dict[str, Any]:
    """Score every readable clip with every system of the job.

    A system whose threshold is learnt is given its learning clips first, and is scored
    on the others.

    Returns:
        ``read_s`` and, per cell key, what the record says of the pass.
    """
    task = make_task(job.task)
    systems = _load(job, task, teller)
    with ExitStack() as stack:
        desks = [
            _Desk(job, task, place, system, stack)
            for place, system in zip(job.systems, systems, strict=True)
        ]
        learnt_s, read_s = _learn(job, task, desks, teller)
        without = frozenset.intersection(*(desk.unscored for desk in desks))
        reader = Reader(job, task, without=without)
        peers = _Peers(job, task, stack, without)
        done = learnt_s if without else 0.0
        for block in reader.blocks():
            teller.block([item.id for item in block], done)
            outputs = peers.of(block)
            for desk in desks:
                desk.answer(block, outputs)
                teller.pulse()
            done += sum(item.seconds for item in block)
        cells = {desk.place.key: desk.finish() for desk in desks}
    return {"read_s": read_s + reader.read_s, "cells": cells}


def _learn(
    job: Job, task: Task, desks: Sequence[_Desk], teller: Teller
) -> tuple[float, float]:
    """Let the systems that learn a threshold do so; seconds learnt on and read."""
    wanted = frozenset[str]().union(*(desk.unscored for desk in desks))
    if not wanted:
        return 0.0, 0.0
    reader = Reader(job, task, only=wanted)
    done = 0.0
    for block in reader.blocks():
        items = [item for item in block if item.truth is not None]
        teller.block([item.id for item in block], done)
        for desk in desks if items else ():
            desk.learn(items)
            teller.pulse()
        done += sum(item.seconds for item in block)
    for desk in desks:
        desk.freeze()
    return done, reader.read_s


def _load(job: Job, task: Task, teller: Teller) -> list[Any]:
    """Build the systems; those of one job share the inference of the first."""
    systems = [task.build(place.extractor, place.params) for place in job.systems]
    shared = None
    loaded: list[Any] = []
    for place, system in zip(job.systems, systems, strict=True):
        teller.alive(None, 0.0, 0.0)
        known = place.is_peer and job.peer_outputs is not None
        if not known or Calibration.of(place.voicing):  # else its answers are known
            system.load()
        if isinstance(system, TwoStage) and (len(systems) > 1 or _is_random(system)):
            shared = shared or SharedInference(system)
            loaded.append(Follower(system, shared))
        else:
            loaded.append(system)
    return loaded


class _Peers:
    """Outputs of the reference peer, read clip by clip beside the audio."""

    def __init__(
        self, job: Job, task: Task, stack: ExitStack, without: frozenset[str]
    ) -> None:
        self._task = task
        self._stream: Iterator[tuple[str, dict[str, Any]]] = iter(())
        self._ahead: tuple[str, dict[str, Any]] | None = None
        if job.peer_outputs is not None:
            reader = stack.enter_context(OutputReader(Path(job.peer_outputs)))
            answers = reader.stream("source", "peer")
            self._stream = (found for found in answers if found[0] not in without)

    def of(self, items: Sequence[Item]) -> dict[str, Any]:
        """Peer outputs of ``items``; the file has the order of the data set."""
        found: dict[str, Any] = {}
        for item in items:
            self._ahead = self._ahead or next(self._stream, None)
            if self._ahead is not None and self._ahead[0] == item.id:
                found[item.id] = self._task.restore(self._ahead[1])
                self._ahead = None
        return found
