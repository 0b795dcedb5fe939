"""Praat's autocorrelation method (Boersma 1993) through parselmouth, as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.audio import Audio
from extractors.base import F0Extractor, check_range
from extractors.errors import MissingExtraError
from extractors.stages import stage
from extractors.track import F0Track, FrameGrid, as_track

from .timing import complete, picked


class Praat(F0Extractor):
    """``Sound.to_pitch_ac``: the path through candidates decides pitch and voicing.

    Praat lays its frames symmetrically into the clip, so the first and the last lie up
    to ``1.5 / fmin`` seconds inside. In unvoiced frames the strongest voiced candidate
    is kept as the estimate; the confidence is a candidate's strength. A clip shorter
    than the window of ``3 / fmin`` seconds is one unvoiced frame.

    Args:
        fmin, fmax: pitch floor and ceiling in Hz.
        hop_s: seconds between frames.
        voicing_threshold: Praat's own, on the strength of candidates.
    """

    name: ClassVar[str] = "praat"
    peer: ClassVar[bool] = True
    single_threaded: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("parselmouth",)
    extra: ClassVar[str | None] = "praat"

    def __init__(
        self,
        *,
        fmin: float = 50.0,
        fmax: float = 1100.0,
        hop_s: float = 0.01,
        voicing_threshold: float = 0.45,
    ) -> None:
        check_range(fmin, fmax)
        self.fmin, self.fmax = fmin, fmax
        self.hop_s = float(FrameGrid(hop_s).hop_s)
        self.voicing_threshold = voicing_threshold
        self.threshold_source = f"native, strength {voicing_threshold:g}"

    def load(self) -> None:
        """Import parselmouth.

        Raises:
            MissingExtraError: the package is not installed.
        """
        try:
            import parselmouth  # noqa: F401 - the import is the loading
        except ImportError:
            raise MissingExtraError("parselmouth", "praat") from None

    def extract(self, clips: Sequence[Audio]) -> list[F0Track]:
        """Track clip by clip."""
        self.load()
        return [self._track(clip) for clip in clips]

    def _track(self, clip: Audio) -> F0Track:
        import parselmouth

        if clip.seconds <= 3 / self.fmin:
            return self._spanned(np.zeros(0), np.zeros(0), np.zeros(0), clip)
        with stage("frontend", "cpu"):
            sound = parselmouth.Sound(clip.samples.astype(np.float64), clip.sr)
            pitch = sound.to_pitch_ac(
                time_step=self.hop_s,
                pitch_floor=self.fmin,
                pitch_ceiling=self.fmax,
                voicing_threshold=self.voicing_threshold,
            )
        candidates = pitch.to_array()  # the chosen one first
        hz, frames = candidates["frequency"], np.arange(pitch.n_frames)
        best = (hz > 0).argmax(axis=0)
        strength = candidates["strength"][best, frames]
        f0 = np.where(hz[0] > 0, 1, -1) * hz[best, frames]
        return self._spanned(np.asarray(pitch.xs()), f0, strength, clip)

    @staticmethod
    def _spanned(
        times: NDArray[np.float64],
        f0: NDArray[np.float64],
        strength: NDArray[np.float64],
        clip: Audio,
    ) -> F0Track:
        """The whole clip: Praat has no frame within 1.5 periods of fmin of its ends."""
        times, index = complete(times, clip.seconds)
        signed = picked(f0, index, np.nan)
        level = picked(strength, index, 0.0)
        return as_track(times, np.abs(signed), signed > 0, level)
