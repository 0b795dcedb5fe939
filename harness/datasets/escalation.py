"""Generated conversations with known rises of loudness and F0, and loose windows.

``escalation``: recordings of one voice that speaks in phrases. Now and then, for 5 to
12 s, it rises: by 6 to 10 dB and 25 to 45 % in F0 at once (a *zone*, what is to be
found), or in one of the two alone (which is to be left alone). Between two events lie
15 to 30 s of ordinary speech. A rise ramps up and down within 0.4 s; a zone lasts from
the middle of one ramp to the middle of the other.

``windows``: one-second windows, each of another voice, in clips of at most 120 of them
back to back. No window continues the one before, and there are no zones.

Everything is made when it is asked for, in pieces of ten seconds or less, each from the
seed and its own number, so that a set of any size takes constant memory. Truth is read
from the contour that drove the synthesis, every 10 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.audio import Audio
from extractors.errors import ConfigError

from ..cell import dataset_name
from ..config import DatasetConfig
from .base import Clip, Truth
from .recording import compiled_tags, tags_of
from .voice import VOWELS, Contour, Floats, Segment, envelope, periodic, white

VERSION = 1  # of the generator; results of different versions are not comparable
TRUTH_HOP_S = 0.01
RECORDING_SR = 22050  # Hz; the pipeline has to resample it
WINDOWS_SR = 16000  # Hz
PIECE_S = 10.0  # synthesised at once
WINDOWS_A_CLIP = 120
TOP_HZ = 2000.0  # no harmonics above it: they bear on neither loudness nor F0
LEVEL_DB = -26.0  # of speech at rest while it is voiced, re full scale
NOISE_DB = -66.0  # of the room
RAMP_S = 0.4  # within which a rise comes and goes
KNOT_S = 0.02  # of contours; linear in log frequency between


@dataclass(frozen=True, eq=False)
class ZonedTruth(Truth):
    """A reference F0 with the zones of a recording.

    Attributes:
        zones: start and end in s of every zone in the order of time.
    """

    zones: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Event:
    """A rise.

    Attributes:
        start, stop: seconds, in the middle of its ramps.
        octaves: of F0.
        db: of level.
    """

    start: float
    stop: float
    octaves: float
    db: float

    @property
    def is_zone(self) -> bool:
        """Whether both rise."""
        return self.octaves > 0 and self.db > 0

    def course(self, times: Floats) -> Floats:
        """How far the rise has come at ``times``, in [0, 1]."""
        depth = np.minimum(times - self.start, self.stop - times) / RAMP_S + 0.5
        return np.clip(depth, 0.0, 1.0)


def _rng(*numbers: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(numbers)))


def events(seed: int, number: int, seconds: float) -> list[Event]:
    """The rises of recording ``number``: zones, and as many that are none."""
    rng = _rng(seed, number, 0)
    found: list[Event] = []
    now = rng.uniform(12.0, 20.0)
    kind = 0
    while now + 14.0 < seconds:
        stop = now + rng.uniform(5.0, 12.0)
        octaves, db = np.log2(rng.uniform(1.25, 1.45)), rng.uniform(6.0, 10.0)
        # zone, louder alone, zone, higher alone, and again
        found.append(Event(now, stop, octaves * (kind % 4 != 1), db * (kind % 4 != 3)))
        now = stop + rng.uniform(15.0, 30.0)
        kind += 1
    return found


@dataclass(frozen=True, eq=False)
class Piece:
    """Some seconds of speech: what is synthesised at once.

    Attributes:
        start: of the piece in its recording, s.
        seconds: its duration.
        contour: F0 over the time within the piece.
        segments: phrases, within the piece.
        vowel: row of ``VOWELS``.
    """

    start: float
    seconds: float
    contour: Contour
    segments: list[Segment]
    vowel: int


class Recording:
    """One generated recording."""

    sr = RECORDING_SR

    def __init__(self, seed: int, number: int, seconds: float) -> None:
        self.seed, self.number, self.seconds = seed, number, seconds
        self.events = events(seed, number, seconds)
        self._rest = float(np.log2(_rng(seed, number, 1).uniform(95.0, 210.0)))

    @property
    def zones(self) -> tuple[tuple[float, float], ...]:
        """Start and end of every zone, s."""
        return tuple((e.start, e.stop) for e in self.events if e.is_zone)

    def pieces(self) -> Iterator[Piece]:
        """Pieces in the order of time."""
        for index in range(ceil(self.seconds / PIECE_S - 1e-9)):
            start = index * PIECE_S
            yield self._piece(index, start, min(PIECE_S, self.seconds - start))

    def _piece(self, index: int, start: float, seconds: float) -> Piece:
        rng = _rng(self.seed, self.number, 2, index)
        knots = np.arange(0.0, seconds + KNOT_S, KNOT_S)
        # intonation within ± 0.6 semitone: at rest, windows stay within 10 %
        wide = np.arange(0.0, seconds + 0.5, 0.25)
        melody = np.interp(knots, wide, rng.uniform(-0.05, 0.05, len(wide)))
        octaves = self._rest + melody + self._risen(knots + start, "octaves")
        contour = Contour(knots, octaves, smooth=False)
        vowel = int(rng.integers(len(VOWELS)))
        return Piece(start, seconds, contour, _phrases(seconds, rng), vowel)

    def _risen(self, times: Floats, what: str) -> Floats:
        total = np.zeros_like(times)
        for event in self.events:
            total += getattr(event, what) * event.course(times)
        return total

    def gain(self, times: Floats) -> Floats:
        """Amplitude of the voice at ``times``, evenly spaced, relative to rest."""
        knots = np.arange(times[0], times[-1] + KNOT_S, KNOT_S)
        return np.asarray(
            10.0 ** (np.interp(times, knots, self._risen(knots, "db")) / 20.0)
        )


class Windows:
    """Windows ``first`` to ``stop``, each of one second and of a voice of its own."""

    sr = WINDOWS_SR

    def __init__(self, seed: int, first: int, stop: int) -> None:
        self.seed, self.number = seed, first
        self.first, self.stop = first, stop
        self.seconds = float(stop - first)

    def pieces(self) -> Iterator[Piece]:
        """One piece per window."""
        for index in range(self.stop - self.first):
            rng = _rng(self.seed, 3, self.first + index)
            rest = np.log2(rng.uniform(80.0, 400.0))
            ends = rest + rng.uniform(-0.04, 0.04, 2)
            contour = Contour(np.array([0.0, 1.0]), ends, smooth=False)
            start, stop = rng.uniform(0.02, 0.1), rng.uniform(0.85, 0.98)
            segments = [Segment(start, stop)]
            vowel = int(rng.integers(len(VOWELS)))
            yield Piece(float(index), 1.0, contour, segments, vowel)

    def gain(self, times: Floats) -> Floats:
        """All are equally loud."""
        return np.ones_like(times)


Source = Recording | Windows


def _phrases(seconds: float, rng: np.random.Generator) -> list[Segment]:
    """Voiced stretches with short pauses between: about five sixths are voiced."""
    found, now = [], 0.02
    while now < seconds - 0.3:
        stop = min(now + rng.uniform(0.5, 1.1), seconds - 0.02)
        found.append(Segment(now, stop))
        now = stop + rng.uniform(0.08, 0.22)
    return found


def render(source: Source) -> Audio:
    """Synthesise a clip, piece by piece into one float32 array."""
    sr = source.sr
    samples = np.zeros(round(source.seconds * sr), np.float32)
    for piece in source.pieces():
        first = round(piece.start * sr)
        n = round((piece.start + piece.seconds) * sr) - first
        rng = _rng(source.seed, 4, source.number, first)
        samples[first : first + n] = _sound(source, piece, n, rng)
    return Audio(np.clip(samples, -1.0, 1.0), sr)


def _sound(
    source: Source, piece: Piece, n: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    vowels = np.array([piece.vowel], np.int64)
    voice = periodic(piece.contour, n, source.sr, vowels, TOP_HZ)
    gate = envelope(piece.segments, n, source.sr, voiced=True)
    power = float(np.mean(voice[gate > 0] ** 2)) if (gate > 0).any() else 1.0
    level = 10.0 ** (LEVEL_DB / 20.0) / np.sqrt(power)
    times = piece.start + np.arange(n) / source.sr
    room = 10.0 ** (NOISE_DB / 20.0) * white(rng, n)
    return np.asarray(voice * gate * level * source.gain(times) + room)


def truth(source: Source) -> Truth:
    """Reference on a grid of 10 ms; with its zones where it is a recording."""
    n = round(source.seconds / TRUTH_HOP_S)
    times = np.arange(n) / round(1 / TRUTH_HOP_S)
    f0, voiced = np.full(n, np.nan), np.zeros(n, bool)
    for piece in source.pieces():
        first = round(piece.start / TRUTH_HOP_S)
        stop = min(n, round((piece.start + piece.seconds) / TRUTH_HOP_S))
        inside = times[first:stop] - piece.start
        on = np.zeros(stop - first, bool)
        for segment in piece.segments:
            on |= (inside >= segment.start) & (inside < segment.stop)
        voiced[first:stop] = on
        f0[first:stop] = np.where(on, piece.contour(inside), np.nan)
    if isinstance(source, Recording):
        return ZonedTruth(times, f0, voiced, TRUTH_HOP_S, "exact", source.zones)
    return Truth(times, f0, voiced, TRUTH_HOP_S, "exact")


class _Generated:
    """What both data sets share.

    Raises:
        ConfigError: a negative seed, or a length out of its bounds.
    """

    generator = ""
    least_s = 1.0

    def __init__(self, config: DatasetConfig) -> None:
        if config.seed < 0:
            raise ConfigError(f"dataset.seed={config.seed} must not be negative")
        if not self.least_s <= config.seconds < 1e7:
            raise ConfigError(
                f"dataset.seconds={config.seconds} must be at least {self.least_s:g} "
                "and below 1e7"
            )
        self.config = config
        self.name = dataset_name(config)
        self._patterns = compiled_tags(config.tags)

    def identity(self) -> Mapping[str, Any]:
        """Generator, version, seed and length: all that the clips depend on."""
        return {
            "generator": self.generator,
            "version": VERSION,
            "seed": self.config.seed,
            "seconds": float(self.config.seconds),
        }

    def _clip(
        self, id: str, make: Callable[[], Source], seconds: float, sr: int
    ) -> Clip:
        return Clip(
            id,
            lambda: render(make()),
            lambda: truth(make()),
            tags_of(id, self._patterns),
            seconds=seconds,
            sr=sr,
        )


class Escalation(_Generated):
    """Recordings of ``config.seconds`` each, ``limit`` of them, one by default."""

    generator = "escalation"

    def clips(self) -> Iterator[Clip]:
        """The recordings in the order of their number."""
        seconds = float(self.config.seconds)
        for number in range(self.config.limit or 1):
            make = partial(Recording, self.config.seed, number, seconds)
            yield self._clip(f"{number:03d}-recording", make, seconds, RECORDING_SR)


class WindowSet(_Generated):
    """``config.seconds`` windows in clips of 120, at most ``limit`` clips."""

    generator = "windows"

    def clips(self) -> Iterator[Clip]:
        """The clips in the order of their windows."""
        total = int(self.config.seconds)
        for number, first in enumerate(range(0, total, WINDOWS_A_CLIP)):
            if self.config.limit is not None and number >= self.config.limit:
                return
            stop = min(first + WINDOWS_A_CLIP, total)
            make = partial(Windows, self.config.seed, first, stop)
            id = f"{first:06d}-{stop - 1:06d}"
            yield self._clip(id, make, float(stop - first), WINDOWS_SR)
