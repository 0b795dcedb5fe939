"""The torchcrepe package's own ``predict``, as it is, but correctly time-stamped.

What it does is kept, because it is what users of the package get: resampling with
resampy, decoding batch by batch (so the result depends on ``batch_size``) and a
triangular dither of ± 20 cents on every pitch. Three things are ours: the clock, the
voicing threshold, and the seed of the dither.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from extractors.audio import Audio
from extractors.base import F0Extractor, check_range, choose
from extractors.crepe.extractor import MODELS, check_batch_size
from extractors.crepe.frames import SAMPLE_RATE
from extractors.crepe.network import weights_file
from extractors.decoders.bins import allowed_bins
from extractors.device import check_device, resolve, synchronize
from extractors.stages import stage
from extractors.track import F0Track, FrameGrid, as_track
from extractors.voicing import threshold_or_default

from .timing import noise
from .torchaudio_stand_in import import_torchcrepe, torchaudio_state

DECODERS = ("argmax", "weighted_argmax", "viterbi")
LOWEST = 31.71  # Hz; below its bin 0 the package would mask nearly all bins


def hop_for(hop_s: float, sr: int) -> tuple[int, int]:
    """The hop to ask for at ``sr`` Hz, and the one that the package then uses.

    ``predict`` takes whole samples at the rate of the file and uses
    ``int(hop · 16000 / sr)`` samples at 16 kHz.

    Returns:
        Samples at ``sr``, and samples at 16 kHz, as near ``hop_s`` as can be had.
    """
    wanted = max(1, round(FrameGrid(hop_s).hop_length(SAMPLE_RATE)))
    if sr == SAMPLE_RATE:
        return wanted, wanted
    exact = wanted * sr // SAMPLE_RATE
    asked = min(
        (hop for hop in (exact, exact + 1) if _used(hop, sr) > 0),
        key=lambda hop: abs(_used(hop, sr) - wanted),
    )
    return asked, _used(asked, sr)


def _used(hop: int, sr: int) -> int:
    return int(hop * SAMPLE_RATE / sr)  # the package's own expression


@dataclass(frozen=True, eq=False)
class BatchPosteriors:
    """What the package's network says of one clip, batch by batch.

    Attributes:
        batches: torch tensors ``(1, 360, frames)`` on the extractor's device.
        hop: samples at 16 kHz between frames.
        decoded: bins and periodicity of every batch, by decoder and F0 range, where
            another seed changes nothing but the dither on the bins.
    """

    batches: tuple[Any, ...]
    hop: int
    decoded: dict[Any, list[tuple[Any, Any]]] = field(default_factory=dict)


class TorchCrepe(F0Extractor):
    """``torchcrepe.predict`` with ``return_periodicity``.

    Frame ``i`` is stamped ``i · hop / 16000`` with the hop that the package uses. The
    confidence is its periodicity; −inf, which its in-place masking can leave, is 0.

    Args:
        model: ``full`` or ``tiny``.
        decoder: ``argmax``, ``weighted_argmax`` or ``viterbi`` (its default).
        device: ``auto``, ``cpu`` or ``cuda``.
        batch_size: frames per batch, each decoded by itself.
        fmin, fmax: F0 range in Hz; ``fmin`` is raised to 31.71 Hz, its lowest bin.
        hop_s: seconds between frames, rounded to a hop that the package can use.
        threshold: a frame is voiced from this periodicity on; ``None`` is 0.5.
        seed: seeds numpy's global generator, from which it dithers, on load.

    Raises:
        ConfigError: an argument is unknown or out of its bounds.
    """

    name: ClassVar[str] = "torchcrepe"
    axes: ClassVar[Mapping[str, tuple[Any, ...] | None]] = {
        "model": MODELS,
        "decoder": DECODERS,
        "device": ("cpu", "cuda"),
        "batch_size": None,
    }
    decode_axes: ClassVar[tuple[str, ...]] = ("decoder", "threshold", "seed")
    sample_rate: ClassVar[int | None] = SAMPLE_RATE
    peer: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("torch",)

    def __init__(
        self,
        *,
        model: str = "full",
        decoder: str = "viterbi",
        device: str = "auto",
        batch_size: int = 512,
        fmin: float = 50.0,
        fmax: float = 1100.0,
        hop_s: float = 0.01,
        threshold: float | None = None,
        seed: int = 0,
    ) -> None:
        self.model = choose(model, MODELS, "model")
        self.decoder = choose(decoder, DECODERS, "decoder")
        self.device = check_device(device)
        self.batch_size = check_batch_size(batch_size)
        check_range(fmin, fmax)
        allowed_bins(fmin, fmax)
        self.fmin, self.fmax = max(fmin, LOWEST), fmax
        self.hop_s = float(FrameGrid(hop_s).hop_s)
        self.threshold, self.threshold_source = threshold_or_default(threshold, 0.5)
        self.seed = seed
        self._device = "cpu"
        self._package: Any = None

    def load(self) -> None:
        """Import the package, read its weights, compile its resampler and decoder."""
        self._loaded()

    def _loaded(self) -> Any:
        if self._package is None:
            package = import_torchcrepe()
            self._device = resolve(self.device)
            package.load.model(self._device, self.model)
            self._package = package
            self.extract([noise(22050)])  # compiles resampler and decoder
            self.reseed(self.seed)
        return self._package

    def reseed(self, seed: int) -> None:
        """Seed numpy's global generator and forget the dither kept by the package.

        Its ``weighted_argmax`` dithers its bin centres once and keeps them.
        """
        vars(self._loaded().decode.weighted_argmax).pop("weights", None)
        np.random.seed(seed)

    def extract(self, clips: Sequence[Audio]) -> list[F0Track]:
        """Call ``predict`` clip by clip."""
        return [self._predict(clip) for clip in clips]

    def _predict(self, clip: Audio) -> F0Track:
        package = self._loaded()
        asked, used = hop_for(self.hop_s, clip.sr)
        with stage("network"):
            pitch, periodicity = package.predict(
                _tensor(clip),
                clip.sr,
                asked,
                self.fmin,
                self.fmax,
                self.model,
                decoder=getattr(package.decode, self.decoder),
                return_periodicity=True,
                batch_size=self.batch_size,
                device=self._device,
            )
        return self._track(pitch, periodicity, used)

    def _track(self, pitch: Any, periodicity: Any, hop: int) -> F0Track:
        assert self.threshold is not None
        confidence = periodicity.squeeze(0).cpu().numpy()
        times = np.arange(len(confidence)) * (hop / SAMPLE_RATE)
        voiced = confidence >= self.threshold
        return as_track(times, pitch.squeeze(0).cpu().numpy(), voiced, confidence)

    def infer(self, clips: Sequence[Audio]) -> Iterator[BatchPosteriors]:
        """Yield the network's output of every clip, through the package's functions."""
        import torch

        package = self._loaded()
        for clip in clips:
            asked, used = hop_for(self.hop_s, clip.sr)
            with torch.no_grad():
                frames = package.preprocess(
                    _tensor(clip), clip.sr, asked, self.batch_size, self._device
                )
                batches = [self._infer_batch(batch) for batch in frames]
            yield BatchPosteriors(tuple(batches), used)

    def _infer_batch(self, frames: Any) -> Any:
        with stage("network", self._device):
            found = self._package.infer(frames, self.model, self._device)
            synchronize(self._device)
            return found.T[None]

    def decode(self, posteriors: BatchPosteriors) -> F0Track:
        """Decode batch by batch, as ``predict`` does; draws from the generator.

        The second decoding of the same posteriors draws only the dither anew.
        """
        import torch

        self._loaded()
        with stage("decode"), torch.no_grad():
            found = list(self._decode_batches(posteriors))
            pitch, periodicity = (
                torch.cat(part, 1) for part in zip(*found, strict=True)
            )
        return self._track(pitch, periodicity, posteriors.hop)

    def _decode_batches(self, posteriors: BatchPosteriors) -> Iterator[tuple[Any, Any]]:
        """Yield pitch and periodicity of every batch."""
        key = (self.decoder, self.fmin, self.fmax)
        for bins, periodicity in posteriors.decoded.get(key, ()):
            yield self._package.convert.bins_to_frequency(bins), periodicity
        if key in posteriors.decoded:
            return
        kept: list[tuple[Any, Any]] = []
        for batch in posteriors.batches:
            bins, pitch, periodicity = self._postprocess(batch)
            kept.append((bins, periodicity))
            yield pitch, periodicity
        if self.decoder != "weighted_argmax":  # which dithers its weights, not its bins
            posteriors.decoded[key] = kept

    def _postprocess(self, batch: Any) -> tuple[Any, Any, Any]:
        """Bins, pitch and periodicity of one batch by the package's function."""
        decoder = getattr(self._package.decode, self.decoder)
        bins: list[Any] = []

        def listening(probabilities: Any) -> tuple[Any, Any]:
            found = decoder(probabilities)
            bins.append(found[0])
            return found

        pitch, periodicity = self._package.postprocess(
            batch.clone(),  # it masks in place
            self.fmin,
            self.fmax,
            listening,
            return_periodicity=True,
        )
        return bins[0], pitch, periodicity

    def weights(self) -> list[str | os.PathLike[str]]:
        """The weight file inside the package."""
        return [weights_file(self.model)]

    def describe(self) -> dict[str, str]:
        """Which torchaudio served, and what became of hop and range."""
        exact = FrameGrid(self.hop_s).hop_length(SAMPLE_RATE)
        samples = max(1, round(exact))
        rounded = "" if exact == samples else f", rounded from {float(exact):g}"
        return {
            "torchaudio": torchaudio_state(),
            "hop": f"{samples} samples at 16 kHz{rounded}; stamped with the hop used",
            "fmin": f"{self.fmin:g} Hz",
            "resampler": "resampy kaiser_best to 16 kHz",
        }


def _tensor(clip: Audio) -> Any:
    import torch

    return torch.tensor(clip.samples)[None]  # a copy: the clip is read-only
