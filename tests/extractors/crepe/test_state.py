"""Weights read without torch: torch's own numbers, and nothing but numbers."""

import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from extractors.crepe import engines
from extractors.crepe.network import weights_file
from extractors.crepe.state import read_state


@pytest.mark.parametrize("model", ["tiny", "full"])
def test_equal_to_torch(model):
    path = weights_file(model)
    expected = torch.load(path, map_location="cpu", weights_only=True)
    found = read_state(path)
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.numpy().dtype
        np.testing.assert_array_equal(found[name], tensor.numpy())


def saved(folder, content):
    torch.save(content, folder / "x.pth")
    return folder / "x.pth"


def test_strides_offsets_and_shared_storages(tmp_path):
    whole = torch.arange(24, dtype=torch.float32)
    state = {
        "turned": whole.view(4, 6).T,
        "behind": whole[5:9],
        "one": torch.tensor(7),
        "none": torch.zeros(0, 3),
    }
    found = read_state(saved(tmp_path, state))
    for name, tensor in state.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": torch.nn.Linear(1, 1)}, "the name torch.nn.modules.linear.Linear"),
        ({"a": torch.zeros(1, dtype=torch.float64)}, "the name torch.DoubleStorage"),
        ({"a": 3}, "a is no tensor"),
        ([torch.zeros(1)], "a list, no state dict"),
    ],
)
def test_anything_else_is_refused(tmp_path, content, message):
    with pytest.raises(pickle.UnpicklingError, match=message):
        read_state(saved(tmp_path, content))


def test_a_damaged_archive_is_refused(tmp_path):
    path = saved(tmp_path, {"a": torch.ones(100)})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(zipfile.BadZipFile):
        read_state(path)


def test_torch_reads_what_this_cannot(tmp_path, monkeypatch):
    path = tmp_path / "old.pth"
    torch.save({"a": torch.ones(3)}, path, _use_new_zipfile_serialization=False)
    monkeypatch.setattr(engines, "weights_file", lambda model: path)
    np.testing.assert_array_equal(engines.read_weights("tiny")["a"], np.ones(3))


def test_crepe_on_the_cpu_does_without_torch():
    code = """
import sys
import numpy as np
from extractors.audio import Audio
from extractors.registry import build
subject = build("crepe", {"model": "tiny", "device": "cpu"})
subject.load()
subject.extract([Audio(np.zeros(8000, np.float32), 16000)])
said = subject.describe()["engine"]
print(said if said.startswith("torch") else "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if done.stdout.startswith("torch"):
        pytest.skip("no vectors here that the spectral engine is made for")
    assert done.stdout.strip() == "False"
