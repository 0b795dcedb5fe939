"""Reports: read records, write tables and figures; nothing here measures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from harness.disagreements import Replacement
    from harness.records import Run

    from .page import Page, Source, Summaries

FILES = ("report.html", "report.md", "summary.csv")


def write_all(
    run: Run,
    summaries: Summaries,
    gate: Any,
    replacements: Sequence[Replacement] = (),
) -> list[Path]:
    """Write ``report.html``, ``report.md`` and ``summary.csv`` into the run's folder.

    Args:
        run: the run.
        summaries: metric values by cell key.
        gate: a gate's result or the content of ``gate.json``; ``None`` without one.
        replacements: what candidates change against the incumbent.

    Returns:
        The written paths, in the order of :data:`FILES`.
    """
    from .page import Source, build_page

    sources = [Source(run, summaries)]
    page = build_page(sources, gate, replacements=replacements)
    return write_page(run.path, page, sources)


def write_page(folder: Path, page: Page, sources: Sequence[Source]) -> list[Path]:
    """Write the three files of ``page`` into ``folder``; each appears by rename."""
    from harness.records import write_text

    from .csvfile import summary_csv
    from .html import html
    from .markdown import markdown
    from .privacy import Scrubber

    scrub = Scrubber(*(source.run for source in sources))
    texts = (html(page, sources), markdown(page), summary_csv(page.rows, scrub))
    paths = [folder / name for name in FILES]
    for path, text in zip(paths, texts, strict=True):
        write_text(path, text)
    return paths


def show(
    run: Run,
    summaries: Summaries,
    gate: Any,
    *,
    wide: bool = False,
    console: Console | None = None,
    exit_code: int | None = None,
    replacements: Sequence[Replacement] = (),
) -> None:
    """Print a run as ``f0bench run`` ends.

    Args:
        run, summaries, gate: as for :func:`write_all`.
        wide: every metric instead of the headline.
        console: standard output by default.
        exit_code: shown on the last line; the gate's by default.
        replacements: what candidates change against the incumbent.
    """
    from . import terminal
    from .page import Source, build_page, gate_data

    source = Source(run, summaries)
    page = build_page([source], gate, wide=wide, replacements=replacements)
    files = files_line(run.path)
    if exit_code is None:
        exit_code = gate_data(gate).get("exit_code")
    terminal.show(page, console, files=files, exit_code=exit_code)


def files_line(folder: Path) -> str:
    """The files of a report as one word, relative to the working directory."""
    names = ", ".join(name for name in FILES if (folder / name).is_file())
    if not names:
        return ""
    try:
        place = str(folder.relative_to(Path.cwd()))
    except ValueError:
        place = folder.name
    return f"{place}/{{{names}}}"
