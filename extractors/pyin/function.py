"""pYIN as a function of arrays, with the arguments and the answer of librosa's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from extractors.decoders.viterbi import decode
from extractors.errors import InputError
from extractors.stages import stage

from .model import model_of
from .parameters import Options, PadMode, Parameters

Samples = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Contour:
    """What pYIN says of one clip, each array ``(T,)``.

    Attributes:
        f0: float64, Hz, in unvoiced frames the most probable pitch.
        voiced: bool.
        voiced_prob: float64 in [0, 1].
    """

    f0: NDArray[np.float64]
    voiced: NDArray[np.bool_]
    voiced_prob: NDArray[np.float64]


def track(
    clips: Sequence[Samples], parameters: Parameters, device: str = "cpu"
) -> list[Contour]:
    """pYIN of every clip; all have the sampling rate of ``parameters``.

    Clips are worked on in parallel; neither their company nor the number of threads
    changes a result.

    Args:
        clips: float32 or float64, ``(n,)`` each; the type decides in which precision
            the difference function is computed, as in librosa.
        device: ``cpu``, exact, or any of torch's, ``torch-cpu`` for torch on the CPU;
            see :mod:`extractors.pyin.on_device`.
    """
    model = model_of(parameters)
    if device != "cpu":
        from .on_device import track_on

        return track_on(device.removeprefix("torch-"), clips, parameters, model)
    from .analysis import analyse

    with stage("frontend", "cpu"):
        candidates = analyse(clips, parameters, model)
    with stage("decode", "cpu"):
        paths = decode(candidates, model.band)
    return [
        Contour(
            model.frequencies[path % parameters.pitch_bins],
            path < parameters.pitch_bins,
            seen.voiced,
        )
        for path, seen in zip(paths, candidates, strict=True)
    ]


def pyin(
    y: ArrayLike,
    *,
    fmin: float,
    fmax: float,
    sr: float = 22050,
    frame_length: int = 2048,
    hop_length: int | None = None,
    n_thresholds: int = 100,
    beta_parameters: tuple[float, float] = (2, 18),
    boltzmann_parameter: float = 2,
    resolution: float = 0.1,
    max_transition_rate: float = 35.92,
    switch_prob: float = 0.01,
    no_trough_prob: float = 0.01,
    fill_na: float | None = np.nan,
    center: bool = True,
    pad_mode: PadMode = "constant",
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Fundamental frequency and voicing by probabilistic YIN (Mauch and Dixon 2014).

    The arguments, their defaults and the answer are those of ``librosa.pyin`` 0.11,
    except that the signal has one channel.

    Args:
        y: float32 or float64, ``(n,)``, finite.
        fmin, fmax: F0 range in Hz, ``fmax`` at most ``sr / 2``.
        sr: sampling rate in Hz.
        frame_length: samples of a frame.
        hop_length: samples between frames; ``None`` is ``frame_length // 4``.
        fill_na: F0 of unvoiced frames; ``None`` leaves the most probable pitch.
        n_thresholds, beta_parameters, boltzmann_parameter, resolution,
            max_transition_rate, switch_prob, no_trough_prob, center, pad_mode: see
            :class:`~extractors.pyin.parameters.Options`.

    Returns:
        F0 in Hz, float64; whether a frame is voiced, bool; the probability of that,
        float64. All ``(T,)``.

    Raises:
        ConfigError: an argument is out of its bounds.
        InputError: the signal is not what is asked for, or shorter than a frame.
    """
    options = Options(
        n_thresholds=n_thresholds,
        beta_parameters=beta_parameters,
        boltzmann_parameter=boltzmann_parameter,
        resolution=resolution,
        max_transition_rate=max_transition_rate,
        switch_prob=switch_prob,
        no_trough_prob=no_trough_prob,
        center=center,
        pad_mode=pad_mode,
    )
    hop = frame_length // 4 if hop_length is None else hop_length
    parameters = Parameters(sr, fmin, fmax, frame_length, hop, options)
    samples = _checked(y, parameters)
    parameters.warn_if_short()
    (found,) = track([samples], parameters)
    f0 = found.f0
    if fill_na is not None:
        f0[~found.voiced] = fill_na
    return f0, found.voiced, found.voiced_prob


def _checked(y: ArrayLike, parameters: Parameters) -> Samples:
    samples: NDArray[Any] = np.asarray(y)
    if samples.dtype not in (np.float32, np.float64):
        raise InputError(
            f"samples of type {samples.dtype}; convert them to float32 of full scale ±1"
        )
    if samples.ndim != 1:
        raise InputError(f"audio of shape {samples.shape} is not mono; pick a channel")
    if not np.isfinite(samples).all():
        raise InputError("audio holds NaN or Inf; repair it")
    if parameters.frames(len(samples)) < 1 or len(samples) == 0:
        raise InputError(
            f"{len(samples)} samples are less than one frame of "
            f"{parameters.frame_length}; use a shorter frame or center=True"
        )
    return samples
