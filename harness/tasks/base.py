"""What is benchmarked: the interface between the harness and one kind of work.

A task consists of five functions: ``inputs``, ``reference``, ``run``, ``score`` and
``metrics``; ``check`` stands apart from ``run`` so that it is never timed. Around them
it says how its systems are built, how outputs are stored and compared, and which peer,
if any, gives a second reference. Everything else in the harness knows only columns,
directions and units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from extractors.audio import Audio
from harness.datasets.base import Clip, Dataset
from harness.metrics.base import Metric

if TYPE_CHECKING:
    from harness.metrics.threshold import ThresholdCurve


@dataclass(frozen=True, eq=False)
class Item:
    """One decoded clip, ready to be given to a system."""

    id: str
    audio: Audio
    truth: Any = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.audio.seconds


class Task(Protocol):
    """One kind of work that systems are compared at; built from a ``TaskConfig``."""

    name: str
    metrics: Sequence[Metric]

    def inputs(self, dataset: Dataset) -> Iterator[Clip]:
        """The clips of ``dataset`` that this task can use, streaming."""
        ...

    def reference(self, item: Item) -> Any:
        """What outputs for ``item`` are scored against, or ``None``."""
        ...

    def run(self, system: Any, items: Sequence[Item]) -> list[Any]:
        """Give ``items`` to ``system`` in one call; one output per item.

        This is what gets timed: it hands over and nothing else.
        """
        ...

    def check(self, items: Sequence[Item], outputs: Sequence[Any]) -> None:
        """Hold what :meth:`run` returned against the contract of the systems.

        Raises:
            TrackError: or whatever else says what is wrong with the outputs.
        """
        ...

    def score(self, item: Item, output: Any, peer: Any = None) -> dict[str, float]:
        """Additive count columns of one output.

        Args:
            item: the clip with its truth.
            output: what the system returned, ``None`` for a missed clip.
            peer: output of the reference peer for this clip, ``None`` without one.
        """
        ...

    def peer(self) -> tuple[str, Mapping[str, Any]] | None:
        """Registered extractor and options that give the second reference."""
        ...

    def is_peer(self, name: str, params: Mapping[str, Any]) -> bool:
        """Whether a system gives the very outputs of the reference peer."""
        ...

    def build(self, name: str, params: Mapping[str, Any]) -> Any:
        """Construct the system registered as ``name``, not yet loaded."""
        ...

    def probe(
        self, name: str, params: Mapping[str, Any], *, seed: int, quick: bool
    ) -> dict[str, Any]:
        """Measure the behaviour of a system on signals of this task's own.

        ``quick`` asks for half the audio: what a run needs to judge validity.
        """
        ...

    def columns(self, output: Any) -> dict[str, Any]:
        """An output as equally long arrays: the columns of ``tracks.parquet``."""
        ...

    def restore(self, columns: Mapping[str, Any]) -> Any:
        """An output from its stored columns; the inverse of :meth:`columns`."""
        ...

    def truth_columns(self, truth: Any) -> dict[str, Any]:
        """A truth as equally long arrays, comparable with those of an output."""
        ...

    def difference(self, first: Any, second: Any) -> dict[str, float]:
        """How two outputs for one item differ.

        Returns:
            ``frames``, ``moved`` (frames that changed beyond what the task tolerates)
            and ``identical`` (1.0 where the outputs are equal bit for bit).
        """
        ...


@runtime_checkable
class Voicing(Protocol):
    """Second protocol: outputs with a voicing that a threshold can decide."""

    def threshold_curve(self, item: Item, output: Any) -> ThresholdCurve:
        """Counts of ``output`` against the truth of ``item`` at every threshold.

        ``output`` is ``None`` where the system failed: nothing is voiced then.
        """
        ...

    def revoice(self, output: Any, threshold: float) -> Any:
        """``output`` with its voicing decided by ``confidence >= threshold`` alone."""
        ...
