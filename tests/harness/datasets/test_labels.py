"""The column reader: presets, units, voicing codes, holes, and every refusal."""

import math
import os
from pathlib import Path

import numpy as np
import pytest

from extractors.errors import ConfigError, LabelError
from harness.config import DatasetConfig
from harness.datasets.base import Truth
from harness.datasets.labels import (
    PRESETS,
    first_rows,
    fit_to_audio,
    label_format,
    read_labels,
    to_hz,
)


def read(tmp_path, text, **config):
    path = tmp_path / "clip.txt"
    path.write_text(text, encoding="utf-8")
    return read_labels(path, label_format(DatasetConfig(**config)))


def test_f0ref_has_its_own_clock(tmp_path):
    truth = read(tmp_path, "0\n120.5\n0\n", labels="f0ref")
    np.testing.assert_allclose(truth.times, [0.0015, 0.0165, 0.0315], atol=1e-12)
    assert truth.voiced.tolist() == [False, True, False]
    assert truth.f0[1] == 120.5
    assert np.isnan(truth.f0[[0, 2]]).all()
    assert truth.frame_s == 0.015
    assert truth.kind == "annotation"
    assert truth.seconds == pytest.approx(0.045)


def test_ptdb_reads_its_first_column(tmp_path):
    truth = read(tmp_path, "0 0 12.5 0.3\n100.0 1 80.1 0.9\n", labels="ptdb")
    assert truth.voiced.tolist() == [False, True]
    assert truth.f0[1] == 100.0
    np.testing.assert_allclose(truth.times, [0.0217, 0.0317])


def test_ptdb_offset_can_be_stated(tmp_path):
    truth = read(tmp_path, "1 1 1 1\n2 1 1 1\n", labels="ptdb", offset=0.016)
    np.testing.assert_allclose(truth.times, [0.016, 0.026])


def test_mir1k_is_midi_from_20_ms(tmp_path):
    truth = read(tmp_path, "0\n69\n57\n", labels="mir1k")
    np.testing.assert_allclose(truth.times, [0.02, 0.04, 0.06])
    np.testing.assert_allclose(truth.f0[1:], [440.0, 220.0])
    assert truth.voiced.tolist() == [False, True, True]


def test_crepe_header_is_skipped(tmp_path):
    text = "time,frequency,confidence\n0.00,220.0,0.1\n0.01,221.0,0.9\n"
    truth = read(tmp_path, text, labels="crepe")
    assert truth.f0.tolist() == [220.0, 221.0]
    assert truth.voiced.all()


def test_confidence_can_be_read_as_voicing(tmp_path):
    text = "time,frequency,confidence\n0.00,220.0,0.1\n0.01,221.0,0.9\n"
    columns = ("time", "f0", "voiced")
    truth = read(tmp_path, text, labels="crepe", columns=columns)
    assert truth.voiced.tolist() == [False, True]
    assert truth.f0[0] == 220.0


def test_mir_eval_keeps_the_pitch_of_negative_rows(tmp_path):
    truth = read(tmp_path, "0.0 0.0\n0.01 -110\n0.02 110\n", labels="mir_eval")
    assert truth.voiced.tolist() == [False, False, True]
    assert np.isnan(truth.f0[0])
    assert truth.f0[1:].tolist() == [110.0, 110.0]


def test_nonpositive_drops_the_pitch_of_negative_rows(tmp_path):
    truth = read(tmp_path, "0.0,-110\n0.01,110\n", unvoiced="nonpositive")
    assert truth.voiced.tolist() == [False, True]
    assert np.isnan(truth.f0[0])


def test_nan_code_takes_empty_fields(tmp_path):
    truth = read(tmp_path, "0.0,\n0.01,nan\n0.02,100\n", unvoiced="nan")
    assert truth.voiced.tolist() == [False, False, True]


def test_cents_count_from_ten_hertz():
    cents = np.array([0.0, 1200.0, 1200.0 * math.log2(44.0)])
    np.testing.assert_allclose(to_hz(cents, "cents"), [10.0, 20.0, 440.0])


def test_vocadito_line_ends_bom_comments_and_blank_lines(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf# made by hand\r\n0.0,0.0\r\n\r\n0.01,100.0\r\n")
    truth = read_labels(path, PRESETS["csv"])
    assert truth.voiced.tolist() == [False, True]


def test_stated_separator_and_skip(tmp_path):
    text = "a title that is skipped\n0.0|100\n0.01|101\n"
    truth = read(tmp_path, text, separator="|", skip=1)
    assert truth.f0.tolist() == [100.0, 101.0]


def test_offset_moves_written_times(tmp_path):
    truth = read(tmp_path, "0.0,100\n0.01,101\n", offset=-0.005)
    np.testing.assert_allclose(truth.times, [-0.005, 0.005])


def test_frame_seconds_average_rounded_times(tmp_path):
    times = [0.0, 0.006, 0.012, 0.017, 0.023]
    truth = read(tmp_path, "".join(f"{t} 100\n" for t in times), labels="mir_eval")
    assert truth.frame_s == pytest.approx(0.023 / 4)


@pytest.mark.parametrize(
    ("text", "config", "message"),
    [
        ("0.0,1,2\n", {}, r"clip.txt:1: '0.0,1,2' has 3 columns where 2"),
        ("0.0,100\n0.01,abc\n", {}, r"clip.txt:2: '0.01,abc' holds 'abc'"),
        ("0.0,100\n0.02,100\n0.01,100\n", {}, r":3: time 0.01 s comes after 0.02 s"),
        ("0.0,100\n0.0,100\n", {}, r":2: time 0 s repeats 0 s"),
        ("", {}, "holds no labels"),
        ("time,f0\n", {}, "holds no labels"),
        ("0.0,-5\n0.01,5\n", {}, r":1: F0 -5 .*dataset.unvoiced=zero; .*nonpositive"),
        ("0.0,nan\n0.01,5\n", {}, r":1: F0 nan .*choose nan"),
        ("0.0,inf\n0.01,5\n", {}, r":1: F0 inf"),
        ("0.0,0\n0.01,5\n", {"unvoiced": "nan"}, r":1: F0 0 .*choose zero"),
        ("nan,100\n0.01,100\n", {}, r":1: time nan is not finite"),
        ("f0,time\n0.0,100\n0.01,1\n", {}, "names other columns than declared"),
        ("0.0,220\n0.01,220\n", {"unit": "midi"}, r":1: 220 read as midi.*unit"),
        ("0.0,100\n", {}, "single row"),
        ("hello\n100\n", {"labels": "f0ref"}, "'hello', which is not a number"),
    ],
)
def test_refusals_name_file_line_and_remedy(tmp_path, text, config, message):
    with pytest.raises(LabelError, match=message) as raised:
        read(tmp_path, text, **config)
    assert "clip.txt" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_unreadable_files_are_label_errors(tmp_path):
    with pytest.raises(LabelError, match="cannot be read"):
        read_labels(tmp_path / "none.csv", PRESETS["csv"])
    with pytest.raises(LabelError, match="cannot be read"):
        read_labels(tmp_path, PRESETS["csv"])
    binary = tmp_path / "b.csv"
    binary.write_bytes(b"RIFF\xff\xfe\x00")
    with pytest.raises(LabelError, match="not text"):
        read_labels(binary, PRESETS["csv"])


HOLED = "0.00,100\n0.01,100\n0.02,100\n0.05,100\n0.06,100\n"


def test_undeclared_holes_are_refused(tmp_path):
    with pytest.raises(LabelError, match=r"1 hole\(s\) and lists voiced rows only"):
        read(tmp_path, HOLED)
    with pytest.raises(
        LabelError, match=r"1 hole\(s\), the first from 0.020 s to 0.05"
    ):
        read(tmp_path, HOLED.replace("0.01,100", "0.01,0"))


def test_unlabelled_holes_stay_out(tmp_path):
    truth = read(tmp_path, HOLED, gaps="unlabelled")
    assert len(truth.times) == 5
    assert truth.seconds == pytest.approx(0.05)


def test_unvoiced_holes_are_filled_on_the_grid(tmp_path):
    truth = read(tmp_path, HOLED, gaps="unvoiced")
    np.testing.assert_allclose(truth.times, np.arange(7) * 0.01, atol=1e-12)
    assert truth.voiced.tolist() == [True, True, True, False, False, True, True]
    assert np.isnan(truth.f0[3:5]).all()
    assert truth.seconds == pytest.approx(0.07)


def plain_truth(times):
    times = np.asarray(times, dtype=float)
    return Truth(times, np.full(len(times), 100.0), np.ones(len(times), bool), 0.01)


def test_labels_slightly_outside_are_trimmed():
    fitted = fit_to_audio(plain_truth([-0.005, 0.0, 0.99, 1.0, 1.01, 1.49]), 1.0)
    assert fitted.times.tolist() == [-0.005, 0.0, 0.99, 1.0]  # 10 ms frames
    assert len(fitted.f0) == len(fitted.voiced) == 4


def test_labels_far_outside_are_refused():
    with pytest.raises(LabelError, match=r"0\.510 s outside the audio of 1\.000 s"):
        fit_to_audio(plain_truth([0.0, 1.51]), 1.0)
    with pytest.raises(LabelError, match="outside the audio"):
        fit_to_audio(plain_truth([-0.6, 0.5]), 1.0)
    with pytest.raises(LabelError, match="no label lies inside"):
        fit_to_audio(plain_truth([1.01, 1.02]), 1.0)


def test_voiced_only_labels_are_unvoiced_up_to_the_ends():
    fitted = fit_to_audio(plain_truth([0.02, 0.03]), 0.055, fill=True)
    np.testing.assert_allclose(fitted.times, [0, 0.01, 0.02, 0.03, 0.04, 0.05])
    assert fitted.voiced.tolist() == [False, False, True, True, False, False]
    assert np.isnan(fitted.f0[[0, 1, 4, 5]]).all()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"labels": "f0reff"}, "did you mean 'f0ref'"),
        ({"columns": ("tme", "f0")}, "did you mean 'time'"),
        ({"columns": ("time",)}, "must name 'f0'"),
        ({"columns": ("time", "f0", "f0")}, "names 'f0' twice"),
        ({"unit": "herz"}, "did you mean 'hz'"),
        ({"unvoiced": "zeros"}, "did you mean 'zero'"),
        ({"gaps": "unvoice"}, "did you mean 'unvoiced'"),
        ({"hop": 0.0}, r"dataset.hop=0.0 must lie in"),
        ({"columns": ("f0",)}, "need dataset.hop"),
        ({"skip": -1}, "must not be negative"),
        ({"offset": math.inf}, "must be a number of seconds"),
    ],
)
def test_bad_formats_are_refused_before_reading(config, message):
    with pytest.raises(ConfigError, match=message):
        label_format(DatasetConfig(**config))


def test_overrides_leave_the_rest_of_a_preset():
    fmt = label_format(DatasetConfig(labels="f0ref", hop=0.01))
    assert (fmt.hop, fmt.offset, fmt.columns) == (0.01, 0.0015, ("f0",))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_explained(name):
    assert label_format(DatasetConfig(labels=name)) == PRESETS[name]
    assert PRESETS[name].note


def test_first_rows_are_shown_as_they_stand(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,f0\n0.0, 1\n\n0.1, 2\n")
    assert first_rows(path, 2) == ["time,f0", "0.0, 1"]


def test_mir_eval_fixtures_read_row_by_row():
    root = os.environ.get("F0BENCH_DATA")
    if not root:
        pytest.skip("F0BENCH_DATA is not set")
    files = sorted((Path(root) / "mir_eval_melody").glob("ref*.txt"))
    assert len(files) == 10
    for file in files:
        times, hz = np.loadtxt(file).T
        truth = read_labels(file, label_format(DatasetConfig(labels="mir_eval")))
        np.testing.assert_array_equal(truth.times, times)
        assert truth.voiced.tolist() == (hz > 0).tolist()
        np.testing.assert_array_equal(truth.f0[truth.voiced], hz[hz > 0])


def test_vocadito_and_fda_read_with_their_presets():
    root = os.environ.get("F0BENCH_DATA")
    if not root:
        pytest.skip("F0BENCH_DATA is not set")
    truth = read_labels(Path(root) / "vocadito" / "vocadito_1_f0.csv", PRESETS["csv"])
    assert len(truth.times) == 5722
    assert truth.frame_s == pytest.approx(256 / 44100, rel=1e-6)
    assert (~truth.voiced).sum() == 2080
    files = sorted((Path(root) / "fda").glob("*.f0ref"))
    assert len(files) == 50
    for file in files:
        truth = read_labels(file, PRESETS["f0ref"])
        assert truth.frame_s == 0.015
        assert 60 < np.nanmedian(truth.f0) < 400
