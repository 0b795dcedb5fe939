"""What changes when a candidate takes the place of an incumbent, for people to read.

Two tables: the worst disagreements, and the clips whose median F0 moves most. Sides
stand in the order incumbent → candidate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import terminal, text
from .markdown import escape
from .table import Block, Head, Table, TableRow

if TYPE_CHECKING:
    from harness.contrast import ClipChange, Disagreement, Pair
    from harness.disagreements import Replacement

    from .privacy import Scrubber

#: Columns of the terminal that the lines take at most.
WIDTH = 100
#: Disagreements, and clips that change most, that are shown at most.
WORST, CLIPS = 10, 5
#: Longer ids lose their middle, so that a row keeps within :data:`WIDTH`.
ID_WIDTH = 32

_WORST_HEADS = (
    Head("", ""),
    Head("", "clip", left=True),
    Head("", "start"),
    Head("length", "s"),
    Head("", "kind", left=True),
    Head("incumbent", "Hz"),
    Head("candidate", "Hz"),
)
_CHANGE_HEADS = (
    Head("", ""),
    Head("", "clip", left=True),
    Head("median F0", "Hz"),
    Head("", "cents"),
    Head("F0 spread", "semitones"),
    Head("voiced", "%"),
)


def block(found: Replacement, scrub: Scrubber) -> Block:
    """A replacement as part of a page."""
    head, *facts = _facts(found, scrub)
    shown = (f"Replacement  {head}", *facts)
    return Block(shown, tuple(tables(found, scrub)))


def lines(found: Replacement, scrub: Scrubber) -> list[str]:
    """Lines for a terminal, at most :data:`WIDTH` columns wide.

    Args:
        found: see :func:`harness.disagreements.replacement`.
        scrub: of the runs that the clips come from; ids pass through it.
    """
    head, *facts = _facts(found, scrub)
    shown = terminal.fold(f"Replacement  {head}", WIDTH, 4)
    shown += [part for fact in facts for part in terminal.fold(f" {fact}", WIDTH, 4)]
    for table in tables(found, scrub):
        shown += ["", *(line for line, _ in terminal.render(table, WIDTH))]
    return [line.rstrip() for line in shown]


def markdown(found: Replacement, scrub: Scrubber) -> str:
    """The same as GitHub Markdown, below a third-level heading."""
    head, *facts = _facts(found, scrub)
    blocks = [f"### Replacement: {escape(head)}"]
    blocks.append("\n".join(f"- {escape(fact)}" for fact in facts))
    blocks += [_markdown_table(table) for table in tables(found, scrub)]
    return "\n\n".join(blocks) + "\n"


def tables(found: Replacement, scrub: Scrubber) -> list[Table]:
    """The worst disagreements and the clips that change most; no empty table."""
    worst = tuple(
        TableRow((str(number), *_worst_cells(segment, scrub)))
        for number, segment in enumerate(found.worst[:WORST], start=1)
    )
    differing = [change for change in found.changes if change.differs]
    changed = tuple(
        TableRow((str(number), *_change_cells(change, scrub)))
        for number, change in enumerate(differing[:CLIPS], start=1)
    )
    shown = [Table("Worst disagreements", _WORST_HEADS, worst)] if worst else []
    if changed:
        notes = tuple(_summary(found, scrub))
        shown.append(Table("Clips that change most", _CHANGE_HEADS, changed, notes))
    return shown


def _facts(found: Replacement, scrub: Scrubber) -> list[str]:
    """Who replaces whom; how far they agree; how the rest disagrees."""
    sides = [
        text.plain(scrub.path(label))
        for label in (found.incumbent_label, found.candidate_label)
    ]
    scope = f"{text.plural(found.clips, 'clip')}, {text.plural(found.frames, 'frame')}"
    agree = f"agree on {_percent(found.agreeing_ratio)} % of frames"
    if found.median_abs_cents is not None:
        agree += f", {text.number(found.median_abs_cents)} cents apart in the median"
    facts = [f"{sides[0]} → {sides[1]}: {scope}", f"{agree}; neither counts as right"]
    kinds = [f"{kind} {_percent(share)} %" for kind, share in _present(found)]
    if kinds:
        count = text.plural(found.segments, "disagreement")
        facts.append(f"{count}: {', '.join(kinds)}")
    if not any(change.differs for change in found.changes):
        facts.append("median F0, F0 spread and voiced ratio are equal in every clip")
    return facts


def _present(found: Replacement) -> list[tuple[str, float]]:
    return [(kind, share) for kind, share in found.shares.items() if share]


def _summary(found: Replacement, scrub: Scrubber) -> list[str]:
    """How many clips move, and what users report over all clips."""
    counted = text.plural(found.medians, "clip")
    shown = [f"median F0 moves by ≥ 50 cents in {found.medians_moved} of {counted}"]
    alone = found.one_sided
    if alone:
        first = _shown_id(alone[0].clip_id, scrub)
        count = text.plural(len(alone), "clip")
        shown.append(f"only one side has voiced frames in {count}, first: {first}")
    spread = _arrow(found.spread_semitones, digits=2)
    voiced = _arrow(found.voiced_ratio, scale=100.0)
    shown.append(f"F0 spread {spread} semitones (median clip); voiced {voiced} %")
    return shown


def _worst_cells(segment: Disagreement, scrub: Scrubber) -> tuple[str, ...]:
    return (
        _shown_id(segment.clip_id, scrub),
        _clock(segment.start_s),
        text.number(segment.duration_s, digits=2),
        segment.kind,
        _hertz(segment.incumbent_hz),
        _hertz(segment.candidate_hz),
    )


def _change_cells(change: ClipChange, scrub: Scrubber) -> tuple[str, ...]:
    before, after = change.median_hz
    return (
        _shown_id(change.clip_id, scrub),
        f"{_hertz(before)} → {_hertz(after)}",
        text.number(change.median_cents, digits=0, signed=True),
        _arrow(change.spread_semitones, digits=2),
        _arrow(change.voiced_ratio, scale=100.0),
    )


def _arrow(pair: Pair, scale: float = 1.0, digits: int = 1) -> str:
    return " → ".join(text.number(v, scale=scale, digits=digits) for v in pair)


def _percent(ratio: float) -> str:
    """Per cent with one decimal; a small share keeps two significant digits."""
    small = 0.0 < ratio < 0.0005
    digits = 1 - math.floor(math.log10(100.0 * ratio)) if small else 1
    return text.number(ratio, scale=100.0, digits=digits)


def _hertz(hertz: float | None) -> str:
    """Four significant digits, a dash where undefined."""
    if hertz is None:
        return text.UNDEFINED
    return text.number(hertz, digits=max(3 - math.floor(math.log10(hertz)), 0))


def _clock(seconds: float) -> str:
    """``m:ss.ss``."""
    minutes, hundredths = divmod(round(100 * seconds), 6000)
    return f"{minutes}:{hundredths // 100:02d}.{hundredths % 100:02d}"


def _shown_id(clip_id: str, scrub: Scrubber) -> str:
    """The id as it may be shown, its middle cut out where it is long."""
    shown = text.plain(scrub.clip(clip_id))
    if terminal.cells(shown) <= ID_WIDTH:
        return shown
    keep = len(shown)
    while True:  # wide characters take two columns each
        keep -= 1
        head, tail = shown[: (keep + 1) // 2], shown[len(shown) - keep // 2 :]
        if terminal.cells(cut := f"{head}…{tail}") <= ID_WIDTH:
            return cut


def _markdown_table(table: Table) -> str:
    heads = [head.line for head in table.columns]
    rule = [":--" if head.left else "--:" for head in table.columns]
    rows = [[escape(cell) for cell in row.cells] for row in table.rows]
    shown = [f"**{escape(table.title)}**", ""]
    shown += [_markdown_row(row) for row in ([escape(h) for h in heads], rule, *rows)]
    shown += ["", *(f"- {escape(note)}" for note in table.notes)]
    return "\n".join(shown).rstrip()


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
