"""The task pipeline: a sound file in, F0 and loudness per window and zones out.

A clip is handed over as the bytes of a WAV file beside its samples, so that decoding is
a stage of the chain and timed as such; reading a disk is not. The truth of a generated
recording is its F0 contour and its zones; other data sets score the F0 of windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.audio import Audio
from extractors.base import Extractor
from extractors.errors import TrackError
from extractors.pipeline import Pipeline, PipelineResult, Zone, recorded
from extractors.registry import build
from harness.config import PipelineConfig
from harness.datasets.base import Clip, Dataset, Truth
from harness.datasets.escalation import ZonedTruth
from harness.metrics.base import Metric
from harness.metrics.pipeline import (
    PIPELINE,
    window_counts,
    window_truth,
    zone_counts,
)

from .base import Item

Values = NDArray[np.float64]
MOVED_CENTS = 50.0
#: Levels that differ by less were summed up in another order.
MOVED_DB = 0.01
_ZONE = ("start_s", "end_s", "rise_db", "rise_percent")


class PipelineTask:
    """The chain; see :class:`harness.tasks.base.Task` for the interface."""

    name = "pipeline"
    metrics: Sequence[Metric] = PIPELINE
    systems = Pipeline

    def __init__(self, config: PipelineConfig) -> None:
        self.config = config

    def inputs(self, dataset: Dataset) -> Iterator[Clip]:
        """Every clip, as a file in memory."""
        for clip in dataset.clips():
            yield replace(clip, load=partial(_as_file, clip.load))

    def reference(self, item: Item) -> Truth | None:
        """The truth of the clip, ``None`` where it has none."""
        truth: Truth | None = item.truth
        return truth

    def run(self, system: Any, items: Sequence[Item]) -> list[PipelineResult]:
        """Run the chain on all items in one call."""
        return list(system.extract([item.audio for item in items]))

    def check(self, items: Sequence[Item], outputs: Sequence[PipelineResult]) -> None:
        """One result per clip, with the windows that fit into it."""
        if len(outputs) != len(items):
            raise TrackError(f"{len(outputs)} results for {len(items)} clips")
        for item, output in zip(items, outputs, strict=True):
            expected = self._centres(item.seconds)
            # resampling may end a sample early, which may cost the last window
            if abs(len(output) - len(expected)) > 1 or not len(output):
                raise TrackError(
                    f"{len(output)} windows for {item.seconds:.3f} s; "
                    f"need {len(expected)}"
                )
            shared = min(len(output), len(expected))
            late = np.abs(output.time_s[:shared] - expected[:shared])
            if late.max() > 1e-3 or not np.isfinite(output.level_db).all():
                raise TrackError("windows are misplaced or have no level")

    def _centres(self, seconds: float) -> Values:
        """Centres in s of the windows that fit into a clip."""
        window, hop = self.config.window_s, self.config.window_hop_s
        count = 1 + int((seconds - window) / hop + 1e-6)
        centres: Values = np.arange(max(count, 0), dtype=np.float64) * hop + window / 2
        return centres

    def score(
        self, item: Item, output: PipelineResult | None, peer: Any = None
    ) -> dict[str, float]:
        """Windows against the true contour, zones against those generated."""
        truth = self.reference(item)
        if truth is None:
            return {}
        centres = self._centres(item.seconds) if output is None else output.time_s
        wanted = self._window_truth(truth, centres)
        f0 = None if output is None else output.f0_hz
        counts = window_counts(wanted, f0, item.seconds)
        if isinstance(truth, ZonedTruth):
            zones = () if output is None else output.zones
            counts |= zone_counts(truth.zones, [(z.start_s, z.end_s) for z in zones])
        return counts

    def _window_truth(self, truth: Truth, centres: Values) -> Values:
        return window_truth(
            truth.times, truth.f0, truth.voiced, centres, self.config.window_s
        )

    def peer(self) -> None:
        """No second reference."""
        return None

    def is_peer(self, name: str, params: Mapping[str, Any]) -> bool:
        """There is none."""
        return False

    def build(self, name: str, params: Mapping[str, Any]) -> Extractor:
        """Construct the extractor ``name``."""
        return build(name, params)

    def probe(
        self, name: str, params: Mapping[str, Any], *, seed: int, quick: bool
    ) -> dict[str, Any]:
        """Offset and drift of the windows' clock, and invariances."""
        from harness.probe_pipeline import probe

        system = self.build(name, params)
        system.load()
        return probe(system, self, seed=seed, quick=quick)

    def columns(self, output: PipelineResult) -> dict[str, Any]:
        """A row per window; those inside a zone carry its number and bounds.

        ``time_s, f0_hz, voiced, confidence`` as of a track, ``coverage, level_db`` and
        ``zone`` (−1 outside) with ``zone_start_s, zone_end_s, …``, NaN outside.
        """
        zone = np.full(len(output), -1, np.int32)
        bounds = {name: np.full(len(output), np.nan) for name in _ZONE}
        for number, found in enumerate(output.zones):
            inside = (output.time_s > found.start_s) & (output.time_s < found.end_s)
            zone[inside] = number
            for name in _ZONE:
                bounds[name][inside] = getattr(found, name)
        return {
            "time_s": output.time_s,
            "f0_hz": output.f0_hz,
            "voiced": ~np.isnan(output.f0_hz),
            "confidence": output.confidence,
            "coverage": output.coverage,
            "level_db": output.level_db,
            "zone": zone,
            **{f"zone_{name}": column for name, column in bounds.items()},
        }

    def restore(self, columns: Mapping[str, Any]) -> PipelineResult:
        """A result from its stored columns; the spectrogram is not kept."""
        zone = np.asarray(columns["zone"])
        first = [int(np.argmax(zone == number)) for number in range(zone.max() + 1)]
        zones = [
            Zone(*(float(columns[f"zone_{name}"][index]) for name in _ZONE))
            for index in first
        ]
        return PipelineResult(
            time_s=np.asarray(columns["time_s"], np.float64),
            level_db=np.asarray(columns["level_db"], np.float64),
            f0_hz=np.asarray(columns["f0_hz"], np.float64),
            coverage=np.asarray(columns["coverage"], np.float64),
            confidence=np.asarray(columns["confidence"], np.float64),
            zones=tuple(zones),
        )

    def truth_columns(self, truth: Truth) -> dict[str, Any]:
        """``time_s, f0_hz, voiced, confidence`` of the windows (confidence 1)."""
        centres = self._centres(truth.seconds)
        f0 = self._window_truth(truth, centres)
        return {
            "time_s": centres,
            "f0_hz": f0,
            "voiced": ~np.isnan(f0),
            "confidence": np.ones(len(centres)),
        }

    def difference(
        self, first: PipelineResult, second: PipelineResult
    ) -> dict[str, float]:
        """Windows that lose or gain an F0, or move by 50 cents, 0.01 dB or a zone."""
        a, b = self.columns(first), self.columns(second)
        windows = float(max(len(first), len(second)))
        if len(first) != len(second):
            return {"frames": windows, "moved": windows, "identical": 0.0}
        with np.errstate(invalid="ignore"):
            cents = np.abs(1200 * np.log2(first.f0_hz / second.f0_hz)) > MOVED_CENTS
        moved = (a["voiced"] != b["voiced"]) | (a["voiced"] & cents)
        moved |= np.abs(first.level_db - second.level_db) > MOVED_DB
        moved |= a["zone"] != b["zone"]
        same = all(np.array_equal(a[n], b[n], equal_nan=True) for n in a)
        return {
            "frames": windows,
            "moved": float(moved.sum()),
            "identical": float(same),
        }

    def notes(self, record: Mapping[str, Any]) -> list[str]:
        """That batches were halved; how long all windows would take, if not all did."""
        batch = (record.get("describe") or {}).get("batch_size", "")
        halved = [f"memory ran out: batches of {batch}, same result"]
        return (halved if "→" in batch else []) + self._extrapolated(record)

    def _extrapolated(self, record: Mapping[str, Any]) -> list[str]:
        dataset = record["cell"]["dataset"]
        done = (record.get("data") or {}).get("seconds") or 0.0
        spent = record.get("accuracy_pass_s") or 0.0
        asked = dataset["seconds"]
        if dataset["kind"] != "windows" or not spent or done >= int(asked):
            return []
        return [
            f"extrapolated, not measured: {int(asked)} windows would take "
            f"{spent * int(asked) / done:.0f} s at the speed of the accuracy pass over "
            f"{done:.0f} windows ({done / spent:.0f} × real time)"
        ]


def _as_file(load: Callable[[], Audio]) -> Audio:
    return recorded(load())
