"""Reduced precision: where it can be had, how far it is off, and why not elsewhere."""

import numpy as np
import pytest

from extractors.crepe import Crepe
from extractors.crepe.network import Network
from extractors.crepe.precision import check_precision, precision_delta
from extractors.crepe.reduced import ReducedCrepe, ReducedNetwork
from extractors.errors import ConfigError, MissingExtraError, UnavailableError
from extractors.torch_crepe_extractor import TorchCrepeExtractor


def tone(hz, seconds=0.2, sr=16000):
    t = np.arange(round(seconds * sr)) / sr
    wave = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 6))
    return (0.1 * wave).astype(np.float32)


def rows(count):
    found = np.random.default_rng(0).standard_normal((count, 1024))
    return found.astype(np.float32)


def test_direct_sums_equal_the_ordinary_network_in_fp32():
    from extractors.audio import Audio

    clip = Audio(tone(200), 16000)
    (plain,) = Crepe(model="tiny", device="cpu").infer([clip])
    (direct,) = ReducedCrepe("fp32", model="tiny", device="cpu").infer([clip])
    np.testing.assert_allclose(
        direct.probabilities, plain.probabilities, atol=5e-6, rtol=0
    )


def test_bf16_on_the_cpu_is_near_and_says_so():
    plain = TorchCrepeExtractor("tiny", "cpu")
    reduced = TorchCrepeExtractor("tiny", "cpu", precision="bf16")
    f0, confidence = plain.extract_f0(tone(200), 16000)
    other, level = reduced.extract_f0(tone(200), 16000)
    assert reduced.record.precision == "bf16"
    moved = np.abs(confidence - level).max()
    assert 1e-5 < moved < 0.1  # another precision, not another network
    assert np.nanmax(np.abs(1200 * np.log2(other / f0))) < 10


def test_rows_do_not_depend_on_their_company():
    network = ReducedNetwork("tiny", "cpu", "bf16")
    some = rows(40)
    whole = network(some)
    np.testing.assert_array_equal(network(some[33:]), whole[33:])
    assert whole.dtype == np.float32


def test_delta_of_a_precision():
    exact, some = Network("tiny", "cpu"), rows(40)
    same = precision_delta(exact, ReducedNetwork("tiny", "cpu", "fp32"), some)
    assert same.probability < 5e-6
    assert same.argmax == 0
    reduced = precision_delta(exact, ReducedNetwork("tiny", "cpu", "bf16"), some)
    assert 1e-5 < reduced.probability < 0.1
    assert 0 <= reduced.argmax < 0.5


def test_delta_counts_frames_with_another_argmax():
    found = np.eye(4, 360, dtype=np.float32)
    moved = found.copy()
    moved[0] = np.roll(found[0], 7)
    delta = precision_delta(lambda _: found, lambda _: moved, rows(4))
    assert (delta.probability, delta.argmax) == (1.0, 0.25)


@pytest.mark.parametrize("precision", ["tf32", "fp16"])
def test_gpu_precisions_are_unavailable_on_a_cpu(precision):
    with pytest.raises(UnavailableError, match=f"precision={precision} needs a GPU"):
        TorchCrepeExtractor("tiny", "cpu", precision=precision)


def test_tensorrt_says_what_is_missing(monkeypatch):
    monkeypatch.setattr("extractors.crepe.precision.find_spec", lambda name: None)
    crepe = TorchCrepeExtractor("tiny", "cpu", compiler="tensorrt")
    with pytest.raises(UnavailableError, match="compile=tensorrt needs a GPU"):
        crepe.load()
    with pytest.raises(MissingExtraError, match=r"f0bench\[tensorrt\]"):
        check_precision("fp32", "tensorrt", "cuda")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "fp61"}, "did you mean 'fp16'"),
        ({"compiler": "tensort"}, "did you mean 'tensorrt'"),
    ],
)
def test_unknown_names(options, message):
    with pytest.raises(ConfigError, match=message):
        TorchCrepeExtractor("tiny", "cpu", **options)
