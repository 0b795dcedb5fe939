"""Manifests: CSV and Parquet, splits and tags, paths that may not escape."""

import numpy as np
import pytest
import soundfile

from extractors.errors import ConfigError, DatasetError
from harness.config import DatasetConfig
from harness.datasets.manifest import Manifest

HEAD = "id,audio_path,truth_path,split,speaker\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "wav").mkdir()
    for stem in ("a", "b", "c"):
        soundfile.write(tmp_path / "wav" / f"{stem}.wav", np.full(800, 0.1), 16000)
    (tmp_path / "a.csv").write_text("0.0,100\n0.01,100\n")
    return tmp_path


def manifest(folder, text, name="set.csv", **config):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return Manifest(DatasetConfig(kind="manifest", manifest=str(path), **config))


ROWS = HEAD + "b,wav/b.wav,,test,s2\na,wav/a.wav,a.csv,train,s1\nc,wav/c.wav,,test,\n"


def test_rows_become_clips_sorted_by_id(root):
    data = manifest(root, ROWS)
    clips = list(data.clips())
    assert [c.id for c in clips] == ["a", "b", "c"]
    assert clips[0].truth().voiced.all() and clips[1].truth() is None
    assert dict(clips[0].tags) == {"split": "train", "speaker": "s1"}
    assert dict(clips[2].tags) == {"split": "test"}
    assert clips[0].load().sr == 16000
    assert data.unpaired().audio == ("b", "c")
    assert data.name == "set"


def test_split_and_limit(root):
    assert [c.id for c in manifest(root, ROWS, split="test").clips()] == ["b", "c"]
    assert [c.id for c in manifest(root, ROWS, limit=1).clips()] == ["a"]
    with pytest.raises(DatasetError, match="did you mean 'test'"):
        list(manifest(root, ROWS, split="tset").clips())


def test_parquet_reads_as_csv_does(root):
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table(
        {
            "id": ["b", "a"],
            "audio_path": ["wav/b.wav", "wav/a.wav"],
            "truth_path": [None, "a.csv"],
            "snr": [10, None],
        }
    )
    pyarrow.parquet.write_table(table, root / "set.parquet")
    config = DatasetConfig(kind="manifest", manifest=str(root / "set.parquet"))
    clips = list(Manifest(config).clips())
    assert [c.id for c in clips] == ["a", "b"]
    assert clips[0].truth() is not None and clips[1].truth() is None
    assert dict(clips[1].tags) == {"snr": "10"}


def test_root_can_be_stated_and_absolute_paths_below_it_are_fine(root):
    absolute = root / "wav" / "a.wav"
    text = f"id,audio_path\na,{absolute}\nb,b.wav\n"
    clips = list(manifest(root, text, root=str(root / "wav")).clips())
    assert [c.load().sr for c in clips] == [16000, 16000]


@pytest.mark.parametrize(
    "path", ["../x.wav", "wav/../../x.wav", "/etc/hostname", "out/x.wav", "a\0b"]
)
def test_paths_that_leave_the_root_are_refused(root, path):
    (root / "out").symlink_to(root.parent)
    for column in ("audio_path", "truth_path"):
        row = {"audio_path": "wav/a.wav", "truth_path": "a.csv", column: path}
        text = f"id,audio_path,truth_path\nq7,{row['audio_path']},{row['truth_path']}\n"
        with pytest.raises(DatasetError, match=rf"{column} '.*' of clip 'q7' leaves"):
            list(manifest(root, text).clips())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,audio_path\na,wav/a.wav\na,wav/b.wav\n", "row 2 repeats id 'a'"),
        ("id,audiopath\na,wav/a.wav\n", "no column 'audio_path'; did you mean"),
        ("id,audio_path\n", "no rows"),
        ("", "no column 'id'"),
        ("id,audio_path\na,wav/a.wav,x\n", "set.csv:2: 3 fields under 2 columns"),
        ("id,audio_path\n,wav/a.wav\n", "row 1 has an empty 'id'"),
        ('id,audio_path\n"a,wav/a.wav\n', "not readable as CSV"),
    ],
)
def test_broken_tables_are_refused(root, text, message):
    with pytest.raises(DatasetError, match=message) as raised:
        list(manifest(root, text).clips())
    assert "\n" not in str(raised.value)


def test_unreadable_files_are_refused(root):
    with pytest.raises(DatasetError, match="not readable as Parquet"):
        list(manifest(root, "no parquet", name="set.parquet").clips())
    with pytest.raises(DatasetError, match="no such file"):
        Manifest(DatasetConfig(kind="manifest", manifest=str(root / "none.csv")))
    with pytest.raises(ConfigError, match=r"needs dataset\.manifest"):
        Manifest(DatasetConfig(kind="manifest"))
