"""CREPE's network in reduced precision, by plain convolutions.

Precisions are ``tf32`` (float32 storage, 10 bits of mantissa in products), ``bf16``
(8 bits) and ``fp16`` (11 bits, largest number 65504); sums run in float32 in all of
them. The spectral convolutions of the ordinary network need float32 transforms, which
``tf32`` leaves as they are; the layers here, for the other two and for TensorRT, sum
directly, on the device's matrix units where it has some. The last layer's sigmoid is
always float32.

Both precision and, on a GPU, TensorRT change probabilities, by how much is a column of
the record; neither is ever chosen unless it is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from extractors.base import choose

from .extractor import Crepe
from .network import BATCH_NORM_EPS, MICRO_BATCH, TorchNetwork, weights_file
from .precision import COMPILERS, check_precision

if TYPE_CHECKING:
    from torch import Tensor


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
        super().__init__(precision=precision, **options)
        self.compiler = choose(compiler, COMPILERS, "compile")

    def _open(self, device: str) -> tuple[TorchNetwork, str]:
        check_precision(self.precision, self.compiler, device)
        network = ReducedNetwork(self.model, device, self.precision, self.compiler)
        return network, f"torch {self.precision}, compile={self.compiler}"


class ReducedNetwork(TorchNetwork):
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
        self.tf32, self.graphed = precision == "tf32", compiler == "none"
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

    def forward(self, frames: Tensor) -> Tensor:
        """Probabilities of one micro-batch."""
        return self._run(frames)

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
