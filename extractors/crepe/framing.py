"""Normalising a frame on vectors: mean 0 and standard deviation 1 (``n - 1``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from .lanes import FLOAT, Index, Lanes

DOUBLE = ir.DoubleType()
SILENCE = 1e-10  # smallest standard deviation that is divided by


def normalise(lanes: Lanes, source: Index, target: Index, samples: int) -> None:
    """Write the normalised frame; sums run in float64, a constant frame becomes 0.

    Args:
        samples: of a frame, whole vectors.
    """
    builder, turns = lanes.builder, samples // lanes.width

    def at(address: Index, turn: Any) -> Any:
        return lanes.at(address, (turn, lanes.bytes))

    def centre(turn: Any) -> Any:
        centred = lanes.sub(lanes.load(at(source, turn)), mean)
        lanes.store(centred, at(target, turn))
        return lanes.mul(centred, centred)

    total = _sum(lanes, turns, lambda turn: lanes.load(at(source, turn)))
    share = builder.fdiv(total, ir.Constant(DOUBLE, float(samples)))
    mean = lanes.fill(builder.fptrunc(share, FLOAT))
    power = _sum(lanes, turns, centre)
    share = builder.fdiv(power, ir.Constant(DOUBLE, float(samples - 1)))
    root = lanes.fill(builder.fptrunc(lanes.root(share), FLOAT))
    deviation = lanes.largest(root, lanes.constant(SILENCE))
    with lanes.loop(turns) as turn:
        place = at(target, turn)
        lanes.store(builder.fdiv(lanes.load(place), deviation), place)


def _sum(lanes: Lanes, turns: int, term: Callable[[Any], Any]) -> Any:
    """The sum over turns and lanes, in float64, lane by lane and then across."""
    builder, kind = lanes.builder, ir.VectorType(DOUBLE, lanes.width)

    def step(turn: Any, sums: Any) -> list[Any]:
        return [builder.fadd(sums[0], builder.fpext(term(turn), kind))]

    start = ir.Constant(kind, [0.0] * lanes.width)
    (sums,) = lanes.folded(turns, [start], step)
    total = builder.extract_element(sums, lanes.index(0))
    for lane in range(1, lanes.width):
        total = builder.fadd(total, builder.extract_element(sums, lanes.index(lane)))
    return total
