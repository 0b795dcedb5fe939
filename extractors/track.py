"""The one result type of F0 extraction, and the frame grid it lies on."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import ConfigError, TrackError


@dataclass(frozen=True, eq=False)
class F0Track:
    """An F0 contour with voicing and confidence, validated once.

    "Unvoiced" is the flag ``voiced`` and nothing else: NaN, 0 or negative Hz as a
    voicing code exist only in exporters.

    Attributes:
        times: float64, seconds, shape ``(T,)``, strictly increasing: frame centres.
        f0: float32, Hz, shape ``(T,)``: the estimate wherever the algorithm has one,
            also in unvoiced frames; NaN only where it has none.
        voiced: bool, shape ``(T,)``.
        confidence: float32 in [0, 1], shape ``(T,)``, before any threshold.
        voiced_prob: optional float32 in [0, 1], shape ``(T,)``.

    Raises:
        TrackError: lengths differ, times unsorted, a voiced frame without F0, an F0
            that is not positive, or a confidence outside [0, 1].
    """

    times: NDArray[np.float64]
    f0: NDArray[np.float32]
    voiced: NDArray[np.bool_]
    confidence: NDArray[np.float32]
    voiced_prob: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        self._freeze("times", np.float64)
        self._freeze("f0", np.float32)
        self._freeze("voiced", np.bool_)
        self._freeze("confidence", np.float32)
        if self.voiced_prob is not None:
            self._freeze("voiced_prob", np.float32)
        self._check_shape()
        self._check_times()
        self._check_values()

    def __len__(self) -> int:
        return len(self.times)

    def _freeze(self, name: str, dtype: Any) -> None:
        array = np.array(getattr(self, name), dtype=dtype)
        array.flags.writeable = False
        object.__setattr__(self, name, array)

    def _check_shape(self) -> None:
        shapes = {
            name: getattr(self, name).shape
            for name in ("times", "f0", "voiced", "confidence")
        }
        if self.voiced_prob is not None:
            shapes["voiced_prob"] = self.voiced_prob.shape
        if len(set(shapes.values())) > 1 or self.times.ndim != 1:
            raise TrackError(f"arrays must be 1-D and of one length, not {shapes}")

    def _check_times(self) -> None:
        if not np.isfinite(self.times).all():
            raise TrackError("times hold NaN or Inf")
        steps = np.diff(self.times)
        if (steps <= 0).any():
            frame = int(np.flatnonzero(steps <= 0)[0]) + 1
            raise TrackError(
                f"times must increase: frame {frame} is at {self.times[frame]:.6f} s "
                f"after {self.times[frame - 1]:.6f} s"
            )

    def _check_values(self) -> None:
        known = ~np.isnan(self.f0)
        if (self.voiced & ~known).any():
            frame = int(np.flatnonzero(self.voiced & ~known)[0])
            raise TrackError(f"frame {frame} is voiced but its F0 is NaN")
        wrong = known & ~((self.f0 > 0) & np.isfinite(self.f0))
        if wrong.any():
            frame = int(np.flatnonzero(wrong)[0])
            raise TrackError(
                f"F0 {self.f0[frame]} Hz in frame {frame} is not positive; "
                "use NaN where there is no estimate"
            )
        for name in ("confidence", "voiced_prob"):
            array = getattr(self, name)
            if array is not None and not ((array >= 0) & (array <= 1)).all():
                raise TrackError(f"{name} must lie in [0, 1] in every frame")


@dataclass(frozen=True)
class FrameGrid:
    """Frames centred at ``i · hop``, with a hop that is rational in samples.

    22 050 Hz at 10 ms is 220.5 samples: truncating it to 220 makes the clock drift by
    0.2 %, so the hop stays a fraction and only a position is ever rounded.

    Attributes:
        hop_s: hop in seconds; a float is read as the decimal it prints as.
    """

    hop_s: Fraction

    def __init__(self, hop_s: float | Fraction | str) -> None:
        hop = Fraction(str(hop_s)) if isinstance(hop_s, float) else Fraction(hop_s)
        if not 0 < hop <= 1:
            raise ConfigError(f"hop_s={float(hop)} must lie in (0, 1] seconds")
        object.__setattr__(self, "hop_s", hop)

    def hop_length(self, sr: int) -> Fraction:
        """Hop in samples at ``sr`` Hz, exact."""
        return self.hop_s * sr

    def n_frames(self, n_samples: int, sr: int) -> int:
        """``1 + floor(n / hop)``, as librosa counts centred frames."""
        return 1 + int(n_samples / self.hop_length(sr))

    def times(self, n_frames: int) -> NDArray[np.float64]:
        """Frame centres in seconds, float64, shape ``(n_frames,)``."""
        index = np.arange(n_frames, dtype=np.float64)
        return index * self.hop_s.numerator / self.hop_s.denominator

    def centres(self, n_frames: int, sr: int) -> NDArray[np.int64]:
        """Nearest sample of each frame centre at ``sr`` Hz, shape ``(n_frames,)``.

        The error is at most half a sample and does not accumulate.
        """
        hop = self.hop_length(sr)
        index = np.arange(n_frames, dtype=np.int64)
        twice = 2 * index * hop.numerator + hop.denominator
        return twice // (2 * hop.denominator)


def as_track(
    times: ArrayLike, f0: ArrayLike, voiced: ArrayLike, confidence: ArrayLike
) -> F0Track:
    """Build a track from what external tools return: 0 or negative Hz become NaN."""
    hz = np.array(f0, dtype=np.float32)
    hz[~(hz > 0)] = np.nan
    flags = np.asarray(voiced, dtype=bool) & ~np.isnan(hz)
    level = np.clip(np.nan_to_num(np.asarray(confidence, dtype=np.float32)), 0, 1)
    return F0Track(np.asarray(times, dtype=np.float64), hz, flags, level)
