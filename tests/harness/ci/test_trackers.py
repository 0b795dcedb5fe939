"""Files for trackers: format, units, direction, and what is left out."""

import json

import pytest

from extractors.errors import ConfigError, UsageError
from harness.ci.trackers import HEADLINE, TOOLS, UNITS, WRITERS, export_trackers
from harness.export import WRITERS as TRACK_WRITERS
from harness.flags import FORMATS, TRACK_FORMATS, TRACKER_FORMATS
from harness.metrics import all_metrics
from harness.metrics.base import Value

KEY = "a" * 12
VALUES = {
    KEY: {
        "rpa_50c": Value(0.9, 0.8, 0.95, 24),
        "vde": Value(0.125, n=24),
        "x_realtime": Value(10.0, 9.0, 11.0, 30),
        "latency_1s_p50_s": Value(0.25, n=30),
        "peak_host_bytes": Value(3.0 * 2**20, n=1),
        "first_call_s": Value(None, reason="not measured"),
        "rpa_10c": Value(float("nan")),
        "voiced_ratio": Value(0.5),
    }
}


@pytest.fixture
def run(folder):
    return folder("one").add(KEY, "crepe tiny  cpu").load()


def read(paths, strict_json):
    return {path.name: strict_json(path.read_text()) for path in paths}


def test_every_headline_metric_exists_and_has_unit_and_direction():
    known = all_metrics()
    for name in HEADLINE:
        assert known[name].direction in TOOLS
        assert known[name].unit in UNITS
        assert len(name) <= 64  # of a measure's slug


def test_the_command_line_knows_the_formats():
    assert set(TRACKER_FORMATS) == set(WRITERS)
    assert set(TRACK_FORMATS) == set(TRACK_WRITERS)
    assert set(FORMATS) == {*WRITERS, *TRACK_WRITERS}


def test_github_action_benchmark(run, tmp_path, strict_json):
    form = "github-action-benchmark"
    found = read(export_trackers(run, VALUES, form, tmp_path), strict_json)
    bigger, smaller = (
        found["customBiggerIsBetter.json"],
        found["customSmallerIsBetter.json"],
    )
    assert bigger == [
        {
            "name": "crepe tiny cpu: rpa_50c",
            "value": 90.0,
            "unit": "%",
            "extra": f"n = 24, cell {KEY}",
            "range": "80 … 95",
        },
        {
            "name": "crepe tiny cpu: x_realtime",
            "value": 10.0,
            "unit": "x real time",
            "extra": f"n = 30, cell {KEY}",
            "range": "9 … 11",
        },
    ]
    told = [(e["name"].split(": ")[1], e["value"], e["unit"]) for e in smaller]
    assert told == [
        ("vde", 12.5, "%"),
        ("latency_1s_p50_s", 250.0, "ms"),
        ("peak_host_bytes", 3.0, "MiB"),
    ]
    assert all("range" not in entry for entry in smaller)


def test_bencher_metric_format(run, tmp_path, strict_json):
    found = read(export_trackers(run, VALUES, "bmf", tmp_path), strict_json)
    assert found == {
        "bmf.json": {
            "crepe tiny cpu": {
                "rpa-50c": {"value": 0.9, "lower_value": 0.8, "upper_value": 0.95},
                "vde": {"value": 0.125},
                "x-realtime": {"value": 10.0, "lower_value": 9.0, "upper_value": 11.0},
                "latency-1s-p50-s": {"value": 0.25},
                "peak-host-bytes": {"value": 3145728.0},
            }
        }
    }


def test_a_direction_without_a_value_has_an_empty_list(run, tmp_path, strict_json):
    values = {KEY: {"rpa_50c": Value(0.9)}}
    paths = export_trackers(run, values, "github-action-benchmark", tmp_path)
    assert read(paths, strict_json)["customSmallerIsBetter.json"] == []


def test_several_data_sets_are_told_apart(folder, tmp_path, strict_json):
    begun = folder("one").add(KEY, "crepe tiny  cpu").add("b" * 12, "crepe @b  cpu")
    place = begun.folder / "cells" / ("b" * 12) / "record.json"
    record = json.loads(place.read_text())
    record["data"]["name"] = "b"
    place.write_text(json.dumps(record))
    values = {key: {"vde": Value(0.1)} for key in (KEY, "b" * 12)}
    paths = export_trackers(begun.load(), values, "bmf", tmp_path)
    assert list(read(paths, strict_json)["bmf.json"]) == [
        "crepe tiny cpu @toy",
        "crepe @b cpu",
    ]


def test_equal_names_are_told_apart_by_the_key(folder, tmp_path, strict_json):
    begun = folder("one").add(KEY, "crepe  cpu").add("b" * 12, "crepe cpu")
    values = {key: {"vde": Value(0.1)} for key in (KEY, "b" * 12)}
    paths = export_trackers(begun.load(), values, "bmf", tmp_path)
    names = list(read(paths, strict_json)["bmf.json"])
    assert names == ["crepe cpu", "crepe cpu bbbbbb"]


def test_one_cell(folder, tmp_path, strict_json):
    run = folder("one").add(KEY, "crepe  cpu").add("b" * 12, "other  cpu").load()
    values = {key: {"vde": Value(0.1)} for key in (KEY, "b" * 12)}
    paths = export_trackers(run, values, "bmf", tmp_path, cell="bbb")
    assert list(read(paths, strict_json)["bmf.json"]) == ["other cpu"]


def test_invalid_cells_are_left_out(folder, tmp_path):
    invalid = {"state": "invalid", "reasons": ["NaN"]}
    run = folder("one").add(KEY, "crepe  cpu", validity=invalid).load()
    with pytest.raises(UsageError, match="no cell is valid"):
        export_trackers(run, VALUES, "bmf", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_labels_are_cleaned(folder, tmp_path, strict_json):
    run = folder("one").add(KEY, "tracks root=/home/someone/x  cpu").load()
    paths = export_trackers(
        run, VALUES, "bmf", tmp_path, clean=lambda text: str(text).replace("/home", "")
    )
    assert list(read(paths, strict_json)["bmf.json"]) == ["tracks root=/someone/x cpu"]


def test_an_unknown_format_names_the_nearest(run, tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'bmf'"):
        export_trackers(run, VALUES, "bfm", tmp_path)
