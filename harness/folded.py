"""Tables of folded text for a terminal: every cell whole, no line wider than asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from io import StringIO

WIDTH = 100


def folded(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    whole: Collection[str] = (),
    ratios: Mapping[int, int] | None = None,
    width: int = WIDTH,
) -> list[str]:
    """Lines of a table, at most ``width`` columns wide; long cells are folded.

    Args:
        heads: names of the columns.
        rows: one text per column.
        whole: names of columns that are never folded.
        ratios: share of the remaining width, by the place of a column.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(heads):
        ratio = (ratios or {}).get(place)
        table.add_column(name, ratio=ratio, no_wrap=name in whole, overflow="fold")
    for cells in rows:
        table.add_row(*(Text(cell) for cell in cells))
    out = StringIO()
    Console(file=out, width=width, color_system=None).print(table)
    return [line.rstrip() for line in out.getvalue().splitlines()]
