"""The task spectrogram: audio in, one matrix of bins by frames, compared with librosa.

Every library is told the same definition (:mod:`extractors.spectrogram.definition`):
rate, hop, window, padding and normalisation. What is then left of a difference is
arithmetic, or another algorithm for the same transform.

librosa is the reference; the truth of a data set is not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from extractors.base import Extractor
from extractors.errors import TrackError
from extractors.registry import build
from extractors.spectrogram.base import SpectrogramExtractor
from extractors.spectrogram.definition import Definition, Spectrogram
from harness.config import SpectrogramConfig
from harness.datasets.base import Clip, Dataset
from harness.metrics.base import Metric
from harness.metrics.spectrogram import SPECTROGRAM, spectrogram_counts

from .base import Item

PEER = "librosa_spectrogram"
#: A value that changed by more of the largest one was computed differently: float32
#: sums of some thousand products differ by about 1e-6 with their order.
MOVED = 1e-4


class SpectrogramTask:
    """Spectrograms; see :class:`harness.tasks.base.Task` for the interface."""

    name = "spectrogram"
    metrics: Sequence[Metric] = SPECTROGRAM
    systems = SpectrogramExtractor

    def __init__(self, config: SpectrogramConfig) -> None:
        self.config = config
        self.asked = {name: getattr(config, name) for name in config.asked}
        self.definition = Definition(**self.asked)

    def inputs(self, dataset: Dataset) -> Iterator[Clip]:
        """Every clip."""
        return dataset.clips()

    def reference(self, item: Item) -> None:
        """None: librosa's answer is the peer's."""
        return None

    def run(self, system: Any, items: Sequence[Item]) -> list[Spectrogram]:
        """Transform all items in one call."""
        return list(system.extract([item.audio for item in items]))

    def check(self, items: Sequence[Item], outputs: Sequence[Spectrogram]) -> None:
        """One spectrogram per clip, of the definition and over the whole clip.

        Resampling may end a sample early or late, which may cost or give one frame.
        """
        if len(outputs) != len(items):
            raise TrackError(f"{len(outputs)} spectrograms for {len(items)} clips")
        for item, output in zip(items, outputs, strict=True):
            if not isinstance(output, Spectrogram):
                found = type(output).__name__
                raise TrackError(f"extract() returned {found}, not Spectrogram")
            rate = self.definition.sample_rate
            expected = self.definition.n_frames(round(item.seconds * rate))
            frames = output.values.shape[1]
            if output.definition != self.definition or abs(frames - expected) > 1:
                raise TrackError(
                    f"{frames} frames for {item.seconds:.3f} s; need {expected} of "
                    f"{self.definition}"
                )

    def score(
        self, item: Item, output: Spectrogram | None, peer: Spectrogram | None = None
    ) -> dict[str, float]:
        """Sums of squared differences from librosa's answer."""
        if peer is None:
            return {}
        return spectrogram_counts(
            peer.values,
            None if output is None else output.values,
            item.seconds,
            power=self.definition.transform == "mel",
        )

    def peer(self) -> tuple[str, Mapping[str, Any]]:
        """librosa under the task's definition."""
        return PEER, self.asked

    def is_peer(self, name: str, params: Mapping[str, Any]) -> bool:
        """librosa: it has no option that the task does not state."""
        return name == PEER and dict(params) == self.asked

    def build(self, name: str, params: Mapping[str, Any]) -> Extractor:
        """Construct the extractor ``name``."""
        return build(name, params)

    def probe(
        self, name: str, params: Mapping[str, Any], *, seed: int, quick: bool
    ) -> dict[str, Any]:
        """Offset and drift of the frames' clock, and invariances."""
        from harness.probe_spectrogram import probe

        system = self.build(name, params)
        system.load()
        return probe(system, self.definition, seed=seed, quick=quick)

    def notes(self, record: Mapping[str, Any]) -> list[str]:
        """That the reference has no error of its own."""
        cell = record["cell"]
        same = cell["extractor"] == PEER
        return ["the reference: the others are compared with it"] if same else []

    def columns(self, output: Spectrogram) -> dict[str, Any]:
        """``value``: frame after frame, the bins of each from the lowest."""
        return {"value": output.values.T.ravel()}

    def restore(self, columns: Mapping[str, Any]) -> Spectrogram:
        """A spectrogram from its stored column."""
        frames = np.asarray(columns["value"], np.float32)
        return Spectrogram(frames.reshape(-1, self.definition.bins).T, self.definition)

    def truth_columns(self, truth: Any) -> dict[str, Any]:
        """No truth is used."""
        raise NotImplementedError("the task spectrogram has no truth")

    def difference(self, first: Spectrogram, second: Spectrogram) -> dict[str, float]:
        """Values that differ by more than 1e-4 of the largest."""
        a, b = first.values, second.values
        if a.shape != b.shape:
            size = float(max(a.size, b.size))
            return {"frames": size, "moved": size, "identical": 0.0}
        bound = MOVED * float(a.max(initial=0.0))
        return {
            "frames": float(a.size),
            "moved": float((np.abs(a - b) > bound).sum()),
            "identical": float(np.array_equal(a, b)),
        }
