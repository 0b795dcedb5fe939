"""One micro-batch as one launch: a function of a fixed shape, kept as a CUDA graph.

A micro-batch is some sixty kernels of a few microseconds each, so that a short clip
waits for launches rather than for arithmetic. A graph launches them all at once. It
always reads and writes the same memory: arguments are copied in, and a result is valid
until the next call.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch
from torch import Tensor

from extractors.compiled import warn_once

Function = Callable[[Tensor], Tensor]
#: Runs a captured function on its static input; returns the static output.
Replay = Callable[[], Tensor]
Capture = Callable[[Function, Tensor], Replay]

WARM_UP = 3  # runs before capturing, as torch's notes on CUDA graphs ask for


class Graphed:
    """A function of one tensor, captured once per device, shape and type.

    Where capturing fails, the function is called instead, with one warning.

    Args:
        function: launches the same work for every argument of one shape, and asks
            nothing of the device meanwhile.
        capture: makes a graph; :func:`capture_cuda`, another one in tests.

    Attributes:
        failure: why the last capture failed, or ``None``.
    """

    def __init__(self, function: Function, capture: Capture | None = None) -> None:
        self.failure: str | None = None
        self._function = function
        self._capture = capture or capture_cuda
        self._held: dict[Hashable, tuple[Tensor, Replay] | None] = {}

    def __call__(self, x: Tensor) -> Tensor:
        """The function's result, valid until the next call."""
        key = x.device, x.shape, x.dtype
        if key not in self._held:
            self._held[key] = self._captured(x)
        held = self._held[key]
        if held is None:
            return self._function(x)
        source, replay = held
        source.copy_(x)
        return replay()

    def _captured(self, x: Tensor) -> tuple[Tensor, Replay] | None:
        source = x.clone()
        try:
            return source, self._capture(self._function, source)
        except Exception as error:  # whatever a driver or a library refuses
            reason = " ".join(str(error).split()) or type(error).__name__
            self.failure = reason
            warn_once(
                f"crepe launches its kernels one by one, without graphs: {reason}"
            )
            return None


def capture_cuda(function: Function, source: Tensor) -> Replay:
    """Capture ``function(source)`` as a CUDA graph.

    The first runs, on a stream of their own, leave plans and workspaces of the
    libraries behind, which cannot be made during a capture.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            function(source)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # Other threads may use other devices meanwhile. Left to itself, torch captures
    # on one stream for all devices: that of the device which came first.
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        target = function(source)

    def replay() -> Tensor:
        graph.replay()
        return target

    return replay
