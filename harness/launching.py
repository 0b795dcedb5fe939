"""Starts worker jobs under the settings of a run; knows where results are cached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from . import kernel_cache
from .cell import Cell
from .config import Settings
from .data import Data
from .environment import worker_env
from .jobs import Job, Outcome, launch
from .meter.host import cores

Step = Callable[["Launcher"], None]

MAX_TOGETHER = 4  # workers side by side: each holds a model and its activations


class Reporter(Protocol):
    """Is told what is being done; the console shows a progress bar."""

    def step(self, text: str, total: float) -> Callable[[Mapping[str, Any]], None]:
        """Begin a step of ``total`` seconds of audio; returns its progress callback."""
        ...


class Silence:
    """A reporter that shows nothing."""

    def step(self, text: str, total: float) -> Callable[[Mapping[str, Any]], None]:
        """Ignore everything."""
        return lambda message: None


@dataclass(frozen=True)
class Launcher:
    """Starts jobs in processes of their own.

    Attributes:
        settings: threads, time-out and seed of every job.
        cache: folder of results that outlive a run (references, probes).
        reporter: told what is being done.
        threads: threads of each worker, instead of those of the settings.
        cancelled: ends running workers once it is set.
        overlay: folder whose packages workers import instead of the installed ones.
    """

    settings: Settings
    cache: Path
    reporter: Reporter = field(default_factory=Silence)
    threads: int | None = None
    cancelled: Event | None = None
    overlay: Path | None = None

    def run(
        self,
        job: Job,
        *,
        device: str,
        log: Path,
        text: str,
        total: float = 0.0,
        patience_s: float = 0.0,
    ) -> Outcome:
        """Run one job and wait for it.

        Args:
            device: ``cpu`` or ``cuda``.
            log: receives what the worker prints.
            text: what the progress bar says.
            total: seconds of audio of the job, for the progress bar.
            patience_s: silence that is expected of it, where that is longer than the
                time-out.
        """
        env = worker_env(self.threads or self.settings.threads, device, self.overlay)
        name = job.systems[0].extractor if job.systems else job.kind
        with kernel_cache.claimed(name) as folder:
            return launch(
                job,
                env={**env, kernel_cache.VARIABLE: str(folder)},
                timeout_s=max(self.settings.timeout_s, patience_s),
                log=log,
                progress=self.reporter.step(text, total),
                cancelled=self.cancelled,
            )

    def together(self, steps: Sequence[Step]) -> None:
        """Run steps that are not timed side by side, a share of the cores each.

        An exception of one step, or Ctrl-C, ends the workers of all.
        """
        usable = cores()
        width = min(len(steps), usable, MAX_TOGETHER)
        if width < 2:
            for step in steps:
                step(self)
            return
        cancelled = Event()
        threads = max(1, (self.settings.threads or usable) // width)
        side = replace(self, threads=threads, cancelled=cancelled)
        with ThreadPoolExecutor(width) as pool:
            waiting = [pool.submit(step, side) for step in steps]
            try:
                for done in as_completed(waiting):
                    done.result()
            except BaseException:
                cancelled.set()
                for future in waiting:
                    future.cancel()
                raise

    def job(self, kind: str, cell: Cell, data: Data, **more: Any) -> Job:
        """A job on the data of ``cell`` under these settings."""
        return Job(
            kind=kind,
            task=cell.task,
            dataset=data.config,
            dropped=tuple(entry["clip_id"] for entry in data.dropped),
            unlabelled={e["clip_id"]: e["error"] for e in data.unlabelled},
            seed=self.settings.seed,
            **more,
        )
