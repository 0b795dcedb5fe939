"""One F0 per window: how windows are cut from a recording, and summed up.

A window's *frames* are those of the window alone: it is framed by itself, zeros outside
it, and its frames share network rounds with those of other windows. Three numbers then
stand for a window:

* ``f0``: the median of its voiced frames in cents, turned back into Hz. An octave error
  in a quarter of the frames leaves it where it was. ``mean_hz`` is the mean in Hz.
* ``confidence``: the mean over *all* frames. A mean over the frames that passed a
  threshold could not fall below that threshold.
* ``coverage``: the share of voiced frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .errors import ConfigError, InputError
from .track import F0Track

Floats = NDArray[np.float32]
#: Windows framed alone, or joined to one signal for comparison (.concat).
BATCHING = ("frames", "concat")


@dataclass(frozen=True, eq=False)
class WindowSummary:
    """One value per window, all of shape ``(windows,)``.

    Attributes:
        f0: float32, Hz; NaN where a window has no voiced frame.
        confidence: float32 in [0, 1], mean over all frames.
        coverage: float32 in [0, 1], voiced frames over frames.
        reduce: how ``f0`` was reduced, a key of :data:`REDUCERS`.
    """

    f0: Floats
    confidence: Floats
    coverage: Floats
    reduce: str

    def __len__(self) -> int:
        return len(self.f0)


def median_cents(f0: NDArray[np.float64]) -> float:
    """Median of cents as Hz; ``f0`` in Hz, shape ``(n,)``, ``n ≥ 1``, all positive."""
    return float(np.exp2(np.median(np.log2(f0))))


def mean_hz(f0: NDArray[np.float64]) -> float:
    """Mean in Hz; one octave error among ten frames moves it by a tenth."""
    return float(f0.mean())


REDUCERS: Mapping[str, Callable[[NDArray[np.float64]], float]] = {
    "median_cents": median_cents,
    "mean_hz": mean_hz,
}


def summarise(tracks: Iterable[F0Track], reduce: str = "median_cents") -> WindowSummary:
    """Reduce every track to one F0, one confidence and one coverage.

    Args:
        tracks: one per window; consumed one at a time.
        reduce: ``median_cents`` or ``mean_hz``.
    """
    rows = [_summary(track, REDUCERS[reduce]) for track in tracks]
    table = np.array(rows, dtype=np.float32).reshape(-1, 3)
    return WindowSummary(table[:, 0], table[:, 1], table[:, 2], reduce)


def _summary(
    track: F0Track, reducer: Callable[[NDArray[np.float64]], float]
) -> tuple[float, float, float]:
    if not len(track):  # a window behind the end of a concatenated track
        return np.nan, np.nan, np.nan
    voiced = track.f0[track.voiced].astype(np.float64)
    f0 = reducer(voiced) if len(voiced) else np.nan
    confidence = track.confidence.mean(dtype=np.float64)
    return f0, float(confidence), len(voiced) / len(track)


@dataclass(frozen=True)
class WindowPlan:
    """Windows of ``length`` samples every ``hop`` samples that fit into a recording.

    The last full window is included; a tail shorter than a window is not.

    Attributes:
        length, hop: samples.
        count: windows.
    """

    length: int
    hop: int
    count: int

    @property
    def starts(self) -> NDArray[np.int64]:
        """First sample of every window, shape ``(count,)``."""
        return np.arange(self.count, dtype=np.int64) * self.hop

    def cut(self, samples: Floats) -> Floats:
        """The windows, shape ``(count, length)``: a view, nothing is copied."""
        if not self.count:
            return np.empty((0, self.length), np.float32)
        view = sliding_window_view(samples, self.length)
        return view[:: self.hop][: self.count]


def plan_windows(n_samples: int, sr: int, window_s: float, hop_s: float) -> WindowPlan:
    """Lay windows over a recording.

    Raises:
        ConfigError: window or hop is shorter than one sample.
        InputError: the recording is shorter than one window.
    """
    known = np.isfinite([window_s, hop_s]).all()
    length, hop = (round(s * sr) if known else 0 for s in (window_s, hop_s))
    if length < 1 or hop < 1:
        raise ConfigError(
            f"window_s={window_s} and hop_s={hop_s} must be finite and at least one "
            f"sample ({1 / sr:.6f} s)"
        )
    if n_samples < length:
        raise InputError(
            f"audio of {n_samples} samples ({n_samples / sr:.3f} s) is shorter than "
            f"one window of {window_s} s; pass a longer recording or a shorter window"
        )
    return WindowPlan(length, hop, 1 + (n_samples - length) // hop)
