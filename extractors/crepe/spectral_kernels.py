"""Kernels of the spectral engine: loops over pairs, channels and bins.

They take addresses, in bytes, and leave the lifetime of what lies there to the caller
(:mod:`extractors.crepe.spectral_network`). ``shape`` is a tuple of literals: lanes of a
vector, rows of the tall and of the short tile, and a digest of the modules that make
the code, since numba's cache on disk knows of changes to this file only. Numbers of
channels only bound loops, so one set of kernels serves every model.

A *signal* is room for the transform of one channel vector of one frame. A *spectrum* is
three numbers, see :class:`~extractors.crepe.transforms.Spectrum`. Inputs of a layer are
matrices of a row per frame: ``[chunk of channels][bin][frame][re, im][DEPTH]``, outputs
``[bin][frame][re, im][channel]``, with ``APART`` bytes between bins.
"""

from __future__ import annotations

from extractors.compiled import jit

from .spectral_plan import (
    APART,
    BINS,
    FEATURES,
    KINDS,
    PHASES,
    ROW,
    SIZES,
    TOGETHER,
    WINDOW,
)
from .spectral_stages import (
    _across,
    _complex_tile,
    _embedded,
    _from_spectrum,
    _inverse,
    _normalise,
    _pack,
    _phases,
    _real_tile,
    _sigmoid,
    _strided,
)


@jit()
def cut(samples, starts, frames, target, shape):
    """Normalised frames of a clip.

    Args:
        samples: of the clip, with zeros around them, float32.
        starts: the first sample of each frame, int64.
        frames: how many.
        target: float32, ``WINDOW`` samples a frame.
    """
    for frame in range(frames):
        place = samples + starts[frame] * 4
        _normalise(place, target + frame * WINDOW * 4, shape[0])


@jit()
def phase_spectra(frames, spectra, signal, groups, shape):
    """Spectra of the phases, ``width / 4`` frames a group: ``[group][bin][re, im]``."""
    width = shape[0]
    size = (SIZES[0] // 2 + 1) * 2 * width * 4
    for group in range(groups):
        target = (spectra + group * size, 2 * width * 4, width * 4)
        _phases(frames + group * (width // 4) * WINDOW * 4, signal, target, width)


@jit()
def first_layer(spectra, weights, activation, signals, target, frames, vectors, shape):
    """Layer 1 for some channel vectors of all frames, to the spectra of layer 2.

    Two frames at a time, which halves how often weights are read; the last one of an
    odd number is done with whatever stands behind it.
    """
    width = shape[0]
    one, other, second = signals
    base, bin_, plane = target
    entry = 2 * width * 4
    group = (SIZES[0] // 2 + 1) * entry
    for together in range(0, vectors, TOGETHER):
        for frame in range(0, frames, 2):
            places = (
                spectra + frame // (width // 4) * group + frame % (width // 4) * 16,
                spectra
                + (frame + 1) // (width // 4) * group
                + (frame + 1) % (width // 4) * 16,
            )
            for vector in range(together, min(together + TOGETHER, vectors)):
                kernel = weights + vector * KINDS * 2 * 8 * PHASES * entry
                at = base + frame * ROW + vector * width * 4
                ahead = (at, bin_, plane)
                _strided(places, kernel, (one, other), ahead, 0, width)
                _strided(places, kernel, (one, other), ahead, 1, width)
                _strided(places, kernel, (one, other), ahead, 2, width)
                active = activation + vector * 3 * width * 4
                for signal in (one, other):
                    _inverse(signal, 320, width)
                    ahead = (at, bin_, plane)
                    _across(signal, active, second, ahead, 320, 160, width)
                    at += ROW


@jit()
def next_layer(source, activation, signals, target, frames, counts, sizes, shape):
    """From the outputs of a layer to the spectra of the next, for every channel.

    Args:
        counts: channels, channels of a chunk of the target.
        sizes: literal samples of both transforms.
    """
    width = shape[0]
    signal, _, second = signals
    base, bin_, plane = target
    channels, depth = counts
    before, after = sizes
    for frame in range(frames):
        for channel in range(0, channels, width):
            at = source[0] + (frame * 2 * channels + channel) * 4
            _from_spectrum((at, source[1], source[2]), signal, before, width)
            chunk = base + channel // depth * (after // 2 + 1) * bin_
            ahead = (chunk + frame * ROW + channel % depth * 4, bin_, plane)
            active = activation + channel * 3 * 4
            _across(signal, active, second, ahead, before, after, width)


@jit()
def last_layer(source, activation, signal, target, frames, counts, chunk, shape):
    """From the outputs of layer 6 to rows of features, one per frame.

    Features lie in chunks, sample by sample, ``counts[1]`` channels to a chunk.
    """
    width = shape[0]
    channels, depth = counts
    for frame in range(frames):
        for channel in range(0, channels, width):
            at = source[0] + (frame * 2 * channels + channel) * 4
            _from_spectrum((at, source[1], source[2]), signal, 16, width)
            at = target + channel // depth * chunk + frame * FEATURES
            at += channel % depth * 4
            active = activation + channel * 3 * 4
            _embedded(signal, active, at, channels // depth * chunk, width)


@jit()
def multiply(x, w, y, packed, bins, rows, counts, fresh, shape):
    """One chunk of inputs times the weights, bin by bin, into the outputs.

    While the weights of one bin are used, those of the next are asked for.

    Args:
        packed: room for a tile of inputs.
        rows: a multiple of 4, at least 8.
        counts: inputs of the chunk, outputs.
        fresh: 1 where the outputs hold nothing yet.
        shape: literal vector width, rows of the tall and of the short tile.
    """
    width, tall, short = shape[0], shape[1], shape[2]
    depth, outputs = counts
    half, row, vector = outputs * 4, 2 * outputs * 4, width * 4
    whole = 3 * depth * half
    pace = vector // ((rows + tall - 1) // tall)
    for _ in range(bins):
        at, done = 0, 0
        while at < rows:
            high = (rows - at) % tall == 0
            if high:
                _pack(x + at * ROW, packed, depth, tall, width)
            else:
                _pack(x + at * ROW, packed, depth, short, width)
            c, v, left = y + at * row, w, outputs // width
            while left > 0:
                some = min(left, 2)
                to = (c, c + half)
                ahead = (v + whole + done * some * pace, some * pace)
                if left > 1 and high:
                    _complex_tile(
                        packed, v, to, ahead, row, depth, fresh, tall, 2, width
                    )
                elif left > 1:
                    _complex_tile(
                        packed, v, to, ahead, row, depth, fresh, short, 2, width
                    )
                elif high:
                    _complex_tile(
                        packed, v, to, ahead, row, depth, fresh, tall, 1, width
                    )
                else:
                    _complex_tile(
                        packed, v, to, ahead, row, depth, fresh, short, 1, width
                    )
                v += 3 * depth * some * vector
                c += some * vector
                left -= some
            at += tall if high else short
            done += 3 * depth
        x += rows * ROW + APART
        y += rows * row + APART
        w += whole


@jit()
def classify(x, w, bias, y, out, rows, frames, chunk, counts, shape):
    """Features times the dense layer, and the sigmoid.

    Args:
        rows: rows of features, as above.
        frames: how many of them are wanted.
        chunk: bytes from one chunk of features to the next.
        counts: features of a chunk, chunks.
    """
    width, tall, short = shape[0], shape[1], shape[2]
    depth, chunks = counts
    panel = 2 * width * 4
    row = (BINS * 4 + panel - 1) // panel * panel
    for part in range(chunks):
        fresh = int(part == 0)
        for at in range(0, row, panel):
            a, c = x + part * chunk, y + at
            left = rows
            ahead = (w + depth * panel, panel // ((left + tall - 1) // tall))
            while left > 0:
                if left % tall == 0:
                    _real_tile(a, w, c, ahead, row, depth, fresh, tall, 2, width)
                    a, c, left = a + tall * FEATURES, c + tall * row, left - tall
                else:
                    _real_tile(a, w, c, ahead, row, depth, fresh, short, 2, width)
                    a, c, left = a + short * FEATURES, c + short * row, left - short
                ahead = (ahead[0] + depth * ahead[1], ahead[1])
            w += depth * panel
    for frame in range(frames):
        for n in range(0, BINS, width):
            at = min(n, BINS - width) * 4
            _sigmoid(
                y + frame * row + at, bias + at, out + frame * BINS * 4 + at, width
            )
