"""Speed of the engines against their peers: same input, same process, interleaved.

    python -m pytest tests/bench --benchmark-only --benchmark-group-by=group

Only ratios within one group mean anything; run it alone on the machine.
"""

from __future__ import annotations

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.stages import stage

SECONDS = 4.0
SR = 16000


@pytest.fixture(scope="module")
def voice() -> Audio:
    """A harmonic glide from 100 to 300 Hz."""
    t = np.arange(int(SECONDS * SR)) / SR
    phase = 2 * np.pi * np.cumsum(100 * 3 ** (t / SECONDS)) / SR
    return Audio(0.1 * sum(np.sin(k * phase) / k for k in range(1, 9)), SR)


@pytest.mark.parametrize("model", ["tiny", "full"])
@pytest.mark.parametrize("name", ["crepe", "torchcrepe"])
def test_crepe(benchmark, voice, name, model):
    from extractors.registry import build

    benchmark.group = f"CREPE {model}, end to end, {SECONDS:g} s"
    system = build(name, {"model": model, "decoder": "viterbi", "device": "cpu"})
    system.load()
    system.extract([voice])
    rounds = 5 if model == "tiny" else 2
    benchmark.pedantic(system.extract, ([voice],), rounds=rounds)


@pytest.mark.parametrize("name", ["ours", "librosa"])
def test_viterbi(benchmark, name):
    import librosa

    from extractors.decoders.viterbi import triangular_band, viterbi_path

    benchmark.group = "Viterbi, 360 states, 10 s of frames"
    outputs = np.random.default_rng(0).random((1000, 360)).astype(np.float32)
    band = triangular_band(360, 12)
    if name == "ours":
        benchmark.pedantic(viterbi_path, (outputs, band), rounds=5)
        return
    distance = np.abs(np.subtract.outer(np.arange(360), np.arange(360)))
    transition = np.maximum(12 - distance, 0)
    transition = transition / transition.sum(axis=1, keepdims=True)
    share = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    decode = librosa.sequence.viterbi
    decode(share.T[:, :10], transition)  # compiles
    benchmark.pedantic(decode, (np.ascontiguousarray(share.T), transition), rounds=5)


@pytest.mark.parametrize("name", ["librosa_pyin", "librosa_yin"])
def test_librosa(benchmark, voice, name):
    from extractors.registry import build

    benchmark.group = f"librosa, {SECONDS:g} s"
    system = build(name, {})
    system.load()
    benchmark.pedantic(system.extract, ([voice],), rounds=3)


def test_stage_unheard(benchmark):
    benchmark.group = "stage() without a listener"

    def mark():
        with stage("network"):
            pass

    benchmark(mark)
