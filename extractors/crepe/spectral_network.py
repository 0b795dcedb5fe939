"""CREPE's network by products of spectra, compiled for this machine's vectors.

The same network as :mod:`extractors.crepe.network`, on the same weights, with about a
twentieth of the arithmetic of its definition: see :mod:`extractors.crepe.spectral_plan`
for the lengths, :mod:`~extractors.crepe.transforms` for the transforms, and
:mod:`~extractors.crepe.products` for the products.

The frames of a round are cut into slices, each computed by one thread from the first
layer to the last in memory of its own. Threads share nothing but the weights. A frame's
sums are its own and always in the same order, so its result depends on nothing but the
width of the vectors: not on batch, place, company or the number of threads.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from extractors.compiled import shared_out, threads
from extractors.stages import stage

from .host import Host
from .network import RowNetwork, Rows
from .spectral_compile import Compiled, compiled
from .spectral_plan import (
    APART,
    BINS,
    DEPTH,
    FEATURES,
    LENGTHS,
    PHASES,
    ROW,
    SIZES,
    WINDOW,
)
from .spectral_weights import Packed, aligned

Spectrum = tuple[int, int, int]

LAST = LENGTHS[SIZES[-1]] // 2  # samples that are left after the last pooling

MOST = 96  # frames of a slice: 16 MB of memory; more would use weights no better
SOME = 32  # …where all weights stay in a cache and the slice should lie there, too
CACHED = 2_000_000  # numbers of weights that do: tiny has 0.9 million, full 43
FEWEST = 8  # frames that are worth a slice of their own, and the least rows of a tile


class SpectralNetwork(RowNetwork):
    """The loaded network of one model on this machine's processor.

    Args:
        weights: packed for the vectors of ``host``.
        host: the vectors.
    """

    micro_batch = 1

    def __init__(self, weights: Packed, host: Host) -> None:
        self.host = host
        self.compiled = compiled(host)
        self._weights = weights
        self._most = SOME if weights.size < CACHED else MOST
        self._idle: queue.SimpleQueue[_Slice] = queue.SimpleQueue()

    def __call__(self, rows: Rows) -> Rows:
        """Probabilities of the pitch bins.

        Args:
            rows: normalised frames, float32, contiguous, shape ``(n, 1024)``.

        Returns:
            float32 in [0, 1], shape ``(n, 360)``.
        """
        found = np.empty((len(rows), BINS), np.float32)
        with stage("network", "cpu"):
            self._spread(np.ascontiguousarray(rows), found)
        return found

    def cut(self, samples: Rows, starts: NDArray[np.int64], target: Rows) -> None:
        """Normalised frames; see :func:`extractors.crepe.frames.cut`."""
        kernel, shape = self.compiled.kernels["cut"], self.compiled.shape
        starts = np.ascontiguousarray(starts)
        starts.flags.writeable = False
        kernel(samples.ctypes.data, starts, len(starts), target.ctypes.data, shape)

    def _spread(self, rows: Rows, found: Rows) -> None:
        """Compute every slice, side by side on as many threads as there may be."""

        def work(parts: Iterator[slice]) -> None:
            room = self._room()
            for part in parts:
                room.run(rows[part], found[part])
            self._idle.put(room)

        shared_out(work, list(slices(len(rows), threads(), self._most)))

    def _room(self) -> _Slice:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return _Slice(self._weights, self.compiled, self._most)


def slices(frames: int, threads: int, most: int = MOST) -> Iterator[slice]:
    """Share frames out to threads, at most ``most`` at once.

    Slices are alike, whole tiles' rows but for the last, and a multiple of the threads
    in number unless that makes them smaller than :data:`FEWEST`.
    """
    count = -(-frames // (most * threads)) * threads
    size = max(-(-frames // count), FEWEST)
    size += -size % 4
    for start in range(0, frames, size):
        yield slice(start, min(start + size, frames))


class _Slice:
    """Memory for one slice, and its way through the layers."""

    def __init__(self, weights: Packed, compiled: Compiled, most: int) -> None:
        self.weights, self.most = weights, most
        self.kernels, self.shape = compiled.kernels, compiled.shape
        self.width = compiled.shape[0]
        self.channels = [int(count) for count in weights.channels]
        self.depths = [int(count) for count in weights.depths]
        self.arrays = [aligned(size) for size in self._sizes()]
        self.places = [array.ctypes.data for array in self.arrays]

    def _sizes(self) -> Iterator[int]:
        """Numbers in: phases, a last group, signals, a tile, inputs, outputs."""
        group, vector = self.width // PHASES, 2 * self.width
        yield -(-self.most // group) * (SIZES[0] // 2 + 1) * vector
        yield group * WINDOW
        yield from (size // 2 * vector for size in (SIZES[0], SIZES[0], SIZES[1]))
        yield 3 * self.shape[1] * DEPTH
        apart = APART // 4
        inputs = [self.most * DEPTH * 4 * self.channels[5] // self.depths[5]]
        outputs = [self.most * (BINS + vector)]
        for n in range(1, 6):
            bins = SIZES[n] // 2 + 1
            chunks = 1 if n == 1 else self.channels[n - 1] // self.depths[n - 1]
            inputs.append(chunks * bins * (self.most * 2 * DEPTH + apart))
            outputs.append(bins * (self.most * 2 * self.channels[n] + apart))
        yield max(inputs)
        yield max(outputs)

    def run(self, frames: Rows, found: Rows) -> None:
        """From frames ``(n, 1024)`` to probabilities ``(n, 360)``, ``n`` ≤ ``most``."""
        count = len(frames)
        rows = max(FEWEST, count + -count % 4)
        self._phases(frames)
        self._first_layers(count, rows)
        for layer in range(3, 7):
            self._next_layer(layer, count, rows)
        self._classify(found, rows)

    def _phases(self, frames: Rows) -> None:
        """Spectra of the four phases of all frames, group by group of frames."""
        kernel, group = self.kernels["phase_spectra"], self.width // PHASES
        whole, left = divmod(len(frames), group)
        spectra, last, signal = self.places[:3]
        kernel(frames.ctypes.data, spectra, signal, whole, self.shape)
        if left:
            rest = self.arrays[1].reshape(group, WINDOW)
            rest[:left], rest[left:] = frames[whole * group :], 0
            spectra += whole * (SIZES[0] // 2 + 1) * 2 * self.width * 4
            kernel(last, spectra, signal, 1, self.shape)

    def _first_layers(self, count: int, rows: int) -> None:
        """Layers 1 and 2, a chunk of layer 1's channels at a time."""
        depth = self.depths[0]
        kernel, active = self.weights.weights[0], self.weights.activations[0]
        chunks = self.channels[0] // depth
        for chunk in range(chunks):
            self.kernels["first_layer"](
                self.places[0],
                kernel.ctypes.data + chunk * kernel.nbytes // chunks,
                active.ctypes.data + chunk * active.nbytes // chunks,
                tuple(self.places[2:5]),
                self._inputs(rows),
                count,
                depth // self.width,
                self.shape,
            )
            self._multiply(2, chunk, self.places[6], rows)

    def _next_layer(self, layer: int, count: int, rows: int) -> None:
        counts = self.channels[layer - 2], self.depths[layer - 2]
        ahead = self._inputs(rows)
        self.kernels[f"next_layer {layer}"](
            self._outputs(layer - 1, rows),
            self.weights.activations[layer - 2].ctypes.data,
            tuple(self.places[2:5]),
            ahead,
            count,
            counts,
            SIZES[layer - 2 : layer],
            self.shape,
        )
        bins = SIZES[layer - 1] // 2 + 1
        for chunk in range(counts[0] // counts[1]):
            self._multiply(layer, chunk, ahead[0] + chunk * bins * ahead[1], rows)

    def _multiply(self, layer: int, chunk: int, inputs: int, rows: int) -> None:
        weights, depth = self.weights.weights[layer - 1], self.depths[layer - 2]
        chunks = self.channels[layer - 2] // depth
        self.kernels["multiply"](
            inputs,
            weights.ctypes.data + chunk * weights.nbytes // chunks,
            self.places[7],
            self.places[5],
            SIZES[layer - 1] // 2 + 1,
            rows,
            (depth, self.channels[layer - 1]),
            int(chunk == 0),
            self.shape,
        )

    def _classify(self, found: Rows, rows: int) -> None:
        channels, depth = self.channels[5], self.depths[5]
        self.kernels["last_layer"](
            self._outputs(6, rows),
            self.weights.activations[5].ctypes.data,
            self.places[2],
            self.places[6],
            len(found),
            (channels, depth),
            rows * FEATURES,
            self.shape,
        )
        self.kernels["classify"](
            self.places[6],
            self.weights.weights[6].ctypes.data,
            self.weights.activations[6].ctypes.data,
            self.places[7],
            found.ctypes.data,
            rows,
            len(found),
            rows * FEATURES,
            (depth, LAST * channels // depth),
            self.shape,
        )

    def _inputs(self, rows: int) -> Spectrum:
        """Where a layer's inputs are, a chunk of channels after the other."""
        return self.places[6], rows * ROW + APART, DEPTH * 4

    def _outputs(self, layer: int, rows: int) -> Spectrum:
        """Where a layer's outputs are."""
        plane = self.channels[layer - 1] * 4
        return self.places[7], rows * 2 * plane + APART, plane
