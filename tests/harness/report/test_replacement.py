"""What changes by a replacement, as lines of a terminal and as Markdown."""

import dataclasses

import pytest

from harness.contrast import ClipChange, Disagreement
from harness.disagreements import Replacement, replacement
from harness.report import terminal
from harness.report.privacy import Scrubber, hashed
from harness.report.replacement import WIDTH, lines, markdown

SHARES = {
    "octave down": 0.02,
    "octave up": 0.0,
    "> 50 cents": 0.0004,
    "voicing lost": 0.05,
    "voicing gained": 0.0,
}


def change(name, before, after, **values):
    known = {"spread_semitones": (2.0, 2.5), "voiced_ratio": (0.5, 0.525)} | values
    return ClipChange(name, 3.0, (before, after), **known)


def made(**values):
    known = {
        "candidate_label": "crepe tiny  cpu",
        "incumbent_label": "librosa_pyin  cpu",
        "clips": 3,
        "frames": 900,
        "agreeing_ratio": 0.9296,
        "shares": SHARES,
        "segments": 17,
        "worst": (
            Disagreement("b_1", 59.999, 0.25, "octave down", 220.0, 110.26),
            Disagreement("a", 3.14, 0.1, "voicing lost", 98.765, None),
        ),
        "median_abs_cents": 4.26,
        "changes": (
            change("b_1", 200.0, 100.0),
            change("a", 150.0, 151.0),
            change("c", 1234.6, None, spread_semitones=(None, None)),
        ),
    }
    return Replacement(**known | values)


def test_lines_by_hand():
    assert lines(made(), Scrubber()) == [
        "Replacement  librosa_pyin  cpu → crepe tiny  cpu: 3 clips, 900 frames",
        " agree on 93.0 % of frames, 4.3 cents apart in the median; "
        "neither counts as right",
        " 17 disagreements: octave down 2.0 %, > 50 cents 0.040 %, voicing lost 5.0 %",
        "",
        "Worst disagreements           length                incumbent  candidate",
        "    clip               start       s  kind                 Hz         Hz",
        " 1  b_1              1:00.00    0.25  octave down       220.0      110.3",
        " 2  a                0:03.14    0.10  voicing lost      98.77          –",
        "",
        "Clips that change most      median F0           F0 spread       voiced",
        "    clip                           Hz  cents    semitones            %",
        " 1  b_1                 200.0 → 100.0  -1200  2.00 → 2.50  50.0 → 52.5",
        " 2  a                   150.0 → 151.0    +12  2.00 → 2.50  50.0 → 52.5",
        " 3  c                        1235 → –      –        – → –  50.0 → 52.5",
        " median F0 moves by ≥ 50 cents in 1 of 2 clips",
        " only one side has voiced frames in 1 clip, first: c",
        " F0 spread 2.00 → 2.50 semitones (median clip); voiced 50.0 → 52.5 %",
    ]


def test_markdown_has_the_same_and_escapes():
    shown = markdown(made(), Scrubber()).splitlines()
    assert shown[0] == (
        r"### Replacement: librosa\_pyin cpu → crepe tiny cpu: 3 clips, 900 frames"
    )
    assert r"| 1 | b\_1 | 1:00.00 | 0.25 | octave down | 220.0 | 110.3 |" in shown
    assert "| 3 | c | 1235 → – | – | – → – | 50.0 → 52.5 |" in shown
    assert shown[3] == (
        "- 17 disagreements: octave down 2.0 %, &gt; 50 cents 0.040 %, "
        "voicing lost 5.0 %"
    )
    tables = [line for line in shown if line.startswith("|")]
    assert {line.count("|") for line in tables[:4]} == {8}
    assert {line.count("|") for line in tables[4:]} == {7}


def test_no_more_than_ten_disagreements_and_five_clips():
    worst = made().worst * 8
    changes = tuple(change(f"clip {i}", 200.0, 100.0) for i in range(9))
    shown = lines(made(worst=worst, changes=changes), Scrubber())
    numbered = [line for line in shown[4:] if line[:2].strip().isdigit()]
    assert len(numbered) == 10 + 5
    assert "≥ 50 cents in 9 of 9 clips" in "\n".join(shown)


@pytest.mark.parametrize(
    "name", ["speaker-" * 20, "녹음" * 60, "a b " * 40, "x/" * 70 + "end", "z" * 33]
)
def test_no_line_is_wider_than_the_terminal(name):
    segment = Disagreement(name, 6000.0, 3600.25, "voicing gained", None, 1234.5)
    label = "an extractor with many options and words  cuda:0  batch 512"
    found = made(
        worst=(segment,) * 10,
        changes=(change(name, 1234.5, 1041.2), change(name, None, 1041.2)),
        candidate_label=label,
        incumbent_label=label,
    )
    shown = lines(found, Scrubber())
    assert max(map(terminal.cells, shown)) <= WIDTH
    assert any("…" in line for line in shown) or " " in name
    assert "100:00.00" in "\n".join(shown)


def test_a_name_cannot_steer_the_terminal():
    segment = dataclasses.replace(made().worst[0], clip_id="a\x1b[31mb")
    shown = "\n".join(lines(made(worst=(segment,)), Scrubber()))
    assert "\x1b" not in shown
    assert "a\ufffd[31mb" in shown


def test_where_nothing_changes_there_is_no_table():
    same = change(
        "a", 200.0, 200.0, spread_semitones=(2.0, 2.0), voiced_ratio=(0.5, 0.5)
    )
    found = made(
        shares=dict.fromkeys(SHARES, 0.0),
        agreeing_ratio=1.0,
        segments=0,
        worst=(),
        median_abs_cents=0.0,
        changes=(same,),
    )
    assert lines(found, Scrubber())[1:] == [
        " agree on 100.0 % of frames, 0.0 cents apart in the median; "
        "neither counts as right",
        " median F0, F0 spread and voiced ratio are equal in every clip",
    ]
    assert "|" not in markdown(found, Scrubber())


def test_without_a_frame_that_both_voice_there_is_no_distance():
    found = made(median_abs_cents=None)
    assert lines(found, Scrubber())[1] == (
        " agree on 93.0 % of frames; neither counts as right"
    )


def test_private_runs_show_no_clip(run_folder, tmp_path):
    folder = run_folder(tmp_path, ("anna_1", "bert_2"))
    folder.plan["settings"]["private"] = True
    folder.add("old", "old", cents=0.0).add("new", "new", cents=70.0, octaves=5)
    run = folder.load()
    old, new = run.records
    found = replacement(new, old)
    assert found.clips == 2
    for shown in (
        "\n".join(lines(found, Scrubber(run))),
        markdown(found, Scrubber(run)),
    ):
        assert "anna" not in shown and "bert" not in shown
        assert hashed("anna_1") in shown
    # of 200 frames per clip 5 are 1270 cents up, which is no octave, and 155 are 70
    assert found.shares["> 50 cents"] == pytest.approx(320 / 400)
