"""From a plan to records: which process does what, in which order, and what is reused.

References first, then probes, then the accuracy pass of every cell, then the timed
rounds, interleaved within groups so that drift of the machine meets all cells alike.
Nothing that fails stops the rest: it becomes the error of its cell.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from extractors.errors import F0BenchError
from extractors.registry import extractor_class

from .assemble import assemble
from .cell import Cell, plain, stable_hash
from .config import Settings
from .data import Data
from .environment import machine
from .fingerprint import fingerprint
from .launching import Launcher, Reporter, Silence
from .meter.timed_set import choose
from .parts import Parts
from .plan import groups
from .probes import ensure_probe
from .records import replacing, write_json
from .references import ensure_references
from .work import Work, data_key

PATIENCE = 10.0  # × the expected time of a pass before its worker counts as hanging


class Execution:
    """One run of a plan into one results folder.

    Args:
        cells: in the order of the request.
        data: scanned data sets by :func:`data_key`.
        settings: how to measure.
        folder: results folder, held by the caller's lock.
        reporter: told what is being done.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        data: Mapping[str, Data],
        settings: Settings,
        folder: Path,
        reporter: Reporter | None = None,
    ) -> None:
        self.settings = settings
        self.folder = folder
        cache = folder.parent / ".cache"
        self.launcher = Launcher(settings, cache, reporter or Silence())
        self.began = time.monotonic()
        self.notes: list[str] = []
        self.work = [self._work(cell, data[data_key(cell)]) for cell in cells]

    def run(self) -> list[Work]:
        """Measure what is missing and write every record."""
        for work in self.work:
            self._write(work)  # what is known already is readable from the start
        references: dict[str, Path | None] = {}
        alone = [w for w in self.work if w.cell.device != "cpu"]
        self.launcher.together(
            [partial(self._reference, work, references) for work in self._data_sets()]
            + [partial(self._probe, w) for w in self.work if w.cell.device == "cpu"]
        )
        for work in alone:  # two models on one device might not fit
            self._probe(work, self.launcher)
        narrow, wide = self._shares()
        self.launcher.together(
            [partial(self._accuracy, shared, references) for shared in narrow]
        )
        for shared in wide:
            self._accuracy(shared, references, self.launcher)
        for group in self._groups():
            self._rounds(group)
        for work in self.work:
            self._write(work)
        return self.work

    def _work(self, cell: Cell, data: Data) -> Work:
        depends = fingerprint(cell, data.hash)
        parts = Parts(self.folder / "cells" / cell.key, depends["hash"])
        if self.settings.fresh:
            parts.forget()
        work = Work(cell, data, parts, depends, accuracy=parts.accuracy())
        if work.accuracy is None:
            parts.forget()
        return work

    def _data_sets(self) -> list[Work]:
        """One cell of every data set and task."""
        first: dict[str, Work] = {}
        for work in self.work:
            first.setdefault(data_key(work.cell), work)
        return list(first.values())

    def _reference(
        self, work: Work, found: dict[str, Path | None], launcher: Launcher
    ) -> None:
        """The references of one data set, copied into the run."""
        references = ensure_references(launcher, work.cell, work.data)
        self.notes.extend(references.notes)
        found[data_key(work.cell)] = references.path
        if references.path is not None:
            with replacing(self.folder / "references" / work.references) as temporary:
                shutil.copyfile(references.path, temporary)

    def _probe(self, work: Work, launcher: Launcher) -> None:
        if work.accuracy_only:
            return
        log = work.parts.folder / "worker.log"
        found = ensure_probe(launcher, work.cell, work.data, work.system(), log)
        work.measured = work.measured or found.fresh
        work.probe = found.result
        if found.error is not None:
            work.notes.append(f"probe failed: {found.error['message']}")

    def _shares(self) -> tuple[list[list[Work]], list[list[Work]]]:
        """Cells without a valid accuracy pass, those that share inference together.

        Returns:
            The ones that use a single core, and those that use all threads or a GPU.
        """
        found: dict[str, list[Work]] = {}
        for work in self.work:
            if work.accuracy is None:
                found.setdefault(_share_key(work.cell), []).append(work)
        shares = list(found.values())
        narrow = [s for s in shares if _single_threaded(s[0].cell)]
        return narrow, [s for s in shares if not _single_threaded(s[0].cell)]

    def _accuracy(
        self,
        shared: Sequence[Work],
        references: Mapping[str, Path | None],
        launcher: Launcher,
    ) -> None:
        first = shared[0]
        reference = references.get(data_key(first.cell))
        label = first.cell.label + (f" and {len(shared) - 1} more" * (len(shared) > 1))
        job = launcher.job(
            "accuracy",
            first.cell,
            first.data,
            systems=tuple(work.system() for work in shared),
            peer_outputs=str(reference) if reference else None,
        )
        outcome = launcher.run(
            job,
            device=first.cell.device,
            log=first.parts.folder / "worker.log",
            text=f"accuracy  {label}",
            total=first.data.seconds,
        )
        if outcome.error is not None and len(shared) > 1:
            for work in shared:  # one of them failed: each shows for itself
                self._accuracy([work], references, launcher)
            return
        for work in shared:
            work.wall_s += outcome.wall_s / len(shared)
            work.measured = True
            if outcome.error is not None:
                work.accuracy_error = outcome.error
            else:
                value = outcome.value or {}
                work.accuracy = {
                    **value["cells"][work.cell.key],
                    "read_s": value["read_s"],
                }
                work.parts.keep_accuracy(work.accuracy)
            self._write(work)

    def _groups(self) -> Iterator[list[Work]]:
        """Cells that can be timed, in groups within which rounds are interleaved."""
        usable = {
            work.cell.key: work
            for work in self.work
            if work.accuracy is not None
            and not _all_missed(work.accuracy)
            and not work.accuracy_only
        }
        for group in groups(work.cell for work in usable.values()):
            yield [usable[cell.key] for cell in group]

    def _rounds(self, group: Sequence[Work]) -> None:
        rounds = self.settings.effort.rounds
        for work in group:
            work.parts.drop_rounds(rounds)
            work.timed_set = self._timed_set(work)
        for number in range(1, rounds + 1):
            # Turning the order round means that no cell always goes first.
            order = group if number % 2 else list(reversed(group))
            for work in order:
                self._round(work, number)

    def _timed_set(self, work: Work) -> tuple[str, ...]:
        limit = self.settings.effort.timed_s
        missed = {e["clip_id"] for e in (work.accuracy or {}).get("errors", [])}
        clips = [c for c in work.data.durations() if c[0] not in missed]
        affordable = self._affordable(work)
        if affordable is not None and affordable < (limit or work.data.seconds):
            limit = affordable
            note = f"budget: timed set shrunk to {limit:.0f} s of audio"
            if note not in work.notes:
                work.notes.append(note)
        return tuple(choose(clips, limit, self.settings.seed))

    def _affordable(self, work: Work) -> float | None:
        """Seconds of audio whose passes fit into this cell's share of the budget."""
        budget = self.settings.budget_s
        if budget is None or work.accuracy is None:
            return None
        left = budget - (time.monotonic() - self.began)
        shares = max(1, len(self.work) * self.settings.effort.rounds)
        spent = max(float(work.accuracy["extract_s"]), 1e-6)
        speed = float(work.accuracy["seconds"]) / spent
        calls = self.settings.effort.min_passes + 4  # warm-up and clip by clip
        return max(1.0, left / shares * speed / calls)

    def _pass_seconds(self, work: Work) -> float:
        """Expected seconds of one timed pass, in which a worker says nothing."""
        accuracy: Mapping[str, Any] = work.accuracy or {}
        share = work.timed_seconds / max(float(accuracy.get("seconds") or 0.0), 1e-6)
        spent = float(accuracy.get("extract_s") or 0.0)
        return share * spent

    def _how(self, work: Work) -> str:
        return stable_hash(
            plain(
                [
                    asdict(self.settings.effort) | {"rounds": 0, "name": ""},
                    self.settings.scenarios,
                    self.settings.threads,
                    work.timed_set,
                    machine(),
                ]
            )
        )

    def _round(self, work: Work, number: int) -> None:
        how = self._how(work)
        kept = work.parts.round(number, how)
        if kept is not None:
            work.rounds[number] = kept
            return
        if work.round_error is not None:
            return  # a cell that crashed in one round is not asked again
        job = self.launcher.job(
            "round",
            work.cell,
            work.data,
            systems=(work.system(),),
            timed_set=work.timed_set,
            effort=self.settings.effort,
            scenarios=self.settings.scenarios,
            round=number,
        )
        rounds = self.settings.effort.rounds
        outcome = self.launcher.run(
            job,
            device=work.cell.device,
            log=work.parts.folder / "worker.log",
            text=f"round {number} of {rounds}  {work.cell.label}",
            patience_s=PATIENCE * self._pass_seconds(work),
        )
        work.wall_s += outcome.wall_s
        work.measured = True
        if outcome.error is not None:
            work.round_error = outcome.error
        else:
            value = {**(outcome.value or {}), "n": number}
            work.rounds[number] = value
            work.parts.keep_round(number, how, value)
        self._write(work)

    def _write(self, work: Work) -> None:
        """Write the record of a cell from the parts that there are."""
        if work.accuracy is None and work.accuracy_error is None:
            return
        try:
            write_json(work.parts.folder / "record.json", assemble(work, self.settings))
        except OSError as error:
            raise F0BenchError(
                f"cannot write the record of {work.cell.label}: {error.strerror}; "
                "what was finished before is kept: make room and run again"
            ) from None


def _share_key(cell: Cell) -> str:
    cls = extractor_class(cell.extractor)
    if not (hasattr(cls, "infer") and hasattr(cls, "decode")):
        return cell.key
    params = {k: v for k, v in cell.params.items() if k not in cls.decode_axes}
    return stable_hash(plain([data_key(cell), cell.extractor, params]), 16)


def _single_threaded(cell: Cell) -> bool:
    return extractor_class(cell.extractor).single_threaded


def _all_missed(accuracy: Mapping[str, Any]) -> bool:
    return bool(accuracy["clips_missed"] >= accuracy["clips"])


def utc_now() -> str:
    """The time as it stands in records, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
