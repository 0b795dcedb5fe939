"""The extractor ``pyin``: librosa's pYIN, exact, in parallel over clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar

from extractors.audio import Audio
from extractors.base import F0Extractor, check_range
from extractors.compiled import warn_once
from extractors.device import check_device, resolve
from extractors.errors import ConfigError, F0BenchError
from extractors.peers.librosa_common import frame_length_for
from extractors.peers.timing import (
    check_whole_hop,
    describe_clock,
    noise,
    with_whole_hop,
)
from extractors.track import F0Track, FrameGrid, as_track

from .parameters import Options, PadMode, Parameters

COMPUTED_BY = {
    "cpu": "numba and scipy's FFT, librosa's answer bit for bit",
    "cuda": "torch on the GPU, librosa's answer but for rounding",
    "torch-cpu": "torch on the CPU, because numba does not work here",
}


def pair(values: Sequence[float]) -> tuple[float, float]:
    """Two numbers, as a configuration file gives them.

    Raises:
        ConfigError: there are more or fewer.
    """
    if len(values) != 2:
        raise ConfigError(f"beta_parameters={list(values)} must be two numbers")
    return values[0], values[1]


class Pyin(F0Extractor):
    """pYIN (Mauch and Dixon 2014) with librosa's arithmetic and its answer.

    The estimate is kept in unvoiced frames; the confidence is the probability that a
    frame is voiced, and voicing is the decision of the hidden Markov model.

    Args:
        fmin, fmax: F0 range in Hz.
        hop_s: seconds between frames; made whole samples, see
            :mod:`extractors.peers.timing`.
        device: ``cpu``, the exact engine; ``cuda``, whose answer differs in a few
            frames of a thousand; ``auto`` is ``cuda`` where there is one.
        frame_length: window in samples at the rate of the file; ``None`` is the
            smallest power of two that holds more than two periods of ``fmin``.
        resolution, n_thresholds, beta_parameters, boltzmann_parameter,
            max_transition_rate, switch_prob, no_trough_prob, center, pad_mode: see
            :class:`~extractors.pyin.parameters.Options`. Without ``center`` a frame
            begins at its time stamp, and the last ones are missing.

    Raises:
        ConfigError: an argument is out of its bounds.
    """

    name: ClassVar[str] = "pyin"
    axes: ClassVar[Mapping[str, tuple[Any, ...] | None]] = {"device": ("cpu", "cuda")}
    requires: ClassVar[tuple[str, ...]] = ("numba", "scipy")

    def __init__(
        self,
        *,
        fmin: float = 50.0,
        fmax: float = 1100.0,
        hop_s: float = 0.01,
        frame_length: int | None = None,
        resolution: float = 0.1,
        n_thresholds: int = 100,
        beta_parameters: Sequence[float] = (2, 18),
        boltzmann_parameter: float = 2,
        max_transition_rate: float = 35.92,
        switch_prob: float = 0.01,
        no_trough_prob: float = 0.01,
        center: bool = True,
        pad_mode: PadMode = "constant",
        device: str = "cpu",
    ) -> None:
        check_range(fmin, fmax)
        if frame_length is not None and frame_length < 16:
            raise ConfigError(
                f"frame_length={frame_length} must be at least 16 samples"
            )
        self.fmin, self.fmax = fmin, fmax
        self.frame_length = frame_length
        self.grid = FrameGrid(hop_s)
        check_whole_hop(self.grid)
        self.options = Options(
            n_thresholds=n_thresholds,
            beta_parameters=pair(beta_parameters),
            boltzmann_parameter=boltzmann_parameter,
            resolution=resolution,
            max_transition_rate=max_transition_rate,
            switch_prob=switch_prob,
            no_trough_prob=no_trough_prob,
            center=center,
            pad_mode=pad_mode,
        )
        self.device = check_device(device)
        self._runs_on: str | None = None

    def load(self) -> None:
        """Import numba and scipy, compile the kernels or read them from disk.

        Where numba does not work, torch computes on the CPU, with one warning.
        """
        if self._runs_on is not None:
            return
        self._runs_on = resolve(self.device)
        try:
            self._tracked([noise(16000)])
        except F0BenchError:
            raise
        except Exception as error:  # whatever a compiler raises on an unknown machine
            if self._runs_on != "cpu":
                raise
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            warn_once(f"pYIN runs in torch, because numba does not work: {reason}")
            self._runs_on = "torch-cpu"
            self._tracked([noise(16000)])

    def extract(self, clips: Sequence[Audio]) -> list[F0Track]:
        """Track every clip, as many at a time as the process has threads."""
        self.load()
        return self._tracked(clips)

    def _tracked(self, clips: Sequence[Audio]) -> list[F0Track]:
        from .function import track

        prepared = [with_whole_hop(clip, self.grid) for clip in clips]
        found: dict[int, F0Track] = {}
        order = sorted(range(len(clips)), key=lambda i: prepared[i][1])
        for rate, group in groupby(order, key=lambda i: prepared[i][1]):
            same = list(group)
            samples = [prepared[i][0] for i in same]
            contours = track(samples, self.parameters(rate), self._runs_on or "cpu")
            for i, contour in zip(same, contours, strict=True):
                # resampled up by less than a sample's width, a clip may end later
                frames = self.grid.n_frames(len(clips[i].samples), clips[i].sr)
                kept = slice(min(frames, len(contour.f0)))
                found[i] = as_track(
                    self.grid.times(len(contour.f0))[kept],
                    contour.f0[kept],
                    contour.voiced[kept],
                    contour.voiced_prob[kept],
                )
        return [found[i] for i in range(len(clips))]

    def parameters(self, rate: int) -> Parameters:
        """Everything the answer depends on for clips of ``rate`` Hz."""
        return Parameters(
            rate,
            self.fmin,
            self.fmax,
            self.frame_length or frame_length_for(rate, self.fmin),
            int(self.grid.hop_length(rate)),
            self.options,
        )

    def describe(self) -> dict[str, str]:
        """How frame length and clock were chosen, and what computes."""
        length = "smallest power of two over two periods of fmin"
        stated = self.frame_length and f"{self.frame_length} samples, stated"
        return {
            "frame_length": stated or length,
            "computed_by": COMPUTED_BY[self._runs_on or "cpu"],
            **describe_clock(self.grid),
        }
