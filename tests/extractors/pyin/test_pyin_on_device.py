"""pYIN in torch, on CPU tensors: the exact engine's answer but for rounding."""

import numpy as np
import pytest

from extractors.pyin.function import track
from extractors.pyin.parameters import Options, Parameters

torch = pytest.importorskip("torch")

from extractors.pyin import Pyin, on_device  # noqa: E402 - it needs torch

SR = 16000


def voice(seconds, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * SR)) / SR
    phase = 2 * np.pi * np.cumsum(120 * 2 ** (t / seconds)) / SR
    wave = sum(np.sin(k * phase) / k for k in range(1, 9)) * (t < 0.7 * seconds)
    return (0.1 * wave + 0.01 * rng.standard_normal(len(t))).astype(np.float32)


def clips():
    rng = np.random.default_rng(1)
    noise = 0.1 * rng.standard_normal(8000)
    return [voice(1.0), noise.astype(np.float32), np.zeros(3000, np.float32)]


OTHERS = Options(n_thresholds=37, beta_parameters=(1, 8), switch_prob=0.2)


@pytest.mark.parametrize("table", [1 << 19, 1 << 25])
@pytest.mark.parametrize("options", [Options(), OTHERS, Options(center=False)])
def test_equal_but_for_rounding(options, table, monkeypatch):
    monkeypatch.setattr(on_device, "TABLE", table)
    parameters = Parameters(SR, 70.0, 600.0, 1024, 160, options)
    exact = track(clips(), parameters)
    found = track(clips(), parameters, "torch-cpu")
    for ours, expected in zip(found, exact, strict=True):
        assert len(ours.f0) == len(expected.f0)
        assert (ours.f0 != expected.f0).mean() <= 0.01
        assert (ours.voiced != expected.voiced).mean() <= 0.01
        off = np.abs(ours.voiced_prob - expected.voiced_prob)
        assert (off > 1e-3).mean() <= 0.01
    assert found[0].voiced.any()
    assert not found[0].voiced.all()


def test_float64_hardly_rounds():
    samples = [clip.astype(np.float64) for clip in clips()]
    parameters = Parameters(SR, 70.0, 600.0, 1024, 160)
    for ours, expected in zip(
        track(samples, parameters, "torch-cpu"), track(samples, parameters), strict=True
    ):
        np.testing.assert_array_equal(ours.f0, expected.f0)
        np.testing.assert_array_equal(ours.voiced, expected.voiced)
        np.testing.assert_allclose(ours.voiced_prob, expected.voiced_prob, atol=1e-9)


def test_a_broken_compiler_is_said_and_torch_computes(monkeypatch):
    from extractors import compiled
    from extractors.audio import Audio
    from extractors.pyin import analysis

    def broken(*arguments):
        raise RuntimeError("no such processor\nat all")

    compiled.warn_once.cache_clear()
    monkeypatch.setattr(analysis, "analyse", broken)
    subject = Pyin(fmin=70, fmax=600)
    with pytest.warns(RuntimeWarning, match="RuntimeError: no such processor$"):
        (track_,) = subject.extract([Audio(voice(0.5), SR)])
    assert track_.voiced.any()
    assert subject.describe()["computed_by"].startswith("torch on the CPU")


@pytest.mark.gpu
def test_on_the_gpu():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    parameters = Parameters(SR, 70.0, 600.0, 1024, 160)
    exact = track(clips(), parameters)
    for ours, expected in zip(track(clips(), parameters, "cuda"), exact, strict=True):
        assert (ours.f0 != expected.f0).mean() <= 0.01
