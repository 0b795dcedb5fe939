"""librosa's pYIN (Mauch and Dixon 2014), as it is."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.stages import stage
from extractors.track import F0Track, as_track

from .librosa_common import LibrosaTracker


class LibrosaPyin(LibrosaTracker):
    """``librosa.pyin``: voicing is its HMM's decision, not a threshold.

    The estimate is kept in unvoiced frames (``fill_na=None``); the confidence is its
    ``voiced_prob``. Arguments: see :class:`LibrosaTracker`.
    """

    name: ClassVar[str] = "librosa_pyin"

    def _run(self, samples: NDArray[np.float32], sr: int) -> F0Track:
        import librosa

        with stage("frontend"):
            f0, voiced, probability = librosa.pyin(
                samples,
                fmin=self.fmin,
                fmax=self.fmax,
                sr=sr,
                frame_length=self._length(sr),
                hop_length=int(self.grid.hop_length(sr)),
                fill_na=None,
            )
        return as_track(self.grid.times(len(f0)), f0, voiced, probability)
