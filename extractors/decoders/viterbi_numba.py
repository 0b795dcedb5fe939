"""Kernels of the banded Viterbi; see :mod:`extractors.decoders.viterbi`.

Forward, only values are computed. With ``V`` the values of the frame before,

    best[q, j] = max(max_k V[k] + floor,
                     max_p max_d V[p, j − reach + d] + near[p, q, d, j])

because a source inside the band has a transition of at least ``floor``, so that
counting it in the first term as well changes nothing. Rounding is monotonic, hence
``max_k (V[k] + floor)`` and ``(max_k V[k]) + floor`` are the same number, and a maximum
does not depend on the order of its operands: every value equals librosa's bit for bit.

Targets are taken 32 at a time: four vectors of eight float64 stay in registers while
the offset ``d`` runs (two registers each where a machine has 256 bits). They are LLVM
vectors, because compilers vectorise such a loop along ``d`` or not at all.
Where targets share their transitions (:class:`~extractors.decoders.band.Layout`), one
number per offset is broadcast instead of four vectors loaded.

Backward, only the sources of visited states are looked for. The first maximum over all
states is the lower of two: the first inside the band, and the first anywhere that
reaches ``max_k V[k] + floor``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from extractors.compiled import jit

from .band import Moves

Values = NDArray[np.float64]

LANES, VECTORS = 8, 4
TARGETS = LANES * VECTORS  # that of the layout
BYTES = 8  # of a float64


def _emit_raise(builder: Any, arguments: Any, shared: bool) -> None:
    """``best[j] = max(best[j], max_d source[j + d] + near[d, j])`` for 32 targets.

    Emits a loop over ``d``. ``arguments`` are integers: the addresses of ``best[0]``,
    ``source[0]`` and ``near[0, 0]``, the bytes from one ``near[d]`` to the next and the
    number of offsets. With ``shared``, ``near[d]`` is one number for all targets.
    """
    best, source, near, stride, offsets = arguments
    index, lane = ir.IntType(64), ir.DoubleType()
    vector = ir.VectorType(lane, LANES)

    def at(address: Any, step: int, kind: Any) -> Any:
        place = builder.add(address, index(step * LANES * BYTES))
        return builder.inttoptr(place, kind.as_pointer())

    def load(address: Any, step: int) -> Any:
        return builder.load(at(address, step, vector), align=BYTES)

    def transition(address: Any) -> list[Any]:
        if not shared:
            return [load(address, step) for step in range(VECTORS)]
        number = builder.load(at(address, 0, lane), align=BYTES)
        single = builder.insert_element(
            ir.Constant(vector, ir.Undefined), number, ir.IntType(32)(0)
        )
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return [builder.shuffle_vector(single, single, zeros)] * VECTORS

    held = [load(best, step) for step in range(VECTORS)]
    before = builder.block
    loop = builder.append_basic_block("offsets")
    after = builder.append_basic_block("raised")
    builder.branch(loop)
    builder.position_at_end(loop)
    count = builder.phi(index)
    here, numbers = builder.phi(index), builder.phi(index)
    tops = [builder.phi(vector) for _ in range(VECTORS)]
    raised = []
    for step, (top, number) in enumerate(zip(tops, transition(numbers), strict=True)):
        value = builder.fadd(load(here, step), number)
        above = builder.fcmp_ordered(">", value, top)
        raised.append(builder.select(above, value, top))
    following = [
        builder.add(count, index(1)),
        builder.add(here, index(BYTES)),
        builder.add(numbers, stride),
        *raised,
    ]
    first = [index(0), source, near, *held]
    for phi, start, then in zip(
        [count, here, numbers, *tops], first, following, strict=True
    ):
        phi.add_incoming(start, before)
        phi.add_incoming(then, loop)
    builder.cbranch(builder.icmp_signed("<", following[0], offsets), loop, after)
    builder.position_at_end(after)
    for step, value in enumerate(raised):
        builder.store(value, at(best, step, vector), align=BYTES)


#: numba passes the first argument itself, which type checkers do not know
called_without_context: Callable[[Any], Any] = intrinsic
_ADDRESSES = types.void(*[types.int64] * 5)


@called_without_context
def _raise_shared(
    typing: Any, best: Any, source: Any, near: Any, stride: Any, offsets: Any
) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _emit_raise(builder, arguments, shared=True)
        return context.get_dummy_value()

    return _ADDRESSES, emit


@called_without_context
def _raise_each(
    typing: Any, best: Any, source: Any, near: Any, stride: Any, offsets: Any
) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _emit_raise(builder, arguments, shared=False)
        return context.get_dummy_value()

    return _ADDRESSES, emit


def _emit_extreme(builder: Any, address: Any, sign: str) -> Any:
    """The largest (``sign`` is ``>``) or smallest of 32 numbers at an address."""
    vector = ir.VectorType(ir.DoubleType(), LANES)

    def better(a: Any, b: Any) -> Any:
        return builder.select(builder.fcmp_ordered(sign, a, b), a, b)

    found = []
    for step in range(VECTORS):
        place = builder.add(address, ir.IntType(64)(step * LANES * BYTES))
        place = builder.inttoptr(place, vector.as_pointer())
        found.append(builder.load(place, align=BYTES))
    while len(found) > 1:
        found = [better(a, b) for a, b in zip(found[::2], found[1::2], strict=True)]
    (best,) = found
    width = LANES
    while width > 1:  # fold the upper half of the lanes onto the lower
        width //= 2
        kind = ir.VectorType(ir.IntType(32), LANES)
        lanes = ir.Constant(kind, [(i + width) % LANES for i in range(LANES)])
        best = better(best, builder.shuffle_vector(best, best, lanes))
    return builder.extract_element(best, ir.IntType(32)(0))


@called_without_context
def _largest(typing: Any, address: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _emit_extreme(builder, arguments[0], ">")

    return types.float64(types.int64), emit


@called_without_context
def _smallest(typing: Any, address: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _emit_extreme(builder, arguments[0], "<")

    return types.float64(types.int64), emit


@jit()
def _step(
    before: Values,
    after: Values,
    moves: Moves,
    tops: Values,
    limits: Values,
) -> float:
    """Write the best of all sources into ``after``; return the value of a jump.

    For every run of targets the block with the best source in reach comes first.
    Another one is left out where even that source with the largest transition can raise
    no target: in pYIN that is the rule for voiced sources, all but a few of which are
    as improbable as can be.

    Args:
        tops, limits: scratch; the largest value of every 32 of a block's row, and the
            largest that a block can offer to a run of targets.
    """
    kinds, reach = moves.kinds, moves.reach
    blocks = len(kinds)
    _, offsets, padded = moves.table.shape
    width = before.shape[1]
    to, source = after.ctypes.data, before.ctypes.data
    each, shared = moves.table.ctypes.data, moves.taps.ctypes.data
    jump = -np.inf
    for p in range(blocks):
        for c in range(width // TARGETS):
            tops[p, c] = _largest(source + BYTES * (p * width + c * TARGETS))
            jump = max(jump, tops[p, c] + moves.floor)
    after[:] = jump
    for q in range(blocks):
        for j in range(0, padded, TARGETS):
            here = to + BYTES * (q * width + reach + j)
            last = (j + TARGETS + offsets - 2) // TARGETS
            strongest = 0
            for p in range(blocks):
                limits[p] = tops[p, j // TARGETS]
                for c in range(j // TARGETS + 1, last + 1):
                    limits[p] = max(limits[p], tops[p, c])
                limits[p] += moves.peaks[kinds[p, q]]
                strongest = p if limits[p] > limits[strongest] else strongest
            for i in range(blocks):
                p = (strongest + i) % blocks
                if i > 0 and limits[p] <= _smallest(here):
                    continue
                there = source + BYTES * (p * width + j)
                pair = kinds[p, q] * offsets
                if moves.low <= j and j + TARGETS <= moves.high:
                    near = shared + BYTES * pair
                    _raise_shared(here, there, near, BYTES, offsets)
                else:
                    near = each + BYTES * (pair * padded + j)
                    _raise_each(here, there, near, BYTES * padded, offsets)
        after[q, :reach] = -np.inf
        after[q, reach + moves.places :] = -np.inf
    return jump


@jit()
def forward_dense(
    observations: NDArray[np.float32],
    moves: Moves,
    values: Values,
    jumps: Values,
) -> None:
    """Values of frames that follow ``values[0]``, all states observed.

    Args:
        observations: log likelihoods, ``(t, b · n)``.
        moves: the transitions.
        values: ``(t + 1, b, width)``; row 0 is given, the others are filled.
        jumps: ``(t + 1,)``; for every filled row the value of jumping into it.
    """
    blocks, reach, places = len(moves.kinds), moves.reach, moves.places
    tops = np.empty((blocks, values.shape[2] // TARGETS))
    limits = np.empty(blocks)
    for t in range(len(observations)):
        jumps[t + 1] = _step(values[t], values[t + 1], moves, tops, limits)
        for q in range(blocks):
            row = values[t + 1, q, reach : reach + places]
            seen = observations[t, q * places : (q + 1) * places]
            for j in range(places):
                row[j] = seen[j] + row[j]


@jit()
def forward_sparse(
    offsets: NDArray[np.int64],
    candidates: NDArray[np.int32],
    logs: Values,
    unseen: float,
    others: Values,
    moves: Moves,
    values: Values,
    jumps: Values,
) -> None:
    """The same, few places of block 0 observed and all of another block alike.

    Args:
        offsets: ``(t + 1,)``; frame ``i`` has the candidates ``offsets[i] …
            offsets[i + 1] - 1``.
        candidates, logs: place in block 0 and log likelihood of each candidate.
        unseen: log likelihood of every other place of block 0.
        others: log likelihood of every state of the other blocks, ``(t,)``.
    """
    blocks, reach, places = len(moves.kinds), moves.reach, moves.places
    tops = np.empty((blocks, values.shape[2] // TARGETS))
    limits = np.empty(blocks)
    for t in range(len(others)):
        after = values[t + 1]
        jumps[t + 1] = _step(values[t], after, moves, tops, limits)
        for q in range(1, blocks):
            row = after[q, reach : reach + places]
            for j in range(places):  # a loop compiles in a tenth of the time of +=
                row[j] = others[t] + row[j]
        seen = slice(offsets[t], offsets[t + 1])
        row = after[0, reach : reach + places]
        _observe_few(row, candidates[seen], logs[seen], unseen)


@jit()
def _observe_few(
    row: Values, places: NDArray[np.int32], logs: Values, unseen: float
) -> None:
    best = np.empty(len(places))
    for i in range(len(places)):
        best[i] = row[places[i]]
    for j in range(len(row)):
        row[j] = unseen + row[j]
    for i in range(len(places)):
        row[places[i]] = logs[i] + best[i]


@jit()
def backward(
    values: Values,
    jumps: Values,
    moves: Moves,
    state: int,
    path: NDArray[np.int64],
) -> int:
    """Fill ``path`` from its end.

    Args:
        values: ``(t, b, width)``, one row per frame of ``path``.
        jumps: ``(t + 1,)``; ``jumps[i]`` is the value of jumping from row ``i - 1``.
        moves: the transitions.
        state: state of the frame after the last, −1 where there is none.

    Returns:
        The state of the first frame.
    """
    for t in range(len(path) - 1, -1, -1):
        if state < 0:
            state = _first_at_least(values[t], moves, 0.0, np.inf)
        else:
            state = _source(values[t], jumps[t + 1], moves, state)
        path[t] = state
    return state


@jit()
def _source(
    row: Values,
    jump: float,
    moves: Moves,
    state: int,
) -> int:
    """The lowest state with the best value on the way into ``state``."""
    kinds, table = moves.kinds, moves.table
    blocks, reach, places = len(kinds), moves.reach, moves.places
    q, j = state // places, state % places
    best, found = -np.inf, 0
    for p in range(blocks):
        for k in range(max(0, j - reach), min(places, j + reach + 1)):
            value = row[p, reach + k] + table[kinds[p, q], k - j + reach, j]
            if value > best:
                best, found = value, p * places + k
    if jump < best:
        return found
    far = _first_at_least(row, moves, moves.floor, jump)
    return far if jump > best else min(found, far)


@jit()
def _first_at_least(row: Values, moves: Moves, floor: float, limit: float) -> int:
    """First state whose value plus ``floor`` reaches ``limit``, else the best one."""
    reach, places = moves.reach, moves.places
    best, found = -np.inf, 0
    for p in range(len(row)):
        for k in range(places):
            value = row[p, reach + k] + floor
            if value >= limit:
                return p * places + k
            if value > best:
                best, found = value, p * places + k
    return found
