"""Progress of a run on standard error: a bar on a terminal, a line a minute in a log.

Status lines of a worker come between its timed calls, never in one; telling of them
happens in this process, which sleeps on the pipe otherwise.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .launching import Reporter

EVERY_S = 60.0  # between two lines of a log; shorter runs are silent


@contextmanager
def progress_reporter(steps: int) -> Iterator[Reporter]:
    """A reporter for about ``steps`` steps."""
    if not sys.stderr.isatty():
        yield Lines(steps)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    # Drawn only when a worker says something: a refresh thread would take processor
    # time from what is being timed.
    with Progress(
        *columns, console=Console(stderr=True), auto_refresh=False, transient=True
    ) as progress:
        yield _Bar(progress, steps)


class _Bar:
    def __init__(self, progress: Any, steps: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=max(steps, 1))
        self._step = 0

    def step(self, text: str, total: float) -> Callable[[Mapping[str, Any]], None]:
        """Show ``text`` and advance by one step."""
        from rich.markup import escape

        self._progress.update(self._task, completed=self._step)
        self._progress.update(self._task, description=escape(text), refresh=True)
        self._step += 1

        def follow(message: Mapping[str, Any]) -> None:
            share = min(message["done"] / total, 1.0) if total else 0.0
            if message["done"]:
                self._progress.update(
                    self._task, completed=self._step - 1 + share, refresh=True
                )

        return follow


class Lines:
    """A line at most every :data:`EVERY_S` seconds, for logs.

    Args:
        steps: about how many there will be.
        clock: seconds.
    """

    def __init__(self, steps: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._steps, self._step, self._clock = max(steps, 1), 0, clock
        self._began = self._told = clock()

    def step(self, text: str, total: float) -> Callable[[Mapping[str, Any]], None]:
        """Begin a step; it and its messages are told of if it is time to."""
        self._step += 1
        number = self._step

        def follow(message: Mapping[str, Any]) -> None:
            now = self._clock()
            if now - self._told < EVERY_S:
                return
            self._told = now
            share = f", {min(message['done'] / total, 1.0):.0%}" if total else ""
            print(
                f"f0bench: {(now - self._began) / 60:.0f} min: step {number} of about "
                f"{max(self._steps, number)}, {text}{share}",
                file=sys.stderr,
                flush=True,
            )

        follow({"done": 0.0})
        return follow
