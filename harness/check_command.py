"""The command ``check``: what a data set holds, before anything is measured on it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

from extractors.audio import Audio
from extractors.base import F0Extractor
from extractors.errors import F0BenchError
from extractors.registry import build_f0
from extractors.track import F0Track

from .compose import compose
from .config import TaskConfig
from .records import dumps

#: The tracker that the clock of the labels is held against; its own time offset is
#: measured by ``f0bench probe extractor=librosa_pyin``.
TRACKER = "librosa_pyin"


def main(flags: Any, words: Sequence[str]) -> int:
    """Print what the data set holds; 1 where it cannot be trusted as it is."""
    from .datasets.check import check
    from .datasets.check_view import render
    from .datasets.registry import open_dataset

    config = compose(words, config_dir=flags.config_dir).configs[0]
    dataset = open_dataset(config.dataset)
    report = check(dataset, config.task, track=Tracker(config.task))
    if flags.json:
        document = {**report.as_dict(), "exit_code": report.exit_code}
        sys.stdout.write(dumps(document, indent=None) + "\n")
    else:
        from rich.console import Console

        Console(width=None if sys.stdout.isatty() else 120).print(render(report))
    return report.exit_code


class Tracker:
    """pYIN at the task's range, loaded when the first clip is tracked."""

    def __init__(self, task: TaskConfig) -> None:
        self._task = dataclasses.replace(task, hop_s=0.01)
        self._extractor: F0Extractor | None = None

    def __call__(self, audio: Audio) -> F0Track:
        """Track one clip.

        Raises:
            F0BenchError: the tracker failed on this clip.
        """
        if self._extractor is None:
            task = self._task
            options = {"fmin": task.fmin, "fmax": task.fmax, "hop_s": task.hop_s}
            self._extractor = build_f0(TRACKER, options)
            self._extractor.load()
        try:
            return self._extractor.extract([audio])[0]
        except F0BenchError:
            raise
        except Exception as error:  # whatever a library raises on odd audio
            raise F0BenchError(f"{TRACKER}: {error}") from error
