"""One cell on its way to a record: what a run knows of it so far."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from extractors.registry import extractor_class

from .cell import Cell, plain, stable_hash
from .data import Data
from .jobs import System
from .parts import Parts
from .tasks import make_task
from .voicing import Calibration, fixed_threshold

CAUTIOUS_SPEED = 0.5  # × real time, of systems whose answers were known already


@dataclass
class Work:
    """One cell on its way to a record."""

    cell: Cell
    data: Data
    parts: Parts
    fingerprint: dict[str, Any]
    accuracy: dict[str, Any] | None = None
    accuracy_error: dict[str, Any] | None = None
    probe: dict[str, Any] | None = None
    provenance: str | None = None
    rounds: dict[int, dict[str, Any]] = field(default_factory=dict)
    round_error: dict[str, Any] | None = None
    timed_set: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    measured: bool = False

    @property
    def accuracy_only(self) -> bool:
        return extractor_class(self.cell.extractor).accuracy_only

    @property
    def references(self) -> str:
        """Name of the file with the references of this cell's data and task."""
        return f"{stable_hash(data_key(self.cell), 8)}.parquet"

    @property
    def speed(self) -> float:
        """Rough speed in × real time, from the accuracy pass; cautious if unknown."""
        accuracy = self.accuracy or {}
        spent = float(accuracy.get("extract_s") or 0.0)
        seconds = float(accuracy.get("seconds") or 0.0)
        return seconds / spent if spent > 0 and seconds > 0 else CAUTIOUS_SPEED

    @property
    def clips_missed(self) -> int:
        """Clips that the kept accuracy pass failed on, those learnt on included."""
        accuracy = self.accuracy or {}
        learnt = (accuracy.get("voicing") or {}).get("learnt_on") or {}
        return sum(int(part.get("clips_missed", 0)) for part in (accuracy, learnt))

    @property
    def learnt_threshold(self) -> float | None:
        """Voicing threshold that the accuracy pass learnt, ``None`` without one."""
        if self.accuracy is None or Calibration.of(self.cell.voicing) is None:
            return None
        return float(self.accuracy["voicing"]["threshold"])

    @property
    def wall_s(self) -> float:
        """Seconds that the kept passes of this cell took, whenever they were made."""
        parts = [self.accuracy or {}, *self.rounds.values()]
        return sum(float(part.get("wall_s", 0.0)) for part in parts)

    @property
    def timed_seconds(self) -> float:
        """Seconds of audio in the timed set."""
        wanted = set(self.timed_set)
        return sum(s for name, s in self.data.durations() if name in wanted)

    def system(self) -> System:
        """This cell as a job names it."""
        cell = self.cell
        return System(
            cell.key,
            cell.extractor,
            plain(cell.params),
            str(self.parts.folder),
            voicing=cell.voicing,
            threshold=self.learnt_threshold,
            is_peer=fixed_threshold(cell.voicing) is None
            and make_task(cell.task).is_peer(cell.extractor, cell.params),
        )


def data_key(cell: Cell) -> str:
    """Cells with equal keys share a data set and a task."""
    return stable_hash(plain([asdict(cell.dataset), asdict(cell.task)]), 16)
