"""Which clips are timed: a seeded subset with the durations of the whole set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import fsum

#: Groups of similar duration that take turns; fewer where there are fewer clips.
STRATA = 8

Clip = tuple[str, float]


def choose(clips: Sequence[Clip], limit_s: float | None, seed: int = 0) -> list[str]:
    """Choose clips of at most ``limit_s`` seconds in all, stratified by duration.

    Clips are sorted by duration and cut into strata of equal count; the strata take
    turns to give one clip each until no further clip fits. Which clip is next follows
    from a hash of seed and id, so that the choice depends on neither the order of
    ``clips`` nor the version of a random generator.

    Args:
        clips: ``(id, seconds)`` of every clip that can be timed; ids are unique.
        limit_s: bound of the sum, ``None`` for all clips.
        seed: another seed, another subset.

    Returns:
        The chosen ids, sorted: at least one where there is a clip at all – the
        shortest, where even that exceeds the limit.
    """
    if limit_s is None or fsum(seconds for _, seconds in clips) <= limit_s:
        return sorted(name for name, _ in clips)
    chosen: list[str] = []
    total = 0.0
    for name, seconds in _turns(clips, seed):
        if total + seconds <= limit_s:
            chosen.append(name)
            total += seconds
    if not chosen:
        chosen = [min(clips, key=lambda clip: (clip[1], clip[0]))[0]]
    return sorted(chosen)


def _turns(clips: Sequence[Clip], seed: int) -> Iterator[Clip]:
    """Every clip, one of each stratum in turn."""
    ordered = sorted(clips, key=lambda clip: (clip[1], clip[0]))
    count = min(STRATA, len(ordered))
    edges = [len(ordered) * i // count for i in range(count + 1)]
    strata = [
        sorted(ordered[start:end], key=lambda clip: _rank(clip, seed))
        for start, end in pairwise(edges)
    ]
    for turn in range(max(map(len, strata))):
        given = [stratum[turn] for stratum in strata if turn < len(stratum)]
        yield from sorted(given, key=lambda clip: _rank(clip, seed))


def _rank(clip: Clip, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{clip[0]}".encode()).digest()
