"""Where a GPU can be used it is, unless something else is asked for."""

import numpy as np
import pytest

from extractors.crepe import Crepe
from extractors.memory import MemoryManager
from extractors.service import AudioFeatureService
from extractors.torch_crepe_extractor import TorchCrepeExtractor

MODULES = ("device", "gpu_backend", "torch_crepe_extractor")


@pytest.fixture
def gpu(monkeypatch):
    """A machine whose GPU can be asked for; nothing is computed on it."""
    for module in MODULES:
        monkeypatch.setattr(f"extractors.{module}.cuda_missing", lambda: None)
    monkeypatch.setattr(MemoryManager, "learn", lambda *_: None)
    monkeypatch.setattr("extractors.memory.device_memory", lambda _: None)


@pytest.mark.parametrize(
    ("build", "device"),
    [
        (lambda: Crepe(), "cuda"),
        (lambda: Crepe(device="cpu"), "cpu"),
        (lambda: TorchCrepeExtractor(), "cuda"),
        (lambda: TorchCrepeExtractor(device="auto"), "cuda"),
        (lambda: TorchCrepeExtractor(device="cpu"), "cpu"),
    ],
)
def test_extractors_load_on_a_present_gpu(gpu, made_network, build, device):
    extractor = build()
    assert made_network.devices == []  # nothing is opened before it is needed
    extractor.load()
    assert made_network.devices == [device]


@pytest.mark.parametrize(("use_gpu", "device"), [(True, "cuda"), (False, "cpu")])
def test_the_service_loads_on_a_present_gpu(gpu, made_network, use_gpu, device):
    service = AudioFeatureService(use_gpu=use_gpu)
    f0, _ = service.extract_f0(np.full(1600, 0.1, np.float32), 16000)
    assert len(f0) == 11
    assert made_network.devices == [device]
    assert service.gpu_backend.record.device == device
    assert service.gpu_backend.record.fallback is None
