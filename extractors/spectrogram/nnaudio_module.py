"""nnAudio's layers under a definition; imported when one is loaded."""

from __future__ import annotations

from nnAudio import features
from torch import Tensor, nn

from .definition import Definition


class FirstOfBatch(nn.Module):
    """One signal through a layer that wants a batch of them."""

    def __init__(self, definition: Definition) -> None:
        super().__init__()
        self.layer = layer(definition)

    def forward(self, samples: Tensor) -> Tensor:
        """Samples ``(n,)`` to ``(bins, frames)``."""
        found: Tensor = self.layer(samples[None])[0]
        return found


def layer(asked: Definition) -> nn.Module:
    """The layer of nnAudio that computes ``asked``."""
    common = {
        "sr": asked.sample_rate,
        "hop_length": asked.hop_length,
        "pad_mode": asked.pad,
        "verbose": False,
    }
    if asked.transform == "stft":
        return features.STFT(n_fft=asked.n_fft, output_format="Magnitude", **common)
    bounds = {"fmin": asked.fmin, "fmax": asked.fmax}
    if asked.transform == "mel":
        return features.MelSpectrogram(
            n_fft=asked.n_fft, n_mels=asked.n_mels, **bounds, **common
        )
    return features.CQT1992v2(
        fmin=asked.fmin,
        n_bins=asked.bins,
        bins_per_octave=asked.bins_per_octave,
        output_format="Magnitude",
        **common,
    )
