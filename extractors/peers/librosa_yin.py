"""librosa's YIN (de Cheveigné and Kawahara 2002), as it is."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.stages import stage
from extractors.track import F0Track, as_track

from .librosa_common import LibrosaTracker


class LibrosaYin(LibrosaTracker):
    """``librosa.yin``: it decides no voicing and returns no confidence.

    Every frame is therefore voiced with confidence 1: read its pitch metrics, not its
    voicing. Arguments: see :class:`LibrosaTracker`.
    """

    name: ClassVar[str] = "librosa_yin"
    threshold_source = "none: every frame voiced"

    def _run(self, samples: NDArray[np.float32], sr: int) -> F0Track:
        import librosa

        with stage("frontend", "cpu"):
            f0 = librosa.yin(
                samples,
                fmin=self.fmin,
                fmax=self.fmax,
                sr=sr,
                frame_length=self._length(sr),
                hop_length=int(self.grid.hop_length(sr)),
            )
        every = np.ones(len(f0))
        return as_track(self.grid.times(len(f0)), f0, every, every)
