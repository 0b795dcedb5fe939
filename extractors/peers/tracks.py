"""Ready-made tracks of an external system, one file per clip: accuracy only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.audio import Audio
from extractors.base import F0Extractor
from extractors.errors import ConfigError, ExtractorError
from extractors.track import F0Track
from extractors.voicing import threshold_or_default

from .timing import complete, picked
from .track_files import Columns, read_columns

AUDIO_FORMATS = "wav flac ogg oga opus mp3 aif aiff aifc au caf w64 rf64 m4a"
AUDIO_SUFFIXES = frozenset(f".{name}" for name in AUDIO_FORMATS.split())


class Tracks(F0Extractor):
    """Reads each clip's track from ``root / pattern``.

    A value of 0 Hz or less, or NaN, is unvoiced; a negative one keeps its magnitude as
    the estimate. A column ``voiced`` decides voicing if there is one, else the
    ``threshold`` on the confidence where both are given, else the sign of the F0. A
    track that begins late or stops early is continued by unvoiced frames without an
    estimate up to the ends of its clip; frames beyond the clip are dropped.

    Args:
        root: folder of the track files.
        pattern: path below ``root``; ``{id}`` is the clip's id without an audio suffix,
            ``{stem}`` its last component.
        threshold: a frame is voiced from this confidence on.

    Raises:
        ConfigError: the root is no folder, or the pattern has no placeholder.
    """

    name: ClassVar[str] = "tracks"
    peer: ClassVar[bool] = True
    single_threaded: ClassVar[bool] = True
    accuracy_only: ClassVar[bool] = True
    #: the task calls :meth:`extract_ids`, because audio alone finds no file
    by_id: ClassVar[bool] = True

    def __init__(
        self,
        *,
        root: str,
        pattern: str = "{id}.csv",
        threshold: float | None = None,
    ) -> None:
        self.root = Path(root).expanduser()
        if not self.root.is_dir():
            raise ConfigError(
                f"tracks.root={root} is no folder; give that of the tracks"
            )
        if "{id}" not in pattern and "{stem}" not in pattern:
            raise ConfigError(
                f"tracks.pattern={pattern} names one file for all clips; "
                "use {id} or {stem} in it"
            )
        self.pattern = pattern
        self.threshold, self.threshold_source = None, "native"
        if threshold is not None:
            self.threshold, self.threshold_source = threshold_or_default(threshold, 0)

    def extract(self, clips: Sequence[Audio]) -> list[F0Track]:
        """Not possible without ids.

        Raises:
            ExtractorError: always; see :meth:`extract_ids`.
        """
        raise ExtractorError(
            "ready-made tracks are found by clip id: use extract_ids()"
        )

    def extract_ids(self, ids: Sequence[str], clips: Sequence[Audio]) -> list[F0Track]:
        """Read the track of every clip.

        Raises:
            ExtractorError: a file is missing, malformed or outside the root.
        """
        return [
            self._track(read_columns(self.path(name)), clip.seconds)
            for name, clip in zip(ids, clips, strict=True)
        ]

    def path(self, clip_id: str) -> Path:
        """The existing file of one clip.

        Raises:
            ExtractorError: it does not exist, or lies outside the root.
        """
        name = PurePosixPath(clip_id)
        if name.suffix.lower() in AUDIO_SUFFIXES:
            name = name.with_suffix("")
        place = self.pattern.replace("{stem}", name.name).replace("{id}", str(name))
        path = (self.root / place).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise ExtractorError(
                f"{clip_id}: its track {place} would leave tracks.root"
            )
        if not path.is_file():
            raise ExtractorError(
                f"{clip_id}: no track {place} in tracks.root; see tracks.pattern"
            )
        return path

    def _track(self, columns: Columns, seconds: float) -> F0Track:
        if not np.isfinite(columns.time).all():
            row = int(np.flatnonzero(~np.isfinite(columns.time))[0]) + 1
            raise ExtractorError(f"its track has no time in row {row}; write seconds")
        f0 = np.where(np.isfinite(columns.f0), columns.f0, 0.0)
        voiced = self._voiced(columns, f0)
        level = columns.confidence if columns.confidence is not None else voiced
        confidence = np.clip(np.nan_to_num(level.astype(np.float64)), 0, 1)
        hz = np.where(f0 == 0, np.nan, np.abs(f0))
        inside = columns.time <= seconds
        times, index = complete(columns.time[inside], seconds)
        return F0Track(
            times,
            picked(hz[inside], index, np.nan),
            picked(voiced[inside], index, False),
            picked(confidence[inside], index, 0.0),
        )

    def _voiced(self, columns: Columns, f0: NDArray[np.float64]) -> NDArray[np.bool_]:
        if columns.voiced is not None:
            return (columns.voiced > 0) & (f0 != 0)
        if self.threshold is not None and columns.confidence is not None:
            return (f0 > 0) & (columns.confidence >= self.threshold)
        return np.asarray(f0 > 0)

    def weights(self) -> list[str | os.PathLike[str]]:
        """Every file below the root that a clip's track could be."""
        suffix = PurePosixPath(self.pattern).suffix
        return [*sorted(p for p in self.root.rglob(f"*{suffix}") if p.is_file())]
