"""From a plan to records: which process does what, in which order, and what is reused.

References first, then probes, then the accuracy pass of every cell, then the timed
rounds, interleaved within groups so that drift of the machine meets all cells alike.
Nothing that fails stops the rest: it becomes the error of its cell.
"""

from __future__ import annotations

import shutil
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
from .estimate import typical_speed
from .fingerprint import files_hash, fingerprint
from .launching import Launcher, Reporter, Silence
from .meter.timed_set import choose
from .parts import Parts
from .plan import groups
from .probes import ensure_probe
from .records import replacing, write_json
from .references import ensure_references
from .versions import Version
from .work import Work, data_key

QUICK = 50.0  # × real time: a probe is done in a second or two
PATIENCE = 10.0  # × the expected time of a pass before its worker counts as hanging


class Execution:
    """One run of a plan into one results folder.

    Args:
        cells: in the order of the request.
        data: scanned data sets by :func:`data_key`.
        settings: how to measure.
        folder: results folder, held by the caller's lock.
        reporter: told what is being done.
        gpu: name of the GPU, part of what a speed belongs to.
        version: the code that is measured, where it is not the installed one.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        data: Mapping[str, Data],
        settings: Settings,
        folder: Path,
        reporter: Reporter | None = None,
        gpu: str | None = None,
        version: Version | None = None,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.version = version
        cache = version.cache if version else Path(settings.results_dir) / ".cache"
        overlay = version.overlay if version else None
        self.launcher = Launcher(
            settings, cache, reporter or Silence(), overlay=overlay
        )
        self.machine = machine(gpu)
        self.notes: list[str] = []
        self.work = [self._work(cell, data[data_key(cell)]) for cell in cells]

    def run(self) -> list[Work]:
        """Measure what is missing and write every record."""
        self.prepare()
        for group in self.groups():
            self._rounds(group)
        self.write()
        return self.work

    def write(self) -> None:
        """Write every record from what is known so far."""
        for work in self.work:
            self._write(work)

    def prepare(self) -> None:
        """Everything that is not timed: references, probes, accuracy passes."""
        references: dict[str, Path | None] = {}
        alone = [w for w in self.work if w.cell.device != "cpu"]
        beside = [w for w in self.work if w.cell.device == "cpu"]
        beside.sort(key=_turn)
        self.launcher.together(
            [partial(self._reference, work, references) for work in self._data_sets()]
            + [partial(self._probe, work) for work in beside]
        )
        for work in alone:  # two models on one device might not fit
            self._probe(work, self.launcher)
        narrow, wide = self._shares()
        self.launcher.together(
            [partial(self._accuracy, shared, references) for shared in narrow]
        )
        for shared in wide:
            self._accuracy(shared, references, self.launcher)

    def _work(self, cell: Cell, data: Data) -> Work:
        code = self.version.hash if self.version else None
        depends = fingerprint(cell, data.hash, code)
        mark = f"{depends['hash']}-{self.settings.seed}"
        parts = Parts(self.folder / "cells" / cell.key, mark)
        if self.settings.fresh:
            parts.forget()
        work = Work(cell, data, parts, depends, accuracy=parts.accuracy())
        if work.clips_missed:
            work.accuracy = None  # what failed is measured again
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
        self._require_agreement(work, references.path)
        found[data_key(work.cell)] = references.path
        for other in self.work:
            if data_key(other.cell) == data_key(work.cell):
                other.provenance = references.provenance
        if references.path is not None:
            with replacing(self.folder / "references" / work.references) as temporary:
                shutil.copyfile(references.path, temporary)

    def _require_agreement(self, first: Work, references: Path | None) -> None:
        """Ask again for cells that were scored when there were no references."""
        for work in self.work:
            same = data_key(work.cell) == data_key(first.cell)
            known = work.accuracy is not None and work.accuracy["references"]
            if same and work.accuracy is not None and references and not known:
                work.parts.forget()
                work.accuracy = None

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
            work.measured = True
            if outcome.error is not None:
                work.accuracy_error = outcome.error
            else:
                value = outcome.value or {}
                work.accuracy = {
                    **value["cells"][work.cell.key],
                    "read_s": value["read_s"],
                    "references": reference is not None,
                    "wall_s": outcome.wall_s / len(shared),
                }
                work.parts.keep_accuracy(work.accuracy)
            self._write(work)

    def groups(self) -> Iterator[list[Work]]:
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
        self.begin_rounds(group, rounds)
        for number in range(1, rounds + 1):
            # Turning the order round means that no cell always goes first.
            order = group if number % 2 else list(reversed(group))
            for work in order:
                self.round(work, number)

    def begin_rounds(self, group: Sequence[Work], keep: int) -> None:
        """Choose what is timed; rounds beyond ``keep``, of an earlier run, are lost."""
        timed_set = self._timed_set(group)
        for work in group:
            work.parts.drop_rounds(keep)
            work.timed_set = timed_set

    def _timed_set(self, group: Sequence[Work]) -> tuple[str, ...]:
        """One timed set for a group: only equal clips give comparable speeds."""
        limit = self.settings.effort.timed_s
        missed = {name for w in group for name in (w.accuracy or {}).get("missed", ())}
        data = group[0].data
        clips = [c for c in data.durations() if c[0] not in missed] or data.durations()
        affordable = self._affordable(group)
        if affordable is not None and affordable < (limit or data.seconds):
            limit = affordable
            for work in group:
                work.notes.append(f"budget: timed set shrunk to {limit:.0f} s of audio")
        return tuple(choose(clips, limit, self.settings.seed))

    def _affordable(self, group: Sequence[Work]) -> float | None:
        """Seconds of audio whose passes by every cell of a group fit into the budget.

        Half of the budget is for timing. What is left on the clock does not enter: a
        run that is continued must choose the clips that it chose before.
        """
        effort = self.settings.effort
        if self.settings.budget_s is None:
            return None
        calls = effort.rounds * (effort.min_passes + 2)  # warm-up and clip by clip
        share = self.settings.budget_s / 2 * len(group) / len(self.work)
        return max(1.0, share / calls / sum(1 / work.speed for work in group))

    def _how(self, work: Work) -> str:
        return stable_hash(
            plain(
                [
                    asdict(self.settings.effort) | {"rounds": 0, "name": ""},
                    self.settings.scenarios,
                    self.settings.threads,
                    work.timed_set,
                    self.machine,
                    files_hash("meter/*.py", "passes/rounds.py"),
                ]
            )
        )

    def round(self, work: Work, number: int, cpu: int | None = None) -> None:
        """Take one timed round of a cell from its folder, or measure it.

        Args:
            cpu: the only CPU that it may use, ``None`` for all.
        """
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
            cpu=cpu,
        )
        outcome = self.launcher.run(
            job,
            device=work.cell.device,
            log=work.parts.folder / "worker.log",
            text=f"round {number}  {work.cell.label}",
            patience_s=PATIENCE * work.timed_seconds / work.speed,
        )
        work.measured = True
        if outcome.error is not None:
            work.round_error = outcome.error
        else:
            value = {**(outcome.value or {}), "n": number, "wall_s": outcome.wall_s}
            work.rounds[number] = value
            work.parts.keep_round(number, how, value)
        self._write(work)

    def _write(self, work: Work) -> None:
        """Write the record of a cell from the parts that there are."""
        if work.accuracy is None and work.accuracy_error is None:
            return
        try:
            record = assemble(work, self.settings, self.machine)
            write_json(work.parts.folder / "record.json", record)
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


def _turn(work: Work) -> tuple[bool, bool, bool]:
    """When to probe: what takes long must not be started last, what is quick may be.

    The reference peer comes after other slow ones: its references compile its kernels
    meanwhile.
    """
    quick = typical_speed(work.cell) > QUICK
    return quick, _single_threaded(work.cell), work.system().is_peer


def _single_threaded(cell: Cell) -> bool:
    return extractor_class(cell.extractor).single_threaded


def _all_missed(accuracy: Mapping[str, Any]) -> bool:
    return bool(accuracy["clips_missed"] >= accuracy["clips"])


def utc_now() -> str:
    """The time as it stands in records, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
