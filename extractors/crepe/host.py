"""Which vectors this machine's processor computes with, without importing numba.

The width and the tile shape the machine code, and the last bits of results depend on
the width, so that this module can be asked by whoever only plans a measurement.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

from extractors.errors import UnavailableError


@dataclass(frozen=True)
class Host:
    """How the kernels are shaped.

    Attributes:
        name: of the instruction set.
        width: float32 lanes of a vector.
        tall, short: rows of the two tiles of a product, 3 and 2 times one number. With
            two vectors a row the tall one's sums fill all registers but the few that
            hold factors.
    """

    name: str
    width: int
    tall: int
    short: int

    @property
    def identity(self) -> str:
        """What the last bits of a result depend on, e.g. ``spectral avx512 x16``."""
        return f"spectral {self.name} x{self.width}"


AVX512 = Host("avx512", 16, 12, 8)  # 32 registers
AVX2 = Host("avx2", 8, 6, 4)  # 16 registers
NEON = Host("neon", 4, 12, 8)  # 32 registers
HOSTS = (AVX512, AVX2, NEON)


def host() -> Host:
    """The widest vectors with fused multiply–add that numba compiles for here.

    Raises:
        UnavailableError: there are none.
    """
    machine = platform.machine().lower()
    if machine in ("arm64", "aarch64"):
        return NEON
    found = _features()
    if {"avx512f", "avx512vl"} <= found:
        return AVX512
    if {"avx2", "fma"} <= found:
        return AVX2
    raise UnavailableError(
        f"no vectors with fused multiply-add on this processor ({machine}: needs "
        "avx512f, avx2 and fma, or neon); use engine=torch"
    )


def _features() -> set[str]:
    """The processor's features, as numba sees them through its environment."""
    stated = os.environ.get("NUMBA_CPU_FEATURES")
    if stated:
        return {word[1:] for word in stated.split(",") if word.startswith("+")}
    from llvmlite import binding

    found = {
        name for name, present in binding.get_host_cpu_features().items() if present
    }
    if os.environ.get("NUMBA_ENABLE_AVX") == "0":
        found = {name for name in found if not name.startswith("avx")}
    return found
