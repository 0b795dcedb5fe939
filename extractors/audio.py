"""Audio as every extractor receives it: mono float32 samples and their rate."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError

MIN_SAMPLE_RATE = 8000  # Hz; below it the upper harmonics of speech are gone
BLOCK = 1 << 20  # samples that are looked at together


@dataclass(frozen=True, eq=False)
class Audio:
    """One mono signal.

    Attributes:
        samples: float32, shape ``(n,)``, full scale ±1; converted and made read-only.
        sr: sampling rate in Hz, at least 8000.

    Raises:
        InputError: empty, not one-dimensional, NaN or Inf, or ``sr`` too low.
    """

    samples: NDArray[np.float32]
    sr: int

    def __post_init__(self) -> None:
        samples = _checked(self.samples)
        if int(self.sr) != self.sr or self.sr < MIN_SAMPLE_RATE:
            raise InputError(
                f"sampling rate {self.sr} Hz is below {MIN_SAMPLE_RATE} Hz; "
                "use a recording of at least 8 kHz"
            )
        samples.flags.writeable = False
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "sr", int(self.sr))

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return len(self.samples) / self.sr

    @classmethod
    def from_file(
        cls, path: str | PathLike[str], channel: int | str | None = None
    ) -> Audio:
        """Read a sound file; see :func:`read_audio`."""
        return read_audio(path, channel)


def _checked(samples: ArrayLike) -> NDArray[np.float32]:
    array = samples if _final(samples) else np.array(samples, dtype=np.float32)
    if array.ndim != 1:
        raise InputError(
            f"audio of shape {array.shape} is not mono; choose a channel "
            "(dataset.channel=0) or dataset.channel=mean"
        )
    if array.size == 0:
        raise InputError("audio has 0 samples; remove the file from the data set")
    for start in range(0, len(array), BLOCK):
        wrong = ~np.isfinite(array[start : start + BLOCK])
        if wrong.any():
            raise InputError(
                f"audio holds NaN or Inf (first at sample {start + wrong.argmax()}); "
                "repair or remove the file"
            )
    return array


def _final(samples: ArrayLike) -> TypeGuard[NDArray[np.float32]]:
    """Whether nobody can write these samples any more, so that no copy is needed."""
    if not isinstance(samples, np.ndarray) or samples.dtype != np.float32:
        return False
    owner = samples if samples.base is None else samples.base
    frozen = isinstance(owner, np.ndarray) and not owner.flags.writeable
    return frozen and samples.flags.c_contiguous and not samples.flags.writeable


def read_audio(path: str | PathLike[str], channel: int | str | None = None) -> Audio:
    """Decode a sound file with soundfile.

    Args:
        path: any format that libsndfile reads.
        channel: channel index of a multichannel file, or ``"mean"``; ``None`` accepts
            mono files only, because a silent down-mix changes what is measured.

    Raises:
        InputError: missing, unreadable, empty, multichannel without a choice, or the
            signal breaks the contract of :class:`Audio`.
    """
    import soundfile

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path.name}: no such file")
    try:
        data, sr = soundfile.read(path, dtype="float32", always_2d=True)
    except UnicodeError:
        raise InputError(
            f"{printable(path.name)}: its name is not valid UTF-8; rename the file"
        ) from None
    except (soundfile.SoundFileError, RuntimeError, TypeError) as error:
        raise InputError(
            f"{path.name}: not readable as audio ({error}); convert it to WAV or FLAC"
        ) from None
    try:
        data.flags.writeable = False  # then Audio keeps it instead of a copy
        return Audio(_pick(data, channel), sr)
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from None


def printable(name: str) -> str:
    """A file name as text that can be written: undecodable bytes become escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _pick(data: NDArray[np.float32], channel: int | str | None) -> NDArray[np.float32]:
    channels = data.shape[1]
    if channel == "mean":
        return data.mean(axis=1, dtype=np.float64).astype(np.float32)
    if channel is None:
        if channels > 1:
            raise InputError(
                f"{channels} channels; choose one with dataset.channel=0, "
                "or dataset.channel=mean"
            )
        return data[:, 0]
    if not 0 <= int(channel) < channels:
        raise InputError(f"channel {channel} of {channels}; choose 0–{channels - 1}")
    return data[:, int(channel)]


def resample(audio: Audio, sr: int) -> NDArray[np.float32]:
    """Resample to ``sr`` Hz with soxr HQ; the same samples where the rate agrees.

    Returns:
        float32, shape ``(about n · sr / audio.sr,)``.
    """
    if audio.sr == sr:
        return audio.samples
    import soxr

    out: NDArray[np.float32] = soxr.resample(audio.samples, audio.sr, sr, quality="HQ")
    return out
