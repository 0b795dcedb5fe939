"""CREPE on a stream: samples come in chunks, frames go out after a stated delay.

A frame is centred at ``i · hop`` with ``hop = sr // 100`` samples, and three things
make it wait: the resampler, where the stream is not at 16 kHz; half a window of 512
samples at 16 kHz (32 ms), which lies behind the centre; and ``lag`` frames for the
decoder (:mod:`extractors.decoders.fixed_lag`). :attr:`StreamingCrepe.delay_s` is their
sum. A frame's own computing comes on top and is measured, not stated.

The network sees the very rows that it sees offline and computes each by itself, so with
a lag as long as the stream the track equals ``Crepe(decoder="viterbi_weighted")`` on
the whole recording, bit for bit on a CPU; with a shorter one, wherever the paths agree.

To get one row out of the offline framing, a window of 1024 samples is passed as a clip
of one sample more, on a grid of 513 samples: its second frame is centred on sample 513
and spans samples 1 to 1024. The first frame is not used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .audio import Audio
from .crepe import Crepe
from .crepe.frames import SAMPLE_RATE, WINDOW
from .decoders.bins import PITCH_BINS, allowed_bins
from .decoders.fixed_lag import FixedLagViterbi
from .decoders.pitch import TRANSITION_WIDTH, local_average, softmax_open
from .errors import ConfigError
from .service_audio import as_audio, service_grid
from .stages import stage
from .track import F0Track

Rows = NDArray[np.float32]
HALF = WINDOW // 2
CHUNK_S = 0.01  # seconds of a chunk, for which the resampler's delay is stated


@dataclass(frozen=True)
class _Seen:
    """A frame whose state is not decided yet."""

    index: int
    row: Rows


class StreamingCrepe:
    """Tracks one stream; a second stream needs a second object, or :meth:`restart`.

    Args:
        sr: Hz of the stream, at least 8000.
        model: ``full`` or ``tiny``.
        device: ``auto``, ``cpu`` or ``cuda``.
        lag: frames between a frame and its decision; ``None`` decides at the end.
        fmin, fmax: F0 range in Hz.
        threshold: a frame is voiced from this confidence on; 0.5 if ``None``.
        engine: a :class:`Crepe` whose loaded model is used, instead of ``model`` and
            ``device``.

    Raises:
        ConfigError: an argument is out of its bounds.
    """

    def __init__(
        self,
        sr: int = SAMPLE_RATE,
        *,
        model: str = "tiny",
        device: str = "auto",
        lag: int | None = 20,
        fmin: float = 50.0,
        fmax: float = 550.0,
        threshold: float | None = None,
        engine: Crepe | None = None,
    ) -> None:
        self.sr, self.lag = sr, lag
        self.grid = service_grid(sr)
        self._hop = self.grid.hop_length(SAMPLE_RATE)
        self._allowed = allowed_bins(fmin, fmax)
        base = Crepe(model=model, device=device) if engine is None else engine
        self._engine = base
        level = Crepe(threshold=threshold).threshold
        assert level is not None
        self._threshold = level
        self._transition = triangular(PITCH_BINS, TRANSITION_WIDTH)
        self._row_engine: Crepe | None = None
        if lag is not None and lag < 0:
            raise ConfigError(f"lag={lag} must be at least 0 frames")
        self.restart()

    @property
    def delay_s(self) -> float:
        """Seconds between a frame's centre and the sample that decides it.

        ``inf`` where ``lag`` is ``None``.
        """
        if self.lag is None:
            return float("inf")
        frames = self.lag * float(self.grid.hop_s)
        return resampler_delay_s(self.sr) + HALF / SAMPLE_RATE + frames

    def load(self) -> None:
        """Read the weights and run the network once; done by the first chunk else."""
        if self._row_engine is None:
            self._engine.load()
            row_engine = copy(self._engine)  # a shallow copy shares the loaded network
            row_engine.grid = service_grid(SAMPLE_RATE, HALF + 1)
            self._row_engine = row_engine

    def restart(self) -> None:
        """Forget the stream; the model stays loaded."""
        self._viterbi = FixedLagViterbi(self._transition, self.lag)
        self._resampler = _resampler(self.sr)
        self._buffer = np.zeros(HALF, np.float32)  # what lies before the stream
        self._origin = -HALF  # place of the buffer's first sample, at 16 kHz
        self._received = 0  # samples at the rate of the stream
        self._next = 0  # frame
        self._open: deque[_Seen] = deque()

    def push(self, chunk: ArrayLike) -> F0Track:
        """Take the next samples; return the frames that they decided, maybe none.

        Args:
            chunk: floating point, shape ``(n,)``, ``n ≥ 1``; 10 ms of audio, say.

        Raises:
            InputError: the chunk cannot be used; a ``ValueError``.
        """
        clip = as_audio(chunk, self.sr)
        self.load()
        self._received += len(clip.samples)
        self._append(clip.samples, last=False)
        return self._track(self._advance(self._origin + len(self._buffer)))

    def flush(self) -> F0Track:
        """End the stream; return all frames not decided yet, then start anew."""
        if not self._received:
            return self._track(iter(()))
        self._append(np.empty(0, np.float32), last=True)
        frames = self.grid.n_frames(self._received, self.sr)
        end = _centre(frames - 1, self._hop) + HALF
        missing = max(0, end - self._origin - len(self._buffer))
        self._buffer = np.pad(self._buffer, (0, missing))
        decided = list(self._advance(end))
        decided += [(self._open.popleft(), state) for state in self._viterbi.flush()]
        track = self._track(iter(decided))
        self.restart()
        return track

    def _append(self, samples: Rows, *, last: bool) -> None:
        with stage("resample", "cpu"):
            if self._resampler is not None:
                samples = self._resampler.resample_chunk(samples, last=last)
        self._buffer = np.concatenate([self._buffer, samples])

    def _advance(self, end: int) -> Iterator[tuple[_Seen, int]]:
        """Feed every frame whose window ends by sample ``end`` to the decoder."""
        windows: list[Rows] = []
        while (centre := _centre(self._next + len(windows), self._hop)) + HALF <= end:
            start = centre - HALF - self._origin
            windows.append(self._buffer[start : start + WINDOW])
        for row in self._rows(windows):
            self._open.append(_Seen(self._next, row))
            self._next += 1
            with stage("decode", "cpu"):
                state = self._viterbi.push(softmax_open(row[None], self._allowed)[0])
            if state is not None:
                yield self._open.popleft(), state
        done = _centre(self._next, self._hop) - HALF - self._origin
        self._buffer, self._origin = self._buffer[done:], self._origin + done

    def _rows(self, windows: list[Rows]) -> Iterator[Rows]:
        """Probabilities of the pitch bins, shape ``(360,)``, of every window."""
        assert self._row_engine is not None
        clips = [Audio(np.pad(window, (1, 0)), SAMPLE_RATE) for window in windows]
        if clips:
            for found in self._row_engine.infer(clips):
                yield found.probabilities[1]

    def _track(self, decided: Iterator[tuple[_Seen, int]]) -> F0Track:
        found = list(decided)
        bins = np.array([state for _, state in found], dtype=np.int64)
        rows = np.array([seen.row for seen, _ in found], dtype=np.float32)
        rows = rows.reshape(-1, PITCH_BINS)
        first = found[0][0].index if found else 0
        times = self.grid.times(first + len(found))[first:]
        with stage("decode", "cpu"):
            f0 = local_average(rows, bins, self._allowed).astype(np.float32)
        confidence = rows[np.arange(len(bins)), bins]
        return F0Track(times, f0, confidence >= self._threshold, confidence)


def triangular(states: int, width: int) -> NDArray[np.float64]:
    """torchcrepe's transitions ``max(width - |i - j|, 0)``, each row of sum 1."""
    index = np.arange(states)
    matrix = np.maximum(width - np.abs(index[:, None] - index), 0).astype(np.float64)
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))


def _centre(frame: int, hop: Fraction) -> int:
    """Sample nearest to a frame's centre, as :meth:`FrameGrid.centres` rounds."""
    return (2 * frame * hop.numerator + hop.denominator) // (2 * hop.denominator)


def _resampler(sr: int) -> Any:
    if sr == SAMPLE_RATE:
        return None
    import soxr

    return soxr.ResampleStream(sr, SAMPLE_RATE, 1, dtype="float32", quality="HQ")


def resampler_delay_s(sr: int) -> float:
    """Seconds by which samples at 16 kHz lag behind a stream of 10 ms chunks, at most.

    Found by passing one second of silence through; 0 at 16 kHz. soxr works on blocks,
    so the delay is that of its filter and of a block.
    """
    resampler = _resampler(sr)
    if resampler is None:
        return 0.0
    chunk = np.zeros(round(sr * CHUNK_S), np.float32)
    given = got = 0
    worst = 0.0
    for _ in range(round(1 / CHUNK_S)):
        given += len(chunk)
        got += len(resampler.resample_chunk(chunk, last=False))
        worst = max(worst, given / sr - got / SAMPLE_RATE)
    return worst
