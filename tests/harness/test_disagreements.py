"""A candidate against an incumbent over the stored outputs of two cells."""

import json

import numpy as np
import pytest

from extractors.errors import RecordError
from extractors.track import F0Track
from harness import records
from harness.disagreements import as_dict, replacement, replacements
from harness.passes import outputs
from harness.passes.outputs import CountTable, OutputWriter, write_clips
from harness.records import Record, Run


def track(hertz):
    hz = np.array(hertz, dtype=float)
    voiced = hz > 0
    times = np.arange(len(hz)) * 0.01
    return F0Track(times, np.where(voiced, hz, np.nan), voiced, voiced * 0.9)


def cell(folder, label, clips, missed=(), role="candidate", data="here"):
    """A record without counts or truth; ``clips`` maps ids to values in Hz."""
    rows = []
    with OutputWriter(folder / "tracks.parquet") as writer:
        for clip_id, hertz in clips.items():
            found = track(hertz)
            failed = clip_id in missed
            status = "missed" if failed else "ok"
            seconds = len(hertz) * 0.01
            rows.append({"clip_id": clip_id, "seconds": seconds, "status": status})
            if failed:
                continue
            names = ("time_s", "f0_hz", "voiced", "confidence")
            columns = (found.times, found.f0, found.voiced, found.confidence)
            writer.add(clip_id, dict(zip(names, columns, strict=True)))
    write_clips(folder / "clips.parquet", rows, CountTable())
    facts = {"key": folder.name, "label": label, "role": role, "status": "ok"}
    facts["cell"] = {"task": {"name": "f0"}, "dataset": {"name": data}}
    return Record(folder, facts)


INCUMBENT = {
    "a": [100, 100, 100, 100],
    "b": [200, 200, 0, 0, 0, 0],
    "c": [300] * 8,
    "d": [0, 0],
}
CANDIDATE = {
    "a": [100, 50, 50, 100],  # an octave down for two frames
    "b": [200, 200, 210, 210, 210, 0],  # three frames gained
    "c": [310] * 8,  # 56.8 cents up throughout
    "d": [400, 400],  # voiced on one side only
}


@pytest.fixture
def found(tmp_path):
    incumbent = cell(tmp_path / "i", "old", INCUMBENT)
    return replacement(cell(tmp_path / "c", "new", CANDIDATE), incumbent)


def test_summary_by_hand(found):
    assert (found.incumbent_label, found.candidate_label) == ("old", "new")
    assert (found.clips, found.frames, found.segments) == (4, 20, 4)
    assert found.agreeing_ratio == pytest.approx(5 / 20)
    assert found.shares == pytest.approx(
        {
            "octave down": 0.1,
            "octave up": 0.0,
            "> 50 cents": 0.4,
            "voicing lost": 0.0,
            "voicing gained": 0.25,
        }
    )
    # medians of |c|: a (0, 1200, 1200, 0) 600; b 0; c 56.77; d none
    assert found.median_abs_cents == pytest.approx(56.77, abs=0.01)
    # a: 100 and 75 Hz; b: 200 and 210; c: 56.77 cents; d: none of the incumbent
    assert (found.medians, found.medians_moved) == (3, 3)
    assert [change.clip_id for change in found.one_sided] == ["d"]
    # voiced frames 4, 2, 8, 0 of 20 and 4, 5, 8, 2 of 20; all clips weigh by frames
    assert found.voiced_ratio == pytest.approx((14 / 20, 19 / 20))
    assert found.spread_semitones[0] == pytest.approx(0.0)


def test_worst_and_changes_are_ordered(found):
    worst = [(s.clip_id, s.start_s, s.duration_s, s.kind) for s in found.worst]
    assert worst == [
        ("c", 0.0, 0.08, "> 50 cents"),
        ("b", 0.02, 0.03, "voicing gained"),
        ("a", 0.01, 0.02, "octave down"),
        ("d", 0.0, 0.02, "voicing gained"),
    ]
    assert [change.clip_id for change in found.changes] == ["a", "b", "c", "d"]


def test_only_the_longest_are_kept(tmp_path):
    sides = [
        cell(tmp_path / name, name, clips)
        for name, clips in (("i", INCUMBENT), ("c", CANDIDATE))
    ]
    found = replacement(sides[1], sides[0], worst=2)
    assert [s.clip_id for s in found.worst] == ["c", "b"]
    assert found.segments == 4


def test_sides_are_not_symmetric(tmp_path, found):
    back = replacement(
        cell(tmp_path / "x", "old", INCUMBENT), cell(tmp_path / "y", "new", CANDIDATE)
    )
    assert back.shares["octave up"] == found.shares["octave down"]
    assert back.shares["voicing lost"] == found.shares["voicing gained"]
    assert back.voiced_ratio == found.voiced_ratio[::-1]


def test_a_cell_against_itself_agrees(tmp_path):
    one = cell(tmp_path / "i", "old", INCUMBENT)
    found = replacement(one, one)
    assert found.agreeing_ratio == 1.0
    assert (found.worst, found.medians_moved, found.median_abs_cents) == ((), 0, 0.0)
    assert not any(change.differs for change in found.changes)


def test_only_clips_that_both_answered_count(tmp_path):
    incumbent = cell(tmp_path / "i", "old", INCUMBENT, missed=("a",))
    candidate = cell(tmp_path / "c", "new", CANDIDATE, missed=("c",))
    found = replacement(candidate, incumbent)
    assert sorted(change.clip_id for change in found.changes) == ["b", "d"]
    assert found.frames == 8


@pytest.mark.parametrize("frames", [1, 5, 100_000])
def test_neither_order_nor_row_groups_matter(tmp_path, found, monkeypatch, frames):
    monkeypatch.setattr(outputs, "GROUP_FRAMES", frames)
    turned = dict(reversed(list(CANDIDATE.items())))
    candidate = cell(tmp_path / "t", "new", turned)
    assert replacement(candidate, cell(tmp_path / "j", "old", INCUMBENT)) == found


def test_nothing_in_common_or_nothing_kept_is_none(tmp_path):
    one = cell(tmp_path / "i", "old", {"a": [100]})
    other = cell(tmp_path / "c", "new", {"b": [100]})
    assert replacement(one, other) is None
    same = cell(tmp_path / "s", "new", {"a": [100]})
    assert replacement(one, same) is not None
    (same.path / "tracks.parquet").unlink()
    assert replacement(one, same) is None
    assert replacement(same, one) is None


def test_candidates_are_paired_with_the_incumbent_of_their_data(tmp_path):
    clips = {"a": [100, 100]}
    cells = [
        cell(tmp_path / "1", "new", clips),
        cell(tmp_path / "2", "old", clips, role="incumbent"),
        cell(tmp_path / "3", "third", clips, role="peer"),
        cell(tmp_path / "4", "new there", clips, data="there"),
        cell(tmp_path / "5", "old there", clips, role="incumbent", data="there"),
        cell(tmp_path / "6", "other clips", {"z": [100]}),
    ]
    found = replacements(Run(tmp_path, {}, cells))
    assert [(r.candidate_label, r.incumbent_label) for r in found] == [
        ("new", "old"),
        ("new there", "old there"),
    ]
    assert replacements(Run(tmp_path, {}, cells[:1])) == []


def test_outputs_of_another_task_are_no_tracks(tmp_path):
    one = cell(tmp_path / "i", "old", {"a": [100]})
    other = cell(tmp_path / "c", "new", {"a": [100]})
    with OutputWriter(other.path / "tracks.parquet") as writer:
        writer.add("a", {"time_s": np.zeros(1), "loudness_db": np.zeros(1)})
    assert replacement(other, one) is None


def test_a_broken_table_is_a_record_error(tmp_path):
    one = cell(tmp_path / "i", "old", {"a": [100] * 50})
    other = cell(tmp_path / "c", "new", {"a": [100] * 50})
    place = other.path / "tracks.parquet"
    content = bytearray(place.read_bytes())
    content[4:200] = bytes(196)  # pages are gone, the footer is whole
    place.write_bytes(content)
    with pytest.raises(RecordError, match=r"tracks\.parquet: .*remove the cell"):
        replacement(other, one)


def test_json_is_strict_and_bounded(found):
    plain = as_dict(found, changes=1)
    assert json.loads(records.dumps(plain)) == plain
    assert plain["candidate"] == {"label": "new"}
    assert plain["one_sided"] == 1
    assert [change["clip_id"] for change in plain["changes"]] == ["a"]
    assert plain["changes"][0]["median_hz"] == [100.0, 75.0]
    assert plain["worst"][1]["incumbent_hz"] is None
    assert plain["clips"] == 4
