"""What the benchmarks share: clips, and how a call is timed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from extractors.audio import Audio
from harness.config import DatasetConfig
from harness.datasets.registry import open_dataset

Pace = Callable[..., Any]


@pytest.fixture(scope="session")
def clips() -> list[Audio]:
    """Eight clips at 16 kHz, 20 s: voices, singing, a tone, a glide, silence."""
    dataset = open_dataset(DatasetConfig(kind="synthetic"))
    return [clip.load() for clip in islice(dataset.clips(), 8)]


@pytest.fixture(scope="session")
def voice(clips: list[Audio]) -> Audio:
    """Three seconds of a low voice."""
    return clips[0]


@pytest.fixture
def pace(benchmark: Any) -> Pace:
    """``pace(group, call, *args, seconds=…, rounds=…)``: time it, note × real time.

    A call of which there are many rounds is made twice before; what takes seconds has
    been warmed by ``load``.
    """

    def timed(
        group: str, call: Callable[..., Any], *args: Any, seconds: float, rounds: int
    ) -> Any:
        benchmark.group = group
        warmup = 2 if rounds > 5 else 0
        found = benchmark.pedantic(call, args, rounds=rounds, warmup_rounds=warmup)
        benchmark.extra_info["audio_s"] = round(seconds, 3)
        if benchmark.stats is not None:  # --benchmark-disable times nothing
            speed = seconds / benchmark.stats.stats.median
            benchmark.extra_info["x_realtime"] = round(speed, 2)
        return found

    return timed


@pytest.fixture
def one_thread() -> Any:
    """Let torch, and engines that follow it, use one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
