"""The embedded data set: seeded synthesis with exact truth.

Twenty-four kinds of clip make one minute; longer sets repeat them with new seeds, and
every clip is made when it is asked for, so a set of any length takes constant memory. A
clip depends on the seed and its number alone: the same on every process, and bit for
bit on one machine (another processor's sine may round differently).

Truth is read from the contour that drove the synthesis, every 10 ms; it is voiced
where the source is on. A signal-to-noise ratio is the power of the voice while it is
on against the power of the noise over the whole clip.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.audio import Audio
from extractors.errors import ConfigError

from ..cell import dataset_name
from ..config import DatasetConfig
from .base import Clip, Truth
from .recording import compiled_tags, tags_of
from .voice import (
    TOP_HZ,
    VOWELS,
    Contour,
    Floats,
    Segment,
    envelope,
    hiss,
    periodic,
    white,
)

VERSION = 1  # of the generator; results of different versions are not comparable
TRUTH_HOP_S = 0.01
EDGE_S = 0.2  # silence before and after the sound
PEAK = 0.7  # of full scale
HISS_LEVEL = 0.1  # of the voice's peak
TALKERS = 6  # voices in babble
BABBLE_TOP_HZ = 4000.0  # of their harmonics: distant talkers are dull, and cheaper
REGISTERS = ((160.0, "low"), (400.0, "mid"))  # upper bounds in Hz of the median F0


@dataclass(frozen=True)
class Kind:
    """What one of the twenty-four clips is.

    Attributes:
        name: part of the clip's id.
        kind: tag and contour: ``tone, glide, vibrato, voice, singing, silence``.
        low_hz, high_hz: bounds of the F0 contour before vibrato.
        seconds: duration.
        sr: sampling rate in Hz.
        noise: ``""``, ``white`` or ``babble``.
        snr_db: of that noise.
    """

    name: str
    kind: str
    low_hz: float = 0.0
    high_hz: float = 0.0
    seconds: float = 2.0
    sr: int = 16000
    noise: str = ""
    snr_db: float = 0.0


#: One minute. Kinds are interleaved, so that the first clips of the set are a mixture.
KINDS = (
    Kind("voice_low", "voice", 75, 150, 3.0),
    Kind("tone_mid", "tone", 160, 390),
    Kind("singing_mid", "singing", 200, 500, 3.0),
    Kind("vibrato_mid", "vibrato", 200, 380),
    Kind("voice_white_20db", "voice", 90, 220, 3.0, noise="white", snr_db=20),
    Kind("glide_up", "glide", 90, 360),
    Kind("voice_babble_20db", "voice", 150, 320, 3.0, noise="babble", snr_db=20),
    Kind("silence", "silence"),
    Kind("voice_high", "voice", 180, 350, 3.0),
    Kind("tone_low", "tone", 60, 150),
    Kind("singing_high", "singing", 450, 1050, 3.0, 44100),
    Kind("vibrato_low", "vibrato", 90, 150, sr=22050),
    Kind("voice_white_10db", "voice", 120, 260, 3.0, noise="white", snr_db=10),
    Kind("glide_down", "glide", 880, 180, sr=22050),
    Kind("voice_babble_10db", "voice", 90, 200, 3.0, noise="babble", snr_db=10),
    Kind("tone_high", "tone", 420, 1000),
    Kind("voice_creaky", "voice", 50, 95, 3.0),
    Kind("vibrato_high", "vibrato", 450, 900),
    Kind("singing_low", "singing", 110, 260, 3.0),
    Kind("voice_child", "voice", 300, 550, 3.0, 44100),
    Kind("voice_white_0db", "voice", 100, 240, 3.0, noise="white", snr_db=0),
    Kind("glide_wide", "glide", 60, 900),
    Kind("voice_babble_0db", "voice", 130, 300, noise="babble", snr_db=0),
    Kind("voice_fast", "voice", 100, 400),
)


@dataclass(frozen=True, eq=False)
class Score:
    """What a clip performs: an F0 contour and when its source is on."""

    contour: Contour
    segments: list[Segment]


class Synthetic:
    """The embedded set of about ``config.seconds`` seconds.

    Raises:
        ConfigError: a negative seed, a length that is not positive, or a bad tag.
    """

    def __init__(self, config: DatasetConfig) -> None:
        if config.seed < 0:
            raise ConfigError(f"dataset.seed={config.seed} must not be negative")
        if not 0 < config.seconds < 1e7:
            raise ConfigError(
                f"dataset.seconds={config.seconds} must be positive and below 1e7"
            )
        self.config = config
        self.name = dataset_name(config)
        self._patterns = compiled_tags(config.tags)

    def identity(self) -> Mapping[str, Any]:
        """Generator, version, seed and length: all that the clips depend on."""
        return {
            "generator": "synthetic",
            "version": VERSION,
            "seed": self.config.seed,
            "seconds": float(self.config.seconds),
        }

    def clips(self) -> Iterator[Clip]:
        """The clips in order of their number, at most ``limit``."""
        made, index, limit = 0.0, 0, self.config.limit
        while made < self.config.seconds - 1e-6 and (limit is None or index < limit):
            yield self._clip(index)
            made += KINDS[index % len(KINDS)].seconds
            index += 1

    def _clip(self, index: int) -> Clip:
        kind, seed = KINDS[index % len(KINDS)], self.config.seed
        id = f"{index:05d}-{kind.name}"
        tags = {**_tags(kind, seed, index), **tags_of(id, self._patterns)}
        return Clip(
            id,
            partial(render, kind, seed, index),
            partial(truth, kind, seed, index),
            tags,
            seconds=kind.seconds,
            sr=kind.sr,
        )


def _tags(kind: Kind, seed: int, index: int) -> dict[str, str]:
    f0 = truth(kind, seed, index).f0
    register = "none"
    if not np.isnan(f0).all():
        median = float(np.nanmedian(f0))
        register = next((name for top, name in REGISTERS if median < top), "high")
    return {
        "kind": kind.kind,
        "register": register,
        "noise": kind.noise or "none",
        "snr": f"{kind.snr_db:g} dB" if kind.noise else "clean",
    }


def _rng(seed: int, index: int, part: int) -> np.random.Generator:
    """Independent streams for what is performed (0) and how it sounds (1)."""
    return np.random.Generator(
        np.random.PCG64(np.random.SeedSequence([seed, index, part]))
    )


def truth(kind: Kind, seed: int, index: int) -> Truth:
    """Exact reference of a clip on a grid of 10 ms that covers its duration."""
    score = perform(kind, _rng(seed, index, 0))
    times = np.arange(round(kind.seconds / TRUTH_HOP_S)) / round(1 / TRUTH_HOP_S)
    voiced = np.zeros(len(times), dtype=bool)
    for segment in score.segments:
        if segment.voiced:
            voiced |= (times >= segment.start) & (times < segment.stop)
    f0 = np.where(voiced, score.contour(times), np.nan)
    return Truth(times, f0, voiced, TRUTH_HOP_S, "exact")


def render(kind: Kind, seed: int, index: int) -> Audio:
    """Synthesise a clip."""
    n = round(kind.seconds * kind.sr)
    if kind.kind == "silence":
        return Audio(np.zeros(n, dtype=np.float32), kind.sr)
    rng = _rng(seed, index, 1)
    score = perform(kind, _rng(seed, index, 0))
    vowels = _vowels(kind, rng)
    signal = _sound(score, vowels, n, kind.sr, rng)
    if kind.noise:
        on = envelope(score.segments, n, kind.sr, voiced=True) > 0
        power = float(np.mean(signal[on] ** 2))
        noise = white(rng, n) if kind.noise == "white" else _babble(rng, n, kind.sr)
        wanted = power / 10.0 ** (kind.snr_db / 10.0)
        signal = signal + noise * np.sqrt(wanted / float(np.mean(noise**2)))
    return Audio((signal * (PEAK / np.abs(signal).max())).astype(np.float32), kind.sr)


def _sound(
    score: Score,
    vowels: NDArray[np.int64],
    n: int,
    sr: int,
    rng: np.random.Generator,
    top_hz: float = TOP_HZ,
) -> Floats:
    """Voice and fricatives of a score, the voice at peak 1."""
    voice = periodic(score.contour, n, sr, vowels, top_hz)
    voice *= envelope(score.segments, n, sr, voiced=True)
    voice /= np.abs(voice).max()
    breath = HISS_LEVEL * hiss(rng, n) * envelope(score.segments, n, sr, voiced=False)
    return np.asarray(voice + breath)


def _vowels(kind: Kind, rng: np.random.Generator) -> NDArray[np.int64]:
    if kind.kind == "tone":
        return np.zeros(0, dtype=np.int64)
    changes = 1 + round(3 * kind.seconds) if kind.kind == "voice" else 2
    return rng.integers(0, len(VOWELS), changes)


def _babble(rng: np.random.Generator, n: int, sr: int) -> Floats:
    """Talkers of unlike registers, each of equal power, speaking at once."""
    total = np.zeros(n)
    seconds = n / sr
    for talker in range(TALKERS):
        low = 80.0 + 30.0 * talker
        kind = Kind("", "voice", low, 2 * low, seconds, sr)
        speech = _sound(
            perform(kind, rng), _vowels(kind, rng), n, sr, rng, BABBLE_TOP_HZ
        )
        total += speech / np.sqrt(np.mean(speech**2))
    return total


def perform(kind: Kind, rng: np.random.Generator) -> Score:
    """Draw the score of a clip."""
    whole = [Segment(EDGE_S, kind.seconds - EDGE_S)]
    low, high = np.log2(kind.low_hz or 1.0), np.log2(kind.high_hz or 1.0)
    if kind.kind == "voice":
        return Score(_intonation(kind, low, high, rng), _speech(kind.seconds, rng))
    if kind.kind == "singing":
        return Score(_melody(kind, low, high, rng), whole)
    if kind.kind == "glide":
        return Score(_line(kind, low, high), whole)
    if kind.kind == "silence":
        return Score(_line(kind, low, low), [])
    level = rng.uniform(low, high)
    if kind.kind == "tone":
        return Score(_line(kind, level, level), whole)
    depth = rng.uniform(50.0, 100.0)
    return Score(_line(kind, level, level, rng.uniform(4.5, 6.5), depth), whole)


def _line(
    kind: Kind, start: float, stop: float, rate: float = 0.0, depth: float = 0.0
) -> Contour:
    knots = np.array([EDGE_S, kind.seconds - EDGE_S])
    return Contour(knots, np.array([start, stop]), False, rate, depth)


def _intonation(
    kind: Kind, low: float, high: float, rng: np.random.Generator
) -> Contour:
    """A smooth curve through random pitches, four to six per second."""
    steps = rng.uniform(0.17, 0.25, int(kind.seconds / 0.17) + 2)
    knots = np.concatenate([np.zeros(1), np.cumsum(steps)])
    return Contour(knots, rng.uniform(low, high, len(knots)))


def _melody(kind: Kind, low: float, high: float, rng: np.random.Generator) -> Contour:
    """Notes of the chromatic scale, joined by portamento of 60 ms, with vibrato."""
    lengths = rng.uniform(0.3, 0.6, int(kind.seconds / 0.3) + 2)
    starts = np.concatenate([np.zeros(1), np.cumsum(lengths)[:-1]])
    knots = np.stack([starts + 0.06, starts + lengths], axis=1).reshape(-1)
    notes = np.floor(12 * rng.uniform(low, high, len(starts)))
    rate, depth = rng.uniform(5.0, 6.5), rng.uniform(30.0, 70.0)
    octaves = np.repeat(np.maximum(notes / 12, low), 2)
    return Contour(knots, octaves, True, rate, depth, rng.uniform(0, 2 * np.pi))


def _speech(seconds: float, rng: np.random.Generator) -> list[Segment]:
    """Phrases: voiced stretches, some led in by a fricative, divided by pauses."""
    found: list[Segment] = []
    now = EDGE_S
    while now < seconds - EDGE_S - 0.15:
        if rng.uniform() < 0.5:
            burst = rng.uniform(0.06, 0.12)
            found.append(Segment(now, now + burst, voiced=False))
            now += burst
        stop = min(now + rng.uniform(0.25, 0.8), seconds - EDGE_S)
        found.append(Segment(now, stop))
        now = stop + rng.uniform(0.05, 0.25)
    return found
