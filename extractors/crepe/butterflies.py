"""Short Fourier transforms in registers, for any number of points 2^a or odd.

An even transform is two of half the length, of the even and of the odd points:
``y[k] = E[k] + w^k O[k]``, ``y[k + n/2] = E[k] - w^k O[k]``. An odd one pairs point
``q`` with ``n - q``: their sums meet the cosines only, their differences the sines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .lanes import Index, Lanes, Vector

FORWARD, INVERSE = -1, 1  # sign of the exponent


@dataclass(frozen=True, eq=False)
class Complex:
    """One complex number in each lane; a part that is ``None`` is zero."""

    lanes: Lanes
    re: Vector
    im: Vector

    @classmethod
    def load(cls, lanes: Lanes, address: Index) -> Complex:
        """From two vectors that lie one behind the other."""
        behind = lanes.at(address, (1, lanes.bytes))
        return cls(lanes, lanes.load(address), lanes.load(behind))

    def store(self, address: Index) -> None:
        """To two vectors that lie one behind the other."""
        self.lanes.store(self.re, address)
        self.lanes.store(self.im, self.lanes.at(address, (1, self.lanes.bytes)))

    def __add__(self, other: Complex) -> Complex:
        add = self.lanes.add
        return Complex(self.lanes, add(self.re, other.re), add(self.im, other.im))

    def __sub__(self, other: Complex) -> Complex:
        sub = self.lanes.sub
        return Complex(self.lanes, sub(self.re, other.re), sub(self.im, other.im))

    def conjugate(self) -> Complex:
        """Mirrored at the real axis."""
        return Complex(self.lanes, self.re, self.lanes.neg(self.im))

    def quarter(self, sign: int) -> Complex:
        """Times ``sign · i``."""
        neg = self.lanes.neg
        if sign > 0:
            return Complex(self.lanes, neg(self.im), self.re)
        return Complex(self.lanes, self.im, neg(self.re))

    def plus(self, other: Complex, factor: float) -> Complex:
        """``self + factor · other``."""
        lanes, weight = self.lanes, self.lanes.constant(factor)
        re = lanes.fma(other.re, weight, self.re)
        return Complex(lanes, re, lanes.fma(other.im, weight, self.im))

    def turned(self, cos: Vector, sin: Vector, sign: int) -> Complex:
        """Times ``cos + sign · i · sin``."""
        lanes = self.lanes
        sin = sin if sign > 0 else lanes.neg(sin)
        re = lanes.fma(lanes.neg(self.im), sin, lanes.mul(self.re, cos))
        return Complex(lanes, re, lanes.fma(self.re, sin, lanes.mul(self.im, cos)))


def transform(points: Sequence[Complex], sign: int) -> list[Complex]:
    """The Fourier transform ``y[k] = Σ_q x[q] exp(sign · 2πi · kq / n)``, unscaled."""
    if len(points) == 1:
        return list(points)
    return (_odd if len(points) % 2 else _even)(points, sign)


def _even(points: Sequence[Complex], sign: int) -> list[Complex]:
    even, odd = transform(points[::2], sign), transform(points[1::2], sign)
    odd = [_turn(x, k, len(points), sign) for k, x in enumerate(odd)]
    return [e + o for e, o in zip(even, odd, strict=True)] + [
        e - o for e, o in zip(even, odd, strict=True)
    ]


def _turn(x: Complex, k: int, n: int, sign: int) -> Complex:
    """Times the ``k``-th power of the ``n``-th root of one; exact where that is i."""
    if k == 0:
        return x
    if 4 * k == n:
        return x.quarter(sign)
    cos, sin = math.cos(2 * math.pi * k / n), math.sin(2 * math.pi * k / n)
    return x.turned(x.lanes.constant(cos), x.lanes.constant(sin), sign)


def _odd(points: Sequence[Complex], sign: int) -> list[Complex]:
    n, first = len(points), points[0]
    mirrored = [(points[q], points[n - q]) for q in range(1, (n + 1) // 2)]
    sums = [a + b for a, b in mirrored]
    differences = [(a - b).quarter(sign) for a, b in mirrored]
    found = [first] * n
    for s in sums:
        found[0] = found[0] + s
    zero = Complex(first.lanes, None, None)
    for k in range(1, (n + 1) // 2):
        even, odd = first, zero
        for q, (s, d) in enumerate(zip(sums, differences, strict=True), start=1):
            angle = 2 * math.pi * k * q / n
            even, odd = even.plus(s, math.cos(angle)), odd.plus(d, math.sin(angle))
        found[k], found[n - k] = even + odd, even - odd
    return found
