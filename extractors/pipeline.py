"""The whole chain from a file's bytes to zones, stage by stage.

load → resample → spectrogram → F0 (frontend, network, decode) → summary → escalation

Each arrow is a :func:`~extractors.stages.stage`, so that a listener learns where the
time goes. The parts are the public ones of the service: windows are framed each on its
own and share the batches of the network, a window is summed up by the median in cents,
and zones are where loudness and F0 rise together (:mod:`extractors.escalation`).

Time that belongs to no inner stage of the F0 extraction counts as ``summary``.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .audio import Audio, resample
from .base import Extractor, check_range, choose
from .device import check_device, resolve
from .errors import ConfigError
from .escalation import EscalationRule, WindowEvidence, find_zones, levels_db
from .spectrogram.base import SpectrogramExtractor
from .stages import stage
from .windows import BATCHING, plan_windows

if TYPE_CHECKING:
    from .call_record import CallRecord
    from .concat import ConcatReport

SAMPLE_RATE = 16000  # Hz, of everything behind resampling
HOP_S = 0.01  # the service's hop of sr // 100 samples
ALGORITHMS = ("crepe", "pyin")
SPECTROGRAMS = ("torch_spectrogram", "nnaudio_spectrogram", "librosa_spectrogram")

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Recorded(Audio):
    """Audio together with the sound file that it was read from.

    Attributes:
        file: the bytes of that file, in any format that libsndfile reads.
    """

    file: bytes = field(repr=False)


def recorded(audio: Audio) -> Recorded:
    """``audio`` as a WAV file of 16 bits in memory, beside the samples it gives back.

    Samples change by less than 1/32768; those beyond full scale are clipped.
    """
    import soundfile

    memory = io.BytesIO()
    soundfile.write(memory, audio.samples, audio.sr, format="WAV", subtype="PCM_16")
    file = memory.getvalue()
    return Recorded(_decoded(file), audio.sr, file)


def _decoded(file: bytes) -> NDArray[np.float32]:
    import soundfile

    samples: NDArray[np.float32] = soundfile.read(io.BytesIO(file), dtype="float32")[0]
    return samples


@dataclass(frozen=True)
class Zone:
    """A stretch of raised loudness and F0.

    Attributes:
        start_s, end_s: seconds.
        rise_db, rise_percent: above what was before.
    """

    start_s: float
    end_s: float
    rise_db: float
    rise_percent: float


@dataclass(frozen=True, eq=False)
class PipelineResult:
    """What the chain says of one recording; arrays float64 of shape ``(windows,)``.

    Attributes:
        time_s: centre of every window, seconds.
        level_db: dB of full scale.
        f0_hz: median of the voiced frames in cents, as Hz; NaN without any.
        coverage, confidence: in [0, 1]: share of voiced frames, mean over all frames.
        zones: in the order of time.
        mel: power, float32, shape ``(bands, frames)``; ``None`` where it was not kept.
    """

    time_s: Values
    level_db: Values
    f0_hz: Values
    coverage: Values
    confidence: Values
    zones: tuple[Zone, ...]
    mel: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.time_s)


class Pipeline(Extractor):
    """Recordings in, :class:`PipelineResult` out.

    Args:
        algorithm: ``crepe``, or ``pyin`` for librosa's on the CPU.
        model: ``full`` or ``tiny``, of ``crepe``.
        device: ``auto``, ``cpu`` or ``cuda``.
        batch_size: frames of one network round at most; does not change results.
        spectrogram: the extractor of the mel spectrogram.
        batching: ``frames``; or ``concat``, the comparison of
            :mod:`extractors.concat`, which mixes neighbours and drifts.
        fmin, fmax: F0 range in Hz.
        hop_s: seconds between F0 frames; 0.01, the service's.
        window_s, window_hop_s: seconds of a window and between windows.
        min_rise_db, min_rise_percent: what counts as a rise.

    Raises:
        ConfigError: an argument is unknown or out of its bounds.
    """

    name: ClassVar[str] = "pipeline"
    axes: ClassVar[Mapping[str, tuple[Any, ...] | None]] = {
        "model": ("full", "tiny"),
        "device": ("cpu", "cuda"),
        "batch_size": None,
    }
    sample_rate: ClassVar[int | None] = SAMPLE_RATE
    requires: ClassVar[tuple[str, ...]] = ("torch",)

    def __init__(
        self,
        *,
        algorithm: str = "crepe",
        model: str = "full",
        device: str = "auto",
        batch_size: int = 2048,
        spectrogram: str = "torch_spectrogram",
        batching: str = "frames",
        fmin: float = 50.0,
        fmax: float = 550.0,
        hop_s: float = HOP_S,
        window_s: float = 1.0,
        window_hop_s: float = 0.5,
        min_rise_db: float = 3.0,
        min_rise_percent: float = 10.0,
    ) -> None:
        self.algorithm = choose(algorithm, ALGORITHMS, "algorithm")
        self.model = choose(model, ("full", "tiny"), "model")
        self.device = check_device(device)
        self.spectrogram = choose(spectrogram, SPECTROGRAMS, "spectrogram")
        self.batching = choose(batching, BATCHING, "batching")
        check_range(fmin, fmax)
        if hop_s != HOP_S:
            raise ConfigError(
                f"hop_s={hop_s}: the service's frames are {HOP_S} s apart; use {HOP_S}"
            )
        if algorithm == "pyin" and device == "cuda":
            raise ConfigError("algorithm=pyin runs on the CPU; use device=cpu")
        if not 0 < window_hop_s <= window_s:
            raise ConfigError(
                f"window_hop_s={window_hop_s} must be above 0 s and at most "
                f"window_s={window_s} s"
            )
        self.batch_size, self.fmin, self.fmax = batch_size, fmin, fmax
        self.window_s, self.window_hop_s = window_s, window_hop_s
        self.rule = EscalationRule(
            min_rise_db=min_rise_db, min_rise_percent=min_rise_percent
        )
        self._batches: list[CallRecord] = []  # those that tell most, see _remember
        self._backend: Any = None
        self._mel: SpectrogramExtractor | None = None

    def load(self) -> None:
        """Load the models and run all stages once on faint noise."""
        if self._backend is not None:
            return
        place = resolve(self.device)
        self._mel = self._spectrograph(place)
        self._mel.load()
        self._backend = self._service(place)
        noise = np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE, np.float32)
        self._one(Audio(noise / np.float32(100), SAMPLE_RATE))

    def _spectrograph(self, place: str) -> SpectrogramExtractor:
        from .registry import build

        device = {} if self.spectrogram.startswith("librosa") else {"device": place}
        found = build(self.spectrogram, {"transform": "mel", **device})
        assert isinstance(found, SpectrogramExtractor)
        return found

    def _service(self, place: str) -> Any:
        """The backend of the service; a GPU that was asked for is never replaced."""
        from .service import CPUFallbackBackend, GPUAudioBackend

        if self.algorithm == "pyin":
            return CPUFallbackBackend(algorithm="pyin")
        return GPUAudioBackend(
            place == "cuda",
            model=self.model,
            batch_size=self.batch_size,
            fallback="forbid",
        )

    def extract(self, clips: Sequence[Audio]) -> list[PipelineResult]:
        """Run the chain on every recording; its windows are one batch.

        Raises:
            InputError: a recording is shorter than one window.
        """
        self.load()
        return [self._one(clip) for clip in clips]

    def _one(self, clip: Audio) -> PipelineResult:
        assert self._mel is not None
        with stage("load", "cpu"):
            audio = _loaded(clip)
        with stage("resample", "cpu"):
            audio = Audio(resample(audio, SAMPLE_RATE), SAMPLE_RATE)
        (mel,) = self._mel.extract([audio])
        plan = plan_windows(
            len(audio.samples), SAMPLE_RATE, self.window_s, self.window_hop_s
        )
        windows = plan.cut(audio.samples)
        with stage("summary", "cpu"):
            found = self._backend.summarise(
                windows, SAMPLE_RATE, self.fmin, self.fmax, batching=self.batching
            )
        self._remember(self._backend.record)
        with stage("escalation", "cpu"):
            evidence = WindowEvidence(
                centre_s=(plan.starts + plan.length / 2) / SAMPLE_RATE,
                level_db=levels_db(windows),
                f0_hz=found.f0.astype(np.float64),
                coverage=found.coverage.astype(np.float64),
                confidence=found.confidence.astype(np.float64),
            )
            zones = find_zones(evidence, self.window_hop_s, self.rule)
        return PipelineResult(
            evidence.centre_s,
            evidence.level_db,
            evidence.f0_hz,
            evidence.coverage,
            evidence.confidence,
            tuple(Zone(z.start_s, z.end_s, z.rise_db, z.rise_percent) for z in zones),
            mel.values,
        )

    def compare_concat(self, windows: NDArray[np.float32]) -> ConcatReport:
        """What ``batching="concat"`` does to windows at 16 kHz, ``(windows, n)``."""
        self.load()
        report: ConcatReport = self._backend.compare_concat(
            windows, SAMPLE_RATE, self.fmin, self.fmax
        )
        return report

    def describe(self) -> dict[str, str]:
        """What computes the stages."""
        return {
            "f0": "librosa pyin" if self.algorithm == "pyin" else f"crepe {self.model}",
            "spectrogram": f"mel by {self.spectrogram}",
            "resampler": "soxr HQ to 16 kHz",
            **self._memory(),
        }

    def _remember(self, record: CallRecord) -> None:
        """Keep the call whose batch had to become smallest."""
        if record.batch_sizes:
            smallest = [*self._batches, record]
            self._batches = [min(smallest, key=lambda kept: kept.batch_sizes[-1])]

    def _memory(self) -> dict[str, str]:
        """What the memory manager saw and did, of the call with the smallest batch."""
        found = {}
        for record in self._batches:
            tried = " → ".join(map(str, record.batch_sizes))
            found["batch_size"] = f"{tried} frames, {record.oom_retries} halvings"
            if record.free_bytes is not None and record.budget_bytes is not None:
                free, budget = record.free_bytes / 2**30, record.budget_bytes / 2**30
                found["memory"] = (
                    f"{free:.2f} GiB free on {record.device}, "
                    f"{budget:.2f} GiB for a batch"
                )
        return found


def _loaded(clip: Audio) -> Audio:
    """The clip out of its file, or as it is where it comes without one."""
    if isinstance(clip, Recorded):
        return Audio(_decoded(clip.file), clip.sr)
    return clip
