"""Exact Viterbi decoding for transition matrices that are mostly zero.

``librosa.sequence.viterbi`` (0.11) visits all n² transitions of every frame. In pYIN's
matrix – a switch between voiced and unvoiced times a band of reachable pitches – about
five in six are zero, and in the logarithm they all have the same value, log(tiny): they
need one comparison for all of them. For every target state j only its non-zero sources
are visited; the best source outside them is the first maximum of V over all states plus
that constant (a source inside has a larger term, so counting it twice changes nothing).
Sums, their order and ties (the lowest index wins) are those of librosa, so paths are
equal bit for bit; the tests hold them against librosa's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sources:
    """Non-zero transitions by target state, padded to one width.

    Attributes:
        index: int64, shape ``(n, k)``, source states in rising order.
        log: float64, shape ``(n, k)``, their log transitions, −inf in the padding.
        floor: log transition of every other source.
    """

    index: NDArray[np.int64]
    log: Floats
    floor: float


def sources_of(transition: Floats, epsilon: float) -> Sources:
    """Collect the non-zero sources of every state.

    Args:
        transition: shape ``(n, n)``, from row to column.
        epsilon: added before the logarithm, as librosa does.
    """
    states = len(transition)
    counts = (transition > 0).sum(axis=0)
    index = np.zeros((states, max(int(counts.max()), 1)), dtype=np.int64)
    log = np.full(index.shape, -np.inf)
    for target in range(states):
        found = np.flatnonzero(transition[:, target] > 0)
        index[target, : len(found)] = found
        log[target, : len(found)] = np.log(transition[found, target] + epsilon)
    return Sources(index, log, float(np.log(0.0 + epsilon)))


def sparse_viterbi(
    prob: NDArray[np.floating], transition: Floats, *, p_init: Floats
) -> NDArray[np.uint16]:
    """The path of ``librosa.sequence.viterbi`` for the same arguments.

    Args:
        prob: likelihoods of the states, shape ``(..., n, T)``.
        transition: shape ``(n, n)``, rows of sum 1.
        p_init: initial distribution, shape ``(n,)``.

    Returns:
        uint16, shape ``(..., T)``.
    """
    tiny = float(np.finfo(prob.dtype).tiny)
    sources = sources_of(transition, tiny)
    first = np.log(p_init + tiny)
    channels = np.log(prob + tiny).reshape(-1, *prob.shape[-2:])
    paths = [_path(channel.T, sources, first) for channel in channels]
    return np.stack(paths).reshape(*prob.shape[:-2], prob.shape[-1])


def _path(
    log_prob: NDArray[np.floating], sources: Sources, first: Floats
) -> NDArray[np.uint16]:
    steps, states = log_prob.shape
    value = log_prob[0] + first
    pointers = np.zeros((steps, states), dtype=np.uint16)
    rows = np.arange(states)
    for step in range(1, steps):
        near = value[sources.index] + sources.log
        best = near.argmax(axis=1)
        chosen, score = sources.index[rows, best], near[rows, best]
        far = int(value.argmax())
        floor = value[far] + sources.floor
        over = (floor > score) | ((floor == score) & (far < chosen))
        pointers[step] = np.where(over, far, chosen)
        value = log_prob[step] + np.where(over, floor, score)
    return _backtrack(pointers, int(value.argmax()))


def _backtrack(pointers: NDArray[np.uint16], last: int) -> NDArray[np.uint16]:
    path = np.zeros(len(pointers), dtype=np.uint16)
    path[-1] = last
    for step in range(len(pointers) - 2, -1, -1):
        path[step] = pointers[step + 1, path[step + 1]]
    return path
