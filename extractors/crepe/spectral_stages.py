"""Stages of the spectral engine as numba intrinsics: one vector of channels, or a tile.

What shapes the code – transform lengths, vector width, rows of a tile – must arrive as
literal types. They are then part of the signature under which numba keeps the kernel
that calls a stage: another width is another kernel, never a stale one. Everything else
is an address in bytes or a number, as 64-bit integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from . import framing, phases, transforms
from .lanes import Lanes
from .products import Tile, pack
from .sigmoid import sigmoid
from .spectral_plan import KINDS, PHASES, ROW, SIZES, WINDOW


def _emitted(emit: Callable[..., None], arguments: Sequence[Any], width: Any) -> Any:
    """What an intrinsic returns: its signature, and a generator of its code.

    Args:
        emit: called with the lanes and with one item per argument: LLVM values, lists
            of them for tuples, Python integers for literals.
        arguments: the types that numba found.
        width: the literal type that holds the vector width.
    """

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pairs = zip(signature.args, values, strict=True)
        emit(Lanes(builder, width.literal_value), *(_item(builder, *p) for p in pairs))
        return context.get_dummy_value()

    return types.void(*arguments), codegen


def _item(builder: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, types.IntegerLiteral):
        return kind.literal_value
    if isinstance(kind, types.BaseTuple):
        return cgutils.unpack_tuple(builder, value)
    return value


@intrinsic(prefer_literal=True)
def _normalise(typing, source, target, width):
    def emit(lanes, source, target, _):
        framing.normalise(lanes, source, target, WINDOW)

    return _emitted(emit, (source, target, width), width)


@intrinsic(prefer_literal=True)
def _phases(typing, rows, signal, target, width):
    def emit(lanes, rows, signal, target, _):
        phases.spectra(lanes, rows, signal, transforms.Spectrum(lanes, *target))

    return _emitted(emit, (rows, signal, target, width), width)


@intrinsic(prefer_literal=True)
def _strided(typing, spectra, weights, signals, target, which, width):
    """The lone kind number ``which``, all twin kinds for 2."""

    def emit(lanes, spectra, weights, signals, target, which, _):
        bases = target[0], lanes.at(target[0], (1, ROW))
        targets = [transforms.Spectrum(lanes, base, *target[1:]) for base in bases]
        size, kernel = SIZES[0], 2 * 8 * PHASES * 2 * lanes.bytes
        if which < 2:
            kind = transforms.lone_kinds(size)[which]
            place = lanes.at(weights, (kind.number, kernel))
            phases.strided(lanes, kind, spectra, place, signals, targets)
            return
        with lanes.loop(KINDS - 2) as turn:
            number = lanes.builder.add(turn, lanes.index(1))
            kind = transforms.twin_kind(lanes, number, size)
            place = lanes.at(weights, (number, kernel))
            phases.strided(lanes, kind, spectra, place, signals, targets)

    return _emitted(emit, (spectra, weights, signals, target, which, width), width)


@intrinsic(prefer_literal=True)
def _inverse(typing, signal, size, width):
    def emit(lanes, signal, size, _):
        transforms.inverse(lanes, signal, size)

    return _emitted(emit, (signal, size, width), width)


@intrinsic(prefer_literal=True)
def _from_spectrum(typing, source, signal, size, width):
    """A whole inverse transform but for its last pass."""

    def emit(lanes, source, signal, size, _):
        spectrum = transforms.Spectrum(lanes, *source)
        transforms.from_spectrum(lanes, spectrum, signal, size)
        transforms.inverse(lanes, signal, size)

    return _emitted(emit, (source, signal, size, width), width)


@intrinsic(prefer_literal=True)
def _across(typing, signal, activation, second, target, before, after, width):
    """From an inverse transform before its last pass to the spectrum of the next."""

    def emit(lanes, signal, activation, second, target, before, after, _):
        active = transforms.Activation.load(lanes, activation)
        transforms.bridge(lanes, signal, active, second, (before, after))
        transforms.forward(lanes, second, after)
        spectrum = transforms.Spectrum(lanes, *target)
        transforms.into_spectrum(lanes, second, spectrum, after)

    arguments = (signal, activation, second, target, before, after, width)
    return _emitted(emit, arguments, width)


@intrinsic(prefer_literal=True)
def _embedded(typing, signal, activation, target, sample, width):
    def emit(lanes, signal, activation, target, sample, _):
        active = transforms.Activation.load(lanes, activation)
        transforms.embed(lanes, signal, active, target, sample)

    return _emitted(emit, (signal, activation, target, sample, width), width)


@intrinsic(prefer_literal=True)
def _pack(typing, x, target, depth, rows, width):
    def emit(lanes, x, target, depth, rows, _):
        pack(lanes, x, target, rows, depth)

    return _emitted(emit, (x, target, depth, rows, width), width)


@intrinsic(prefer_literal=True)
def _complex_tile(typing, x, w, y, ahead, row, depth, fresh, rows, vectors, width):
    def emit(lanes, x, w, y, ahead, row, depth, fresh, rows, vectors, _):
        tile = Tile(lanes, rows, vectors, depth, ahead)
        real, imaginary = tile.complex_product(x, w)
        tile.keep(real, y[0], row, fresh)
        tile.keep(imaginary, y[1], row, fresh)

    arguments = (x, w, y, ahead, row, depth, fresh, rows, vectors, width)
    return _emitted(emit, arguments, width)


@intrinsic(prefer_literal=True)
def _real_tile(typing, x, w, y, ahead, row, depth, fresh, rows, vectors, width):
    def emit(lanes, x, w, y, ahead, row, depth, fresh, rows, vectors, _):
        tile = Tile(lanes, rows, vectors, depth, ahead)
        tile.keep(tile.product(x, w), y, row, fresh)

    arguments = (x, w, y, ahead, row, depth, fresh, rows, vectors, width)
    return _emitted(emit, arguments, width)


@intrinsic(prefer_literal=True)
def _sigmoid(typing, x, bias, y, width):
    def emit(lanes, x, bias, y, _):
        value = lanes.add(lanes.load(x), lanes.load(bias))
        lanes.store(sigmoid(lanes, value), y)

    return _emitted(emit, (x, bias, y, width), width)
