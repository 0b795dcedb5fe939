"""What is benchmarked: the interface between the harness and one kind of work.

A task consists of five functions: ``inputs``, ``reference``, ``run``, ``score`` and
``metrics``; three more say how its outputs are stored, compared and built. Everything
else in the harness knows only columns, directions and units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from extractors.audio import Audio
from harness.datasets.base import Clip, Dataset, Truth
from harness.metrics.base import Metric


@dataclass(frozen=True, eq=False)
class Item:
    """One decoded clip, ready to be given to a system."""

    id: str
    audio: Audio
    truth: Truth | None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.audio.seconds


class Task(Protocol):
    """One kind of work that systems are compared at."""

    name: str
    metrics: Sequence[Metric]

    def inputs(self, dataset: Dataset) -> Iterator[Clip]:
        """The clips of ``dataset`` that this task can use, streaming."""
        ...

    def reference(self, item: Item) -> Any:
        """What outputs for ``item`` are scored against, or ``None``."""
        ...

    def run(self, system: Any, items: Sequence[Item]) -> list[Any]:
        """Give ``items`` to ``system`` in one call; one checked output per item."""
        ...

    def score(self, item: Item, output: Any) -> dict[str, float]:
        """Additive count columns of one output; ``output=None`` means missed."""
        ...

    def columns(self, output: Any) -> dict[str, Any]:
        """The output as equally long arrays, for ``tracks.parquet``."""
        ...

    def difference(self, first: Any, second: Any) -> dict[str, float]:
        """How two outputs for one item differ: additive columns ``frames`` and
        ``moved`` (frames that changed audibly), and ``identical`` (1.0 byte for byte).
        """
        ...
