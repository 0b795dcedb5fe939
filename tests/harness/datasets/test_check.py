"""The data set check: findings, the label clock, and what makes it fail."""

import io
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from extractors.track import as_track
from harness.config import DatasetConfig, TaskConfig
from harness.datasets.base import Truth
from harness.datasets.check import check, pitch_range, sibling_pattern
from harness.datasets.check_view import render
from harness.datasets.clock import label_clock, moving
from harness.datasets.registry import open_dataset


def folder(root, **config):
    return open_dataset(DatasetConfig(kind="folder", root=str(root), **config))


def contour_truth(f0, step=0.01, late=0.0):
    """Labels of ``f0(t)`` over 3 s whose clock is ``late`` seconds late."""
    times = np.arange(300) * step
    hz = f0(times)
    return Truth(times + late, hz, np.ones(300, bool), step)


def contour_track(f0):
    times = np.arange(600) * 0.005
    return as_track(times, f0(times), np.ones(600), np.ones(600))


def vibrato(times):
    return 200 * 2 ** (np.sin(2 * np.pi * 5.5 * times) / 12)


@pytest.mark.parametrize("late", [-0.035, -0.0163, 0.0, 0.008, 0.0163, 0.035])
def test_the_clock_finds_a_planted_shift(late):
    result = label_clock([(contour_truth(vibrato, late=late), contour_track(vibrato))])
    assert result.offset_s == pytest.approx(late, abs=5e-4)
    assert result.share_at_best == 1.0
    assert result.reason == ""
    assert result.n_frames > 100


def test_vibrato_at_16_ms_loses_what_the_closed_form_says():
    """|100 sin(ωt) − 100 sin(ω(t − d))| < 50 cents holds in a computable share."""
    late = 0.016
    truth = contour_truth(vibrato, late=late)
    result = label_clock([(truth, contour_track(vibrato))])
    amplitude = 2 * 100 * np.sin(np.pi * 5.5 * late)
    share = 2 / np.pi * np.arcsin(50 / amplitude)
    assert result.share_at_zero == pytest.approx(share, abs=0.05)


def test_a_steady_pitch_tells_no_time():
    def steady(times):
        return np.full(len(times), 200.0)

    result = label_clock([(contour_truth(steady), contour_track(steady))])
    assert result.offset_s is None
    assert result.n_frames == 0
    assert "moving pitch" in result.reason


def test_an_unrelated_track_is_inconclusive():
    rng = np.random.default_rng(0)

    def noise(times):
        return 2 ** rng.uniform(6, 9, len(times))

    result = label_clock([(contour_truth(vibrato), contour_track(noise))])
    assert result.offset_s is None
    assert result.reason


def test_a_shift_beyond_the_sweep_is_not_reported_as_its_end():
    def slow(times):
        return 200 * 2 ** np.sin(2 * np.pi * 1.5 * times)

    late = contour_truth(slow, late=0.08)
    result = label_clock([(late, contour_track(slow))])
    assert result.offset_s is None
    assert "end of the sweep" in result.reason


def test_moving_frames_lie_inside_voiced_stretches_and_off_holes():
    times = np.array([0, 1, 2, 3, 4, 9, 10, 11]) / 100
    f0 = 100 * 2.0 ** (np.arange(8) / 12)
    voiced = np.array([1, 1, 1, 1, 1, 1, 1, 0], bool)
    used = moving(Truth(times, f0, voiced, 0.01))
    assert used.tolist() == [False, True, True, True, False, False, False, False]


def lag_tracker(audio):
    """Pitch of the best normalised cross-correlation between 60 and 500 Hz."""
    hop, width = audio.sr // 100, int(0.03 * audio.sr)
    lags = np.arange(audio.sr // 500, audio.sr // 60)
    padded = np.pad(audio.samples.astype(float), (audio.sr // 10, audio.sr // 10))
    starts = np.arange(1 + len(audio.samples) // hop) * hop + audio.sr // 10
    f0, level = [], []
    for centre in starts:
        scores = [_similarity(padded, centre, lag, width) for lag in lags]
        best = int(np.argmax(scores))
        first = int(np.flatnonzero(np.array(scores) >= 0.9 * scores[best])[0])
        while first + 1 < len(lags) and scores[first + 1] > scores[first]:
            first += 1
        f0.append(audio.sr / lags[first])
        level.append(scores[first])
    times = np.arange(len(f0)) * hop / audio.sr
    return as_track(times, f0, np.array(level) > 0.5, level)


def _similarity(samples, centre, lag, width):
    start = centre - (width + lag) // 2
    a, b = samples[start : start + width], samples[start + lag : start + lag + width]
    return float(a @ b / np.sqrt((a @ a) * (b @ b) + 1e-9))


def test_a_tracker_on_synthetic_vibrato_confirms_the_exact_clock():
    data = open_dataset(DatasetConfig(seed=1))
    clip = next(c for c in data.clips() if c.id.endswith("vibrato_mid"))
    truth, track = clip.truth(), lag_tracker(clip.load())
    assert label_clock([(truth, track)]).offset_s == pytest.approx(0, abs=0.002)
    late = replace(truth, times=truth.times + 0.016)
    assert label_clock([(late, track)]).offset_s == pytest.approx(0.016, abs=0.002)


def test_a_planted_16_ms_shift_is_found_on_speech():
    root = os.environ.get("F0BENCH_DATA")
    if not root:
        pytest.skip("F0BENCH_DATA is not set")

    tracks = {}

    def track(audio):
        key = audio.samples.tobytes()
        if key not in tracks:
            tracks[key] = lag_tracker(audio)
        return tracks[key]

    def report(offset):
        fda = folder(
            Path(root) / "fda",
            truth="{stem}.f0ref",
            labels="f0ref",
            offset=offset,
            audio="rl0[0-2]*.wav",
            limit=3,
        )
        return check(fda, TaskConfig(fmin=60, fmax=500), track=track)

    right, late = report(0.0015), report(0.0175)
    assert right.with_truth == 3
    assert abs(right.clock.offset_s) < 0.006
    assert right.problems == ()
    shift = late.clock.offset_s - right.clock.offset_s
    assert shift == pytest.approx(0.016, abs=0.001)
    assert late.clock.share_at_best > late.clock.share_at_zero + 0.05
    assert any(p.startswith("labels are 1") and "late" in p for p in late.problems)
    assert late.exit_code == 1


def test_range_says_what_a_tracker_in_range_can_reach():
    hz = np.array([40.0, 48.0, 49.0, 100.0, 500.0, 510.0, 600.0, 700.0])
    found = pitch_range(hz, 50, 500)
    assert found.below == 3 / 8
    assert found.above == 3 / 8
    # 49 is 35 cents below 50 Hz and 510 is 34 cents above 500 Hz: still within reach
    assert found.best_rpa_50c == 4 / 8
    assert pitch_range(np.zeros(0), 50, 500) is None


@pytest.fixture
def mixed(tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 200 * np.arange(8000) / 16000)
    for stem in ("a", "b", "[red]c"):
        soundfile.write(tmp_path / f"{stem}.wav", tone, 16000)
    (tmp_path / "broken.wav").write_bytes(b"nothing")
    rows = [f"{i / 100},{200 if 10 <= i < 40 else 0}\n" for i in range(45)]
    (tmp_path / "a.csv").write_text("".join(rows))
    (tmp_path / "b.csv").write_text("0.0,100\n0.0,100\n")
    (tmp_path / "z.csv").write_text("0.0,100\n0.01,100\n")
    return tmp_path


def test_findings_of_a_mixed_folder(mixed):
    report = check(folder(mixed, truth="{stem}.csv"), TaskConfig(fmin=250, fmax=500))
    assert (report.clips, report.seconds, report.with_truth) == (3, 1.5, 1)
    assert report.rates == {16000: 3}
    assert set(report.unreadable) == {"broken"}
    assert set(report.bad_labels) == {"b"}
    assert report.unpaired.audio == ("[red]c", "broken")
    assert report.unpaired.labels == ("z.csv",)
    assert (report.rows_of, report.rows[0]) == ("a", "0.0,0")
    assert report.extent.labelled_s == pytest.approx(0.45)
    assert report.extent.audio_s == 0.5
    assert report.extent.longest_gap_s == pytest.approx(0.06)
    assert report.voiced_share == pytest.approx(30 / 45)
    assert report.range.below == 1.0 and report.range.best_rpa_50c == 0.0
    assert any("best rpa_50c possible is 0.000" in w for w in report.warnings)
    assert len(report.problems) == 2
    assert report.exit_code == 1


def test_a_report_is_strict_json_and_literal_text(mixed):
    report = check(folder(mixed, truth="{stem}.csv"), TaskConfig())
    found = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert found["rates"] == {"16000": 3}
    assert found["exit_code"] == 1
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(render(report))
    text = console.export_text()
    for expected in ("[red]c", "z.csv", "16000 Hz × 3", "66.7 %", "not fit"):
        assert expected in text


def test_labels_of_voiced_rows_only_are_pointed_out(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(8000, 0.1), 16000)
    (tmp_path / "a.csv").write_text("".join(f"{i / 100},200\n" for i in range(20, 30)))
    report = check(folder(tmp_path, truth="{stem}.csv"), TaskConfig())
    assert report.voiced_only == ("a",)
    assert any("no label is unvoiced" in w for w in report.warnings)
    assert report.exit_code == 0
    whole = check(folder(tmp_path, truth="{stem}.csv", gaps="unvoiced"), TaskConfig())
    assert whole.voiced_only == ()


def test_a_folder_without_readable_audio_fails(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    report = check(folder(tmp_path), TaskConfig())
    assert report.exit_code == 1
    assert "no clip can be read" in report.problems
    assert report.extent is None and report.voiced_share is None
    json.dumps(report.as_dict(), allow_nan=False)


def shown(report):
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(render(report))
    return console.export_text().rstrip().splitlines()


def test_a_folder_without_truth_is_told_which_files_may_hold_it(tmp_path):
    for stem in ("a", "b", "b.c"):
        soundfile.write(tmp_path / f"{stem}.wav", np.full(8000, 0.1), 16000)
        (tmp_path / f"{stem}.f0ref").write_text("0\n100\n")
    (tmp_path / "a.pm").write_text("0\n")
    report = check(folder(tmp_path), TaskConfig())
    assert (report.with_truth, report.truth_guess) == (0, "{stem}.f0ref")
    assert report.warnings == (
        "no truth: only agreement and cost can be measured; set "
        "dataset.truth={stem}.f0ref if these files beside the audio are its labels",
    )
    assert report.exit_code == 0
    assert shown(report)[-1].strip().endswith(": fit (no truth)")
    labelled = check(
        folder(tmp_path, truth="{stem}.f0ref", labels="f0ref"), TaskConfig()
    )
    assert not any("no truth" in text for text in labelled.warnings)
    assert shown(labelled)[-1].strip().endswith(": fit")


def test_without_siblings_a_pattern_is_asked_for(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(8000, 0.1), 16000)
    (text,) = check(folder(tmp_path), TaskConfig()).warnings
    assert text.startswith("no truth: ") and "dataset.truth=PATTERN" in text


def test_unusable_labels_are_no_truth_either(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(8000, 0.1), 16000)
    (tmp_path / "a.csv").write_text("0.0,100\n0.0,100\n")
    report = check(folder(tmp_path, truth="{stem}.csv"), TaskConfig())
    assert any("no label file can be used" in text for text in report.warnings)
    assert report.exit_code == 1


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.f0", "b.f0", "a.lab"], "{stem}.f0"),
        (["a.lab", "a_f0.csv"], "{stem}_f0.csv"),  # as common, but speaks of F0
        (["a.lab", "b.lab", "a_f0.csv"], "{stem}.lab"),
        (["a2.csv", "c.csv"], None),  # of no recording
        (["a.flac", ".a.csv"], None),
    ],
)
def test_commonest_sibling(tmp_path, names, expected):
    for name in names:
        (tmp_path / name).touch()
    assert sibling_pattern([tmp_path / "a.wav", tmp_path / "b.wav"]) == expected


def test_labels_without_a_voiced_frame_are_pointed_out(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(8000, 0.1), 16000)
    (tmp_path / "a.csv").write_text("".join(f"{i / 100},0\n" for i in range(40)))
    report = check(folder(tmp_path, truth="{stem}.csv"), TaskConfig())
    assert report.voiced_share == 0
    assert any("no label is voiced" in text for text in report.warnings)
