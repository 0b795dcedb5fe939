"""Test signals of the probe: harmonic sounds whose F0 is known at every instant.

A contour is piecewise linear in cents, so that the slope is constant on every leg and
the phase, the integral of the frequency, has a closed form there::

    f(t) = f_k · 2^(s·(t − t_k)/1200)
    ∫ f dt = (f(t) − f_k) · 1200 / (s · ln 2)        (s → 0: f_k · (t − t_k))

Cents are counted from 1 Hz: ``cents = 1200 · log2(f0_hz)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extractors.audio import Audio

Floats = NDArray[np.float64]

PEAK = 0.9  # of full scale
SLOPE_CENTS_PER_S = 600.0
LEG_S = 0.75  # a leg holds ± 225 cents: wide against a semitone, narrow against a voice
CENTRES = 7  # of the chirp, two legs at each
PERIOD_S = 2 * CENTRES * LEG_S  # 10.5 s: whole samples at usual rates, whole frames


def to_cents(f0_hz: float) -> float:
    """Cents above 1 Hz."""
    return 1200.0 * math.log2(f0_hz)


@dataclass(frozen=True, eq=False)
class Contour:
    """A pitch contour made of straight legs in cents; it may jump between them.

    Attributes:
        times: knots in seconds, shape ``(k,)``, increasing, first 0.
        starts: cents above 1 Hz where each leg begins, shape ``(k − 1,)``.
        slopes: cents per second of each leg, shape ``(k − 1,)``.
    """

    times: Floats
    starts: Floats
    slopes: Floats

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return float(self.times[-1])

    def leg(self, times: Floats) -> NDArray[np.int64]:
        """Number of the leg that each time lies on; the end legs go on for ever."""
        index = np.searchsorted(self.times, times, side="right") - 1
        return np.clip(index, 0, len(self.slopes) - 1).astype(np.int64)

    def at(self, times: Floats) -> Floats:
        """Cents above 1 Hz at ``times``, shape of ``times``."""
        leg = self.leg(times)
        return self.starts[leg] + self.slopes[leg] * (times - self.times[leg])

    def slope(self, times: Floats) -> Floats:
        """Cents per second at ``times``."""
        return self.slopes[self.leg(times)]

    def from_knot(self, times: Floats) -> Floats:
        """Seconds between each time and the nearest knot."""
        right = np.clip(np.searchsorted(self.times, times), 1, len(self.times) - 1)
        before, after = self.times[right - 1], self.times[right]
        return np.minimum(np.abs(times - before), np.abs(after - times))

    def phase(self, times: Floats) -> Floats:
        """Cycles since 0 s: the exact integral of the frequency."""
        leg = self.leg(times)
        at_knots = np.concatenate([[0.0], np.cumsum(self._cycles_of_legs())])
        return at_knots[leg] + self._cycles(leg, times - self.times[leg])

    def _cycles_of_legs(self) -> Floats:
        legs = np.arange(len(self.slopes))
        return self._cycles(legs, np.diff(self.times))

    def _cycles(self, leg: NDArray[np.int64], elapsed: Floats) -> Floats:
        start = 2.0 ** (self.starts[leg] / 1200.0)
        rate = self.slopes[leg] * math.log(2.0) / 1200.0  # of ln f, per second
        flat = np.abs(rate) < 1e-9
        safe = np.where(flat, 1.0, rate)
        grown: Floats = np.expm1(safe * elapsed) / safe
        return start * np.where(flat, elapsed, grown)


def steady(f0_hz: float, seconds: float) -> Contour:
    """A tone of constant pitch."""
    return Contour(
        np.array([0.0, seconds]), np.array([to_cents(f0_hz)]), np.array([0.0])
    )


def glide(times: Floats, cents: Floats) -> Contour:
    """Straight lines between points, both of shape ``(k,)``, without a jump."""
    slopes: Floats = np.diff(cents) / np.diff(times)
    return Contour(times, cents[:-1], slopes)


def zigzag(fmin: float, fmax: float) -> Contour:
    """One period of the chirp: a rise and a fall of 450 cents at each of 7 pitches.

    Every leg lasts 0.75 s at ± 600 cents/s, and every pitch is crossed once upwards
    and once downwards, so that an error which depends on pitch alone cannot look like
    a time offset. The middles lie evenly in log F0 inside the range; in a narrow range
    the legs shrink. The period ends where it began: played again and again, everything
    that a tracker gets wrong repeats itself, and only a drifting clock makes a
    difference.

    Args:
        fmin, fmax: range in Hz.
    """
    width = 1200.0 * math.log2(fmax / fmin)
    climb = min(SLOPE_CENTS_PER_S * LEG_S, 0.5 * width)
    margin = climb / 2.0 + 0.08 * width
    lowest, highest = to_cents(fmin) + margin, to_cents(fmax) - margin
    # up through every other pitch and back through the rest: no jump is wide, not even
    # at the seam, because decoders that follow a path need time to cross one
    visits = [*range(0, CENTRES, 2), *range(1, CENTRES, 2)[::-1]]
    bottoms = np.linspace(lowest, highest, CENTRES)[visits] - climb / 2.0
    starts = np.column_stack([bottoms, bottoms + climb]).ravel()
    slopes = np.tile([climb / LEG_S, -climb / LEG_S], CENTRES)
    knots = np.arange(2 * CENTRES + 1, dtype=np.float64) * LEG_S
    return Contour(knots, starts, slopes)


def repeated(audio: Audio, times: int) -> Audio:
    """The same samples again and again; clicks at the seams are part of the deal."""
    return Audio(np.tile(audio.samples, times), audio.sr)


def harmonic(contour: Contour, sr: int, peak: float = PEAK) -> Audio:
    """A sum of harmonics with amplitudes ``1/k``, all below 0.9 of Nyquist.

    A harmonic fades out over the last tenth below that bound, so that a glide never
    switches one on or off. The ends fade over 5 ms.

    Args:
        contour: the pitch; sample ``n`` sounds at ``n / sr`` seconds.
        sr: sampling rate in Hz.
        peak: largest absolute sample.
    """
    times = np.arange(round(contour.seconds * sr), dtype=np.float64) / sr
    angle = 2.0 * np.pi * np.mod(contour.phase(times), 1.0)
    f0_hz = 2.0 ** (contour.at(times) / 1200.0)
    total = _partials(angle, f0_hz, 0.45 * sr)
    total *= _fade(len(times), round(0.005 * sr))
    largest = float(np.abs(total).max()) or 1.0
    return Audio((peak / largest * total).astype(np.float32), sr)


def _partials(angle: Floats, f0_hz: Floats, top: float) -> Floats:
    """``Σ sin(k · angle) / k`` below ``top`` Hz, by the Chebyshev recurrence
    ``sin(kθ) = 2 cos θ · sin((k−1)θ) − sin((k−2)θ)``: one sine for all partials.
    """
    twice = 2.0 * np.cos(angle)
    before, now = np.zeros_like(angle), np.sin(angle)
    total = np.zeros_like(angle)
    for k in range(1, int(top / float(f0_hz.min())) + 1):
        total += np.clip((top - k * f0_hz) / (0.1 * top), 0.0, 1.0) / k * now
        before, now = now, twice * now - before
    return total


def _fade(n: int, ramp: int) -> Floats:
    index = np.arange(n, dtype=np.float64)
    edge = np.minimum(index, n - 1 - index)
    return np.clip(edge / max(1, ramp), 0.0, 1.0)


def voice(middle_hz: float, seconds: float, sr: int, seed: int) -> Audio:
    """A phrase that makes a tracker decide: a glide, a pause, and a noisy second half.

    Args:
        middle_hz: pitch at the middle; the glide covers ± 300 cents.
        seconds: duration; the pause takes 40–50 % of it, noise grows to 0 dB SNR.
        sr: sampling rate in Hz.
        seed: seed of the noise.
    """
    middle = to_cents(middle_hz)
    knots = np.array([0.0, 0.3, 0.7, 1.0]) * seconds
    contour = glide(knots, middle + np.array([-100.0, 300.0, -300.0, 100.0]))
    tone = harmonic(contour, sr).samples.astype(np.float64)
    place = np.arange(len(tone)) / len(tone)
    tone *= np.where((place > 0.4) & (place < 0.5), 0.0, 1.0)
    noise = np.random.default_rng(seed).standard_normal(len(tone))
    level = np.sqrt(np.mean(tone**2)) * np.where(place > 0.6, place, 0.01)
    mixed = tone + level * noise
    return Audio((PEAK * mixed / np.abs(mixed).max()).astype(np.float32), sr)


def scaled(audio: Audio, level_db: float) -> Audio:
    """``audio`` at another level; what leaves full scale is clipped, as a sound card
    does.
    """
    gain = 10.0 ** (level_db / 20.0)
    return Audio(np.clip(audio.samples * gain, -1.0, 1.0), audio.sr)


def silences(seconds: float, sr: int, seed: int) -> dict[str, Audio]:
    """Sounds without any pitch: digital zero, a constant, and noise at −90 dB."""
    n = round(seconds * sr)
    noise = np.random.default_rng(seed).standard_normal(n) * 10.0 ** (-90 / 20)
    return {
        "zero": Audio(np.zeros(n, dtype=np.float32), sr),
        "dc": Audio(np.full(n, 0.1, dtype=np.float32), sr),
        "noise_minus_90db": Audio(noise.astype(np.float32), sr),
    }
