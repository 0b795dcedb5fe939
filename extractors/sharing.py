"""Overlapping windows of one recording may share the frames inside them.

A frame reads ``reach`` samples on either side. Where these lie inside a window, window
and recording have the same samples there, and the network's answer is the same: at
16 kHz bit for bit, at other rates but for the far ends of the resampler's filter. Only
the frames at a window's ends are its own. With half overlap that saves a third of the
work, with more overlap more. Off unless asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .audio import Audio
from .crepe.frames import SAMPLE_RATE, WINDOW
from .errors import ConfigError
from .spill import SpilledRows
from .windows import Floats, WindowPlan

RESAMPLER_REACH = 0.02  # s; see reach_of


@dataclass(frozen=True)
class Sharing:
    """Which frames of a window may be taken from the recording around it.

    The first ``head`` and the last ``tail`` frames are the window's own.

    Attributes:
        frames, head, tail: frames of a window.
        step: samples between frames.
        length: samples of a window.
        reach: samples that a frame depends on, on either side of its centre.
    """

    frames: int
    head: int
    tail: int
    step: int
    length: int
    reach: int

    @property
    def head_samples(self) -> int:
        """Samples at a window's begin that its first ``head`` frames depend on."""
        return (self.head - 1) * self.step + self.reach

    @property
    def tail_start(self) -> int:
        """First sample, a multiple of ``step``, that the last frames depend on."""
        first = (self.frames - self.tail) * self.step - self.reach
        return first // self.step * self.step

    @property
    def tail_skip(self) -> int:
        """Frames of the tail's clip before the first of the last ``tail``."""
        return self.frames - self.tail - self.tail_start // self.step


def plan_sharing(plan: WindowPlan, sr: int, step: int) -> Sharing | None:
    """Work out what windows share, or ``None`` where a window is all edge.

    Args:
        plan: the windows, which start ``plan.hop`` samples apart.
        sr: Hz.
        step: samples between frames.

    Raises:
        ConfigError: frames of the recording are not at the places of the windows'.
    """
    if step * SAMPLE_RATE % sr:
        raise ConfigError(
            f"share_frames=True needs frames on whole samples at {SAMPLE_RATE} Hz: "
            f"{step} samples at {sr} Hz are {step * SAMPLE_RATE / sr:.3f}; "
            "use share_frames=False"
        )
    if plan.hop % step:
        raise ConfigError(
            f"share_frames=True needs windows that start on a frame: a window hop of "
            f"{plan.hop} samples is no multiple of {step}; use "
            f"{max(1, round(plan.hop / step)) * step} samples or share_frames=False"
        )
    reach = reach_of(sr)
    frames = 1 + plan.length // step
    head = -(-reach // step)
    tail = frames - 1 - (plan.length - reach) // step
    if plan.length < reach or head + tail >= frames:
        return None
    return Sharing(frames, head, tail, step, plan.length, reach)


class Edges(Sequence[Audio]):
    """The first and the last samples of every window: two clips for each.

    Args:
        audio: the recording.
        starts: first sample of each window.
        sharing: how much of a window's ends its own frames depend on.
    """

    def __init__(
        self, audio: Audio, starts: NDArray[np.int64], sharing: Sharing
    ) -> None:
        self.audio, self.starts, self.sharing = audio, starts, sharing

    def __len__(self) -> int:
        return 2 * len(self.starts)

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        start = int(self.starts[index // 2])
        window = self.audio.samples[start : start + self.sharing.length]
        if index % 2:
            return Audio(window[self.sharing.tail_start :], self.audio.sr)
        return Audio(window[: self.sharing.head_samples], self.audio.sr)


def joined(
    whole: SpilledRows,
    edges: Iterator[Floats],
    starts: NDArray[np.int64],
    sharing: Sharing,
) -> Iterator[Floats]:
    """Posteriors of windows: own head, frames of the recording, own tail."""
    inner = slice(sharing.head, sharing.frames - sharing.tail)
    for start, head, tail in zip(starts, edges, edges, strict=False):
        first = int(start) // sharing.step
        out = np.empty((sharing.frames, whole.shape[1]), np.float32)
        out[: sharing.head] = head[: sharing.head]
        out[inner] = whole[first + inner.start : first + inner.stop]
        out[inner.stop :] = tail[sharing.tail_skip : sharing.tail_skip + sharing.tail]
        yield out


def reach_of(sr: int) -> int:
    """Samples at ``sr`` Hz that a frame depends on, on either side of its centre.

    Half a window at 16 kHz; at other rates the resampler's filter besides, of which
    :data:`RESAMPLER_REACH` seconds are counted: what lies further moves a probability
    by no more than 5e-6.
    """
    reach = WINDOW / 2 / SAMPLE_RATE
    if sr != SAMPLE_RATE:
        reach += RESAMPLER_REACH
    return int(np.ceil(reach * sr))
