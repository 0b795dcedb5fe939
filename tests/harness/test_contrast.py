"""Two tracks of one clip: kinds, segments and reported values counted by hand."""

import math

import numpy as np
import pytest

from extractors.track import F0Track
from harness.contrast import GAINED, KINDS, LOST, ClipChange, Disagreement, contrast


def track(hertz, hop_s=0.01, start_s=0.0):
    """One frame per value; 0 is unvoiced and has no estimate."""
    hz = np.array(hertz, dtype=float)
    times = start_s + np.arange(len(hz)) * hop_s
    voiced = hz > 0
    return F0Track(times, np.where(voiced, hz, np.nan), voiced, voiced * 0.9)


def moved(cents):
    return 200.0 * 2 ** (cents / 1200)


def kind_of(cents):
    found = contrast("a", 0.03, track([200.0] * 3), track([moved(cents)] * 3))
    return found.worst[0].kind if found.worst else None


@pytest.mark.parametrize(
    ("cents", "kind"),
    [
        (0, None),
        (49, None),
        (-49, None),
        (51, "> 50 cents"),
        (-700, "> 50 cents"),
        (1149, "> 50 cents"),
        (1151, "octave up"),
        (1249, "octave up"),
        (1251, "> 50 cents"),
        (-1200, "octave down"),
        (-1902, "> 50 cents"),  # a twelfth is no octave
        (2400, "octave up"),
        (-2449, "octave down"),
        (3600, "> 50 cents"),
    ],
)
def test_kind_of_a_pitch_difference(cents, kind):
    assert kind_of(cents) == kind


def test_segments_counts_and_values():
    incumbent = track([0, 100, 100, 100, 100, 300, 300, 0, 0, 120])
    candidate = track([0, 100, 200, 202, 100, 0, 0, 150, 0, 130])
    found = contrast("a", 0.1, incumbent, candidate)
    assert sorted(found.worst, key=lambda part: part.start_s) == [
        Disagreement("a", 0.02, 0.02, "octave up", pytest.approx(100), approx(201)),
        Disagreement("a", 0.05, 0.02, LOST, approx(300), None),
        Disagreement("a", 0.07, 0.01, GAINED, None, approx(150)),
        Disagreement("a", 0.09, 0.01, "> 50 cents", approx(120), approx(130)),
    ]
    names = ("agree", *KINDS)
    assert dict(zip(names, found.counts.tolist(), strict=True)) == {
        "agree": 4,
        "octave down": 0,
        "octave up": 2,
        "> 50 cents": 1,
        "voicing lost": 2,
        "voicing gained": 1,
    }
    # both voiced: 0, 1200, 1217.2, 0 and 138.6 cents; the middle one counts
    assert found.abs_cents == pytest.approx(1200 * math.log2(130 / 120), abs=1e-3)


def approx(hertz):
    return pytest.approx(hertz, rel=1e-6)


def test_only_the_longest_are_described():
    incumbent = track([200, 200, 0, 200, 200, 200, 0, 0, 0, 200])
    candidate = track([200, 100, 0, 0, 0, 200, 0, 90, 0, 100])
    found = contrast("a", 0.1, incumbent, candidate, keep=3)
    assert found.segments == 4
    # the longest; of the others, of one frame each, pitch before voicing
    assert [(s.kind, s.start_s) for s in found.worst] == [
        (LOST, 0.03),
        ("octave down", 0.01),
        ("octave down", 0.09),
    ]


def test_kinds_that_touch_are_segments_of_their_own():
    found = contrast("a", 0.04, track([200] * 4), track([100, 100, 400, 400]))
    kinds = [(s.kind, s.start_s, s.duration_s) for s in found.worst]
    assert kinds == [("octave down", 0.0, 0.02), ("octave up", 0.02, 0.02)]


def test_a_candidate_of_another_hop_is_read_at_the_frames_of_the_incumbent():
    # Both follow one glide of 3 cents per ms; the candidate's frames come every 20 ms
    # from 5 ms on. Linear in cents it agrees wherever two of its frames are around.
    def glide(times):
        return 100 * 2 ** (3000 * times / 1200)

    fine, coarse = np.arange(11) * 0.01, 0.005 + np.arange(6) * 0.02
    theirs = track(glide(coarse), 0.02, 0.005)
    found = contrast("a", 0.11, track(glide(fine)), theirs)
    assert found.counts.tolist() == [11, 0, 0, 0, 0, 0]
    # at 0 s the first frame is read, 15 cents on; everywhere else the error is 0
    assert found.abs_cents == pytest.approx(0.0, abs=1e-3)
    # medians over own frames, not over those of the other side
    middle = (glide(coarse[2]) + glide(coarse[3])) / 2
    assert found.change.median_hz == (approx(glide(0.05)), approx(middle))


def test_frames_beyond_the_end_of_the_candidate_are_lost():
    found = contrast("a", 0.06, track([200] * 6), track([200, 200]))
    # the last frame lies at 10 ms and reaches one hop further
    assert [(s.kind, s.start_s, s.duration_s) for s in found.worst] == [
        (LOST, 0.03, 0.03)
    ]


def test_an_estimate_in_an_unvoiced_frame_is_no_answer():
    hz = np.array([200.0, 200.0])
    silent = F0Track([0, 0.01], hz, [False, False], [0, 0])
    found = contrast("a", 0.02, track([200, 200]), silent)
    assert [s.kind for s in found.worst] == [LOST]
    assert found.worst[0].candidate_hz is None
    assert found.abs_cents is None


def test_reported_values():
    incumbent = track([100, 200, 400, 0])
    candidate = track([0, 0, 220, 0])
    change = contrast("a", 0.04, incumbent, candidate).change
    assert change.median_hz == (200.0, 220.0)
    assert change.median_cents == pytest.approx(1200 * math.log2(1.1))
    # -12, 0 and +12 semitones: variance (144 + 0 + 144) / 2
    assert change.spread_semitones == (pytest.approx(12.0), None)
    assert change.voiced_ratio == (0.75, 0.25)
    assert change.differs


def test_sides_without_a_voiced_frame_have_no_median():
    lost = contrast("a", 0.02, track([200, 200]), track([0, 0])).change
    assert (lost.median_hz, lost.median_cents) == ((200.0, None), None)
    assert lost.voiced_ratio == (1.0, 0.0)
    silent = contrast("a", 0.02, track([0, 0]), track([0, 0]))
    assert (silent.segments, silent.abs_cents) == (0, None)
    assert silent.change.median_hz == (None, None)
    assert not silent.change.differs


def test_a_single_frame_stands_for_its_clip():
    found = contrast("a", 0.4, track([200]), track([100]))
    assert [(s.kind, s.duration_s) for s in found.worst] == [("octave down", 0.4)]


def test_order_of_disagreements():
    parts = [
        Disagreement("b", 0.0, 0.2, LOST, 100.0, None),
        Disagreement("b", 0.5, 0.2, "> 50 cents", 100.0, 120.0),
        Disagreement("a", 0.9, 0.2, GAINED, None, 100.0),
        Disagreement("a", 0.3, 0.2, LOST, 100.0, None),
        Disagreement("c", 0.0, 0.3, LOST, 100.0, None),
    ]
    order = sorted(parts, key=lambda part: part.rank)
    assert [(p.clip_id, p.start_s) for p in order] == [
        ("c", 0.0),  # the longest
        ("b", 0.5),  # of equal length: pitch first
        ("a", 0.3),
        ("a", 0.9),
        ("b", 0.0),
    ]


def test_order_of_clips():
    def clip(name, before, after):
        return ClipChange(name, 1.0, (before, after), (None, None), (0.5, 0.5))

    changes = [
        clip("c", 100.0, 101.0),
        clip("d", 100.0, None),
        clip("b", 200.0, 100.0),
        clip("a", 100.0, 200.0),
    ]
    order = sorted(changes, key=lambda change: change.rank)
    assert [change.clip_id for change in order] == ["a", "b", "c", "d"]
    assert not clip("e", 100.0, 100.0).differs
