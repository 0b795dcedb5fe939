"""Folders of recordings: ids, pairing, names with odd characters, limits."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from extractors.errors import ConfigError, DatasetError, LabelError
from harness.config import DatasetConfig
from harness.datasets.folder import Folder, label_files, label_path


def write_audio(path, seconds=0.5, sr=16000):
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(seconds * sr)) / sr
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 200 * times), sr)


def write_labels(path, rows=50):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{i / 100},200\n" for i in range(rows)))


def folder(root, **config):
    return Folder(DatasetConfig(kind="folder", root=str(root), **config))


def test_ids_are_relative_paths_sorted_without_suffix(tmp_path):
    for name in ("b.wav", "a/c.flac", "a/d.e.WAV"):
        write_audio(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no audio")
    clips = list(folder(tmp_path).clips())
    assert [clip.id for clip in clips] == ["a/c", "a/d.e", "b"]
    assert clips[0].truth() is None
    assert clips[0].load().sr == 16000
    assert folder(tmp_path).name == tmp_path.name


def test_identity_says_how_files_are_read(tmp_path):
    write_audio(tmp_path / "a.wav")
    plain = folder(tmp_path).identity()
    assert folder(tmp_path).identity() == plain
    assert folder(tmp_path, channel=0).identity() != plain
    assert folder(tmp_path, offset=0.01).identity() != plain


def test_colliding_stems_keep_their_suffix(tmp_path):
    for name in ("a.wav", "a.flac", "b.wav"):
        write_audio(tmp_path / name)
    assert [c.id for c in folder(tmp_path).clips()] == ["a.flac", "a.wav", "b"]


def test_ids_stay_unique_when_a_suffix_looks_like_a_stem(tmp_path):
    for name in ("a.wav", "a.flac", "a.wav.ogg"):
        write_audio(tmp_path / name)
    ids = [c.id for c in folder(tmp_path).clips()]
    assert ids == ["a.flac", "a.wav", "a.wav.ogg"]


def test_hidden_files_are_left_out(tmp_path):
    write_audio(tmp_path / "a.wav")
    write_audio(tmp_path / "b.wav")
    (tmp_path / "b.wav").rename(tmp_path / "._a.wav")
    write_audio(tmp_path / ".cache" / "c.wav")
    assert [c.id for c in folder(tmp_path).clips()] == ["a"]


def test_unicode_spaces_and_equal_signs(tmp_path):
    root = tmp_path / "녹음" / "통화 (1) [x]"
    write_audio(root / "a=b {c} é.wav")
    write_labels(root / "a=b {c} é_f0.csv")
    (clip,) = folder(root, truth="{stem}_f0.csv").clips()
    assert clip.id == "a=b {c} é"
    assert clip.truth().voiced.all()


@pytest.mark.parametrize(
    ("audio", "label", "pattern"),
    [
        ("x/a.wav", "x/a.csv", "{stem}.csv"),
        ("x/a.wav", "x/a.wav.csv", "{name}.csv"),
        ("x/a.wav", "x/labels/a.f0", "labels/{stem}.f0"),
        ("mic/M01/a.wav", "ref/M01/a.f0", "../../ref/{parent}/{stem}.f0"),
        ("x/a.wav", "x/a/f0.csv", "{stem}/f0.csv"),
    ],
)
def test_label_patterns(tmp_path, audio, label, pattern):
    write_audio(tmp_path / audio)
    write_labels(tmp_path / label)
    (clip,) = folder(tmp_path, truth=pattern).clips()
    assert clip.truth().f0[0] == 200
    assert [Path(s).resolve() for s in clip.sources] == [
        (tmp_path / audio).resolve(),
        (tmp_path / label).resolve(),
    ]


def test_unpaired_files_are_listed_both_ways(tmp_path):
    for stem in ("a", "b"):
        write_audio(tmp_path / f"{stem}.wav")
    for stem in ("a", "z"):
        write_labels(tmp_path / f"{stem}_f0.csv")
    write_labels(tmp_path / "unrelated.csv")
    data = folder(tmp_path, truth="{stem}_f0.csv")
    assert data.unpaired().audio == ("b",)
    assert data.unpaired().labels == ("z_f0.csv",)
    assert [c.truth() is None for c in data.clips()] == [False, True]


def test_label_folders_that_depend_on_the_recording_cannot_be_listed(tmp_path):
    write_labels(tmp_path / "a" / "f0.csv")
    assert label_files(tmp_path, "{stem}/f0.csv") == []
    assert label_path(tmp_path / "a.wav", "{stem}/f0.csv") == tmp_path / "a/f0.csv"


def test_labels_beyond_the_audio_are_refused_and_short_overhang_trimmed(tmp_path):
    write_audio(tmp_path / "a.wav", seconds=0.5)
    write_labels(tmp_path / "a.csv", rows=80)
    (clip,) = folder(tmp_path, truth="{stem}.csv").clips()
    assert clip.truth().times[-1] == 0.5
    write_labels(tmp_path / "a.csv", rows=120)
    with pytest.raises(
        LabelError, match=r"^a\.csv: labels run from 0\.000 to 1\.190 s"
    ):
        clip.truth()


def test_voiced_only_labels_cover_the_whole_clip_when_declared(tmp_path):
    write_audio(tmp_path / "a.wav", seconds=0.5)
    (tmp_path / "a.csv").write_text("0.10,200\n0.11,200\n0.30,200\n0.31,200\n")
    (clip,) = folder(tmp_path, truth="{stem}.csv", gaps="unvoiced").clips()
    truth = clip.truth()
    np.testing.assert_allclose(truth.times, np.arange(51) / 100, atol=1e-9)
    assert truth.voiced.sum() == 4


def test_limit_audio_pattern_and_tags(tmp_path):
    for name in ("m/rl1.wav", "m/rl2.wav", "f/sb1.wav", "f/sb1.flac"):
        write_audio(tmp_path / name)
    data = folder(
        tmp_path,
        audio="**/*.wav",
        limit=2,
        tags={"speaker": r"/([a-z]+)\d", "one": "1"},
    )
    found = [(c.id, dict(c.tags)) for c in data.clips()]
    assert found == [
        ("f/sb1", {"speaker": "sb", "one": "1"}),
        ("m/rl1", {"speaker": "rl", "one": "1"}),
    ]


def test_channel_is_chosen(tmp_path):
    left, right = np.full(800, 0.25), np.full(800, -0.5)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], 1), 16000)
    (clip,) = folder(tmp_path, channel="1").clips()
    assert clip.load().samples[0] == pytest.approx(-0.5, abs=1e-3)
    (clip,) = folder(tmp_path, channel="mean").clips()
    assert clip.load().samples[0] == pytest.approx(-0.125, abs=1e-3)


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"truth": "{stm}.csv"}, ConfigError, "did you mean 'stem'"),
        ({"truth": "labels.csv"}, ConfigError, "the same label"),
        (
            {"truth": "{stem}.f0"},
            DatasetError,
            r"matches no file; a.wav would need a.f0",
        ),
        ({"audio": "*.mp3"}, DatasetError, r"no recording with '\*.mp3'"),
        ({"audio": "/abs/*.wav"}, ConfigError, "not a pattern below root"),
        ({"channel": "left"}, ConfigError, "dataset.channel=left"),
        ({"channel": -1}, ConfigError, "dataset.channel=-1"),
        ({"tags": {"x": "("}}, ConfigError, r"dataset.tags.x=\(: not a regular"),
    ],
)
def test_mistakes_are_refused_before_audio_is_read(tmp_path, config, error, message):
    write_audio(tmp_path / "a.wav")
    with pytest.raises(error, match=message):
        list(folder(tmp_path, **config).clips())


def test_missing_or_empty_roots_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        folder(tmp_path / "none")
    with pytest.raises(DatasetError, match="no recording"):
        list(folder(tmp_path).clips())
    with pytest.raises(ConfigError, match=r"needs dataset\.root"):
        Folder(DatasetConfig(kind="folder"))
