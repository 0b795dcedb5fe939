"""What callers of the F0 service hand over: arrays, checked before anything runs.

The service takes a numpy array and a rate where the rest of f0bench takes
:class:`~extractors.audio.Audio`; here one becomes the other. Every refusal is an
:class:`~extractors.errors.InputError`, which is a ``ValueError``, and names shape,
value and remedy.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .audio import MIN_SAMPLE_RATE, Audio
from .errors import ConfigError, InputError
from .track import FrameGrid


def as_audio(audio: ArrayLike, sr: int) -> Audio:
    """One recording.

    Args:
        audio: floating point, shape ``(n,)``, ``n ≥ 1``, full scale ±1.
        sr: Hz, at least 8000.

    Raises:
        InputError: not one-dimensional, empty, integers, NaN or Inf, or ``sr`` too low.
    """
    samples = np.asarray(audio)
    if samples.ndim != 1:
        raise InputError(
            f"audio of shape {samples.shape} is not one-dimensional; pass one channel "
            "of shape (n,), e.g. audio[:, 0], or several windows to extract_f0_batch"
        )
    if samples.size == 0:
        raise InputError(
            f"audio of shape {samples.shape} holds 0 samples; pass at least one"
        )
    _check_values(samples, sr)
    return Audio(samples, sr)


def as_windows(audio_windows: ArrayLike, sr: int) -> Windows:
    """Windows of equal length; nothing is copied.

    Args:
        audio_windows: floating point, shape ``(windows, n)``, ``n ≥ 1``.
        sr: Hz, at least 8000.

    Raises:
        InputError: not two-dimensional, windows of no samples, integers, NaN or Inf, or
            ``sr`` too low.
    """
    rows = np.asarray(audio_windows)
    if rows.ndim != 2:
        raise InputError(
            f"audio_windows of shape {rows.shape} is not (windows, samples); pass one "
            "recording to extract_f0, or add an axis with audio[None, :]"
        )
    if rows.shape[1] == 0:
        raise InputError(
            f"audio_windows of shape {rows.shape} hold 0 samples each; "
            "pass at least one"
        )
    for first in range(0, len(rows), _CHECKED_AT_ONCE):
        _check_values(rows[first : first + _CHECKED_AT_ONCE], sr)
    return Windows(rows, sr)


_CHECKED_AT_ONCE = 1024  # windows; the check's own memory stays small


def _check_values(samples: NDArray, sr: int) -> None:
    if not _whole(sr):
        raise InputError(
            f"sr={sr!r} (audio of shape {samples.shape}) is not a whole number of Hz; "
            "pass the rate of the recording, e.g. 16000"
        )
    if sr < MIN_SAMPLE_RATE:
        raise InputError(
            f"sr={sr} Hz (audio of shape {samples.shape}) is below {MIN_SAMPLE_RATE} "
            f"Hz; record at {MIN_SAMPLE_RATE} Hz or more, 16000 Hz is best"
        )
    if not np.issubdtype(samples.dtype, np.floating):
        raise InputError(
            f"audio of shape {samples.shape} holds {samples.dtype}; pass floating "
            "point of full scale ±1, e.g. audio / 32768.0 for int16"
        )
    good = np.isfinite(samples)
    if not good.all():
        bad = np.unravel_index(int(np.argmin(good)), samples.shape)
        place = ", ".join(str(int(i)) for i in bad)
        raise InputError(
            f"audio of shape {samples.shape} holds {samples[bad]} (first at "
            f"[{place}]); repair it or replace it, e.g. with numpy.nan_to_num"
        )


def _whole(sr: Any) -> bool:
    try:
        return bool(int(sr) == sr)
    except (TypeError, ValueError, OverflowError):  # nothing like a number, NaN, Inf
        return False


class Windows(Sequence[Audio]):
    """Windows as clips, each made when it is asked for.

    Args:
        rows: shape ``(windows, n)``; any array, also one mapped from a file.
        sr: Hz.
    """

    def __init__(self, rows: NDArray, sr: int) -> None:
        self.rows, self.sr = rows, int(sr)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self.rows):
            raise IndexError(index)
        return Audio(self.rows[index], self.sr)


class Rest(Sequence[Audio]):
    """The clips from number ``first`` on, none of them made before it is asked for."""

    def __init__(self, clips: Sequence[Audio], first: int) -> None:
        self.clips, self.first = clips, first

    def __len__(self) -> int:
        return len(self.clips) - self.first

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.clips[self.first + index]


def service_grid(sr: int, hop_length: int | None = None) -> FrameGrid:
    """The service's frames: centred at whole multiples of ``sr // 100`` samples.

    Args:
        sr: Hz.
        hop_length: samples; ``None`` is the documented ``sr // 100``.

    Raises:
        ConfigError: the hop is below one sample or above one second.
    """
    hop = sr // 100 if hop_length is None else hop_length
    if int(hop) != hop or not 1 <= hop <= sr:
        raise ConfigError(f"hop_length={hop} must lie in 1–{sr} samples (1 s)")
    return FrameGrid(Fraction(int(hop), int(sr)))
