"""Graphs of micro-batches: one capture per shape, static memory, and falling back."""

import contextlib

import pytest

torch = pytest.importorskip("torch")

from extractors import compiled  # noqa: E402 - after the check for torch
from extractors.crepe.graphs import Graphed, capture_cuda  # noqa: E402 - the same


def imitation(function, source):
    """What a CUDA graph does, on a CPU: from one memory to another."""
    target = function(source).clone()

    def replay():
        return target.copy_(function(source))

    return replay


def test_captured_once_per_shape_and_type():
    captured = []

    def capture(function, source):
        captured.append((tuple(source.shape), source.dtype))
        return imitation(function, source)

    graphed = Graphed(lambda x: 2 * x, capture)
    for shape in ((3,), (3,), (2, 2), (3,)):
        assert torch.equal(graphed(torch.ones(shape)), torch.full(shape, 2.0))
    graphed(torch.ones(3, dtype=torch.float64))
    expected = [((3,), torch.float32), ((2, 2), torch.float32), ((3,), torch.float64)]
    assert captured == expected


def test_memory_is_static_and_arguments_are_copied_in():
    graphed = Graphed(lambda x: x + 1, imitation)
    first = graphed(torch.tensor([1.0]))
    argument = torch.tensor([5.0])
    second = graphed(argument)
    assert first is second  # valid until the next call
    assert second.tolist() == [6.0]
    assert argument.tolist() == [5.0]


def test_a_failing_capture_is_said_once_and_the_function_is_called():
    tried = []

    def refuse(function, source):
        tried.append(source)
        raise RuntimeError("no graphs\nhere")

    compiled.warn_once.cache_clear()
    graphed = Graphed(lambda x: x + 1, refuse)
    with pytest.warns(RuntimeWarning, match="without graphs: no graphs here"):
        assert graphed(torch.tensor([1.0])).tolist() == [2.0]
    assert graphed(torch.tensor([3.0])).tolist() == [4.0]
    assert len(tried) == 1
    assert graphed.failure == "no graphs here"


@pytest.mark.gpu
def test_on_the_gpu_a_graph_gives_the_same_bits():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    from extractors.crepe.network import Network

    network = Network("tiny", "cuda")
    graphed = Graphed(network.forward)
    for seed in range(2):
        torch.manual_seed(seed)
        frames = torch.randn(network.micro_batch, 1024, device="cuda")
        with torch.inference_mode():
            plain = network.compute(frames)
            assert torch.equal(network.compute(frames, graphed), plain)
    assert graphed.failure is None


def test_a_graph_is_captured_on_a_stream_of_the_current_device(monkeypatch):
    """Torch's own stream for captures is that of whichever device came first."""
    streams, graphs = [], []

    class Stream:
        def wait_stream(self, other):
            pass

    def make():
        streams.append(Stream())
        return streams[-1]

    def graph(made, **options):
        graphs.append(options)
        return contextlib.nullcontext()

    monkeypatch.setattr(torch.cuda, "Stream", make)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    for _ in range(2):
        capture_cuda(lambda x: x, torch.ones(1))
    assert [options["stream"] for options in graphs] == streams
