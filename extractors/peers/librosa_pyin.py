"""librosa's pYIN (Mauch and Dixon 2014), as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.base import choose
from extractors.stages import stage
from extractors.track import F0Track, as_track

from .librosa_common import LibrosaTracker


@contextmanager
def decoding_with(viterbi: str) -> Iterator[None]:
    """Let librosa's pYIN decode with our exact Viterbi inside the block.

    librosa offers no argument for it, so the function that ``pyin`` looks up in
    ``librosa.sequence`` is replaced and put back. The process is single-threaded here.
    """
    if viterbi == "librosa":
        yield
        return
    import librosa

    sequence: Any = librosa.sequence  # type: ignore[attr-defined]  # lazily exported
    original = sequence.viterbi
    sequence.viterbi = banded_viterbi
    try:
        yield
    finally:
        sequence.viterbi = original


def banded_viterbi(
    prob: NDArray[np.floating], transition: NDArray[np.float64], *, p_init: object
) -> NDArray[np.int64]:
    """The path of ``librosa.sequence.viterbi`` for the arguments that pYIN gives it.

    Args:
        prob: likelihoods, voiced before unvoiced, shape ``(..., 2 n, T)``.
        transition: shape ``(2 n, 2 n)``, each quarter banded.
        p_init: uniform.

    Returns:
        int64, shape ``(..., T)``.
    """
    from extractors.decoders.band import band_of_matrix
    from extractors.decoders.viterbi import Dense, decode

    tiny = float(np.finfo(prob.dtype).tiny)
    band = band_of_matrix(transition, tiny, blocks=2)
    channels = prob.reshape(-1, *prob.shape[-2:]).swapaxes(1, 2)
    paths = decode([Dense(rows, None, tiny) for rows in channels], band)
    return np.reshape(paths, (*prob.shape[:-2], prob.shape[-1]))


class LibrosaPyin(LibrosaTracker):
    """``librosa.pyin``: voicing is its HMM's decision, not a threshold.

    The estimate is kept in unvoiced frames (``fill_na=None``); the confidence is its
    ``voiced_prob``. Other arguments: see :class:`LibrosaTracker`.

    Args:
        viterbi: ``librosa``, or ``banded`` for the same path from our decoder, where
            nothing is timed; in a timing the peer is measured as it is.
    """

    name: ClassVar[str] = "librosa_pyin"

    def __init__(
        self,
        *,
        fmin: float = 50.0,
        fmax: float = 1100.0,
        hop_s: float = 0.01,
        frame_length: int | None = None,
        viterbi: str = "librosa",
    ) -> None:
        super().__init__(fmin=fmin, fmax=fmax, hop_s=hop_s, frame_length=frame_length)
        self.viterbi = choose(viterbi, ("librosa", "banded"), "viterbi")

    def _run(self, samples: NDArray[np.float32], sr: int) -> F0Track:
        import librosa

        with stage("frontend", "cpu"), decoding_with(self.viterbi):
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
