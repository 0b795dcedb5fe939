"""Outputs go to disk and come back clip by clip, whatever their grouping."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from harness.passes import outputs
from harness.passes.outputs import OutputReader, OutputWriter


def clip(seed, frames):
    rng = np.random.default_rng(seed)
    return {"f0_hz": rng.uniform(50, 500, frames), "voiced": rng.random(frames) < 0.5}


LENGTHS = (5, 1, 40, 3, 7, 2)


@pytest.mark.parametrize("group_frames", [1, 10, 1000])
def test_every_clip_comes_back_as_it_was(tmp_path, monkeypatch, group_frames):
    monkeypatch.setattr(outputs, "GROUP_FRAMES", group_frames)
    path = tmp_path / "tracks.parquet"
    expected = {f"clip {i}": clip(i, n) for i, n in enumerate(LENGTHS)}
    with OutputWriter(path) as writer:
        for name, columns in expected.items():
            writer.add(name, columns)
        assert not path.exists()
    with OutputReader(path) as reader:
        found = dict(reader.stream())
    assert list(found) == list(expected)
    for name, columns in expected.items():
        assert set(found[name]) == {"f0_hz", "voiced"}
        for column, values in columns.items():
            np.testing.assert_array_equal(found[name][column], values)
            assert found[name][column].dtype == values.dtype
    groups = pq.ParquetFile(path).num_row_groups
    assert groups == {1: len(LENGTHS), 10: 3, 1000: 1}[group_frames]
    table = pq.read_table(path, filters=[("clip_id", "in", ["clip 2"])])
    assert table["frame"].to_pylist() == list(range(40))


@pytest.mark.parametrize("group_frames", [1, 1000])
def test_one_source_of_several(tmp_path, monkeypatch, group_frames):
    monkeypatch.setattr(outputs, "GROUP_FRAMES", group_frames)
    path = tmp_path / "references.parquet"
    with OutputWriter(path) as writer:
        for i in range(3):
            writer.add(f"clip {i}", clip(i, 4), source="truth")
            if i != 1:
                writer.add(f"clip {i}", clip(10 + i, 6), source="peer")
    with OutputReader(path) as reader:
        found = dict(reader.stream("source", "peer"))
    assert list(found) == ["clip 0", "clip 2"]
    np.testing.assert_array_equal(found["clip 2"]["f0_hz"], clip(12, 6)["f0_hz"])


def test_an_exception_or_no_clip_leaves_no_file(tmp_path):
    path = tmp_path / "tracks.parquet"
    path.write_text("stale")
    with OutputWriter(path):
        pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyboardInterrupt), OutputWriter(path) as writer:
        writer.add("a", clip(0, 3))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
