"""Ready-made tracks: columns, voicing rules, ends of the clip, and what is refused."""

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.base import check_output
from extractors.errors import ConfigError, ExtractorError, TrackError
from extractors.peers.track_files import read_columns
from extractors.peers.tracks import Tracks

CLIP = Audio(np.zeros(800, np.float32), 16000)  # 0.05 s: 6 frames of 10 ms


def track(tmp_path, text, clip=CLIP, **options):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    (found,) = Tracks(root=str(tmp_path), **options).extract_ids(["a"], [clip])
    check_output([found], [clip])
    return found


def rows(*cells):
    return "\n".join(cells) + "\n"


def test_no_header_zero_negative_and_nan(tmp_path):
    found = track(
        tmp_path, rows("0,100", "0.01,0", "0.02,-200", "0.03,nan", "0.04,50", "0.05,60")
    )
    assert found.voiced.tolist() == [True, False, False, False, True, True]
    np.testing.assert_array_equal(found.f0, [100, np.nan, 200, np.nan, 50, 60])
    assert found.confidence.tolist() == [1, 0, 0, 0, 1, 1]


CREPE = rows("time,frequency,confidence", "0,100,.9", "0.02,110,.2", "0.04,120,.5")


def test_crepe_csv_without_and_with_threshold(tmp_path):
    assert track(tmp_path, CREPE).voiced.tolist() == [True] * 3
    found = track(tmp_path, CREPE, threshold=0.5)
    assert found.voiced.tolist() == [True, False, True]
    assert found.f0[1] == 110
    assert found.confidence == pytest.approx([0.9, 0.2, 0.5])


def test_voiced_column_wins(tmp_path):
    text = rows("timestamp;pitch_hz;voiced", "0;100;true", "0.05;110;false")
    found = track(tmp_path, text, threshold=0.5)
    assert found.voiced.tolist() == [True, False]
    assert found.f0.tolist() == [100, 110]


def test_blanks_and_comments(tmp_path):
    found = track(tmp_path, rows("# made by x", "0.0  100", "", "0.05\t110"))
    assert found.f0.tolist() == [100, 110]


def test_early_end_is_unvoiced_to_the_end_of_the_clip(tmp_path):
    found = track(tmp_path, rows("0.02,100", "0.03,100"))
    np.testing.assert_allclose(found.times, np.arange(6) / 100, atol=1e-9)
    assert found.voiced.tolist() == [False, False, True, True, False, False]
    assert np.isnan(found.f0[[0, 1, 4, 5]]).all()


def test_frames_beyond_the_clip_are_dropped(tmp_path):
    found = track(tmp_path, rows(*(f"{i / 100},100" for i in range(50))))
    assert found.times[-1] == pytest.approx(0.05)
    found = track(tmp_path, rows("7,100", "7.01,100"))
    assert not found.voiced.any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("time,f0\n", "rows missing"),
        ("time,energy\n0,1\n", "no column 'f0'"),
        ("0,100\n0.01\n", "line 2: 1 columns, not 2"),
        ("0,100\n0.01,high\n", "line 2: not a number"),
        ("0\n1\n", "F0 column missing"),
    ],
)
def test_malformed_files_name_line_and_text(tmp_path, text, message):
    with pytest.raises(ExtractorError, match=message):
        track(tmp_path, text)


def test_unsorted_times_are_refused(tmp_path):
    with pytest.raises(TrackError, match="times must increase"):
        track(tmp_path, rows("0,100", "0.02,100", "0.01,100"))


def test_binary_file_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ExtractorError, match="not readable as text"):
        read_columns(tmp_path / "a.csv")


def test_ids_with_folders_suffixes_and_odd_names(tmp_path):
    place = tmp_path / "통화 (1)" / "take=1.5.csv"
    place.parent.mkdir()
    place.write_text("0,100\n")
    subject = Tracks(root=str(tmp_path))
    assert subject.path("통화 (1)/take=1.5.wav") == place
    assert subject.path("통화 (1)/take=1.5") == place
    flat = Tracks(root=str(place.parent), pattern="{stem}.csv")
    assert flat.path("anything/take=1.5.FLAC") == place
    assert subject.weights() == [place]


def test_missing_file_names_the_clip(tmp_path):
    with pytest.raises(ExtractorError, match=r"b/c: no track b/c\.csv in tracks\.root"):
        Tracks(root=str(tmp_path)).extract_ids(["b/c"], [CLIP])


@pytest.mark.parametrize("name", ["../secret", "/etc/secret", "a/../../secret"])
def test_path_must_stay_below_the_root(tmp_path, name):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.csv").write_text("0,100\n")
    with pytest.raises(ExtractorError, match="would leave"):
        Tracks(root=str(root)).path(name)


def test_options_are_checked(tmp_path):
    with pytest.raises(ConfigError, match="is no folder"):
        Tracks(root=str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="one file for all clips"):
        Tracks(root=str(tmp_path), pattern="all.csv")
    with pytest.raises(ConfigError, match="threshold=7"):
        Tracks(root=str(tmp_path), threshold=7)


def test_audio_alone_is_not_enough(tmp_path):
    with pytest.raises(ExtractorError, match="extract_ids"):
        Tracks(root=str(tmp_path)).extract([CLIP])
