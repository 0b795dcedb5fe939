"""What a data set yields: clips with audio, truth where there is one, and tags."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from extractors.audio import Audio


@dataclass(frozen=True, eq=False)
class Truth:
    """An F0 reference on its own time grid.

    Attributes:
        times: float64, seconds, shape ``(T,)``, strictly increasing.
        f0: float64, Hz, shape ``(T,)``; NaN where there is no pitch value.
        voiced: bool, shape ``(T,)``; a voiced frame has a positive F0.
        frame_s: seconds that one labelled frame stands for (the hop of the labels).
        kind: ``"exact"`` (synthesis) or ``"annotation"``.
    """

    times: NDArray[np.float64]
    f0: NDArray[np.float64]
    voiced: NDArray[np.bool_]
    frame_s: float
    kind: str = "annotation"

    @property
    def seconds(self) -> float:
        """Labelled seconds: number of frames times the seconds each stands for."""
        return len(self.times) * self.frame_s


def _no_truth() -> Truth | None:
    return None


@dataclass(frozen=True, eq=False)
class Clip:
    """One recording of a data set; nothing is read before ``load`` or ``truth``.

    Attributes:
        id: unique in its data set, a relative path or a name, shown in reports.
        load: decodes the audio; raises :class:`~extractors.errors.InputError`.
        truth: reads the reference, ``None`` where the clip has none; raises
            :class:`~extractors.errors.LabelError`.
        tags: e.g. ``{"speaker": "rl", "register": "low"}``.
        sources: files that this clip is read from (audio first), for content hashes;
            empty for generated clips.
        seconds, sr: of the audio where they are known without decoding it, as for
            generated clips.
    """

    id: str
    load: Callable[[], Audio]
    truth: Callable[[], Truth | None] = _no_truth
    tags: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    seconds: float | None = None
    sr: int | None = None


class Dataset(Protocol):
    """A named, streaming collection of clips.

    ``identity`` holds what generated data depend on (generator version, parameters,
    seed), and for recordings how they are read (channel, label format); the content of
    their files is hashed beside it.
    """

    name: str

    def clips(self) -> Iterator[Clip]: ...

    def identity(self) -> Mapping[str, Any]: ...
