"""Batch sizes follow measured memory; running out halves them and changes nothing."""

import logging

import numpy as np
import pytest

from extractors.crepe import Crepe
from extractors.errors import ConfigError, DeviceMemoryError, F0BenchError
from extractors.memory import (
    GIB,
    MIB,
    MemoryManager,
    device_memory,
    is_out_of_memory,
    seed_batch_size,
)
from extractors.torch_crepe_extractor import TorchCrepeExtractor

FIELDS = ("times", "f0", "voiced", "confidence")


def noise(count, samples=800):
    rng = np.random.default_rng(1)
    return (0.1 * rng.standard_normal((count, samples))).astype(np.float32)


def manager(free, total=16 * GIB, **options):
    return MemoryManager("cuda", memory=lambda device: (free, total), **options)


@pytest.fixture
def short_of_memory(monkeypatch):
    """Make every batch above a limit fail, in the middle of the work."""
    import torch

    original = Crepe.infer

    def limit(frames, message="CUDA out of memory. Tried to allocate 2 GiB"):
        def infer(self, clips):
            for index, found in enumerate(original(self, clips)):
                if self.batch_size > frames and index == 2:
                    raise torch.OutOfMemoryError(message)
                yield found

        monkeypatch.setattr(Crepe, "infer", infer)

    return limit


@pytest.mark.parametrize("fits", [1024, 512, 128])
def test_out_of_memory_halves_and_the_tracks_are_the_same(
    short_of_memory, caplog, fits
):
    windows = noise(9)
    crepe = TorchCrepeExtractor("tiny", "cpu", batch_size=2048)
    expected = list(crepe.window_tracks(windows, 16000))
    assert crepe.record.oom_retries == 0
    short_of_memory(fits)
    with caplog.at_level(logging.WARNING, "f0bench.service"):
        found = list(crepe.window_tracks(windows, 16000))
    for one, other in zip(found, expected, strict=True):
        for name in FIELDS:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    steps = [size for size in (2048, 1024, 512, 256, 128) if size >= fits]
    assert crepe.record.batch_sizes == steps
    assert crepe.record.oom_retries == len(steps) - 1
    assert crepe.record.clips == 9
    assert "out of memory at batch_size=2048; going on with 1024" in caplog.text


def test_single_recording_survives_too(monkeypatch):
    import torch

    crepe = TorchCrepeExtractor("tiny", "cpu", batch_size=2048)
    samples = noise(1, 8000)[0]
    expected = crepe.extract_f0(samples, 16000)
    original = Crepe.infer

    def infer(self, clips):
        if self.batch_size > 256:
            raise torch.OutOfMemoryError("CUDA out of memory")
        yield from original(self, clips)

    monkeypatch.setattr(Crepe, "infer", infer)
    found = crepe.extract_f0(samples, 16000)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert crepe.record.batch_sizes == [2048, 1024, 512, 256]


def test_no_memory_for_the_smallest_batch(short_of_memory):
    memory = MemoryManager("cpu", floor=1024, memory=lambda device: (3 * MIB, GIB))
    crepe = TorchCrepeExtractor("tiny", "cpu", batch_size=2048, memory=memory)
    short_of_memory(0)
    told = r"1024 frames.*0\.00 GiB free"
    with pytest.raises(DeviceMemoryError, match=told) as caught:
        list(crepe.window_tracks(noise(12), 16000))
    assert isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value, F0BenchError)


def test_other_errors_pass(monkeypatch):
    def infer(self, clips):
        raise RuntimeError("device-side assert triggered")
        yield

    crepe = TorchCrepeExtractor("tiny", "cpu")
    crepe.load()
    monkeypatch.setattr(Crepe, "infer", infer)
    with pytest.raises(RuntimeError, match="device-side assert"):
        list(crepe.window_tracks(noise(2), 16000))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory. Tried"), True),
        (RuntimeError("cuBLAS: CUBLAS_STATUS_ALLOC_FAILED when calling"), True),
        (RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("shape mismatch"), False),
        (ValueError("out of memory"), False),
        (DeviceMemoryError("out of memory for good"), False),
    ],
)
def test_what_counts_as_out_of_memory(error, expected):
    assert is_out_of_memory(error) is expected


def test_start_follows_what_is_free():
    assert manager(8 * GIB).start(2048) == 2048
    assert manager(2 * GIB - 1).start(2048) == 128
    assert manager(2 * GIB).start(2048) == 2048
    assert manager(8 * GIB, ceiling=1000).start(2048) == 1000
    assert MemoryManager("cuda", memory=lambda device: None).start(64) == 64


def test_learned_costs_keep_a_batch_within_its_share():
    subject = manager(10 * GIB, share=0.5, margin=0.9)
    subject.learn(lambda frames: GIB + frames * 4 * MIB, (512, 2048))
    assert abs(subject.start(2048) - (4.5 - 1) * GIB / (4 * MIB)) <= 1.01
    assert subject.start(100) == 100
    hopeless = manager(3 * GIB, share=0.1)
    hopeless.learn(lambda frames: GIB + frames * 4 * MIB, (512, 2048))
    assert hopeless.start(2048) == 1


@pytest.mark.parametrize("true_limit", [1, 2, 3, 100, 4096, 5000])
def test_search_finds_what_fits_to_an_eighth(true_limit):
    budget = int(1 * GIB * 0.8 * 0.9)
    per_frame = budget // true_limit
    subject = manager(1 * GIB, ceiling=8192)
    found = subject.find_batch_size(lambda frames: frames * per_frame)
    assert found.batch_size <= true_limit
    assert found.batch_size >= true_limit * 8 // 9
    assert found.budget_bytes == budget
    assert found.bytes_per_frame == pytest.approx(per_frame, rel=1e-6)
    assert found.intercept_bytes == pytest.approx(0, abs=per_frame / 100)
    assert found.seed_batch_size == seed_batch_size(16 * GIB)


def test_search_survives_running_out():
    def peak(frames):
        if frames > 300:
            raise RuntimeError("CUDA out of memory")
        return frames

    found = manager(4 * GIB).find_batch_size(peak, requested=1000)
    assert 266 <= found.batch_size <= 300
    assert (512, None) in found.probes


def test_nothing_fits_gives_the_floor():
    found = manager(GIB).find_batch_size(lambda frames: 2 * GIB)
    assert found.batch_size == 1
    assert found.bytes_per_frame is None


def test_seed_formula_overfills_small_devices():
    assert seed_batch_size(8 * GIB) == 273
    assert seed_batch_size(2 * GIB) * 24 * MIB > 2 * GIB
    assert seed_batch_size(512 * GIB) == 5000


def test_host_memory_is_known_on_linux():
    found = device_memory("cpu")
    if found is not None:
        free, total = found
        assert 0 < free <= total


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 0}, "share=0"),
        ({"margin": 1.5}, "margin=1.5"),
        ({"floor": 0}, "floor=0"),
        ({"floor": 9, "ceiling": 8}, "ceiling=8"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ConfigError, match=message):
        MemoryManager("cuda", **options)


def test_unknown_memory_cannot_be_searched():
    with pytest.raises(ConfigError, match="not known"):
        MemoryManager("cuda", memory=lambda device: None).find_batch_size(lambda n: n)
