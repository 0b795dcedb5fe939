"""Recordings below a folder, paired with label files by a pattern.

``dataset.truth`` is the path of a label file, relative to the folder that its recording
lies in. ``{stem}`` stands for the recording's name without suffix, ``{name}`` for the
name with it and ``{parent}`` for the name of its folder, as in
``{stem}_f0.csv``, ``labels/{stem}.f0`` or ``../../REF/{parent}/{stem}.f0``.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from extractors.audio import printable
from extractors.errors import ConfigError, DatasetError, nearest

from ..cell import dataset_name
from ..config import DatasetConfig
from .base import Clip
from .recording import ClipMaker

#: Suffixes of what libsndfile decodes without being told the format.
AUDIO_SUFFIXES = (
    *(".aif", ".aifc", ".aiff", ".au", ".avr", ".caf", ".flac", ".mp3", ".nist"),
    *(".oga", ".ogg", ".opus", ".paf", ".rf64", ".snd", ".sph", ".svx", ".voc"),
    *(".w64", ".wav", ".wave"),
)
FIELDS = ("stem", "name", "parent")
_FIELD = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Unpaired:
    """What pairing left over.

    Attributes:
        audio: ids of clips without a label file.
        labels: label files without a recording, relative to the root.
    """

    audio: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


class Folder:
    """Every recording below ``dataset.root``, sorted by id.

    An id is the path relative to the root without its suffix; recordings that differ in
    the suffix alone keep it. Hidden files and folders are left out.

    Raises:
        ConfigError: a bad label format, pattern, channel or tag expression.
        DatasetError: no such folder, no recordings in it, or a label pattern that
            matches no file at all.
    """

    def __init__(self, config: DatasetConfig) -> None:
        if not config.root:
            raise ConfigError(
                "dataset=folder needs dataset.root, the folder of recordings"
            )
        self.config = config
        self.name = dataset_name(config)
        self.root = Path(config.root).expanduser()
        self.pattern = checked_pattern(config.truth)
        self._maker = ClipMaker(config)
        if not self.root.is_dir():
            raise DatasetError(f"dataset.root={config.root}: no such folder")

    def identity(self) -> Mapping[str, Any]:
        """How the files are read; their content is hashed beside it."""
        return self._maker.reading()

    def clips(self) -> Iterator[Clip]:
        """The clips by id, at most ``limit``."""
        for id, audio, label in self._pairs[: self.config.limit]:
            yield self._maker.clip(id, audio, label)

    def unpaired(self) -> Unpaired:
        """Recordings without labels and the reverse, whatever the limit."""
        if self.pattern is None:
            return Unpaired(audio=tuple(id for id, _, _ in self._pairs))
        used = {os.path.realpath(label) for _, _, label in self._pairs if label}
        folders = sorted({audio.parent for _, audio, _ in self._pairs})
        found = {f for folder in folders for f in label_files(folder, self.pattern)}
        orphans = [f for f in sorted(found) if os.path.realpath(f) not in used]
        return Unpaired(
            tuple(id for id, _, label in self._pairs if label is None),
            tuple(Path(os.path.relpath(f, self.root)).as_posix() for f in orphans),
        )

    @cached_property
    def _pairs(self) -> list[tuple[str, Path, Path | None]]:
        files = self._recordings()
        pairs = [
            (id, path, self._label(path))
            for id, path in zip(clip_ids(files, self.root), files, strict=True)
        ]
        if self.pattern and not any(label for _, _, label in pairs):
            expected = label_path(files[0], self.pattern)
            raise DatasetError(
                f"dataset.truth={self.config.truth} matches no file; "
                f"{files[0].name} would need {os.path.relpath(expected, self.root)}"
            )
        return sorted(pairs, key=lambda pair: pair[0])

    def _label(self, audio: Path) -> Path | None:
        if self.pattern is None:
            return None
        path = label_path(audio, self.pattern)
        return path if path.is_file() else None

    def _recordings(self) -> list[Path]:
        pattern = self.config.audio
        try:
            found = sorted(self.root.glob(pattern or "**/*"))
        except (ValueError, NotImplementedError, IndexError) as error:
            # what pathlib raises for '', for an absolute pattern and for '.'
            raise ConfigError(
                f"dataset.audio={pattern}: not a pattern below root ({error})"
            ) from None
        files = [p for p in found if self._is_recording(p)]
        if not files:
            what = f"'{pattern}'" if pattern else "a suffix that libsndfile reads"
            raise DatasetError(
                f"no recording with {what} below dataset.root={self.config.root}"
            )
        return files

    def _is_recording(self, path: Path) -> bool:
        parts = path.relative_to(self.root).parts
        if any(part.startswith(".") for part in parts) or not path.is_file():
            return False
        return self.config.audio is not None or path.suffix.lower() in AUDIO_SUFFIXES


def clip_ids(files: list[Path], root: Path) -> list[str]:
    """Unique ids: relative POSIX paths, with their suffix where stems collide."""
    below = [path.relative_to(root) for path in files]
    full = [printable(path.as_posix()) for path in below]
    short = [printable(path.with_suffix("").as_posix()) for path in below]
    count = Counter(short)
    ids = [s if count[s] == 1 else f for s, f in zip(short, full, strict=True)]
    return ids if len(set(ids)) == len(ids) else full


def checked_pattern(pattern: str | None) -> str | None:
    """Validate a label pattern.

    Raises:
        ConfigError: an unknown field, or none that tells recordings apart.
    """
    if pattern is None:
        return None
    names = _FIELD.findall(pattern)
    for name in names:
        if name not in FIELDS:
            raise ConfigError(
                f"dataset.truth={pattern}: unknown field {{{name}}}"
                f"{nearest(name, FIELDS)}"
            )
    if not {"stem", "name"} & set(names):
        raise ConfigError(
            f"dataset.truth={pattern} gives every recording the same label; "
            "use {stem}, as in {stem}.csv"
        )
    return pattern


def label_path(audio: Path, pattern: str) -> Path:
    """Label file of a recording under a pattern; it need not exist."""
    values = {"stem": audio.stem, "name": audio.name, "parent": audio.parent.name}
    return audio.parent / _FIELD.sub(lambda match: values[match[1]], pattern)


def label_files(folder: Path, pattern: str) -> list[Path]:
    """Existing files that are the label of *some* recording in ``folder``.

    A pattern whose folder part depends on the recording cannot be listed: none.
    """
    head, tail = os.path.split(pattern)
    if "{stem}" in head or "{name}" in head:
        return []
    fill = {"parent": re.escape(folder.name)}
    parts = re.split(r"(\{[^{}]*\})", tail)
    name = "".join(
        fill.get(part[1:-1], "(.+)") if _FIELD.fullmatch(part) else re.escape(part)
        for part in parts
    )
    place = folder / head.replace("{parent}", folder.name)
    if not place.is_dir():
        return []
    return [p for p in place.iterdir() if re.fullmatch(name, p.name) and p.is_file()]
