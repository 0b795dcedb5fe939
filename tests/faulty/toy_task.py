"""A second task, as far from F0 as can be: how loud is the clip?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from extractors.registry import build
from harness.metrics.base import Metric

LOUDNESS_ERROR = Metric(
    "loudness_error_db",
    "dB",
    "lower",
    "Mean absolute error of the level.",
    lambda columns: columns["sum_abs_db"] / columns["n"],
    "error dB",
)


class LoudnessTask:
    """Systems answer with one level per clip; the truth comes from the samples."""

    name = "loudness"
    metrics = (LOUDNESS_ERROR,)

    def __init__(self, config: Any) -> None:
        self.config = config

    def inputs(self, dataset: Any) -> Iterator[Any]:
        return dataset.clips()

    def reference(self, item: Any) -> float:
        return float(10 * np.log10(np.mean(item.audio.samples**2) + 1e-12))

    def run(self, system: Any, items: Sequence[Any]) -> list[float]:
        return [system.level(item.audio) for item in items]

    def check(self, items: Sequence[Any], outputs: Sequence[float]) -> None:
        if len(outputs) != len(items):
            raise ValueError(f"{len(outputs)} levels for {len(items)} clips")

    def score(self, item: Any, output: Any, peer: Any = None) -> dict[str, float]:
        error = 0.0 if output is None else abs(output - self.reference(item))
        return {"n": 1.0, "sum_abs_db": error}

    def peer(self) -> None:
        return None

    def is_peer(self, name: str, params: Mapping[str, Any]) -> bool:
        return False

    def build(self, name: str, params: Mapping[str, Any]) -> Any:
        return build(name, params)

    def probe(
        self, name: str, params: Mapping[str, Any], *, seed: int, quick: bool
    ) -> dict[str, Any]:
        return {"notes": []}

    def columns(self, output: float) -> dict[str, Any]:
        return {"level_db": np.array([output])}

    def restore(self, columns: Mapping[str, Any]) -> float:
        return float(columns["level_db"][0])

    def truth_columns(self, truth: float) -> dict[str, Any]:
        return self.columns(truth)

    def difference(self, first: float, second: float) -> dict[str, float]:
        same = float(first == second)
        return {"frames": 1.0, "moved": 1.0 - same, "identical": same}
