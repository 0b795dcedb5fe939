"""The logistic function on vectors, to a few units of the last place."""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir

from .lanes import Lanes

# exp(r) = Σ r^k / k! for |r| ≤ ln 2 / 2; the first term left out is below 6e-9.
TERMS = [1 / math.factorial(k) for k in range(8)]
LOG2E = 1 / math.log(2)
# ln 2 in two parts: n · HIGH is exact for every |n| < 2^9, so n · ln 2 loses nothing.
HIGH = 0.693145751953125
LOW = math.log(2) - HIGH
# exp(87) and its inverse are normal numbers of float32; 1 / (1 + exp(87)) is 0 already.
LIMIT = 87.0
# 1.5 · 2^23: added and taken away again, it rounds to a whole number.
ROUNDER = 12582912.0


def sigmoid(lanes: Lanes, x: Any) -> Any:
    """``1 / (1 + exp(-x))``."""
    one = lanes.constant(1)
    return lanes.builder.fdiv(one, lanes.add(one, exponential(lanes, lanes.neg(x))))


def exponential(lanes: Lanes, x: Any) -> Any:
    """``exp(x)`` for ``|x| ≤ 87``; beyond that, the value at the limit.

    ``x = n ln 2 + r``, so ``exp(x) = 2^n exp(r)``, and ``2^n`` is put together from
    its bits.
    """
    constant, builder = lanes.constant, lanes.builder
    x = lanes.largest(x, constant(-LIMIT))
    x = lanes.neg(lanes.largest(lanes.neg(x), constant(-LIMIT)))
    shifted = lanes.fma(x, constant(LOG2E), constant(ROUNDER))
    n = lanes.sub(shifted, constant(ROUNDER))
    rest = lanes.fma(n, constant(-HIGH), x)
    rest = lanes.fma(n, constant(-LOW), rest)
    power = constant(TERMS[-1])
    for term in reversed(TERMS[:-1]):
        power = lanes.fma(power, rest, constant(term))
    whole = ir.VectorType(ir.IntType(32), lanes.width)
    bias = ir.Constant(whole, [127] * lanes.width)
    place = ir.Constant(whole, [23] * lanes.width)
    exponent = builder.add(builder.fptosi(n, whole), bias)
    scale = builder.bitcast(builder.shl(exponent, place), lanes.type)
    return lanes.mul(power, scale)
