"""Exact Viterbi decoding for banded transitions: librosa's path, many times faster.

The path equals that of ``librosa.sequence.viterbi`` on the same arrays, ties included.
librosa evaluates all transitions of a step; here a step costs states times band: every
source outside the band has the same log probability, no greater than any inside it, so
one comparison with the best state overall covers them all
(:mod:`extractors.decoders.band`). Only values are kept on the way forward; the winning
source is searched for the visited states alone, on the way back, with librosa's rule
that the lowest state wins a tie.

Values are held for a block of frames. Longer clips are walked forward twice: first from
end to end, keeping one frame of values per block, then block by block from the last,
each from its checkpoint. So the path over hours is exact in the memory of one block.

The kernels are numba's (:mod:`extractors.decoders.viterbi_numba`), clips in parallel;
where numba cannot be used, those of :mod:`extractors.decoders.viterbi_numpy`, with one
warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from extractors.compiled import shared_out, warn_once

from .band import Band, Values
from .band import triangular_band as triangular_band

Likelihoods = NDArray[np.float32]
Path = NDArray[np.int64]
Observe = Callable[[Likelihoods], Likelihoods]

#: Frames whose values are held at once: at 360 states 24 MB, at pYIN's 1 200 about 80.
BLOCK = 8192
#: Frames that are observed at once: their likelihoods stay in the second-level cache.
OBSERVED = 128


def viterbi_path(
    outputs: Likelihoods, band: Band, observe: Observe | None = None
) -> Path:
    """Most probable state sequence under a uniform initial distribution.

    Args:
        outputs: float32, shape ``(T, b · n)``, ``T ≥ 1``.
        band: transitions over ``b · n`` states.
        observe: turns rows of ``outputs`` into likelihoods of the states, of the same
            shape, row by row; called on blocks, so that an hour needs no second copy.
            ``None`` where they are likelihoods already.

    Returns:
        int64, shape ``(T,)``. Time is linear in ``T``; beside the arguments about
        ``8 · b · n · (BLOCK + T / BLOCK)`` bytes are held.
    """
    return viterbi_paths([outputs], band, observe)[0]


def viterbi_paths(
    outputs: Sequence[Likelihoods], band: Band, observe: Observe | None = None
) -> list[Path]:
    """:func:`viterbi_path` of many clips of any lengths, in parallel.

    ``observe`` is called from several threads. The paths do not depend on their number
    or on the company of a clip.
    """
    return decode([Dense(rows, observe, band.tiny) for rows in outputs], band)


class Emissions(Protocol):
    """What the frames of one clip say of the states."""

    def __len__(self) -> int:
        """Number of frames, at least 1."""
        ...

    def rows(self, start: int, stop: int) -> NDArray[np.floating]:
        """Log likelihoods of all states, shape ``(stop - start, b · n)``."""
        ...

    def advance(
        self, kernels: ModuleType, band: Band, values: Values, jumps: Values, start: int
    ) -> None:
        """Fill ``values[1:]`` and ``jumps[1:]``, frames from ``start`` on.

        ``values[0]`` holds the frame before; see ``forward_dense`` of ``kernels``.
        """
        ...


@dataclass(frozen=True, eq=False)
class Dense:
    """Likelihoods of all states.

    Attributes:
        outputs, observe: see :func:`viterbi_path`.
        tiny: added before the logarithm.
    """

    outputs: NDArray[np.floating]
    observe: Observe | None
    tiny: float

    def __len__(self) -> int:
        return len(self.outputs)

    def rows(self, start: int, stop: int) -> NDArray[np.floating]:
        """Observe frames; see :class:`Emissions`."""
        found = self.outputs[start:stop]
        seen = found if self.observe is None else self.observe(found)
        return np.log(seen + seen.dtype.type(self.tiny))

    def advance(
        self, kernels: ModuleType, band: Band, values: Values, jumps: Values, start: int
    ) -> None:
        """Observe and step a few frames at a time; see :class:`Emissions`."""
        count = len(values) - 1
        for first in range(0, count, OBSERVED):
            last = min(first + OBSERVED, count)
            kernels.forward_dense(
                self.rows(start + first, start + last),
                band.moves,
                values[first : last + 1],
                jumps[first : last + 1],
            )


def decode(clips: Sequence[Emissions], band: Band) -> list[Path]:
    """Paths of all clips, the longest first, by as many threads as the process has."""
    kernels = usable_kernels()
    paths = [np.empty(len(clip), dtype=np.int64) for clip in clips]
    longest = max((len(clip) for clip in clips), default=0)

    def work(queue: Iterator[int]) -> None:
        walker = _Walker(kernels, band, min(longest, BLOCK))
        for index in queue:
            walker.decode(clips[index], paths[index])

    shared_out(work, sorted(range(len(clips)), key=lambda i: -len(clips[i])))
    return paths


@lru_cache(maxsize=1)
def usable_kernels() -> ModuleType:
    """The compiled kernels, or numpy's where numba does not work, said once."""
    try:
        from . import viterbi_numba

        _try_out(viterbi_numba)
    except Exception as error:  # whatever a compiler may raise on an unknown machine
        from . import viterbi_numpy

        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        warn_once(f"Viterbi decodes in numpy, because numba does not work: {reason}")
        return viterbi_numpy
    return viterbi_numba


def _try_out(kernels: ModuleType) -> None:
    """Compile what is not compiled yet, on two frames."""
    band = triangular_band(8, 2)
    rows = Dense(np.full((2, 8), 0.5, np.float32), None, band.tiny)
    _Walker(kernels, band, 2).decode(rows, np.empty(2, dtype=np.int64))


class _Walker:
    """Decodes one clip after the other in the same memory."""

    def __init__(self, kernels: ModuleType, band: Band, block: int) -> None:
        self.kernels, self.band, self.block = kernels, band, block
        self.values = np.empty((block + 1, band.blocks, band.layout.width))
        self.jumps = np.empty(block + 1)

    def decode(self, clip: Emissions, path: Path) -> None:
        """Fill ``path``, int64, ``(T,)``."""
        starts = list(range(0, len(path), self.block))
        saved = [self._first(clip)]
        for start in starts[1:]:
            saved.append(self._forward(clip, start - self.block, start + 1, saved[-1]))
        state = -1
        for start in reversed(starts):
            stop = min(start + self.block, len(path))
            # one frame more, for the value of a jump into the next block
            self._forward(clip, start, min(stop + 1, len(path)), saved.pop())
            state = self.kernels.backward(
                self.values[: stop - start],
                self.jumps,
                self.band.moves,
                state,
                path[start:stop],
            )

    def _first(self, clip: Emissions) -> Values:
        band = self.band
        row = np.full((band.blocks, band.layout.width), -np.inf)
        seen = clip.rows(0, 1).reshape(band.blocks, band.places) + band.start
        row[:, band.reach : band.reach + band.places] = seen
        return row

    def _forward(self, clip: Emissions, start: int, stop: int, first: Values) -> Values:
        count = stop - start
        self.values[0] = first
        values, jumps = self.values[:count], self.jumps[:count]
        clip.advance(self.kernels, self.band, values, jumps, start + 1)
        return self.values[count - 1].copy()
