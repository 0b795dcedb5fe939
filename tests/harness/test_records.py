"""Files that appear whole or not at all, locks, and finding a run again."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from extractors.errors import RecordError, UsageError
from harness.records import (
    dumps,
    find_run,
    load_run,
    locked,
    point_latest,
    read_json,
    replacing,
    strict,
    write_json,
)


def test_nan_becomes_null_and_numpy_becomes_plain():
    value = {"a": math.nan, "b": [np.float32(0.5), np.int64(3)], "c": np.inf, 4: None}
    assert strict(value) == {"a": None, "b": [0.5, 3], "c": None, "4": None}
    assert json.loads(dumps(value)) == strict(value)


def test_a_failure_while_writing_keeps_the_old_file(tmp_path):
    place = tmp_path / "a.json"
    write_json(place, {"old": 1})
    with pytest.raises(RuntimeError), replacing(place) as temporary:
        temporary.write_text("half of")
        raise RuntimeError
    assert json.loads(place.read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_is_written_by_one_run_at_a_time(tmp_path):
    place = tmp_path / "run"
    with locked(place), pytest.raises(UsageError, match="another run"), locked(place):
        pass
    with locked(tmp_path / "run"):
        pass


def test_results_dir_that_cannot_be_written_is_a_usage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UsageError, match="results_dir"),
        locked(tmp_path / "file" / "x"),
    ):
        pass


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"schema": 99}'])
def test_unreadable_json_is_a_record_error(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(RecordError, match=r"a\.json"):
        read_json(tmp_path / "a.json")


def plan(folder, keys):
    cells = [{"key": key, "label": f"label {key}", "role": "peer"} for key in keys]
    write_json(folder / "plan.json", {"schema": 1, "name": folder.name, "cells": cells})
    for key in keys:
        data = {"schema": 1, "key": key, "label": "old", "role": "peer", "status": "ok"}
        write_json(folder / "cells" / key / "record.json", data)


def test_a_broken_record_does_not_hide_the_others(tmp_path):
    plan(tmp_path / "run", ["a", "b"])
    (tmp_path / "run" / "cells" / "a" / "record.json").write_text("{")
    run = load_run(tmp_path / "run")
    assert [record.label for record in run.records] == ["label b"]
    assert run.records[0].clips().empty
    assert run.records[0].samples().empty


def test_runs_are_found_by_name_path_and_latest(tmp_path):
    plan(tmp_path / "quickstart-1", ["a"])
    point_latest(tmp_path / "quickstart-1")
    for word in ("quickstart-1", "latest", str(tmp_path / "quickstart-1")):
        assert find_run(tmp_path, word).name == "quickstart-1"
    with pytest.raises(UsageError, match="did you mean 'quickstart-1'"):
        find_run(tmp_path, "quickstart-2")
    with pytest.raises(UsageError, match="f0bench run"):
        find_run(tmp_path / "nowhere")
