"""CREPE's convolutions in torch, on ``(frames, channels, length)``: spectral products.

Layers 2 to 6 have 64 taps on 128 to 8 samples. Layer 1 has 512 taps and a stride of 4;
split by the remainder of the sample's number by 4 (:func:`phases`), it is a convolution
of four channels of 256 samples with 129 taps. Products of spectra take a fiftieth of
the operations of direct sums in layer 1 and about a twentieth in the others, beside the
transforms, in float32 and with errors no larger than those of direct summation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BEFORE = 31  # samples of zero padding before the input of layers 2 to 6
STRIDE = 4  # of layer 1, whose input is padded by 254 samples
PHASE_BEFORE = 64  # (254 + 2) / 4: two zeros before the kernel make it whole phases


@dataclass(frozen=True, eq=False)
class Spectral:
    """From ``(b, in, length)`` to ``(b, out, length)``.

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
        found = torch.fft.irfft(product, n=self.size)[..., : self.length]
        return found.add_(self.bias)


def spectral(
    weight: Tensor, bias: Tensor, length: int, before: int = BEFORE
) -> Spectral:
    """Prepare ``y[n] = bias + Σ_k weight[k] · x[n + k - before]``.

    A circular convolution gives the same as one with zero padding if what wraps around
    meets zeros only: as many as the kernel reaches before or behind a sample. Taps
    further than ``length - 1`` from the output never meet a sample, so ``length`` zeros
    are always enough.

    Args:
        weight: shape ``(out, in, taps)``.
        bias: shape ``(out,)``.
        length: samples of the input, of which there are zeros beyond both ends.
        before: the tap that meets the sample of the output's own number.
    """
    import torch

    taps = weight.shape[2]
    size = length + min(length, max(before, taps - 1 - before))
    first, last = max(0, before - length + 1), min(taps, before + length)
    kernel = weight.new_zeros((*weight.shape[:2], size))
    for tap in range(first, last):
        kernel[..., (before - tap) % size] = weight[..., tap]
    spectrum = torch.fft.rfft(kernel).permute(2, 1, 0).contiguous()
    return Spectral(spectrum, bias[:, None], length, size)


def first_layer(weight: Tensor, bias: Tensor, length: int) -> Spectral:
    """Prepare layer 1 for frames that :func:`phases` has split.

    Args:
        weight: shape ``(out, 1, 512)``.
        bias: shape ``(out,)``.
        length: samples of a phase: a quarter of the frame.
    """
    from torch.nn.functional import pad

    taps = pad(weight[:, 0], (2, 2)).unflatten(1, (-1, STRIDE)).transpose(1, 2)
    return spectral(taps, bias, length, PHASE_BEFORE)


def phases(frames: Tensor) -> Tensor:
    """Frames ``(b, n)`` split by the samples' numbers modulo 4, ``(b, 4, n / 4)``."""
    return frames.unflatten(1, (-1, STRIDE)).transpose(1, 2)
