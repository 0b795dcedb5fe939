"""Devices are resolved with a reason, and typos with the nearest name."""

import pytest

from extractors.device import check_device, cuda_missing, resolve, synchronize
from extractors.errors import ConfigError, UnavailableError


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
