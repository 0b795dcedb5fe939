"""CREPE's two kinds of convolution, on torch tensors ``(frames, channels, length)``.

The first layer has 512 taps and a stride of 4: computed directly. The others have 64
taps on 128 to 8 samples and nearly all of the work; as products of spectra they cost
about a fifth, in float32 and with errors no larger than those of direct summation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BEFORE, AFTER = 31, 32  # samples of zero padding around the input of layers 2 to 6


@dataclass(frozen=True, eq=False)
class Strided:
    """Layer 1: from ``(b, 1, 1024)`` to ``(b, out, 256)``, padded by 254 on each side.

    Attributes:
        weight: shape ``(out, 1, 512)``.
        bias: shape ``(out,)``.
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        from torch.nn import functional as F

        return F.conv1d(F.pad(x, (254, 254)), self.weight, self.bias, stride=4)


@dataclass(frozen=True, eq=False)
class Spectral:
    """Layers 2 to 6: from ``(b, in, length)`` to ``(b, out, length)``.

    Attributes:
        spectrum: complex64, shape ``(size // 2 + 1, in, out)``: the kernel's spectrum.
        bias: shape ``(out, 1)``.
        length: samples of input and output.
        size: length of the transform.
    """

    spectrum: Tensor
    bias: Tensor
    length: int
    size: int

    def __call__(self, x: Tensor) -> Tensor:
        import torch

        bins = torch.fft.rfft(x, n=self.size).permute(2, 0, 1)
        product = torch.bmm(bins, self.spectrum).permute(1, 2, 0)
        return torch.fft.irfft(product, n=self.size)[..., : self.length] + self.bias


def spectral(weight: Tensor, bias: Tensor, length: int) -> Spectral:
    """Prepare ``y[n] = bias + Σ_k weight[k] · x[n + k - 31]`` for inputs of ``length``.

    A circular convolution gives the same as one with zero padding if what wraps around
    meets zeros only. Taps further than ``length - 1`` from the output never meet a
    sample, so ``min(length, 32)`` zeros behind the signal are enough.

    Args:
        weight: shape ``(out, in, 64)``.
        bias: shape ``(out,)``.
        length: samples of the input.
    """
    import torch

    size = length + min(length, AFTER)
    first, last = max(0, BEFORE - length + 1), min(weight.shape[2], BEFORE + length)
    kernel = weight.new_zeros((*weight.shape[:2], size))
    for tap in range(first, last):
        kernel[..., (BEFORE - tap) % size] = weight[..., tap]
    spectrum = torch.fft.rfft(kernel).permute(2, 1, 0).contiguous()
    return Spectral(spectrum, bias[:, None], length, size)
