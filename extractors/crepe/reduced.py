"""CREPE's network in reduced precision, by plain convolutions.

Precisions are ``tf32`` (float32 storage, 10 bits of mantissa in products), ``bf16``
(8 bits) and ``fp16`` (11 bits, largest number 65504); sums run in float32 in all of
them. The spectral convolutions of the ordinary network need float32 transforms, so the
layers here sum directly, on the device's matrix units where it has some. The last
layer's sigmoid is always float32.

Both precision and, on a GPU, TensorRT change probabilities, by how much is a column of
the record; neither is ever chosen unless it is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from extractors.base import choose
from extractors.decoders.bins import PITCH_BINS
from extractors.device import resolve, synchronize, to_device, to_host
from extractors.errors import MissingExtraError, UnavailableError
from extractors.stages import stage

from .extractor import Crepe
from .frames import WINDOW
from .network import BATCH_NORM_EPS, MICRO_BATCH, RowNetwork, Rows, weights_file

if TYPE_CHECKING:
    from torch import Tensor

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
COMPILERS = ("none", "tensorrt")


def check_precision(precision: str, compiler: str, device: str) -> None:
    """Refuse what ``device`` cannot do, before anything is loaded.

    Args:
        precision: one of :data:`PRECISIONS`.
        compiler: one of :data:`COMPILERS`.
        device: ``cpu`` or ``cuda``, as resolved.

    Raises:
        ConfigError: an unknown name.
        UnavailableError: the device or a package does not allow it, with the reason.
    """
    choose(precision, PRECISIONS, "precision")
    choose(compiler, COMPILERS, "compile")
    if precision in ("tf32", "fp16") and device == "cpu":
        raise UnavailableError(
            f"precision={precision} needs a GPU, and this runs on the CPU; "
            "use precision=fp32 or bf16"
        )
    if compiler == "tensorrt" and device == "cpu":
        raise UnavailableError("compile=tensorrt needs a GPU; use compile=none")
    if compiler == "tensorrt" and find_spec("torch_tensorrt") is None:
        raise MissingExtraError("torch_tensorrt", "tensorrt")


class ReducedCrepe(Crepe):
    """:class:`Crepe` on a network of another precision; all else is inherited.

    Args:
        precision: ``fp32``, ``tf32``, ``bf16`` or ``fp16``.
        compiler: ``none`` or ``tensorrt``.
        options: as :class:`Crepe`, except ``precision``.

    Raises:
        UnavailableError: see :func:`check_precision`.
    """

    def __init__(self, precision: str, compiler: str = "none", **options: Any) -> None:
        super().__init__(**options)
        self.precision = choose(precision, PRECISIONS, "precision")
        self.compiler = choose(compiler, COMPILERS, "compile")

    def _loaded(self) -> Any:
        if self._network is None:
            device = resolve(self.device)
            check_precision(self.precision, self.compiler, device)
            network: Any = ReducedNetwork(
                self.model, device, self.precision, self.compiler
            )
            network(np.zeros((1, WINDOW), np.float32))
            self._network = network
        return self._network


class ReducedNetwork(RowNetwork):
    """One model on one device in one precision.

    Args:
        model: ``full`` or ``tiny``.
        device: ``cpu`` or ``cuda``.
        precision, compiler: see :class:`ReducedCrepe`.
    """

    def __init__(
        self, model: str, device: str, precision: str, compiler: str = "none"
    ) -> None:
        import torch

        self.device, self.precision = device, precision
        self.micro_batch = MICRO_BATCH[device]
        self.dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(
            precision, torch.float32
        )
        state = torch.load(weights_file(model), map_location=device, weights_only=True)
        with torch.inference_mode():
            self._layers = [self._layer(state, number) for number in range(1, 7)]
        weight, bias = state["classifier.weight"], state["classifier.bias"]
        self._dense = weight.to(self.dtype), bias.to(self.dtype)
        self._run = self._compiled(compiler)

    def _layer(self, state: dict[str, Tensor], number: int) -> tuple[Tensor, ...]:
        """Kernel, bias, and batch normalisation as ``scale · x + shift``."""
        norm = f"conv{number}_BN."
        deviation = (state[norm + "running_var"] + BATCH_NORM_EPS).sqrt()
        scale = state[norm + "weight"] / deviation
        shift = state[norm + "bias"] - state[norm + "running_mean"] * scale
        weight = state[f"conv{number}.weight"].squeeze(3)
        parts = (weight, state[f"conv{number}.bias"], scale[:, None], shift[:, None])
        return tuple(part.to(self.dtype) for part in parts)

    def _compiled(self, compiler: str) -> Callable[[Tensor], Tensor]:
        if compiler == "none":
            return self._forward
        import torch

        importlib.import_module("torch_tensorrt")  # registers the backend
        return torch.compile(self._forward, backend="tensorrt", dynamic=False)

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
        with torch.inference_mode(), self._tf32():
            frames = to_device(whole, self.device)
            with stage("network", self.device):
                out = frames.new_empty((len(frames), PITCH_BINS))
                for start in range(0, len(frames), step):
                    part = slice(start, start + step)
                    out[part] = self._run(frames[part])
                synchronize(self.device)
            probabilities: Rows = to_host(out)
        return probabilities[: len(rows)]

    def _forward(self, frames: Tensor) -> Tensor:
        import torch
        from torch.nn import functional as F

        x = frames.to(self.dtype)[:, None]
        for number, (weight, bias, scale, shift) in enumerate(self._layers):
            padding, stride = ((254, 254), 4) if number == 0 else ((31, 32), 1)
            x = F.relu(F.conv1d(F.pad(x, padding), weight, bias, stride=stride))
            x = F.max_pool1d(x * scale + shift, 2)
        flat = x.transpose(1, 2).flatten(1)
        return torch.sigmoid(F.linear(flat, *self._dense).float())

    def _tf32(self) -> AbstractContextManager[Any]:
        if self.device != "cuda":
            return nullcontext()
        import torch

        return torch.backends.cudnn.flags(
            enabled=True, deterministic=True, allow_tf32=self.precision == "tf32"
        )
