"""Numbers, names and paths as reports show them."""

import math

import pytest

from harness.report.privacy import Scrubber, hashed
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
        (0.000123, {"digits": None}, "0.000123"),
        (0.00000065831, {"digits": None}, "6.6e-7"),
        (-0.00000065831, {"digits": None}, "-6.6e-7"),
        (0.00000065831, {"digits": None, "signed": True}, "+6.6e-7"),
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
        ("see s3://bucket/a/b", "see s3://bucket/a/b"),
        ("error:/mnt/kunde/x.wav", "error:…/x.wav"),
        ("file:///mnt/kunde/x.wav", "file://…/x.wav"),
        ("no such folder /home/alice", "no such folder …"),
        ("/export/home/alice: denied", "…: denied"),
        ("/home/alice/calls/x.wav", "…/x.wav"),
        (r"C:\Users\alice", "…"),
        ("~alice/x.wav", "~/x.wav"),
        ("~10 ms/frame", "~10 ms/frame"),
    ],
)
def test_absolute_paths_are_shortened(raw, shown, demo):
    assert Scrubber(demo[0]).text(raw) == shown


def test_known_folders_with_spaces_are_shortened(demo):
    scrub = Scrubber(demo[0])
    nested = {"command": ["root=/home/someone/my calls", 3, None]}
    assert scrub.data(nested) == {"command": ["root=…/my calls", 3, None]}


def test_the_home_folder_is_a_tilde(demo, monkeypatch):
    monkeypatch.setenv("HOME", "/srv/people/alice")
    monkeypatch.chdir("/")
    scrub = Scrubber(demo[0])
    assert scrub.text("in /srv/people/alice: full") == "in ~: full"
    assert scrub.text("cat /srv/people/alice/x.wav") == "cat ~/x.wav"
    assert scrub.text("/srv/people/alice/a/b.wav") == "…/b.wav"
    assert scrub.text("/srv/people/alice2/b.wav") == "…/b.wav"


def test_a_data_set_in_a_home_folder_does_not_name_the_user(folder):
    begun = folder().add("a" * 12, "crepe")
    begun.plan["groups"][0]["dataset"]["root"] = "/home/alice"
    scrub = Scrubber(begun.load())
    assert scrub.text("root=/home/alice is empty") == "root=… is empty"


@pytest.fixture
def private(folder):
    """A scrubber of a private run whose ids contain one another."""
    ids = ("calls/anna", "calls/anna-2", "anna", "clip", "7")
    begun = folder(*ids).add("a" * 12, "crepe")
    begun.plan["settings"]["private"] = True
    begun.plan["groups"][0]["dataset"]["root"] = "/data/kunde meier"
    return Scrubber(begun.load())


def test_ids_of_private_runs_are_hashed(private):
    # printf %s anna | sha256sum
    assert private.text("anna") == "clip-55579b5578"
    ids = ("anna", "calls/anna", "calls/anna-2", "clip")
    anna, calls, second, clip = map(hashed, ids)
    raw = "anna: no, calls/anna-2 and calls/anna"
    assert private.text(raw) == f"{anna}: no, {second} and {calls}"
    path = "'/data/kunde meier/calls/anna.wav'"
    assert private.text(path) == f"'…/kunde meier/{calls}.wav'"
    assert private.text("joanna, annabel") == "joanna, annabel"
    assert private.text(private.text("clip anna")) == f"{clip} {anna}"


def test_words_of_the_program_are_no_ids(private):
    data = {"label": "anna 7", "error": {"clip_id": "7", "message": "7 broke"}}
    seven = hashed("7")
    assert private.data(data) == {
        "label": "anna 7",
        "error": {"clip_id": seven, "message": f"{seven} broke"},
    }


def test_ids_of_other_runs_stay(demo):
    assert Scrubber(demo[0]).text("one: clip two") == "one: clip two"
