"""The progress bar of a run: on a terminal only, on standard error, never in a timing.

Status lines of a worker come between its timed calls; drawing them happens in this
process, which sleeps on the pipe otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .launching import Reporter, Silence


@contextmanager
def progress_reporter(steps: int) -> Iterator[Reporter]:
    """A reporter for about ``steps`` steps; silent where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield Silence()
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
