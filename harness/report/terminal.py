"""A page on a terminal: aligned columns, at most as wide as the terminal.

Off a terminal the text has its full width. On a narrow terminal labels and messages
are folded onto further lines; a number is never cut.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .table import Head, Table, TableRow

if TYPE_CHECKING:
    from rich.console import Console

    from .page import Page

_GAP = "  "
_MIN_LABEL = 16
_STYLES = {"pass": "green", "fail": "bold red", "inconclusive": "yellow"}


def show(
    page: Page,
    console: Console | None = None,
    *,
    files: str = "",
    exit_code: int | None = None,
) -> None:
    """Print ``page``.

    Args:
        page: what to print.
        console: where; standard output by default.
        files: what was written, for the last line.
        exit_code: shown on the last line where it is known.
    """
    from rich.console import Console

    target = console or Console()
    width = target.width if target.is_terminal else None
    for line, style in lines(page, width):
        _print(target, line, style)
    if files or exit_code is not None:
        code = "" if exit_code is None else f"exit {exit_code}"
        _print(target, _ends(f" files {files}" if files else "", code, width), "")


def _print(console: Console, line: str, style: str) -> None:
    from rich.text import Text

    # A Text is never parsed as markup: a clip named "[red]" prints as it is.
    console.print(Text(line, style=style), soft_wrap=True, highlight=False)


def lines(page: Page, width: int | None) -> list[tuple[str, str]]:
    """The lines of ``page`` with their styles, folded to ``width`` if it is given."""
    found = _head(page.head, width)
    for table in page.tables:
        found.append(("", ""))
        found += render(table, width)
    found += [(line, "dim") for text in page.left_out for line in fold(text, width, 9)]
    if page.gate:
        style = _STYLES.get(page.verdict, "")
        found.append((_ends(page.gate[0], page.verdict, width), style))
        found += [(t, style) for rule in page.gate[1:] for t in fold(rule, width, 4)]
    for block in page.changes:
        found.append(("", ""))
        found += [(t, "") for text in block.lines for t in fold(text, width, 4)]
        for table in block.tables:
            found += [("", ""), *render(table, width)]
    return [(line.rstrip(), style) for line, style in found]


def _head(head: Sequence[tuple[str, str]], width: int | None) -> list[tuple[str, str]]:
    found = []
    for word, text in head:
        if word in {"data", "setting", "voicing"}:
            found += [(t, "") for t in fold(f"{word:<8} {text}", width, 9)]
        else:
            line = f"f0bench {word}    {text}"
            found += [(t, "bold") for t in fold(line, width, 9)]
    return found


def fold(line: str, width: int | None, indent: int) -> list[str]:
    """Break ``line`` between words where ``width`` asks for it."""
    if width is None or cells(line) <= width:
        return [line]
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    ) or [line]


def _ends(left: str, right: str, width: int | None) -> str:
    room = min(width or 100, 100) - cells(left) - cells(right)
    return (left + " " * max(room, 2) + right).rstrip()


def render(table: Table, width: int | None) -> list[tuple[str, str]]:
    """Lines of ``table`` with their styles."""
    widths = _widths(table, width)
    top = [head.top for head in table.columns]
    bottom = [head.bottom for head in table.columns]
    first = _join(top, widths, table.columns)
    title = table.title + first[cells(table.title) :]
    found = [(title.rstrip(), "bold"), (_join(bottom, widths, table.columns), "dim")]
    for row in table.rows:
        found += _row(row, widths, table.columns, width)
    found += [(f" {t}", "dim") for note in table.notes for t in fold(note, width, 4)]
    return found


def _row(
    row: TableRow, widths: Sequence[int], heads: Sequence[Head], width: int | None
) -> list[tuple[str, str]]:
    label, *more = _label_lines(row.cells[1], widths[1])
    shown = [row.cells[0], label, *row.cells[2:]]
    line = _join(shown, widths, heads)
    style = "red" if row.message else ""
    if row.message:
        room = None if width is None else max(width - cells(line) - 2, 30)
        first, *rest = fold(row.message, room, 0)
        indent = " " * (cells(line) + 2)
        texts = [f"{line}{_GAP}{first}", *(indent + text for text in rest)]
    else:
        texts = [line]
    offset = " " * (widths[0] + len(_GAP))
    return [(text, style) for text in [*texts, *(offset + text for text in more)]]


def _label_lines(label: str, width: int) -> list[str]:
    if cells(label) <= width:
        return [label]
    return [part.rstrip() for part in fold(label, width, 2)]


def _widths(table: Table, width: int | None) -> list[int]:
    texts = [[head.top, head.bottom] for head in table.columns]
    texts[0].append(" 1")
    for row in table.rows:
        for column, cell in enumerate(row.cells):
            texts[column].append(cell)
    widths = [max(map(cells, column)) for column in texts]
    spare = cells(table.title) - widths[0] - widths[1] - len(_GAP)
    widths[1] += max(spare, 0)
    if width is not None:
        over = sum(widths) + len(_GAP) * (len(widths) - 1) - width
        longest = max((_longest_word(row.cells[1]) for row in table.rows), default=0)
        least = min(widths[1], max(_MIN_LABEL, longest))
        widths[1] = max(widths[1] - max(over, 0), least)
    return widths


def _longest_word(label: str) -> int:
    return max(map(cells, label.split()), default=0)


def _join(texts: Sequence[str], widths: Sequence[int], heads: Sequence[Head]) -> str:
    parts = [
        _pad(text, size, head.left)
        for text, size, head in zip(texts, widths, heads, strict=False)
    ]
    return _GAP.join(parts).rstrip()


def _pad(text: str, size: int, left: bool) -> str:
    space = " " * max(size - cells(text), 0)
    return text + space if left else space + text


def cells(text: str) -> int:
    """Columns that ``text`` takes on a terminal; wide characters take two."""
    from rich.cells import cell_len

    return cell_len(text)
