"""What an extractor is: keyword-only construction, ``load``, ``extract``.

A new F0 extractor subclasses :class:`F0Extractor`, sets the class attributes that the
plan needs, and returns one :class:`~extractors.track.F0Track` per clip. An extractor of
something else (spectrograms, say) subclasses :class:`Extractor` and returns what its
task scores. Heavy packages are imported inside ``load`` or ``extract``, so that
importing the module costs nothing.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .audio import Audio
from .errors import ConfigError, TrackError, nearest
from .track import F0Track


class Extractor(ABC):
    """Base class of whatever turns clips into results and can be measured at it.

    Class attributes:
        name: registry name.
        axes: sweep axes that the constructor accepts, each with the values it knows,
            or ``None`` where any value of the right type will do. Axes are ``model,
            decoder, device, precision, batch_size``; other constructor arguments are
            plain options.
        decode_axes: constructor arguments that act only behind ``infer``; cells that
            differ only in them share one inference in the accuracy pass.
        sample_rate: rate in Hz at which the algorithm works, ``None`` for any.
        peer: a foreign implementation, measured as it is: its dependence on batch
            size, order or seed is reported, not held against it.
        accuracy_only: it reads ready-made answers, so its speed means nothing.
        extra: name of the optional-dependency group it needs, or ``None``.
        single_threaded: it uses one core whatever the number of threads, so that passes
            which are not timed may run beside others.
        requires: modules that it imports when it is loaded; their import is timed as
            ``import_s``, and a missing one skips the cell.
    """

    name: ClassVar[str] = ""
    axes: ClassVar[Mapping[str, tuple[Any, ...] | None]] = {}
    decode_axes: ClassVar[tuple[str, ...]] = ()
    sample_rate: ClassVar[int | None] = None
    peer: ClassVar[bool] = False
    accuracy_only: ClassVar[bool] = False
    extra: ClassVar[str | None] = None
    single_threaded: ClassVar[bool] = False
    requires: ClassVar[tuple[str, ...]] = ()

    #: voicing threshold on ``confidence``; ``None`` where voicing is another decision
    threshold: float | None = None
    #: where the threshold comes from, one phrase for the table head; empty without one
    threshold_source: str = ""

    def load(self) -> None:  # noqa: B027 - optional hook; many extractors load nothing
        """Load weights and warm caches; idempotent, timed apart from extraction."""

    @abstractmethod
    def extract(self, clips: Sequence[Audio]) -> list[Any]:
        """One result per clip; it must not depend on company or order."""

    def reseed(self, seed: int) -> None:  # noqa: B027 - only random extractors need it
        """Fix every random source; called before each call, never inside a timing."""

    def weights(self) -> list[str | os.PathLike[str]]:
        """Files whose content is part of the identity of a result."""
        return []

    def identity(self) -> dict[str, str]:
        """Facts of this machine that a result depends on, down to its last bits.

        Part of the fingerprint of a record. Asked of an extractor that is not loaded,
        by a process that must not import torch or numba.
        """
        return {}

    def describe(self) -> dict[str, str]:
        """Facts for the record, e.g. which stand-in served; not part of the key."""
        return {}


class F0Extractor(Extractor):
    """Base class of every F0 extractor."""

    threshold_source: str = "native"

    @abstractmethod
    def extract(self, clips: Sequence[Audio]) -> list[F0Track]:
        """Track every clip; the result must not depend on company or order."""


@runtime_checkable
class TwoStage(Protocol):
    """Second protocol: inference and decoding apart, clip by clip."""

    def infer(self, clips: Sequence[Audio]) -> Iterator[Any]:
        """Yield the posteriors of each clip, in order."""
        ...

    def decode(self, posteriors: Any) -> F0Track:
        """Turn the posteriors of one clip into a track."""
        ...


class Stream(Protocol):
    """One stream in progress; samples go in, frames come out when they are decided."""

    @property
    def delay_s(self) -> float:
        """Seconds from a frame's centre to the sample that decides it, ``inf`` where
        the end of the stream does."""
        ...

    def load(self) -> None:
        """Load whatever the first chunk would load else."""
        ...

    def push(self, chunk: NDArray[np.float32]) -> F0Track:
        """Take the next samples, shape ``(n,)``; the frames that they decided."""
        ...

    def flush(self) -> F0Track:
        """End the stream; the frames not decided yet."""
        ...


@runtime_checkable
class Streaming(Protocol):
    """Third protocol: the extractor can follow a stream."""

    def stream(self, sr: int) -> Stream:
        """Begin a stream at ``sr`` Hz.

        Raises:
            UnavailableError: not with these options.
        """
        ...


def choose(value: str, valid: Sequence[str], what: str) -> str:
    """Return ``value`` if it is one of ``valid``, else raise with the nearest name."""
    if value not in valid:
        raise ConfigError(f"{what}={value}{nearest(str(value), valid)}")
    return value


def check_range(fmin: float, fmax: float) -> None:
    """Refuse an F0 range that is not ``0 < fmin < fmax``."""
    if not 0 < fmin < fmax:
        raise ConfigError(f"fmin={fmin} Hz and fmax={fmax} Hz: need 0 < fmin < fmax")


def check_output(tracks: Sequence[F0Track], clips: Sequence[Audio]) -> None:
    """Hold an extractor's answer against its contract.

    Raises:
        TrackError: wrong number of tracks, not an :class:`F0Track`, an empty track, or
            one that does not span its clip. The tolerance at either end is 0.1 s, or
            one frame and a half where frames are further apart.
    """
    if len(tracks) != len(clips):
        raise TrackError(f"{len(tracks)} tracks for {len(clips)} clips")
    for track, clip in zip(tracks, clips, strict=True):
        if not isinstance(track, F0Track):
            raise TrackError(f"extract() returned {type(track).__name__}, not F0Track")
        if len(track) == 0:
            raise TrackError("the track is empty")
        first, last = float(track.times[0]), float(track.times[-1])
        step = float(np.median(np.diff(track.times))) if len(track) > 1 else 0.0
        slack = max(0.1, 1.5 * step)
        if abs(first) > slack or abs(last - clip.seconds) > slack:
            raise TrackError(
                f"the track spans {first:.3f}–{last:.3f} s of a clip of "
                f"{clip.seconds:.3f} s; its frames must cover the whole clip"
            )
