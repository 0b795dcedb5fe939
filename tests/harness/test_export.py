"""Exported tracks, read back by what they are meant for."""

import mir_eval
import numpy as np
import pytest

from extractors.errors import ConfigError, UsageError
from harness.export import Names, export_run, safe_name


@pytest.fixture
def run(folder):
    begun = folder("one", "../../etc/x", "a/b", "a:b")
    return begun.add("1" * 12, "crepe tiny  cpu").add("2" * 12, "other", cents=5).load()


def stored(run, clip_id):
    return run.records[0].tracks([clip_id])


def test_librosa_arrays(run, tmp_path):
    paths = export_run(run, "librosa", tmp_path / "out", "crepe tiny  cpu")
    found = np.load(paths[0])
    track = stored(run, "one")
    assert np.isnan(found["f0"][~found["voiced_flag"]]).all()
    voiced = track["voiced"].to_numpy()
    assert (found["voiced_flag"] == voiced).all()
    assert (found["f0"][voiced] == track["f0_hz"].to_numpy()[voiced]).all()
    assert (found["times"] == track["time_s"].to_numpy()).all()
    assert found["voiced_prob"] == pytest.approx(track["confidence"].to_numpy())


def test_mir_eval_reads_its_format(run, tmp_path):
    paths = export_run(run, "mir_eval", tmp_path / "out", "1111")
    times, hertz = mir_eval.io.load_time_series(str(paths[0]), delimiter=r"\s+")
    track = stored(run, "one")
    assert (times == track["time_s"].to_numpy()).all()
    signs = np.where(track["voiced"], 1, -1)
    assert (hertz.astype(np.float32) == track["f0_hz"].to_numpy() * signs).all()


def test_crepe_csv(run, tmp_path):
    paths = export_run(run, "crepe", tmp_path / "out", "2" * 12)
    lines = paths[0].read_text().splitlines()
    assert lines[0] == "time,frequency,confidence"
    assert len(lines) == 201
    assert [float(part) for part in lines[1].split(",")] == pytest.approx(
        [0.0, 100.0 * 2 ** (5 / 1200), 0.1]
    )


def test_frames_without_an_estimate_are_zero(folder, tmp_path):
    begun = folder("one").add("1" * 12, "crepe")
    place = begun.folder / "cells" / ("1" * 12) / "tracks.parquet"
    import pandas as pd

    frames = pd.read_parquet(place)
    frames.loc[0, "f0_hz"] = np.nan
    frames.to_parquet(place)
    run = begun.load()
    for form, line in (("mir_eval", "0.0\t0"), ("crepe", "0.0,0,0.1")):
        path = export_run(run, form, tmp_path / form)[0]
        first = path.read_text().splitlines()[1 if form == "crepe" else 0]
        assert first == line or first.startswith(line)


def test_one_file_per_clip_and_cell_inside_the_folder(run, tmp_path):
    out = tmp_path / "out"
    paths = export_run(run, "mir_eval", out)
    assert len(set(paths)) == 8
    for path in paths:
        assert path.resolve().parent.parent == out.resolve()
        assert path.is_file()
    assert len(list(tmp_path.rglob("*.txt"))) == 8


def test_missed_clips_have_no_file(folder, tmp_path):
    run = folder("one", "two").add("1" * 12, "crepe", missed=(0,)).load()
    paths = export_run(run, "crepe", tmp_path)
    assert [path.name for path in paths] == ["two.csv"]


def test_unknown_format_and_cell_name_the_nearest(run, tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'librosa'"):
        export_run(run, "libros", tmp_path)
    with pytest.raises(UsageError, match="did you mean 'other'"):
        export_run(run, "crepe", tmp_path, "othr")


def test_nothing_stored_is_an_error(folder, tmp_path):
    error = {"kind": "E", "message": "m"}
    run = folder().add("1" * 12, "crepe", error=error).load()
    with pytest.raises(UsageError, match="no tracks"):
        export_run(run, "crepe", tmp_path)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("..", "_"),
        ("../../etc/passwd", "_.._.._etc_passwd"),
        (".hidden", "_.hidden"),
        ("a\x00b/c\\d", "a_b_c_d"),
        ("통화 (1)=ü", "통화 (1)=ü"),
        ("con.txt", "_con.txt"),
        ("", "_"),
    ],
)
def test_safe_name(text, name):
    assert safe_name(text) == name


def test_long_names_stay_short_and_distinct():
    first, second = (safe_name("ü" * 200 + end) for end in "ab")
    assert first != second
    assert len(first.encode()) < 140


def test_names_are_unique_ignoring_case():
    names = Names()
    found = [names.unique(text) for text in ("A/b", "a_b", "A_B", "a_b")]
    assert len({name.casefold() for name in found}) == 4
