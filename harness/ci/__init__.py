"""What CI shows of a run: step summary, annotations, the body of a comment.

Only where ``GITHUB_ACTIONS`` is ``true``, as on GitHub and on the forges that took over
its workflows. Nothing here judges, and nothing here changes an exit code.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from extractors.errors import F0BenchError

if TYPE_CHECKING:
    from harness.records import Run
    from harness.report.page import Summaries
    from harness.report.privacy import Scrubber
    from harness.verdict import GateResult

COMMENT_FILE = "comment.md"


def publish(run: Run, summaries: Summaries, result: GateResult) -> None:
    """Tell GitHub Actions what a gate says of a run; elsewhere do nothing.

    Annotations go to stdout, the summary to the file that ``GITHUB_STEP_SUMMARY``
    names, the body of a comment to ``comment.md`` in the run's folder. What cannot be
    written is one warning on stderr: the verdict stands.

    Args:
        run: the judged run.
        summaries: metric values by cell key.
        result: of :func:`harness.gate.judge`.
    """
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from harness.report.privacy import Scrubber

    from .annotations import annotation_lines
    from .rules import cleaned

    scrub = Scrubber(run)
    shown = cleaned(result, scrub)
    sys.stdout.write("".join(f"{line}\n" for line in annotation_lines(shown)))
    _attempt("the step summary", partial(_summary, run, summaries, shown))
    _attempt(COMMENT_FILE, partial(_comment, run, scrub, shown))


def _attempt(what: str, write: Callable[[], None]) -> None:
    try:
        write()
    except (OSError, F0BenchError) as error:
        text = getattr(error, "strerror", None) or error
        sys.stderr.write(f"f0bench: warning: {what} was not written: {text}\n")


def _summary(run: Run, summaries: Summaries, result: GateResult) -> None:
    from harness.report.page import Source, build_page

    from .step_summary import append, step_summary

    place = os.environ.get("GITHUB_STEP_SUMMARY")
    if place:
        page = build_page([Source(run, summaries)])
        append(Path(place), step_summary(page, result))


def _comment(run: Run, scrub: Scrubber, result: GateResult) -> None:
    from harness.records import write_text

    from .comment import comment

    name = scrub.path(run.plan.get("experiment") or run.name)
    write_text(run.path / COMMENT_FILE, comment(name, result, _link()))


def _link() -> str:
    """The page of the workflow run, empty where the environment does not say."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, number = (os.environ.get(name, "") for name in names)
    if not (server and repository and number):
        return ""
    return f"{server}/{repository}/actions/runs/{number}"
