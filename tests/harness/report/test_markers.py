"""A marked place in a file is replaced, and nothing else of the file changes."""

import os

import pytest

from extractors.errors import UsageError
from harness.report.markers import find_place

BEGIN, END = b"<!-- f0bench:engines -->", b"<!-- /f0bench:engines -->"


@pytest.fixture
def page(tmp_path):
    def write(*lines, end=b"\n"):
        path = tmp_path / "page.md"
        path.write_bytes(end.join(lines) + end)
        return path

    return write


def refused(path, name="engines"):
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(UsageError) as caught:
        find_place(path, name)
    assert "\n" not in str(caught.value)
    assert before is None or path.read_bytes() == before
    return str(caught.value)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_everything_else_stays_byte_for_byte(page, end):
    odd = b"caf\xe9 \t  "  # not UTF-8, blanks at the end
    path = page(b"# T", odd, BEGIN, b"old", b"old 2", END, b"last", end=end)
    find_place(path, "engines").write("| new |\n\nline ×\n")
    lines = [b"# T", odd, BEGIN, b"", b"| new |", b"", "line ×".encode(), b"", END]
    assert path.read_bytes() == end.join([*lines, b"last"]) + end


def test_an_empty_place_is_filled_and_filled_again_alike(page):
    path = page(BEGIN, END)
    find_place(path, "engines").write("text")
    once = path.read_bytes()
    assert once == BEGIN + b"\n\ntext\n\n" + END + b"\n"
    find_place(path, "engines").write("text")
    assert path.read_bytes() == once


def test_a_closing_line_may_end_the_file(tmp_path):
    path = tmp_path / "page.md"
    path.write_bytes(BEGIN + b"\nold\n" + END)
    find_place(path, "engines").write("new")
    assert path.read_bytes() == BEGIN + b"\n\nnew\n\n" + END


def test_quoted_markers_and_other_places_do_not_count(page):
    quoted = b"the line `" + BEGIN + b"` holds a place"
    other = (b"<!-- f0bench:quick -->", b"kept", b"<!-- /f0bench:quick -->")
    path = page(quoted, *other, BEGIN, b"stale", END)
    find_place(path, "engines").write("new")
    assert path.read_bytes().startswith(b"\n".join([quoted, *other, BEGIN]))
    assert b"stale" not in path.read_bytes()


def test_permissions_and_links_are_kept_and_nothing_is_left_beside(page, tmp_path):
    path = page(BEGIN, END)
    path.chmod(0o640)
    link = tmp_path / "link.md"
    link.symlink_to(path.name)
    find_place(link, "engines").write("new")
    assert link.is_symlink() and b"new" in path.read_bytes()
    assert path.stat().st_mode & 0o7777 == 0o640
    assert sorted(os.listdir(tmp_path)) == ["link.md", "page.md"]


def test_a_failed_write_leaves_the_file(page, monkeypatch):
    path = page(BEGIN, b"old", END)
    place = find_place(path, "engines")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        place.write("new")
    assert path.read_bytes() == BEGIN + b"\nold\n" + END + b"\n"
    assert os.listdir(path.parent) == [path.name]


def test_a_missing_file_says_which_lines_it_needs(tmp_path):
    told = refused(tmp_path / "none.md")
    assert "no such file; make it" in told
    assert BEGIN.decode() in told and END.decode() in told
    assert "no such file" in refused(tmp_path)  # a folder is none either


def test_missing_markers_say_where_they_belong_and_which_there_are(page):
    assert "it has no line '<!-- f0bench:engines -->'; put that" in refused(page(b"x"))
    path = page(b"<!-- f0bench:quick -->", b"<!-- /f0bench:quick -->")
    assert refused(path).endswith("or state --marker quick")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((b"x", BEGIN, b"old"), "line 2: '<!-- f0bench:engines -->' is not closed"),
        ((b"x", END), "line 2: '<!-- /f0bench:engines -->' closes nothing"),
        ((END, b"x", BEGIN), "line 3: '<!-- f0bench:engines -->' is not closed"),
        ((BEGIN, BEGIN, END), "stands in lines 1 and 2; remove all but one"),
        ((BEGIN, END, b"x", END), "stands in lines 2 and 4; remove all but one"),
        (
            (BEGIN, b"<!-- f0bench:b -->", END, b"<!-- /f0bench:b -->"),
            "line 2: '<!-- f0bench:b -->' stands inside '<!-- f0bench:engines -->'",
        ),
    ],
)
def test_broken_markers_are_named_with_their_line(page, lines, told):
    assert told in refused(page(*lines))


@pytest.mark.parametrize("name", ["a b", "", "a-->", "../x", ".x"])
def test_names_that_no_marker_has(page, name):
    assert "use letters, digits" in refused(page(BEGIN, END), name)
