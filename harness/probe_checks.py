"""The sections of the probe that need no long chirp: small signals, known answers.

Two tracks of one signal *differ in a frame* (the frame has "moved") where the voicing
flips, or where both are voiced and more than 50 cents apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.audio import Audio
from extractors.base import F0Extractor
from extractors.errors import ExtractorError
from extractors.track import F0Track

from . import probe_signals as signals

Build = Callable[..., F0Extractor]

SAMPLE_RATE = 22_050  # Hz: 10 ms are 220.5 samples, which finds truncated hops
MOVED_CENTS = 50.0
TONES_HZ = (40.0, 2000.0)  # beyond every usual range on both sides


@dataclass(frozen=True)
class Dose:
    """How much audio each section gets.

    Attributes:
        periods: periods of 10.5 s of the chirp.
        tones: tones from 40 to 2000 Hz, ``tone_s`` seconds each.
        silence_s: seconds of each kind of silence.
        voices_s: seconds of the clips for company, level and seed.
        levels_db: levels at which the first voice is repeated.
        seeds: seeds beside the given one, for random extractors.
    """

    periods: int = 3
    tones: int = 24
    tone_s: float = 0.25
    silence_s: float = 0.5
    voices_s: tuple[float, ...] = (1.0, 0.55)
    levels_db: tuple[float, ...] = (-40.0, -20.0, -6.0)
    seeds: int = 4


QUICK = Dose(2, 6, 0.2, 0.2, (0.35, 0.22), (-40.0,), 2)
FULL = Dose()


class Subject:
    """An extractor whose every call starts from one seed."""

    def __init__(self, extractor: F0Extractor, seed: int) -> None:
        self.extractor = extractor
        self.seed = seed

    @property
    def random(self) -> bool:
        """Whether it has random sources that it lets us fix."""
        return type(self.extractor).reseed is not F0Extractor.reseed

    def run(self, clips: Sequence[Audio], seed: int | None = None) -> list[F0Track]:
        """One call; raises :class:`ExtractorError` on a wrong number of tracks."""
        self.extractor.reseed(self.seed if seed is None else seed)
        tracks = list(self.extractor.extract(list(clips)))
        if len(tracks) != len(clips):
            raise ExtractorError(f"{len(tracks)} tracks for {len(clips)} clips")
        return tracks

    def one(self, clip: Audio) -> F0Track:
        """One call with one clip."""
        return self.run([clip])[0]


def tone_range(
    subject: Subject, dose: Dose, fmin: float, fmax: float
) -> dict[str, Any]:
    """Steady tones from 40 to 2000 Hz: which are tracked, which are folded.

    Only voiced frames at least 50 ms from the ends count; a tone is tracked where at
    least half of its frames are voiced and within 50 cents.

    Returns:
        ``lowest_hz, highest_hz`` of the tracked tones; in range ``tracked_ratio`` (of
        tones) and ``octave_ratio`` (of frames: one or two octaves off, or a twelfth);
        ``fold_ratio`` (of frames of tones out of range: voiced at a wrong pitch).
    """
    tones = np.geomspace(*TONES_HZ, dose.tones)
    clips = [
        signals.harmonic(signals.steady(float(hz), dose.tone_s), SAMPLE_RATE)
        for hz in tones
    ]
    errors = [
        _errors(track, float(hz), dose.tone_s)
        for track, hz in zip(subject.run(clips), tones, strict=True)
    ]
    inside = (tones >= fmin) & (tones <= fmax)
    tracked = np.array([_share(np.abs(e) <= MOVED_CENTS) >= 0.5 for e in errors])
    within = _joined(errors, inside)
    beyond = _joined(errors, ~inside)
    return {
        "tones": len(tones),
        "lowest_hz": float(tones[tracked].min()) if tracked.any() else None,
        "highest_hz": float(tones[tracked].max()) if tracked.any() else None,
        "tracked_ratio": _ratio(tracked[inside]),
        "octave_ratio": _ratio(_octave_off(within)),
        "fold_ratio": _ratio(np.abs(beyond) > MOVED_CENTS),
    }


def _errors(track: F0Track, f0_hz: float, seconds: float) -> NDArray[np.float64]:
    """Error in cents of the middle frames, NaN where unvoiced."""
    middle = (track.times >= 0.05) & (track.times <= seconds - 0.05)
    f0 = np.where(track.voiced, track.f0, np.nan)[middle].astype(np.float64)
    return np.asarray(1200.0 * np.log2(f0 / f0_hz))


def _octave_off(errors: NDArray[np.float64]) -> NDArray[np.bool_]:
    steps = np.array([1200.0, 2400.0, signals.to_cents(3.0)])
    near = np.abs(np.abs(errors)[:, None] - steps) <= MOVED_CENTS
    return np.asarray(near.any(axis=1))


def _joined(
    errors: Sequence[NDArray[np.float64]], chosen: NDArray[np.bool_]
) -> NDArray[np.float64]:
    parts = [e for e, use in zip(errors, chosen, strict=True) if use]
    return np.concatenate(parts) if parts else np.empty(0)


def _share(mask: NDArray[np.bool_]) -> float:
    return float(mask.mean()) if len(mask) else 0.0


def _ratio(mask: NDArray[np.bool_]) -> float | None:
    return float(mask.mean()) if len(mask) else None


def silence_voiced(subject: Subject, dose: Dose) -> dict[str, Any]:
    """Share of frames called voiced where there is nothing to track."""
    clips = signals.silences(dose.silence_s, SAMPLE_RATE, subject.seed)
    tracks = subject.run(list(clips.values()))
    kinds = {
        name: _share(np.asarray(track.voiced))
        for name, track in zip(clips, tracks, strict=True)
    }
    voiced = np.concatenate([track.voiced for track in tracks])
    return {"voiced_ratio": _share(voiced), **kinds}


def levels(
    subject: Subject, voice: Audio, levels_db: Sequence[float]
) -> dict[str, Any]:
    """The same voice at other levels, and clipped by 20 dB, one call each."""
    reference = subject.one(voice)
    quiet = [subject.one(signals.scaled(voice, db)) for db in levels_db]
    clipped = subject.one(signals.scaled(voice, 20.0))
    found = [compare([reference], [track]) for track in quiet]
    return {
        "moved_ratio": max(entry["moved_ratio"] for entry in found),
        "levels_db": list(levels_db),
        "clipped_moved_ratio": compare([reference], [clipped])["moved_ratio"],
    }


def batch_sizes_agree(
    subject: Subject, build: Build, voices: Sequence[Audio], sizes: Sequence[int]
) -> dict[str, Any] | None:
    """The worst difference between the first batch size and the others.

    ``None`` where the extractor has no such axis.
    """
    if "batch_size" not in type(subject.extractor).axes or len(sizes) < 2:
        return None
    runs = [Subject(build(batch_size=size), subject.seed).run(voices) for size in sizes]
    return {**_worst([compare(runs[0], r) for r in runs[1:]]), "sizes": list(sizes)}


def order(
    subject: Subject, voices: Sequence[Audio], together: Sequence[F0Track]
) -> dict[str, Any]:
    """Clips one by one, last first, and all in reverse, against all together."""
    alone = [subject.one(voice) for voice in reversed(voices)][::-1]
    backwards = subject.run(voices[::-1])[::-1]
    return _worst([compare(together, alone), compare(together, backwards)])


def _worst(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    cents = [entry["max_cents"] for entry in found if entry["max_cents"] is not None]
    return {
        "moved_ratio": max(entry["moved_ratio"] for entry in found),
        "flipped_ratio": max(entry["flipped_ratio"] for entry in found),
        "max_cents": max(cents) if cents else None,
        "identical": all(entry["identical"] for entry in found),
    }


def seed_spread(
    subject: Subject,
    voices: Sequence[Audio],
    together: Sequence[F0Track],
    seeds: int,
) -> dict[str, Any] | None:
    """Standard deviation of the pitch over seeds, in cents; ``None`` if not random."""
    if not subject.random:
        return None
    runs = [subject.run(voices, subject.seed + k) for k in range(1, seeds + 1)]
    pitch = np.stack([_pitches(tracks) for tracks in (list(together), *runs)])
    known = np.isfinite(pitch).all(axis=0)
    variance = pitch[:, known].var(axis=0, ddof=1)
    spread = float(np.sqrt(variance.mean())) if known.any() else None
    return {"spread_cents": spread, "seeds": seeds + 1, "frames": int(known.sum())}


def _pitches(tracks: Sequence[F0Track]) -> NDArray[np.float64]:
    f0 = np.concatenate([np.where(t.voiced, t.f0, np.nan) for t in tracks])
    return np.asarray(1200.0 * np.log2(f0.astype(np.float64)))


def compare(first: Sequence[F0Track], second: Sequence[F0Track]) -> dict[str, Any]:
    """How two answers to the same clips differ.

    Returns:
        ``moved_ratio`` and ``flipped_ratio`` of all frames, ``max_cents`` over frames
        that both call voiced (``None`` if there are none) and ``identical`` (byte for
        byte). Tracks of unequal length differ in every frame.
    """
    frames = moved = flipped = 0
    cents: list[float] = []
    for a, b in zip(first, second, strict=True):
        frames += max(len(a), len(b))
        if len(a) != len(b):
            moved += max(len(a), len(b))
            flipped += max(len(a), len(b))
            continue
        flips = a.voiced != b.voiced
        both = a.voiced & b.voiced
        apart = np.abs(1200.0 * np.log2(a.f0[both].astype(np.float64) / b.f0[both]))
        moved += int(flips.sum() + (apart > MOVED_CENTS).sum())
        flipped += int(flips.sum())
        cents.extend(apart.tolist())
    return {
        "moved_ratio": moved / frames,
        "flipped_ratio": flipped / frames,
        "max_cents": max(cents) if cents else None,
        "identical": all(_same(a, b) for a, b in zip(first, second, strict=True)),
    }


def _same(a: F0Track, b: F0Track) -> bool:
    return all(
        getattr(a, name).tobytes() == getattr(b, name).tobytes()
        for name in ("times", "f0", "voiced", "confidence")
    )
