"""Recordings on disk as clips: decoding with a check for truncation, labels, tags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from extractors.audio import Audio, read_audio
from extractors.errors import ConfigError, InputError, LabelError

from ..config import DatasetConfig
from .base import Clip, Truth
from .labels import LabelFormat, fit_to_audio, label_format, read_labels

#: What libsndfile says of a chunk whose header promises more than the file holds.
#: W64 reports it for the whole file only (``riff`` in lower case).
_SHORT_CHUNK = re.compile(
    r"^\s*(?:data|SSND|Data Size|riff)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE
)
#: Sizes that a program writes when it streams and cannot know the length beforehand.
_UNKNOWN_SIZES = (0, 0x7FFFFFFF, 0xFFFFFFFF)
_SIZE_MARGIN = 4096  # bytes; a streaming header counts chunks that surround the data
#: MPEG frame counts may be estimated from the bit rate.
_LENGTH_TOLERANCE = 0.01


def load_recording(path: Path, channel: int | str | None = None) -> Audio:
    """Decode a recording and refuse one that ends before its header says.

    libsndfile shortens a truncated file silently; a score on half a recording would
    look like any other score.

    Raises:
        InputError: as :func:`~extractors.audio.read_audio`, and for a truncated file,
            naming the frames promised and the frames found.
    """
    promised = _promised_frames(path)
    try:
        audio = read_audio(path, channel)
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror})") from None
    found = len(audio.samples)
    if promised is not None and found < promised * (1 - _LENGTH_TOLERANCE):
        raise _truncated(path, promised, found)
    return audio


def recording_seconds(path: Path) -> float | None:
    """Duration in seconds from the header; ``None`` where it cannot be read."""
    import soundfile

    try:
        return float(soundfile.info(str(path)).duration)
    except (soundfile.SoundFileError, RuntimeError, OSError, UnicodeError):
        return None


def _truncated(path: Path, promised: int, found: int) -> InputError:
    return InputError(
        f"{path.name}: truncated, the header promises {promised} frames and the file "
        f"holds {found}; copy the recording again or remove it"
    )


def _promised_frames(path: Path) -> int | None:
    """Frames that the header promises; raises for a file known to be cut short."""
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            frames, log = int(file.frames), str(file.extra_info)
    except (soundfile.SoundFileError, RuntimeError, TypeError, OSError, UnicodeError):
        return None  # reading it will say why
    short = _SHORT_CHUNK.search(log)
    if short and not _is_streamed(int(short[1])):
        size, held = int(short[1]), max(int(short[2]), 1)
        if size > held:
            raise _truncated(path, round(frames * size / held), frames)
    if "ended unexpectedly" in log:
        raise InputError(
            f"{path.name}: truncated, the stream ends without its end mark after "
            f"{frames} frames; copy the recording again or remove it"
        )
    return frames


def _is_streamed(size: int) -> bool:
    return any(known - _SIZE_MARGIN <= size <= known for known in _UNKNOWN_SIZES)


def read_truth(label: Path, fmt: LabelFormat, audio: Path) -> Truth:
    """Read the labels of a recording and fit them to its extent.

    Raises:
        LabelError: the file breaks its format, or its labels lie beyond the audio.
    """
    truth = read_labels(label, fmt)
    seconds = recording_seconds(audio)
    if seconds is None:
        return truth
    try:
        return fit_to_audio(truth, seconds, fill=fmt.gaps == "unvoiced")
    except LabelError as error:
        raise LabelError(f"{label.name}: {error}") from None


class ClipMaker:
    """Turns paths into clips under one configuration.

    Raises:
        ConfigError: bad label format, channel or tag expression.
    """

    def __init__(self, config: DatasetConfig) -> None:
        self.format = label_format(config)
        self.channel = checked_channel(config.channel)
        self.patterns = compiled_tags(config.tags)

    def reading(self) -> dict[str, Any]:
        """What makes other audio or other labels of the same bytes."""
        labels = {k: v for k, v in asdict(self.format).items() if k != "note"}
        return {"channel": self.channel, "labels": labels}

    def clip(
        self,
        id: str,
        audio: Path,
        label: Path | None,
        tags: Mapping[str, str] | None = None,
    ) -> Clip:
        """One clip; ``label=None`` for a recording without truth."""
        found = {**(tags or {}), **tags_of(id, self.patterns)}
        load = partial(load_recording, audio, self.channel)
        if label is None:
            return Clip(id, load, tags=found, sources=(str(audio),))
        truth = partial(read_truth, label, self.format, audio)
        return Clip(id, load, truth, found, (str(audio), str(label)))


def checked_channel(channel: int | str | None) -> int | str | None:
    """``None``, ``"mean"`` or a channel index.

    Raises:
        ConfigError: anything else.
    """
    if channel is None or channel == "mean":
        return channel
    if str(channel).isdecimal():
        return int(channel)
    raise ConfigError(f"dataset.channel={channel}: expected an index from 0, or 'mean'")


def compiled_tags(tags: Mapping[str, str]) -> dict[str, re.Pattern[str]]:
    """Compile tag expressions.

    Raises:
        ConfigError: an expression that is not a regular expression.
    """
    compiled: dict[str, re.Pattern[str]] = {}
    for name, pattern in tags.items():
        try:
            compiled[name] = re.compile(pattern)
        except (re.error, TypeError) as error:
            raise ConfigError(
                f"dataset.tags.{name}={pattern}: not a regular expression ({error})"
            ) from None
    return compiled


def tags_of(id: str, patterns: Mapping[str, re.Pattern[str]]) -> dict[str, str]:
    """Tags of a clip id: first group or whole match; no tag where nothing matches."""
    found: dict[str, str] = {}
    for name, pattern in patterns.items():
        match: Any = pattern.search(id)
        if match:
            value = match[1] if pattern.groups else match[0]
            if value is not None:
                found[name] = value
    return found
