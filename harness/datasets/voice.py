"""Synthesis of periodic signals whose F0 is known exactly, and of noise.

The phase of the fundamental is the integral of the F0 contour at the sampling rate, and
harmonic ``k`` runs at exactly ``k`` times that phase. The vocal tract acts on harmonic
amplitudes alone (a zero-phase filter): a causal formant filter would delay a gliding
harmonic by its group delay, up to ``1 / (π · bandwidth)`` = 4 ms at 80 Hz. The delay
here is zero, and the trapezoidal integral is off by less than 1e-3 cents.

The source falls by 6 dB per octave (glottal pulse of −12 dB, radiation of +6 dB per
octave; Fant, *Acoustic Theory of Speech Production*, 1960). Formant frequencies of the
vowels are the male means of Peterson & Barney (1952).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCK = 64  # samples between control points; amplitudes are linear in between
TOP_HZ = 7000.0  # no harmonics above it: bounds the cost at low F0
NYQUIST_SHARE = 0.46  # of the sampling rate: harmonics have faded out below Nyquist
FADE_HZ = 300.0  # width of that fade, so that no harmonic switches on with a click
RAMP_S = 0.005  # onset and offset of voicing, inside the voiced interval

#: F1, F2, F3 in Hz of the vowels in father, heed, who'd, head, hawed.
VOWELS = np.array(
    [
        [730.0, 1090.0, 2440.0],
        [270.0, 2290.0, 3010.0],
        [300.0, 870.0, 2240.0],
        [530.0, 1840.0, 2480.0],
        [570.0, 840.0, 2410.0],
    ]
)
BANDWIDTHS = (80.0, 100.0, 140.0)  # Hz, of F1, F2, F3


@dataclass(frozen=True, eq=False)
class Contour:
    """F0 over time: a curve through knots in octaves, and vibrato on it.

    Attributes:
        knots_s: float64, seconds, shape ``(K,)``, increasing.
        octaves: log2 of the F0 in Hz at the knots, shape ``(K,)``.
        smooth: ease between knots with zero slope at each, else straight lines in log
            frequency (one line between two knots is an exponential chirp).
        vibrato_hz: vibrato rate in Hz.
        vibrato_cents: vibrato depth, ± cents.
        vibrato_phase: vibrato phase at 0 s in radians.
    """

    knots_s: Floats
    octaves: Floats
    smooth: bool = True
    vibrato_hz: float = 0.0
    vibrato_cents: float = 0.0
    vibrato_phase: float = 0.0

    def __call__(self, times: Floats) -> Floats:
        """F0 in Hz at ``times``, any shape, in seconds."""
        place = np.interp(times, self.knots_s, np.arange(len(self.knots_s)))
        if self.smooth:
            whole = np.floor(place)
            part = place - whole
            place = whole + part * part * (3.0 - 2.0 * part)
        octaves = np.interp(place, np.arange(len(self.octaves)), self.octaves)
        swing = np.sin(2 * np.pi * self.vibrato_hz * times + self.vibrato_phase)
        return np.asarray(2.0 ** (octaves + self.vibrato_cents / 1200.0 * swing))


@dataclass(frozen=True)
class Segment:
    """A stretch of sound in seconds: ``voiced`` or a noise burst."""

    start: float
    stop: float
    voiced: bool = True


def phase_of(f0: Floats, sr: int) -> Floats:
    """Phase in radians at each sample: trapezoidal integral of ``f0`` in Hz."""
    step = np.pi * (f0[1:] + f0[:-1]) / sr
    return np.concatenate([np.zeros(1), np.cumsum(step)])


def periodic(
    contour: Contour,
    n: int,
    sr: int,
    vowels: NDArray[np.int64],
    top_hz: float = TOP_HZ,
) -> Floats:
    """A harmonic signal on ``contour`` without pauses.

    Args:
        contour: its F0.
        n: samples.
        sr: sampling rate in Hz.
        vowels: rows of :data:`VOWELS` that the formants pass through, evenly spaced;
            empty for a pure tone.
        top_hz: no harmonics above it.

    Returns:
        float64, shape ``(n,)``, not normalised.
    """
    blocks = -(-n // BLOCK)
    phase = phase_of(contour(np.arange(blocks * BLOCK) / sr), sr)
    if not len(vowels):
        return np.sin(phase[:n])
    control = np.arange(blocks + 1) * BLOCK / sr
    gains = _gains(
        contour(control), _formants(control, vowels), min(top_hz, NYQUIST_SHARE * sr)
    )
    return _harmonics(phase.reshape(blocks, BLOCK), gains).reshape(-1)[:n]


def _formants(control: Floats, vowels: NDArray[np.int64]) -> Floats:
    """Formants at the control times, shape ``(3, C)``."""
    knots = np.linspace(0.0, control[-1], len(vowels))
    return np.stack([np.interp(control, knots, row) for row in VOWELS[vowels].T])


def _gains(f0: Floats, formants: Floats, limit: float) -> Floats:
    """Amplitude of each harmonic at the control times, shape ``(K, C)``."""
    number = np.arange(1, int(limit / f0.min()) + 1, dtype=np.float64)[:, None]
    hz = number * f0
    gains = np.clip((limit - hz) / FADE_HZ, 0.0, 1.0) / number
    for centre, width in zip(formants, BANDWIDTHS, strict=True):
        # magnitude of a two-pole resonance with unit gain at 0 Hz
        gains *= centre**2 / np.hypot(hz**2 - centre**2, hz * width)
    return np.asarray(gains)


def _harmonics(phase: Floats, gains: Floats) -> Floats:
    """Sum of ``gain_k · sin(k · phase)``; phase and result ``(blocks, BLOCK)``.

    ``sin kφ = 2 cos φ · sin (k−1)φ − sin (k−2)φ`` needs no sine per harmonic.
    """
    ramp = np.arange(BLOCK) / BLOCK
    twice, before, current = 2 * np.cos(phase), np.zeros_like(phase), np.sin(phase)
    total = np.zeros_like(phase)
    for gain in gains:
        level = gain[:-1, None] + np.diff(gain)[:, None] * ramp
        total += level * current
        before, current = current, twice * current - before
    return total


def envelope(segments: list[Segment], n: int, sr: int, *, voiced: bool) -> Floats:
    """Gate in [0, 1] that is open in the segments of one kind, shape ``(n,)``.

    Flanks are raised cosines of :data:`RAMP_S` inside the segment, so the source is on
    exactly from ``start`` to ``stop``.
    """
    times = np.arange(n) / sr
    gate = np.zeros(n)
    for segment in segments:
        if segment.voiced == voiced:
            depth = np.minimum(times - segment.start, segment.stop - times) / RAMP_S
            gate += 0.5 - 0.5 * np.cos(np.pi * np.clip(depth, 0.0, 1.0))
    return gate


def white(rng: np.random.Generator, n: int) -> Floats:
    """White Gaussian noise of unit variance, shape ``(n,)``."""
    return rng.standard_normal(n)


def hiss(rng: np.random.Generator, n: int) -> Floats:
    """Noise rising by 6 dB per octave, as a fricative roughly does, shape ``(n,)``."""
    return np.diff(rng.standard_normal(n + 1))
