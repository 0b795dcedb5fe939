"""The Markdown that GitHub Actions shows on the page of a workflow run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.report.markdown import escape, markdown
from harness.verdict import GateResult

from .rules import table, text_cell, worst_first

if TYPE_CHECKING:
    from harness.report.page import Page

#: Above this size GitHub drops the summary of a step as a whole.
LIMIT_BYTES = 1024 * 1024
NOTICE = "_Cut: the rest is beyond the limit of 1 MiB; report.md has all of it._"
_OPEN, _CLOSE = "<details>", "</details>"


def step_summary(page: Page, result: GateResult) -> str:
    """Head, gate and, folded, the tables of a run.

    Args:
        page: of one run, without a gate.
        result: cleaned by :func:`harness.ci.rules.cleaned`.
    """
    blocks = [f"## f0bench {escape(page.title)}: {headline(result)}"]
    blocks += [text_cell(result.reason)]
    blocks += ["\n".join(f"- **{escape(w)}** {text_cell(t)}" for w, t in page.facts)]
    blocks += [table(worst_first(result))] if result.rules else []
    blocks += ["\n".join(f"- {text_cell(note)}" for note in result.notes)]
    # The head is shown already; the blank lines let GitHub read Markdown in HTML.
    body = markdown(replace(page, head=())).strip()
    blocks += [f"{_OPEN}<summary>Tables of the run</summary>", body, _CLOSE]
    return "\n\n".join(block for block in blocks if block) + "\n"


def headline(result: GateResult) -> str:
    """``gate ci fail (1 fail, 6 pass)``, escaped."""
    counts = ", ".join(f"{n} {name}" for name, n in result.counts().items())
    return escape(
        f"gate {result.gate} {result.verdict} ({counts or 'no rule applied'})"
    )


def append(place: Path, text: str) -> None:
    """Append ``text`` to a step's summary, as far as its limit allows.

    Raises:
        OSError: the file cannot be read or written.
    """
    used = place.stat().st_size if place.exists() else 0
    with place.open("a", encoding="utf-8") as file:
        file.write(cut(text, LIMIT_BYTES - used, NOTICE))


def cut(text: str, limit: int, notice: str) -> str:
    """``text`` if it has at most ``limit`` bytes, else its first lines and ``notice``.

    A ``<details>`` that was opened is closed; empty where not even ``notice`` fits.
    """
    if len(text.encode()) <= limit:
        return text
    ending = f"\n{notice}\n"
    room = limit - len(ending.encode()) - len(f"\n{_CLOSE}\n")
    kept: list[str] = []
    for line in text.splitlines(keepends=True):
        room -= len(line.encode())
        if room < 0:
            break
        kept.append(line)
    if not kept:
        return ""
    opened = "".join(kept)
    if opened.count(_OPEN) > opened.count(_CLOSE):
        ending += f"\n{_CLOSE}\n"
    return opened + ending
