"""What the F0 service runs on: a GPU where there is one, else the same on the CPU."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .audio import Audio
from .base import choose
from .call_record import CallRecord
from .concat import ConcatReport, compare, split
from .device import check_indexed, cuda_missing
from .errors import DeviceMemoryError, UnavailableError
from .memory import MemoryManager
from .service_audio import Windows, as_windows, service_grid
from .sharding import Shards
from .sharing import plan_sharing
from .spectrogram.nnaudio_backend import NNAudioBackend
from .torch_crepe_extractor import TorchCrepeExtractor
from .track import F0Track
from .windows import BATCHING, REDUCERS, WindowPlan, WindowSummary, summarise

Floats = NDArray[np.float32]
T = TypeVar("T")
FALLBACK = ("record", "forbid")

log = logging.getLogger("f0bench.service")


class GPUAudioBackend(NNAudioBackend):
    """F0 by CREPE and spectrograms by nnAudio, on one device or several.

    Args:
        use_gpu: use a GPU where there is one.
        model, batch_size, precision, compiler, threshold: see
            :class:`TorchCrepeExtractor`.
        fallback: ``record`` runs the same algorithm on the CPU where no GPU can be
            used, or where it has no memory for the smallest batch, and says so in
            ``record``; ``forbid`` raises.
        devices: GPUs to share windows out to, e.g. ``("cuda:0", "cuda:1")``; by
            default the first one.
        memory: decides on batch sizes.

    Raises:
        ConfigError: an argument is unknown or out of its bounds.
    """

    def __init__(
        self,
        use_gpu: bool = True,
        *,
        model: str = "full",
        batch_size: int = 2048,
        precision: str = "fp32",
        compiler: str = "none",
        threshold: float | None = None,
        fallback: str = "record",
        devices: Sequence[str] = (),
        memory: MemoryManager | None = None,
    ) -> None:
        super().__init__()
        self.use_gpu = use_gpu
        self.fallback = choose(fallback, FALLBACK, "fallback")
        for device in devices:
            check_indexed(device)
        self._gpu = devices[0] if devices else "cuda"
        self._options: dict[str, Any] = {
            "model": model,
            "batch_size": batch_size,
            "precision": precision,
            "compiler": compiler,
            "threshold": threshold,
        }
        self._memory = memory
        self._extractor: TorchCrepeExtractor | None = None
        self._reason: str | None = None
        self._shards = None
        if use_gpu and len(devices) > 1:
            self._shards = Shards(devices, self._build)
        # refuses wrong options now; loads nothing, and looks for no device
        self._build("auto" if use_gpu else "cpu")

    def _build(self, device: str) -> TorchCrepeExtractor:
        return TorchCrepeExtractor(device=device, **self._options)

    @property
    def is_gpu_available(self) -> bool:
        """Whether this backend may and can use a GPU."""
        return self.use_gpu and cuda_missing() is None

    @property
    def device(self) -> str:
        """``cpu``, ``cuda`` or ``cuda:1``: where work runs.

        Raises:
            UnavailableError: no GPU can be used, and ``fallback="forbid"``.
        """
        return self.crepe_extractor.device

    @property
    def crepe_extractor(self) -> TorchCrepeExtractor:
        """The extractor, made at its first use; its model is loaded by its first call.

        Raises:
            UnavailableError: no GPU can be used, and ``fallback="forbid"``.
        """
        if self._extractor is None:
            reason = cuda_missing() if self.use_gpu else None
            if reason is not None:
                self._fall_back(reason)
            else:
                self._extractor = self._build(self._gpu if self.use_gpu else "cpu")
                self._extractor.memory = self._memory
        assert self._extractor is not None
        return self._extractor

    def _fall_back(self, reason: str) -> None:
        if self.fallback == "forbid":
            raise UnavailableError(
                f"use_gpu=True: {reason}; pass use_gpu=False or fallback='record'"
            )
        log.warning("%s; the same algorithm runs on the CPU", reason)
        self._reason = reason
        self._extractor = self._build("cpu")

    @property
    def record(self) -> CallRecord:
        """What the last F0 call did."""
        found = self.crepe_extractor.record
        if self._reason is None:
            return found
        asked = "cuda" if self.use_gpu else "cpu"
        return replace(found, requested_device=asked, fallback=self._reason)

    def extract_f0(
        self, audio: ArrayLike, sr: int, fmin: float = 50.0, fmax: float = 550.0
    ) -> tuple[Floats, Floats]:
        """F0 of one recording; see :meth:`TorchCrepeExtractor.extract_f0`."""
        return self._either(lambda crepe: crepe.extract_f0(audio, sr, fmin, fmax))

    def extract_f0_batch(
        self,
        audio_windows: ArrayLike,
        sr: int,
        fmin: float = 50.0,
        fmax: float = 550.0,
        *,
        reduce: str = "median_cents",
        batching: str = "frames",
    ) -> tuple[Floats, Floats]:
        """One F0 and one confidence per window.

        All but ``batching`` as :meth:`TorchCrepeExtractor.extract_f0_batch`.

        Args:
            batching: ``frames``, or ``concat`` for the comparison of
                :mod:`extractors.concat`, which mixes neighbours and drifts.
        """
        found = self.summarise(
            audio_windows, sr, fmin, fmax, reduce=reduce, batching=batching
        )
        return found.f0, found.confidence

    def summarise(
        self,
        audio_windows: ArrayLike,
        sr: int,
        fmin: float = 50.0,
        fmax: float = 550.0,
        *,
        reduce: str = "median_cents",
        batching: str = "frames",
    ) -> WindowSummary:
        """:meth:`extract_f0_batch` with the coverage of every window beside it."""
        choose(batching, BATCHING, "batching")
        choose(reduce, tuple(REDUCERS), "reduce")
        windows = as_windows(audio_windows, sr)

        def run(crepe: TorchCrepeExtractor) -> WindowSummary:
            tracks: Iterable[F0Track]
            if batching == "concat":
                tracks = _concatenated(crepe, windows, fmin, fmax)[1]
            elif self._shards is not None and self._reason is None:
                tracks = self._sharded(crepe, windows, fmin, fmax)
            else:
                tracks = crepe.window_tracks(windows.rows, sr, fmin, fmax)
            found = summarise(tracks, reduce)
            crepe.record.batching, crepe.record.reduce = batching, reduce
            return found

        return self._either(run)

    def summarise_stream(
        self,
        windows: Iterable[NDArray],
        sr: int,
        fmin: float = 50.0,
        fmax: float = 550.0,
        *,
        reduce: str = "median_cents",
        block: int = 256,
    ) -> Iterator[WindowSummary]:
        """Summaries of windows that come one by one, in memory that does not grow.

        Args:
            windows: arrays of shape ``(n,)``, all of one length.
            sr, fmin, fmax, reduce: as :meth:`extract_f0_batch`.
            block: windows that are worked on, and summed up, together.

        Yields:
            One summary per block, in order.
        """
        held: list[NDArray] = []
        for window in windows:
            held.append(window)
            if len(held) == block:
                yield self.summarise(np.stack(held), sr, fmin, fmax, reduce=reduce)
                held = []
        if held:
            yield self.summarise(np.stack(held), sr, fmin, fmax, reduce=reduce)

    def summarise_recording(
        self,
        audio: Audio,
        plan: WindowPlan,
        fmin: float = 50.0,
        fmax: float = 550.0,
        *,
        reduce: str = "median_cents",
        share_frames: bool = False,
    ) -> WindowSummary:
        """One F0 per window of a recording; the windows are never copied.

        Args:
            audio: the recording.
            plan: its windows (:func:`extractors.windows.plan_windows`).
            fmin, fmax, reduce: as :meth:`extract_f0_batch`.
            share_frames: overlapping windows share inner frames: less work, identical
                bins, probabilities to within 5e-6 (equal at 16 kHz).

        Raises:
            ConfigError: ``share_frames`` and windows that do not start on a frame.
        """
        sharing = None
        if share_frames:
            step = int(service_grid(audio.sr).hop_length(audio.sr))
            sharing = plan_sharing(plan, audio.sr, step)
        if sharing is None:
            return self.summarise(
                plan.cut(audio.samples), audio.sr, fmin, fmax, reduce=reduce
            )
        shared = sharing

        def run(crepe: TorchCrepeExtractor) -> WindowSummary:
            tracks = crepe.shared_tracks(audio, plan.starts, shared, fmin, fmax)
            found = summarise(tracks, reduce)
            crepe.record.batching, crepe.record.reduce = "frames", reduce
            return found

        return self._either(run)

    def compare_concat(
        self,
        audio_windows: ArrayLike,
        sr: int,
        fmin: float = 50.0,
        fmax: float = 550.0,
        *,
        reduce: str = "median_cents",
    ) -> ConcatReport:
        """Measure what ``batching="concat"`` does to these windows."""
        windows = as_windows(audio_windows, sr)

        def run(crepe: TorchCrepeExtractor) -> ConcatReport:
            alone = list(crepe.window_tracks(windows.rows, sr, fmin, fmax))
            joined, parts = _concatenated(crepe, windows, fmin, fmax)
            return compare(
                alone,
                joined,
                (summarise(alone, reduce), summarise(parts, reduce)),
                n_samples=windows.rows.shape[1],
                sr=windows.sr,
                hop=windows.sr // 100,
            )

        return self._either(run)

    def _sharded(
        self, crepe: TorchCrepeExtractor, windows: Windows, fmin: float, fmax: float
    ) -> list[F0Track]:
        """Tracks by all devices; their records are added up in that of ``crepe``."""
        assert self._shards is not None
        records: list[CallRecord] = []

        def run(worker: TorchCrepeExtractor, rows: list[NDArray]) -> list[F0Track]:
            found = worker.window_tracks(np.stack(rows), windows.sr, fmin, fmax)
            tracks = list(found)
            records.append(worker.record)
            return tracks

        tracks = self._shards.map(run, list(windows.rows), [1.0] * len(windows))
        crepe.record = _added(records, crepe.record)
        return tracks

    def _either(self, run: Any) -> Any:
        """Run on the GPU; where its memory is too small for any batch, on the CPU."""
        try:
            return run(self.crepe_extractor)
        except DeviceMemoryError as error:
            if self.device == "cpu" or self.fallback == "forbid":
                raise
            reason = str(error)
        self._fall_back(reason)
        return run(self.crepe_extractor)


def _added(records: list[CallRecord], empty: CallRecord) -> CallRecord:
    """One record of what several devices did."""
    return replace(
        empty,
        device=",".join(sorted(record.device for record in records)),
        clips=sum(record.clips for record in records),
        frames=sum(record.frames for record in records),
        infer_calls=sum(record.infer_calls for record in records),
        batch_sizes=max(
            (record.batch_sizes for record in records), key=len, default=[]
        ),
    )


def _concatenated(
    crepe: TorchCrepeExtractor, windows: Windows, fmin: float, fmax: float
) -> tuple[F0Track, list[F0Track]]:
    """Track of all windows joined, and what each window is dealt of it."""
    count, n_samples = windows.rows.shape
    if not count:
        none = np.empty(0, np.float32)
        return F0Track(np.empty(0), none, none.astype(bool), none), []
    joined = crepe.track(windows.rows.reshape(-1), windows.sr, fmin, fmax)
    return joined, list(split(joined, count, n_samples, windows.sr // 100))
