"""Devices are resolved with a reason, and typos with the nearest name."""

from types import SimpleNamespace

import numpy as np
import pytest

from extractors.device import (
    check_device,
    cuda_missing,
    resolve,
    synchronize,
    to_device,
    to_host,
)
from extractors.errors import ConfigError, UnavailableError
from extractors.stages import listening


class Heard:
    def __init__(self):
        self.stages, self.copies = [], []

    def enter(self, name, device):
        self.stages.append((name, device))

    def exit(self, name):
        pass

    def copied(self, direction, n_bytes):
        self.copies.append((direction, n_bytes))


def test_cpu_is_cpu():
    assert resolve("cpu") == "cpu"
    synchronize("cpu")


def test_typo_names_the_nearest():
    with pytest.raises(ConfigError, match="device=cdua; did you mean 'cuda'"):
        check_device("cdua")


def test_absent_cuda_is_unavailable_with_the_reason(monkeypatch):
    monkeypatch.setattr("extractors.device.cuda_missing", lambda: "no driver")
    with pytest.raises(
        UnavailableError, match="device=cuda: no driver; use device=cpu"
    ):
        resolve("cuda")
    assert resolve("auto") == "cpu"


def test_present_cuda_is_taken_by_auto(monkeypatch):
    monkeypatch.setattr("extractors.device.cuda_missing", lambda: None)
    assert resolve("auto") == "cuda"


def test_reason_names_the_torch_build():
    import torch

    reason = cuda_missing()
    assert (reason is None) == torch.cuda.is_available()
    assert reason is None or torch.__version__ in reason


def test_on_the_cpu_memory_is_shared_and_no_copy_told():
    array = np.arange(4.0)
    heard = Heard()
    with listening(heard):
        moved = to_device(array, "cpu")
        found = to_host(moved)
    assert heard.stages == [("h2d", "cpu"), ("d2h", "cpu")]
    assert heard.copies == []
    array[0] = 9.0
    assert found[0] == 9.0


def test_another_memory_takes_one_copy_each_way():
    """Torch's ``meta`` is a device that every machine has; it cannot be read back."""
    there = SimpleNamespace(type="cuda")
    tensor = SimpleNamespace(
        device=there, nbytes=24, cpu=lambda: SimpleNamespace(numpy=lambda: "array")
    )
    heard = Heard()
    with listening(heard):
        to_device(np.zeros(4), "meta")
        assert to_host(tensor) == "array"
    assert heard.stages == [("h2d", "meta"), ("d2h", "cuda")]
    assert heard.copies == [("h2d", 32), ("d2h", 24)]
