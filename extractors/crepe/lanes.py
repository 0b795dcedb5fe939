"""Vectors of float32 as LLVM instructions: the words that the kernels are spelled in.

The kernels of the spectral engine are built instruction by instruction and compiled by
the LLVM that numba carries, so that no compiler is needed where they run. A vector has
``width`` lanes; what a lane stands for is up to the kernel. Fused multiply–adds are
asked for by name and nothing may be reordered, so results depend on the width alone.

Values known to be zero when a kernel is built are ``None``: a transform of a signal
that ends in zeros then costs nothing for them. Addresses are integers, in bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils

FLOAT, INDEX, FLAG = ir.FloatType(), ir.IntType(64), ir.IntType(1)
BYTES = 4  # of a float32

Vector = Any  # an ir.Value of vector type, or None for zeros
Index = Any  # an ir.Value of 64-bit integer type, or an int


class Lanes:
    """Emits arithmetic on vectors of ``width`` lanes at a builder's position.

    Args:
        builder: the LLVM builder that numba hands to an intrinsic.
        width: lanes of a vector.
        element: type of a lane.
    """

    def __init__(self, builder: Any, width: int, element: Any = FLOAT) -> None:
        self.builder = builder
        self.width = width
        self.type = ir.VectorType(element, width)
        self.bytes = width * BYTES
        self.zeros = ir.Constant(self.type, [0.0] * width)

    # -- memory ------------------------------------------------------------------

    def index(self, value: Index) -> Any:
        """An index as an LLVM value."""
        return ir.Constant(INDEX, value) if isinstance(value, int) else value

    def at(self, base: Index, *steps: tuple[Index, Index]) -> Any:
        """The address ``base + Σ count · stride``, in bytes."""
        place = self.index(base)
        for count, stride in steps:
            step = self.builder.mul(self.index(count), self.index(stride))
            place = self.builder.add(place, step)
        return place

    def load(self, address: Index, kind: Any = None) -> Any:
        """A vector (or a value of another type) from an address of any alignment."""
        kind = self.type if kind is None else kind
        pointer = self.builder.inttoptr(self.index(address), kind.as_pointer())
        return self.builder.load(pointer, align=BYTES)

    def store(self, value: Vector, address: Index) -> None:
        """Write a vector to an address of any alignment."""
        value = self.zeros if value is None else value
        pointer = self.builder.inttoptr(self.index(address), value.type.as_pointer())
        self.builder.store(value, pointer, align=BYTES)

    def spread(self, address: Index) -> Any:
        """The number at ``address`` in every lane."""
        return self.fill(self.load(address, FLOAT))

    def fill(self, number: Any) -> Any:
        """A scalar value in every lane."""
        lone = self.builder.insert_element(
            ir.Constant(self.type, ir.Undefined), number, ir.Constant(INDEX, 0)
        )
        order = ir.Constant(ir.VectorType(ir.IntType(32), self.width), [0] * self.width)
        return self.builder.shuffle_vector(lone, lone, order)

    def constant(self, number: float) -> Any:
        """A number, known now, in every lane."""
        return ir.Constant(self.type, [float(np.float32(number))] * self.width)

    def fetch(self, address: Index, cache: int, write: bool = False) -> None:
        """Ask for the cache line at an address, which may be anywhere.

        Args:
            cache: 1 for the first one, 2 for the second one.
            write: the line is going to be written.
        """
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        function = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(ir.VoidType(), [byte, number, number, number]),
            "llvm.prefetch.p0",
        )
        pointer = self.builder.inttoptr(self.index(address), byte)
        # 3 is the nearest cache; the last 1 stands for data
        hints = [ir.Constant(number, value) for value in (int(write), 4 - cache, 1)]
        self.builder.call(function, [pointer, *hints])

    def joined(self, parts: Sequence[Any]) -> Any:
        """The lanes of several short vectors, one after the other."""
        while len(parts) > 1:
            lanes = ir.VectorType(ir.IntType(32), 2 * parts[0].type.count)
            order = ir.Constant(lanes, list(range(lanes.count)))
            pairs = zip(parts[::2], parts[1::2], strict=True)
            parts = [self.builder.shuffle_vector(a, b, order) for a, b in pairs]
        return parts[0]

    def table(self, name: str, values: np.ndarray) -> Any:
        """Address of float32 constants that become part of the machine code."""
        module = self.builder.module
        if name not in module.globals:
            kind = ir.ArrayType(FLOAT, values.size)
            numbers = [float(v) for v in values.astype(np.float32).ravel()]
            constant = ir.GlobalVariable(module, kind, name)
            constant.initializer = ir.Constant(kind, numbers)
            constant.linkage, constant.global_constant = "internal", True
        return self.builder.ptrtoint(module.globals[name], INDEX)

    # -- arithmetic --------------------------------------------------------------

    def add(self, a: Vector, b: Vector) -> Vector:
        """``a + b``."""
        if a is None or b is None:
            return b if a is None else a
        return self.builder.fadd(a, b)

    def sub(self, a: Vector, b: Vector) -> Vector:
        """``a - b``."""
        if a is None or b is None:
            return self.neg(b) if a is None else a
        return self.builder.fsub(a, b)

    def neg(self, a: Vector) -> Vector:
        """``-a``."""
        return None if a is None else self.builder.fneg(a)

    def mul(self, a: Vector, b: Vector) -> Vector:
        """``a · b``."""
        return None if a is None or b is None else self.builder.fmul(a, b)

    def fma(self, a: Vector, b: Vector, c: Vector) -> Vector:
        """``a · b + c``, rounded once."""
        if a is None or b is None:
            return c
        return self.mul(a, b) if c is None else self._fused(a, b, c)

    def _fused(self, a: Any, b: Any, c: Any) -> Any:
        return self._call("fma", f"v{self.width}f32", a, b, c)

    def largest(self, a: Any, b: Any) -> Any:
        """The larger one, lane by lane."""
        return self.builder.select(self.builder.fcmp_ordered(">", a, b), a, b)

    def root(self, number: Any) -> Any:
        """The square root of a scalar float64."""
        return self._call("sqrt", "f64", number)

    def _call(self, name: str, kind: str, *values: Any) -> Any:
        function = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(values[0].type, [value.type for value in values]),
            f"llvm.{name}.{kind}",
        )
        return self.builder.call(function, values)

    # -- control -----------------------------------------------------------------

    @contextmanager
    def loop(self, count: Index) -> Iterator[Any]:
        """Emit the body of the ``with`` block once, to run for 0 … ``count - 1``."""
        with cgutils.for_range(self.builder, self.index(count)) as running:
            yield running.index

    def folded(self, count: Index, start: Sequence[Any], step: Any) -> list[Any]:
        """Carry vectors through a loop that runs at least once.

        Args:
            count: turns.
            start: the vectors before the first turn.
            step: ``step(turn, vectors)`` emits one turn and returns the new vectors.

        Returns:
            The vectors after the last turn.
        """
        builder, before = self.builder, self.builder.block
        body, after = (builder.append_basic_block(n) for n in ("turn", "done"))
        builder.branch(body)
        builder.position_at_end(body)
        turn = builder.phi(INDEX)
        carried = [builder.phi(value.type) for value in start]
        found = step(turn, carried)
        following = builder.add(turn, self.index(1))
        for phi, first, last in zip(
            [turn, *carried], [self.index(0), *start], [following, *found], strict=True
        ):
            phi.add_incoming(first, before)
            phi.add_incoming(last, builder.block)
        more = builder.icmp_signed("<", following, self.index(count))
        builder.cbranch(more, body, after)
        builder.position_at_end(after)
        return found
