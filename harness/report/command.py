"""The commands ``report``, ``compare`` and ``export``: they read records only."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extractors.errors import UsageError
from harness.records import dumps, find_run, load_run

from . import files_line, terminal, write_page
from .document import SCHEMA, document
from .page import Source, build_page, scrubbed
from .privacy import Scrubber

if TYPE_CHECKING:
    from harness.flags import Flags
    from harness.records import Run

    from .markers import Place


def report(flags: Flags, words: Sequence[str]) -> int:
    """``f0bench report [RUN…]``: write the report again and print it.

    Several runs become one table, its rows labelled by run; its files go to ``--out``
    or to a folder of their own below the results. ``--into FILE`` also puts the run
    between two markers of a Markdown file; ``claims=NAME`` adds published figures.

    Returns:
        0; what the gate says is not judged again.

    Raises:
        UsageError: no such run, ``--by`` names an unknown tag, or the file of
            ``--into`` has no such place; nothing is written then.
    """
    from harness.claims.command import report_block, split
    from harness.disagreements import replacements

    runs, claims = split(words)
    sources = [source(flags, word) for word in runs or ["latest"]]
    place = _place(flags, sources)
    gate = read_gate(sources[0].run) if len(sources) == 1 else None
    build = partial(
        build_page,
        sources,
        gate,
        by=flags.by,
        calibrate=flags.calibrate,
        replacements=replacements(sources[0].run) if len(sources) == 1 else (),
        blocks=[
            report_block(s.run, s.summaries, claims, flags.config_dir) for s in sources
        ]
        if claims
        else (),
    )
    page = build(wide=flags.wide)
    folder = flags.out or _folder(flags, sources)
    # The files always hold the headline; --wide is for the terminal, where no CSV is.
    kept = page if not flags.wide else build()
    write_page(folder.resolve(), kept, sources)
    terminal.show(page, files=files_line(folder.resolve()))
    _fill(place, sources[0], gate)
    if flags.json:
        found = [document(s.run, s.summaries, read_gate(s.run)) for s in sources]
        _print_json(found[0] if len(found) == 1 else {"schema": SCHEMA, "runs": found})
    return 0


def _place(flags: Flags, sources: Sequence[Source]) -> Place | None:
    """Where ``--into`` puts the run, ``None`` where it was not given."""
    from .markers import find_place

    if flags.into is None:
        if flags.marker is not None:
            raise UsageError("--marker names a place in a file; add --into FILE")
        return None
    if len(sources) > 1:
        raise UsageError(f"--into takes one run, got {len(sources)}; write one by one")
    run = sources[0].run
    return find_place(
        flags.into, flags.marker or run.plan.get("experiment") or run.name
    )


def _fill(place: Place | None, found: Source, gate: Any) -> None:
    """Write the run into the place of ``--into`` and say so."""
    from .embedded import embedded

    if place is not None:
        place.write(embedded(found, gate))
        sys.stdout.write(f" {place.path}: {place.name} now holds this run\n")


def compare(flags: Flags, words: Sequence[str]) -> int:
    """``f0bench compare A B``: what changed from A to B.

    Returns:
        0; 1 where ``--fail-on-regression`` is given and something became worse.

    Raises:
        UsageError: not two runs, no such run, or no cell in common.
    """
    if len(words) != 2:
        raise UsageError(f"compare needs two runs, got {len(words)}: compare A B")
    a, b = (source(flags, word) for word in words)
    return show_comparison(a, b, flags)


def show_comparison(a: Source, b: Source, flags: Flags) -> int:
    """Print what changed from A to B; returns the exit code of ``compare``.

    Raises:
        UsageError: they have no cell in common.
    """
    from harness.compare import as_dict, compare_runs

    from .comparison import comparison_page

    metrics = _metrics([a, b])
    found = compare_runs(a.run, b.run, (a.summaries, b.summaries), metrics)
    if not found.pairs:
        raise UsageError(
            f"{a.run.name} and {b.run.name} have no cell in common; "
            "'f0bench report A B' shows both in one table"
        )
    failed = flags.fail_on_regression and found.regressed
    scrub = Scrubber(a.run, b.run)
    page = scrubbed(comparison_page(found, metrics, flags.wide), scrub)
    terminal.show(page, exit_code=int(failed))
    if flags.json:
        _print_json(scrub.data(as_dict(found)))
    return int(failed)


def export(flags: Flags, words: Sequence[str]) -> int:
    """``f0bench export RUN --format FORMAT``: stored tracks, or headline metrics.

    Raises:
        UsageError: no format, more than one run, no such run or cell.
    """
    from harness.flags import FORMATS, TRACKER_FORMATS

    if not flags.format:
        raise UsageError(f"export needs --format, one of {', '.join(FORMATS)}")
    if len(words) > 1:
        raise UsageError(f"export takes one run, got {len(words)}: {' '.join(words)}")
    run = load_run(find_run(flags.results_dir, *words))
    folder = flags.out or run.path / "export" / flags.format
    write = _trackers if flags.format in TRACKER_FORMATS else _tracks
    paths = write(flags, run, folder)
    files = "1 file" if len(paths) == 1 else f"{len(paths)} files"
    sys.stdout.write(f"{files} in {folder}\n")
    return 0


def _tracks(flags: Flags, run: Run, folder: Path) -> list[Path]:
    from harness.export import export_run

    return export_run(run, str(flags.format), folder, flags.cell)


def _trackers(flags: Flags, run: Run, folder: Path) -> list[Path]:
    from harness.ci.trackers import export_trackers
    from harness.summary import summarise_run

    clean = Scrubber(run).path
    values = summarise_run(run)
    return export_trackers(run, values, str(flags.format), folder, flags.cell, clean)


def source(flags: Flags, word: str) -> Source:
    """The run that ``word`` names, with its summaries."""
    from harness.summary import summarise_run

    run = load_run(find_run(flags.results_dir, word))
    return Source(run, summarise_run(run))


def read_gate(run: Run) -> Mapping[str, Any] | None:
    """``gate.json`` of a run, ``None`` where no gate was judged or it is unreadable."""
    try:
        found = json.loads((run.path / "gate.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _folder(flags: Flags, sources: Sequence[Source]) -> Path:
    if len(sources) == 1:
        return sources[0].run.path
    names = " ".join(s.run.name for s in sources)
    mark = hashlib.sha256(names.encode()).hexdigest()[:8]
    return Path(flags.results_dir) / f"report-{mark}"


def _metrics(sources: Sequence[Source]) -> list[Any]:
    from .page import metrics_of, rows_of

    scored, cost = metrics_of([row for found in sources for row in rows_of(found)])
    return [*scored, *cost]


def _print_json(value: Any) -> None:
    sys.stdout.write(dumps(value, indent=None) + "\n")
