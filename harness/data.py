"""A data set as a run sees it: scanned once, with what was dropped and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from extractors.errors import DatasetError

from .cell import dataset_name
from .config import DatasetConfig
from .datasets.registry import ClipInfo, fingerprint, open_dataset, scan


@dataclass(frozen=True)
class Data:
    """The scanned clips of one data set.

    Attributes:
        config: as composed.
        name: as shown in tables.
        clips: readable clips.
        dropped: ``{"clip_id", "error"}`` of clips left out for every cell alike.
        unlabelled: ``{"clip_id", "error"}`` of clips whose labels cannot be used; they
            count for agreement only.
        hash: content of audio and labels.
    """

    config: DatasetConfig
    name: str
    clips: tuple[ClipInfo, ...]
    dropped: tuple[dict[str, str], ...]
    unlabelled: tuple[dict[str, str], ...]
    hash: str

    @property
    def seconds(self) -> float:
        """Seconds of readable audio."""
        return sum(clip.seconds or 0.0 for clip in self.clips)

    @property
    def truth(self) -> str | None:
        """``exact``, ``annotation`` or ``None`` where no clip has a truth."""
        kinds = {c.truth_kind for c in self.clips if c.has_truth and not c.truth_error}
        return sorted(k for k in kinds if k)[0] if kinds else None

    def durations(self) -> list[tuple[str, float]]:
        """Id and seconds of every readable clip."""
        return [(clip.id, clip.seconds or 0.0) for clip in self.clips]

    def describe(self) -> dict[str, Any]:
        """What ``plan.json`` says of the data."""
        return {
            "name": self.name,
            "kind": self.config.kind,
            "clips": len(self.clips),
            "seconds": self.seconds,
            "truth": self.truth,
            "dropped": list(self.dropped),
            "unlabelled": list(self.unlabelled),
        }


def load_data(config: DatasetConfig) -> Data:
    """Open and scan a data set.

    Raises:
        DatasetError: it cannot be opened, or not one clip, or not one of its label
            files, is readable.
    """
    dataset = open_dataset(config)
    infos = scan(dataset)
    clips = tuple(info for info in infos if info.error is None)
    dropped = tuple(
        {"clip_id": info.id, "error": info.error} for info in infos if info.error
    )
    name = dataset_name(config)
    if not clips:
        first = f"; the first: {dropped[0]['error']}" if dropped else ""
        raise DatasetError(f"{name}: none of {len(infos)} clips is readable{first}")
    bad = [info for info in clips if info.truth_error]
    if bad and not any(info.has_truth for info in clips):
        raise DatasetError(
            f"{name}: none of {len(bad)} label files can be used; the first: "
            f"{bad[0].id}: {bad[0].truth_error}"
        )
    return Data(
        config,
        name,
        clips,
        dropped,
        tuple(
            {"clip_id": info.id, "error": info.truth_error}
            for info in clips
            if info.truth_error
        ),
        fingerprint(infos, dataset),
    )
