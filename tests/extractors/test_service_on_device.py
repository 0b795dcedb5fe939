"""The service where all of CREPE runs on a device, on CPU tensors: tracks come back."""

import contextlib

import numpy as np
import pytest

from extractors import torch_crepe_extractor
from extractors.audio import Audio
from extractors.crepe import Crepe
from extractors.gpu_backend import GPUAudioBackend
from extractors.memory import MemoryManager
from extractors.torch_crepe_extractor import TorchCrepeExtractor
from extractors.windows import plan_windows

torch = pytest.importorskip("torch")

from extractors.crepe import on_device  # noqa: E402 - after the check for torch

FIELDS = ("times", "f0", "voiced", "confidence")


def there(batch_size=2048, **more):
    """An extractor whose model works as on a GPU."""
    extractor = TorchCrepeExtractor("tiny", "cpu", batch_size=batch_size, **more)
    extractor._crepe = Crepe(
        model="tiny", device="cpu", engine="device", decoder="viterbi_weighted"
    )
    return extractor


def windows(count=6, samples=2400):
    rng, t = np.random.default_rng(0), np.arange(samples) / 16000
    tones = np.sin(2 * np.pi * np.linspace(90, 400, count)[:, None] * t)
    noise = rng.standard_normal((count, samples))
    return (0.2 * tones + 0.02 * noise).astype(np.float32)


def same(ours, other):
    for one, two in zip(ours, other, strict=True):
        for name in FIELDS:
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_windows_are_decoded_there_and_come_back_in_one_copy():
    extractor = there()
    extractor.load()
    before = extractor._crepe._whole.transfers.to_host
    found = list(extractor.window_tracks(windows(), 16000))
    assert extractor._crepe._whole.transfers.to_host == before + 1
    assert (extractor.record.clips, extractor.record.frames) == (6, 6 * 16)
    host = TorchCrepeExtractor("tiny", "cpu").window_tracks(windows(), 16000)
    for ours, other in zip(found, host, strict=True):
        np.testing.assert_array_equal(ours.times, other.times)
        np.testing.assert_array_equal(ours.voiced, other.voiced)
        np.testing.assert_allclose(ours.f0, other.f0, rtol=1e-6)
        np.testing.assert_allclose(ours.confidence, other.confidence, atol=5e-6)


def test_a_window_gives_the_same_alone():
    extractor = there()
    together = list(extractor.window_tracks(windows(), 16000))
    alone = [extractor.track(window, 16000) for window in windows()]
    same(alone, together)


def test_running_out_of_memory_halves_and_goes_on(monkeypatch):
    extractor = there()
    expected = list(extractor.window_tracks(windows(), 16000))
    original = on_device.OnDevice._decoded
    batches = []

    def decoded(self, batch, decoder, allowed, batch_size):
        batches.append(batch_size)
        if batch_size > 512 and len(batches) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(self, batch, decoder, allowed, batch_size)

    monkeypatch.setattr(on_device.OnDevice, "_decoded", decoded)
    monkeypatch.setattr(on_device, "HELD_FRAMES", 40)
    same(list(extractor.window_tracks(windows(), 16000)), expected)
    assert extractor.record.batch_sizes == [2048, 1024, 512]
    assert extractor.record.clips == 6
    # two windows of 16 frames a batch: of the first two batches one went through
    assert batches == [2048, 2048, 1024, 512, 512]


def test_small_batches_hold_little(monkeypatch):
    held = []
    original = on_device.batches

    def batches(clips, grid, most):
        held.append(most)
        return original(clips, grid, most)

    monkeypatch.setattr(on_device, "batches", batches)
    extractor = there()
    extractor.load()
    held.clear()
    for size in (2048, 32):
        extractor.batch_size = size
        list(extractor.window_tracks(windows(2), 16000))
    assert held == [on_device.HELD_FRAMES, 32 * on_device.ROUNDS]


@pytest.mark.parametrize(("free", "pieces"), [(1 << 30, False), (1 << 20, True)])
def test_a_recording_that_does_not_fit_goes_through_in_pieces(free, pieces):
    extractor = there(piece_s=1.0)
    extractor.load()
    extractor.memory = MemoryManager("cpu", memory=lambda device: (free, 1 << 34))
    clip = np.tile(windows(1, 16000)[0], 3)  # 301 frames take 1.8 MB
    whole = extractor.track(clip, 16000)
    assert not extractor.record.pieces  # a CPU pages
    extractor.device = "cuda"
    found = extractor.track(clip, 16000)
    assert extractor.record.pieces is pieces
    np.testing.assert_array_equal(found.voiced, whole.voiced)
    np.testing.assert_allclose(found.f0, whole.f0, rtol=1e-6)
    if not pieces:
        same([found], [whole])


def test_memory_that_earlier_calls_left_behind_is_room(monkeypatch):
    extractor = there()
    extractor.load()
    free = [1 << 20]
    extractor.memory = MemoryManager("cpu", memory=lambda device: (free[0], 1 << 34))
    extractor.device = "cuda"
    monkeypatch.setattr(
        torch_crepe_extractor, "release", lambda device: free.append(free.pop() << 10)
    )
    extractor.track(np.tile(windows(1, 16000)[0], 3), 16000)
    assert not extractor.record.pieces


def test_the_callers_device_is_left_alone_between_windows(monkeypatch):
    inside = []

    @contextlib.contextmanager
    def current(device):
        inside.append(device)
        yield
        inside.pop()

    extractor = there()
    monkeypatch.setattr("extractors.halving.current", current)
    original = on_device.OnDevice._decoded
    seen = []
    monkeypatch.setattr(
        on_device.OnDevice,
        "_decoded",
        lambda *given: seen.append(len(inside)) or original(*given),
    )
    for _ in extractor.window_tracks(windows(3), 16000):
        assert not inside
    assert seen == [1]


@pytest.mark.parametrize("sr", [8000, 22050, 44100])
def test_pieces_are_resampled_as_the_whole_is(sr, monkeypatch):
    clip = np.random.default_rng(2).standard_normal(sr).astype(np.float32) * 0.1
    extractor = there(piece_s=0.3)
    whole = extractor.track(clip, sr)
    monkeypatch.setattr(on_device, "PART_SAMPLES", 3000)
    extractor.long_s = 0.0
    found = extractor.track(clip, sr)
    assert extractor.record.pieces
    np.testing.assert_array_equal(found.confidence, whole.confidence)
    np.testing.assert_allclose(found.f0, whole.f0, rtol=1e-6)


def test_shared_frames_are_resampled_as_windows_are():
    clip = Audio(np.random.default_rng(2).standard_normal(88200) * 0.1, 44100)
    plan = plan_windows(len(clip.samples), clip.sr, 0.5, 0.25)
    alone, shared = GPUAudioBackend(use_gpu=False), GPUAudioBackend(use_gpu=False)
    for backend in (alone, shared):
        backend._extractor = there()
    expected = alone.summarise_recording(clip, plan)
    found = shared.summarise_recording(clip, plan, share_frames=True)
    assert shared.record.share_frames
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=5e-6)


def test_a_probe_holds_what_a_batch_holds(monkeypatch):
    seen = []
    original = on_device.Layout

    def layout(clips, grid):
        made = original(clips, grid)
        seen.append(made.frames)
        return made

    monkeypatch.setattr(on_device, "Layout", layout)
    extractor = there()
    extractor.load()
    seen.clear()
    extractor._fill(8)
    assert 0.5 * 8 * on_device.ROUNDS < max(seen) <= 8 * on_device.ROUNDS
