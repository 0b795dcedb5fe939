"""SwiftF0 (the ``swift-f0`` package, onnxruntime), as it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar

from extractors.audio import Audio
from extractors.base import F0Extractor, check_range
from extractors.errors import MissingExtraError
from extractors.stages import stage
from extractors.track import F0Track, FrameGrid, as_track
from extractors.voicing import threshold_or_default


class SwiftF0(F0Extractor):
    """``swift_f0.SwiftF0.detect`` on its own grid of 16 ms.

    Args:
        fmin, fmax: F0 range in Hz, cut to what the model knows (46.9–2093.8 Hz).
        hop_s: accepted like everywhere; the model's frames are 16 ms apart.
        threshold: a frame is voiced from this confidence on; ``None`` is its own 0.5.
    """

    name: ClassVar[str] = "swiftf0"
    sample_rate: ClassVar[int | None] = 16000
    peer: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("swift_f0",)
    extra: ClassVar[str | None] = "swiftf0"

    def __init__(
        self,
        *,
        fmin: float = 50.0,
        fmax: float = 1100.0,
        hop_s: float = 0.01,
        threshold: float | None = None,
    ) -> None:
        check_range(fmin, fmax)
        FrameGrid(hop_s)
        self.fmin, self.fmax = fmin, fmax
        self.threshold, self.threshold_source = threshold_or_default(threshold, 0.5)
        self._detector: Any = None

    def load(self) -> None:
        """Import the package and its model.

        Raises:
            MissingExtraError: the package is not installed.
        """
        if self._detector is None:
            try:
                import swift_f0
            except ImportError:
                raise MissingExtraError("swift_f0", "swiftf0") from None
            # onnxruntime does not read the variable that limits every other library
            threads = int(os.environ.get("OMP_NUM_THREADS") or 0) or None
            self._detector = swift_f0.SwiftF0(threads=threads)
            self._low = max(self.fmin, swift_f0.FMIN)
            self._high = min(self.fmax, swift_f0.FMAX)

    def extract(self, clips: Sequence[Audio]) -> list[F0Track]:
        """Track clip by clip, at its time stamps."""
        self.load()
        return [self._track(clip) for clip in clips]

    def _track(self, clip: Audio) -> F0Track:
        with stage("network", "cpu"):
            found = self._detector.detect(clip.samples, clip.sr, self._low, self._high)
        voiced = found.confidence >= self.threshold
        return as_track(found.timestamps, found.pitch_hz, voiced, found.confidence)

    def describe(self) -> dict[str, str]:
        """Its grid, which no option changes."""
        return {"hop": "16 ms, fixed by the model"}
