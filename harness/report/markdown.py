"""A page as GitHub Markdown, for a CI summary or a pull request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .table import Table, TableRow

if TYPE_CHECKING:
    from .page import Page

_SPECIAL = re.compile(r"([\\`*_\[\]|~#])")


def markdown(page: Page) -> str:
    """The same head, tables, notes and gate as on the terminal."""
    blocks = [f"# f0bench {escape(page.title)}"]
    blocks.append("\n".join(f"- **{escape(w)}** {escape(t)}" for w, t in page.facts))
    blocks += [_table(table) for table in page.tables]
    if page.left_out:
        blocks.append("\n".join(f"- {escape(line)}" for line in page.left_out))
    if page.gate:
        first = f"**{escape(page.gate[0])}: {escape(page.verdict)}**"
        blocks.append(
            "\n".join([first, "", *(f"- {escape(r)}" for r in page.gate[1:])])
        )
    for change in page.changes:
        blocks.append(f"## {escape(change.lines[0])}")
        blocks.append("\n".join(f"- {escape(line)}" for line in change.lines[1:]))
        blocks += [_table(table, "###") for table in change.tables]
    return "\n\n".join(block.strip() for block in blocks) + "\n"


def _table(table: Table, level: str = "##") -> str:
    return f"{level} {escape(table.title)}\n\n{untitled(table)}"


def untitled(table: Table) -> str:
    """The rows and notes of a table, without its title."""
    heads = [escape(head.line) for head in table.columns]
    rule = [":--" if head.left else "--:" for head in table.columns]
    lines = [_line(heads), _line(rule)]
    lines += [_line(_cells(row, len(heads))) for row in table.rows]
    if table.notes:
        lines += ["", *(f"- {escape(note)}" for note in table.notes)]
    return "\n".join(lines)


def _cells(row: TableRow, width: int) -> list[str]:
    found = [escape(cell) for cell in row.cells]
    if row.message:
        found.append(f"**{escape(row.message)}**")
    return found + [""] * (width - len(found))


def _line(parts: list[str]) -> str:
    return f"| {' | '.join(parts)} |"


def escape(text: str) -> str:
    """``text`` without meaning to Markdown or HTML, on one line."""
    one_line = " ".join(text.split())
    safe = one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", safe)
