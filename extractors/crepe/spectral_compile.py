"""Compiling the kernels of the spectral engine, once per machine.

numba keeps them on disk under their signatures, which hold everything that shapes the
code, and under the name and features of the processor.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba import types
from numba.core.caching import FunctionCache

from . import spectral_kernels as kernels
from .host import Host
from .spectral_plan import SIZES

Kernel = Callable[..., None]

# The modules that make the code which the kernels call.
SOURCES = (
    *("butterflies", "framing", "lanes", "phases", "products", "sigmoid"),
    *("spectral_plan", "spectral_stages", "transforms"),
)


@dataclass(frozen=True, eq=False)
class Compiled:
    """Kernels that can be called, and what it took.

    Attributes:
        shape: the last argument of every kernel.
        kernels: by name; ``next_layer`` by the number of the layer it leads to.
        compiled: how many were not found on disk.
        seconds: that loading or compiling took.
        uncached: why they are not kept on disk, or nothing.
    """

    shape: tuple[int, int, int, int]
    kernels: Mapping[str, Kernel]
    compiled: int
    seconds: float
    uncached: str


def compiled(host: Host) -> Compiled:
    """Load the kernels of ``host`` from disk, or compile and keep them."""
    began, count, uncached = time.perf_counter(), 0, ""
    found: dict[str, Kernel] = {}
    for name, function, signature in _wanted(host):
        known, hits = len(function.overloads), sum(function.stats.cache_hits.values())
        found[name], reason = _entry(function, signature)
        fresh = len(function.overloads) > known
        count += fresh and sum(function.stats.cache_hits.values()) == hits
        uncached = uncached or reason
    seconds = time.perf_counter() - began
    return Compiled(_shape(host), found, count, seconds, uncached)


def on_disk(host: Host) -> bool:
    """Whether all kernels of ``host`` would be found on disk."""
    try:
        return all(
            FunctionCache(function.py_func).load_overload(signature, function.targetctx)
            is not None
            for _, function, signature in _wanted(host)
        )
    except (RuntimeError, OSError):  # no place for a cache, or one that fails
        return False


def _entry(function: Any, signature: Any) -> tuple[Kernel, str]:
    """The callable kernel, and why it is not kept on disk, if so."""
    try:
        kernel = function.compile(signature)
    except OSError as error:  # compiled, but the disk would not take it
        return function.compile(signature), str(error).partition("\n")[0]
    kept = isinstance(function._cache, FunctionCache)
    return kernel, "" if kept else "no folder for them can be written"


def _shape(host: Host) -> tuple[int, int, int, int]:
    return host.width, host.tall, host.short, digest()


@lru_cache(maxsize=1)
def digest() -> int:
    """A number that changes with the sources of the code that kernels are made of."""
    here = Path(__file__).parent
    return zlib.crc32(b"".join((here / f"{name}.py").read_bytes() for name in SOURCES))


def _wanted(host: Host) -> Iterator[tuple[str, Any, Any]]:
    """Name, function and signature of every kernel."""
    shape = types.Tuple([types.literal(number) for number in _shape(host)])
    one, starts = types.int64, types.Array(types.int64, 1, "C", readonly=True)
    two, three = types.UniTuple(one, 2), types.UniTuple(one, 3)

    def void(*arguments: Any) -> Any:
        return types.void(*arguments, shape)

    yield "cut", kernels.cut, void(one, starts, one, one)
    yield "phase_spectra", kernels.phase_spectra, void(one, one, one, one)
    first = void(one, one, one, three, three, one, one)
    yield "first_layer", kernels.first_layer, first
    for layer in range(3, 7):
        sizes = types.Tuple([types.literal(n) for n in SIZES[layer - 2 : layer]])
        between = void(three, one, three, three, one, two, sizes)
        yield f"next_layer {layer}", kernels.next_layer, between
    yield "last_layer", kernels.last_layer, void(three, one, one, one, one, two, one)
    many = void(one, one, one, one, one, one, two, one)
    yield "multiply", kernels.multiply, many
    yield "classify", kernels.classify, void(*(one,) * 8, two)
