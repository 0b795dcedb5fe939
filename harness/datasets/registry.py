"""Opening a data set by its configuration, and scanning it before any measuring."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from extractors.audio import Audio
from extractors.errors import ConfigError, DatasetError, InputError, LabelError, nearest

from ..config import DatasetConfig
from .base import Clip, Dataset, Truth

CHUNK_BYTES = 1 << 20


def _synthetic(config: DatasetConfig) -> Dataset:
    from .synthetic import Synthetic

    return Synthetic(config)


def _escalation(config: DatasetConfig) -> Dataset:
    from .escalation import Escalation

    return Escalation(config)


def _windows(config: DatasetConfig) -> Dataset:
    from .escalation import WindowSet

    return WindowSet(config)


def _folder(config: DatasetConfig) -> Dataset:
    from .folder import Folder

    return Folder(config)


def _manifest(config: DatasetConfig) -> Dataset:
    from .manifest import Manifest

    return Manifest(config)


#: Kinds of data set; each constructor takes the configuration and reads no audio.
KINDS: Mapping[str, Callable[[DatasetConfig], Dataset]] = {
    "synthetic": _synthetic,
    "escalation": _escalation,
    "windows": _windows,
    "folder": _folder,
    "manifest": _manifest,
}


def open_dataset(config: DatasetConfig) -> Dataset:
    """The data set that a configuration asks for; no audio is read.

    Raises:
        ConfigError: unknown kind, or an option out of bounds.
        DatasetError: the place does not exist.
    """
    if config.kind not in KINDS:
        raise ConfigError(
            f"dataset={config.kind}: unknown{nearest(config.kind, KINDS)}"
        )
    if config.limit is not None and config.limit < 1:
        raise ConfigError(f"dataset.limit={config.limit} must be at least 1")
    return KINDS[config.kind](config)


@dataclass(frozen=True)
class ClipInfo:
    """What a scan learned about one clip.

    Attributes:
        id: of the clip.
        seconds, sr: of the audio, ``None`` where it cannot be read.
        sha256: of the audio's bytes and then the label's; of identity and id where the
            clip is generated; empty where the audio cannot be opened.
        has_truth: a reference that can be scored against was read.
        has_voiced: that reference has a voiced frame.
        truth_kind: ``exact`` or ``annotation``.
        error: why the audio cannot be measured; the clip is dropped for every cell.
        truth_error: why its labels cannot be used; the clip counts for agreement only.
        tags: of the clip.
    """

    id: str
    seconds: float | None = None
    sr: int | None = None
    sha256: str = ""
    has_truth: bool = False
    has_voiced: bool = False
    truth_kind: str | None = None
    error: str | None = None
    truth_error: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Scanned:
    """One clip with everything that was read of it."""

    clip: Clip
    info: ClipInfo
    audio: Audio | None
    truth: Truth | None


def scan(dataset: Dataset) -> list[ClipInfo]:
    """Read every clip once, keeping none, and say what is wrong with which.

    A generated clip is not rendered for that: it cannot be unreadable.

    Raises:
        DatasetError: the data set has no clips, or repeats an id.
    """
    return [scanned.info for scanned in walk(dataset, render=False)]


def walk(dataset: Dataset, *, render: bool = True) -> Iterator[Scanned]:
    """Read clip after clip; see :func:`scan`. ``render`` makes generated audio too."""
    seen: set[str] = set()
    for clip in dataset.clips():
        if clip.id in seen:
            raise DatasetError(f"{dataset.name}: two clips have the id '{clip.id}'")
        seen.add(clip.id)
        yield scan_clip(clip, dataset, render=render)
    if not seen:
        raise DatasetError(f"{dataset.name}: the data set has no clips")


def scan_clip(clip: Clip, dataset: Dataset, *, render: bool = True) -> Scanned:
    """Decode one clip, read its labels and hash its files."""
    known = clip.seconds is not None and not render
    audio, error = (None, None) if known else _audio(clip)
    truth, truth_error = _truth(clip)
    info = ClipInfo(
        id=clip.id,
        seconds=audio.seconds if audio else clip.seconds,
        sr=audio.sr if audio else clip.sr,
        sha256=_sha256(clip, dataset),
        has_truth=truth is not None,
        has_voiced=truth is not None and bool(truth.voiced.any()),
        truth_kind=truth.kind if truth else None,
        error=error,
        truth_error=truth_error,
        tags=dict(clip.tags),
    )
    return Scanned(clip, info, audio, truth)


def _audio(clip: Clip) -> tuple[Audio | None, str | None]:
    try:
        return clip.load(), None
    except InputError as error:
        return None, str(error)


def _truth(clip: Clip) -> tuple[Truth | None, str | None]:
    try:
        return clip.truth(), None
    except LabelError as error:
        return None, str(error)


def _sha256(clip: Clip, dataset: Dataset) -> str:
    if not clip.sources:
        return hashlib.sha256(_canonical([dataset.identity(), clip.id])).hexdigest()
    digest = hashlib.sha256()
    for number, source in enumerate(clip.sources):
        try:
            digest.update(_file_digest(Path(source)))
        except OSError:
            if number == 0:
                return ""
            digest.update(b"unreadable")
    return digest.hexdigest()


def _file_digest(path: Path) -> bytes:
    """Digest of one file, so that bytes cannot move between audio and label unseen."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(CHUNK_BYTES):
            digest.update(block)
    return digest.digest()


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, allow_nan=False).encode()


def fingerprint(infos: Iterable[ClipInfo], dataset: Dataset) -> str:
    """SHA-256 of what a data set holds: ids, contents and identity.

    Ids, contents and tags enter; neither the place of the files nor their order does.
    """
    clips = sorted((info.id, info.sha256, sorted(info.tags.items())) for info in infos)
    return hashlib.sha256(_canonical([dict(dataset.identity()), clips])).hexdigest()
