"""Numbers, names and paths as reports show them."""

import math

import pytest

from harness.report.privacy import Scrubber
from harness.report.text import duration, letters, number, plain


@pytest.mark.parametrize(
    ("value", "options", "shown"),
    [
        (None, {}, "–"),
        (math.nan, {}, "–"),
        (math.inf, {}, "–"),
        (0.9876, {"scale": 100}, "98.8"),
        (1234567.0, {"digits": None}, "1234567"),
        (12.34, {"digits": None}, "12.3"),
        (0.01234, {"digits": None}, "0.0123"),
        (0.0, {"digits": None}, "0.0"),
        (-0.00001, {"signed": True}, "+0.0"),
        (-0.00001, {}, "0.0"),
        (0.0021, {"scale": 1000, "signed": True}, "+2.1"),
    ],
)
def test_number(value, options, shown):
    assert number(value, **options) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (0.84, "0.8 s"),
        (9.96, "10 s"),
        (59.7, "1 min 00 s"),
        (65.0, "1 min 05 s"),
        (7384.0, "2 h 03 min"),
    ],
)
def test_duration(seconds, shown):
    assert duration(seconds) == shown


def test_letters_go_on_after_z():
    assert [letters(i) for i in (0, 25, 26, 52)] == ["a", "z", "aa", "ba"]


def test_plain_removes_what_steers_a_terminal():
    assert plain("a\x1b[31mb\nc\u202ed") == "a\ufffd[31mb c\ufffdd"
    assert plain("녹음 ü") == "녹음 ü"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("cannot open /data/bob/x.wav", "cannot open …/x.wav"),
        ("see '/home/someone/my calls/c d.wav'", "see '…/my calls/c d.wav'"),
        ("~/calls/x.wav", "…/x.wav"),
        (r"C:\Users\bob\x.wav", "…/x.wav"),
        ("and/or, 3 clips/s, speaker/x.wav", "and/or, 3 clips/s, speaker/x.wav"),
        ("https://example.org/a/b", "https://example.org/a/b"),
    ],
)
def test_absolute_paths_are_shortened(raw, shown, demo):
    assert Scrubber(demo[0]).text(raw) == shown


def test_known_folders_with_spaces_are_shortened(demo):
    scrub = Scrubber(demo[0])
    nested = {"command": ["root=/home/someone/my calls", 3, None]}
    assert scrub.data(nested) == {"command": ["root=…/my calls", 3, None]}
