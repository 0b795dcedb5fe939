"""Resampling to 16 kHz on a device: a windowed sinc, as a product of matrices.

Output ``m`` lies at ``m · down / up`` input samples, the ratio in lowest terms, and is
a weighted sum of the inputs around it. Weights repeat after ``up`` outputs, so that all
outputs of a period are one product: the inputs that a period meets, as a row, times a
matrix with one column per output. Short periods are joined and long ones cut into tiles
of :data:`TILE` columns or fewer, each with the inputs that it meets.

The window is Kaiser's with a stop band of :data:`STOP_BAND` dB (Kaiser 1974; Oppenheim
and Schafer, *Discrete-Time Signal Processing*, 7.5.3). The pass band ends, as soxr's HQ
does, at 0.913 of the lower one of the two Nyquist frequencies, where the stop band
begins. Tests hold it to levels within 0.001 dB in the pass band, errors below −115 dB
there and aliases at least 110 dB down; soxr HQ's own levels are off by up to 0.01 dB
near the edge at 22 050 and 44 100 Hz. Rows go through the product in one fixed shape,
filled up with whatever follows, so that a clip's samples do not depend on its company.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .frames import SAMPLE_RATE

STOP_BAND = 120.0  # dB; float32 sums leave about 110 of them
PASS_BAND = 0.913  # of the lower Nyquist frequency
TILE = 320  # outputs of a tile at most; at 22 050 Hz one period
PRODUCT_ROWS = 512  # tiles of one product
WINDOW_POINTS = 1 << 16  # between them a line errs by less than 1e-8 of the window


def output_length(samples: int, sr: int) -> int:
    """Samples at 16 kHz of a clip at ``sr`` Hz, rounded as soxr rounds."""
    return (2 * samples * SAMPLE_RATE + sr) // (2 * sr)


class Resampler:
    """From one rate to 16 kHz; its weights stay on the device.

    Args:
        sr: Hz, another rate than 16 000.
        device: of signals.

    Attributes:
        period: outputs after which weights repeat, and inputs that these advance by.
        reach: inputs on either side of an output that count.
    """

    def __init__(self, sr: int, device: str) -> None:
        common = math.gcd(sr, SAMPLE_RATE)
        joined = max(1, TILE * common // (2 * SAMPLE_RATE))
        self.up, self.down = SAMPLE_RATE // common, sr // common
        self.period = self.up * joined, self.down * joined
        self.reach = self._half_width(sr)
        tile = max(n for n in range(1, TILE + 1) if self.period[0] % n == 0)
        starts, weights = self._tiles(tile, min(sr, SAMPLE_RATE) / 2 / sr)
        self._starts = torch.tensor(starts, device=device)
        self._weights = torch.tensor(weights, device=device)
        self.rows = max(1, PRODUCT_ROWS // len(starts))

    @staticmethod
    def _half_width(sr: int) -> int:
        """Half the order of Kaiser's formula, in input samples."""
        transition = (1 - PASS_BAND) * min(sr, SAMPLE_RATE) / 2
        return math.ceil((STOP_BAND - 8) / (2.285 * 2 * math.pi * transition / sr) / 2)

    def _tiles(
        self, size: int, nyquist: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """First input of each tile, and ``(tiles, inputs, size)`` weights.

        Args:
            size: outputs of a tile.
            nyquist: the lower Nyquist frequency, in cycles per input sample.
        """
        first = np.arange(0, self.period[0], size)
        starts = first * self.down // self.up - self.reach
        width = (size - 1) * self.down // self.up + 2 * self.reach + 2
        inputs = starts[:, None, None] + np.arange(width)[:, None]
        outputs = first[:, None, None] + np.arange(size)
        distance = (inputs * self.up - outputs * self.down) / self.up
        cutoff = nyquist * (1 + PASS_BAND) / 2
        weights = np.sinc(2 * cutoff * distance) * self._window(distance)
        weights /= weights.sum(axis=1, keepdims=True)  # a constant stays what it is
        return starts, weights.astype(np.float32)

    def _window(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Kaiser's window at distances in input samples, 0 beyond the reach."""
        beta = 0.1102 * (STOP_BAND - 8.7)
        place = np.linspace(0, 1, WINDOW_POINTS)
        window = np.i0(beta * np.sqrt(1 - np.square(place))) / np.i0(beta)
        return np.interp(np.abs(distance) / self.reach, place, window, right=0.0)

    def __call__(
        self, raw: Tensor, begin: Tensor, end: Tensor, target: Tensor, total: int
    ) -> None:
        """Resample clips that lie in ``raw`` into ``target``.

        Args:
            raw: float32, ``(n,)``.
            begin: first sample of each clip in ``raw`` and in ``target``, int64,
                ``(2, clips)``.
            end: lengths there, as ``begin``.
            target: float32, ``(m + 1,)``; its last sample is scratch.
            total: periods of all clips together (:meth:`periods`).
        """
        outputs, inputs = self.period
        periods = (end[1] + outputs - 1) // outputs
        behind = periods.cumsum(0)
        column = torch.arange(outputs, device=raw.device)
        for start in range(0, total, self.rows):
            index = torch.arange(start, start + self.rows, device=raw.device)
            clip = torch.searchsorted(behind, index, right=True)
            clip = clip.clamp_(max=len(behind) - 1)
            number = index - (behind - periods)[clip]
            first = number[:, None] * inputs + self._starts
            found = self._product(raw, begin[0][clip], end[0][clip], first)
            place = number[:, None] * outputs + column
            inside = place < end[1][clip][:, None]
            place += begin[1][clip][:, None]
            target[torch.where(inside, place, len(target) - 1)] = found

    def _product(
        self, raw: Tensor, begin: Tensor, length: Tensor, first: Tensor
    ) -> Tensor:
        """Outputs of periods, ``(rows, period)``; ``first`` is ``(rows, tiles)``."""
        rows, tiles = first.shape
        width = self._weights.shape[1]
        begin, length = (x.repeat_interleave(tiles) for x in (begin, length))
        inputs = windows(raw, begin, length, first.reshape(-1), width)
        inputs = inputs.view(rows, tiles, width).transpose(0, 1)
        return torch.bmm(inputs, self._weights).transpose(0, 1).reshape(rows, -1)

    def periods(self, outputs: int) -> int:
        """Periods that hold so many outputs."""
        return -(-outputs // self.period[0])


def windows(
    signal: Tensor, begin: Tensor, length: Tensor, first: Tensor, width: int
) -> Tensor:
    """Windows of clips that lie one behind the other; zeros outside a clip.

    Args:
        signal: all clips, ``(n,)``, ``n ≥ 1``.
        begin, length: of the clip of each window, int64, ``(windows,)``.
        first: first sample of each window, counted from the beginning of its clip.
        width: samples of a window.

    Returns:
        shape ``(windows, width)``.
    """
    place = first[:, None] + torch.arange(width, device=signal.device)
    outside = (place < 0) | (place >= length[:, None])
    place = (place + begin[:, None]).clamp_(0, len(signal) - 1)
    return signal[place].masked_fill_(outside, 0)
