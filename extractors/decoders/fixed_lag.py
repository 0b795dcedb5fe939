"""Viterbi decoding while frames still arrive: each decided ``lag`` frames late.

The values of a frame are those of the offline decoder, bit for bit: the best source of
every state is the maximum over the same sums. Frame ``t`` is decided when frame
``t + lag`` has come, by walking back from the best state of that frame; the offline
decoder walks back from the last frame of all. The two agree wherever the best paths
into all states of frame ``t + lag`` have met at ``t``; with a lag of the whole clip,
always. Transitions are dense here: one frame is a hundred microseconds, once in 10 ms.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from extractors.errors import ConfigError

Values = NDArray[np.float64]


class FixedLagViterbi:
    """Decodes one clip frame by frame.

    Args:
        transition: probabilities from row to column, float64, shape ``(n, n)``; every
            state is as probable in the first frame.
        lag: frames between a frame and its decision; ``None`` waits for the end.

    Raises:
        ConfigError: a negative lag.
    """

    def __init__(self, transition: Values, lag: int | None) -> None:
        if lag is not None and lag < 0:
            raise ConfigError(f"lag={lag} must be at least 0 frames")
        # librosa's: the smallest normal number of the observations' type, float32,
        # before every logarithm, so that no path is impossible
        self._tiny = np.finfo(np.float32).tiny
        self._into = np.ascontiguousarray(np.log(transition + self._tiny).T)
        self._start = float(np.log(1.0 / len(transition) + self._tiny))
        self._lag = lag
        self._values: deque[Values] = deque()

    def push(self, likelihoods: NDArray[np.float32]) -> int | None:
        """Take the next frame; return the state of the frame that is now decided.

        Args:
            likelihoods: float32, shape ``(n,)``.

        Returns:
            The state of the frame ``lag`` before this one, ``None`` if there is none.
        """
        seen = np.log(likelihoods + self._tiny)
        if self._values:
            best = (self._values[-1] + self._into).max(axis=1)
            self._values.append(seen + best)
        else:
            self._values.append(seen + self._start)
        if self._lag is None or len(self._values) <= self._lag:
            return None
        *_, state = self._walk_back()
        self._values.popleft()
        return state

    def flush(self) -> list[int]:
        """States of all frames not decided yet, in order; the clip is over."""
        states = list(self._walk_back())[::-1]
        self._values.clear()
        return states

    def _walk_back(self) -> Iterator[int]:
        """States of the frames held, from the last to the first."""
        state: int | None = None
        for values in reversed(self._values):
            into = 0.0 if state is None else self._into[state]
            state = int((values + into).argmax())
            yield state
