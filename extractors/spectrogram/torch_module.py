"""STFT, mel and constant-Q as torch modules; imported when one is loaded.

The constant-Q transform is a product in the frequency domain (J. C. Brown and M. S.
Puckette, "An efficient algorithm for the calculation of a constant Q transform", JASA
92(5), 1992). With a frame ``x`` of N samples and a kernel ``k`` centred in N,

    sum over t of x[t] · conj(k[t])  =  1/N · sum over f of X[f] · conj(K[f])

by Parseval. A kernel oscillates one way, so K is negligible at negative frequencies and
the sum runs over the ``1 + N/2`` others. Unlike librosa's version nothing is decimated
and no coefficient is dropped, so that the difference from librosa is its approximation.

A long signal is taken in blocks of frames: the frames of N samples overlap almost
wholly, so their spectra need N / hop times the memory of the signal.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod

import librosa.filters as librosa_filters
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from .definition import Definition

BLOCK_FRAMES = 1024  # frames whose spectra are held at once


def module(asked: Definition) -> nn.Module:
    """The module that computes ``asked``."""
    if asked.transform == "stft":
        return Stft(asked)
    return Mel(asked) if asked.transform == "mel" else ConstantQ(asked)


class _Framed(nn.Module, ABC):
    """Spectra of centred frames, block by block.

    Args:
        asked: the definition.
        n_fft: samples of a frame, even.
        window: float32, shape ``(n_fft,)``.
    """

    window: Tensor

    def __init__(self, asked: Definition, n_fft: int, window: Tensor) -> None:
        super().__init__()
        self.asked, self.n_fft = asked, n_fft
        self.register_buffer("window", window)

    def forward(self, samples: Tensor) -> Tensor:
        """Samples ``(n,)`` to ``(bins, frames)``."""
        hop, frames = self.asked.hop_length, self.asked.n_frames(len(samples))
        half = self.n_fft // 2
        padded = pad(samples[None], (half, half), self.asked.pad)[0]
        found = []
        for start in range(0, frames, BLOCK_FRAMES):
            count = min(BLOCK_FRAMES, frames - start)
            part = padded[start * hop : (start + count - 1) * hop + self.n_fft]
            found.append(self.reduce(self._spectra(part)))
        return torch.cat(found, dim=1)

    def _spectra(self, part: Tensor) -> Tensor:
        """Complex spectra ``(1 + n_fft / 2, frames)`` of the frames in ``part``."""
        return torch.stft(
            part,
            self.n_fft,
            self.asked.hop_length,
            window=self.window,
            center=False,
            return_complex=True,
        )

    @abstractmethod
    def reduce(self, spectra: Tensor) -> Tensor:
        """Spectra to ``(bins, frames)``."""


class Stft(_Framed):
    """Magnitude under a periodic Hann window."""

    def __init__(self, asked: Definition) -> None:
        super().__init__(asked, asked.n_fft, torch.hann_window(asked.n_fft))

    def reduce(self, spectra: Tensor) -> Tensor:
        """The magnitudes."""
        return spectra.abs()


class Mel(_Framed):
    """Mel bands of the power.

    On a CPU the filters, of which 1 in 60 is not zero, are multiplied as a sparse
    matrix: each band is summed by one thread in the order of its bins, so that answers
    are the same however many threads there are. Those of a dense product are not.
    """

    filters: Tensor

    def __init__(self, asked: Definition) -> None:
        super().__init__(asked, asked.n_fft, torch.hann_window(asked.n_fft))
        filters = librosa_filters.mel(
            sr=asked.sample_rate,
            n_fft=asked.n_fft,
            n_mels=asked.n_mels,
            fmin=asked.fmin,
            fmax=asked.fmax,
        )
        self.register_buffer("filters", torch.from_numpy(filters))
        self._sparse: Tensor | None = None
        if torch.backends.mkl.is_available():
            with warnings.catch_warnings():  # torch calls the format a beta
                warnings.simplefilter("ignore", UserWarning)
                self._sparse = self.filters.to_sparse_csr()

    def reduce(self, spectra: Tensor) -> Tensor:
        """Bands of the squared magnitudes."""
        power = spectra.abs().square()
        if self._sparse is None or power.is_cuda:
            return self.filters @ power
        return self._sparse @ power


class ConstantQ(_Framed):
    """Magnitude of the product with kernels in the frequency domain."""

    kernels: Tensor

    def __init__(self, asked: Definition) -> None:
        steps = np.arange(asked.bins) / asked.bins_per_octave
        kernels, lengths = librosa_filters.wavelet(
            freqs=asked.fmin * 2.0**steps, sr=asked.sample_rate
        )
        n_fft = kernels.shape[1]
        spectra = np.fft.fft(kernels.astype(np.complex128), axis=1)[:, : 1 + n_fft // 2]
        scaled = spectra.conj() * np.sqrt(lengths)[:, None] / n_fft
        super().__init__(asked, n_fft, torch.ones(n_fft))
        self.register_buffer("kernels", torch.from_numpy(scaled.astype(np.complex64)))

    def reduce(self, spectra: Tensor) -> Tensor:
        """Magnitudes of the kernels' answers."""
        return (self.kernels @ spectra).abs()
