"""A marked place in a Markdown file, and what stands in it.

Two lines of comment, which no reader of the rendered page sees, hold the place::

    <!-- f0bench:engines -->
    …
    <!-- /f0bench:engines -->

Only lines that hold nothing else count, so that a text may quote the markers. Whatever
is not between them stays as it is, byte for byte, line ends included.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from extractors.errors import UsageError
from harness.records import replacing

NAME = re.compile(r"\w[\w.-]*")
_MARKER = re.compile(
    rb"^[ \t]*<!-- (?P<closes>/?)f0bench:(?P<name>[^\s<>]+) -->[ \t]*\r?$", re.MULTILINE
)
_Match = re.Match[bytes]


@dataclass(frozen=True)
class Place:
    """What a file holds around a marked place.

    Attributes:
        path: the file.
        name: of the place.
        before: up to the end of the opening line.
        after: from the beginning of the closing line.
        mode: permissions of the file.
    """

    path: Path
    name: str
    before: bytes
    after: bytes
    mode: int

    def write(self, text: str) -> None:
        """Put ``text`` into the place; the file appears by rename."""
        end = "\r\n" if self.before.endswith(b"\r\n") else "\n"
        lines = ["", *text.strip("\n").split("\n"), "", ""]
        target = self.path.resolve()  # a link goes on to lead there
        with replacing(target) as temporary:
            inside = end.join(lines).encode("utf-8")
            temporary.write_bytes(self.before + inside + self.after)
        target.chmod(self.mode)


def find_place(path: Path, name: str) -> Place:
    """The place called ``name`` in the file ``path``.

    Raises:
        UsageError: no such file; or the name is no marker's; or one of its markers is
            absent, stands there twice, or has another marker inside.
    """
    opening, closing = f"<!-- f0bench:{name} -->", f"<!-- /f0bench:{name} -->"
    if not NAME.fullmatch(name):
        raise UsageError(
            f"--marker '{name}': use letters, digits, '.', '_' and '-', e.g. engines"
        )
    if not path.is_file():
        raise UsageError(
            f"--into {path}: no such file; make it, with the lines '{opening}' and "
            f"'{closing}' where the table belongs"
        )
    content = path.read_bytes()
    found = list(_MARKER.finditer(content))
    begins = _only(path, content, found, name, closes=False)
    ends = _only(path, content, found, name, closes=True)
    where = f"--into {path}"
    if begins is None and ends is None:
        others = sorted({_name(m) for m in found})
        choice = f", or state --marker {' or '.join(others)}" if others else ""
        raise UsageError(
            f"{where}: it has no line '{opening}'; put that and '{closing}' where the "
            f"table belongs{choice}"
        )
    if begins is None or ends is None or ends.start() < begins.start():
        _refuse_half(where, content, begins, ends, name)
    assert begins is not None and ends is not None
    _refuse_nested(where, content, found, begins, ends)
    start = begins.end() + 1  # the line feed, which the closing line proves is there
    mode = path.stat().st_mode & 0o7777
    return Place(path, name, content[:start], content[ends.start() :], mode)


def _only(
    path: Path, content: bytes, found: list[_Match], name: str, *, closes: bool
) -> _Match | None:
    """The one marker of a kind, ``None`` where there is none."""
    mine = [m for m in found if _name(m) == name and bool(m["closes"]) == closes]
    if len(mine) > 1:
        numbers = " and ".join(str(_line(content, m)) for m in mine)
        raise UsageError(
            f"--into {path}: '{_text(mine[0])}' stands in lines {numbers}; remove all "
            "but one, or give the others names of their own"
        )
    return mine[0] if mine else None


def _refuse_half(
    where: str, content: bytes, begins: _Match | None, ends: _Match | None, name: str
) -> None:
    if begins is not None:
        raise UsageError(
            f"{where}, line {_line(content, begins)}: '{_text(begins)}' is not closed; "
            f"put '<!-- /f0bench:{name} -->' on a line below it"
        )
    assert ends is not None
    raise UsageError(
        f"{where}, line {_line(content, ends)}: '{_text(ends)}' closes nothing; put "
        f"'<!-- f0bench:{name} -->' on a line above it"
    )


def _refuse_nested(
    where: str, content: bytes, found: list[_Match], begins: _Match, ends: _Match
) -> None:
    for marker in found:
        if begins.start() < marker.start() < ends.start():
            raise UsageError(
                f"{where}, line {_line(content, marker)}: '{_text(marker)}' stands "
                f"inside '{_text(begins)}' and would be lost; move it out"
            )


def _name(marker: _Match) -> str:
    return marker["name"].decode("utf-8", "replace")


def _text(marker: _Match) -> str:
    return marker.group().decode("utf-8", "replace").strip()


def _line(content: bytes, marker: _Match) -> int:
    return content.count(b"\n", 0, marker.start()) + 1
