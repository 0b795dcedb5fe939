"""CREPE for the F0 service: any number of windows, any length, whatever fits.

Windows are framed each on its own and their *frames* share network rounds
(:class:`extractors.crepe.Crepe`), so a window never sees its neighbour. When the device
runs out of memory, the batch is halved and work goes on with the first window that has
no answer yet; batch sizes do not show in results. Tracks are decoded where the network
runs. Recordings of more than an hour, or of more than a GPU holds, go through
:mod:`extractors.long_form`, and their posteriors are decoded on the host.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .audio import Audio
from .base import check_range, choose
from .call_record import CallRecord
from .crepe import Crepe
from .crepe.extractor import MODELS, Posteriors, check_batch_size
from .crepe.frames import SAMPLE_RATE
from .decoders.bins import allowed_bins
from .device import check_indexed, check_present, cuda_missing, current, resolve
from .errors import DeviceMemoryError, UnavailableError
from .halving import Found, Work, in_batches
from .long_form import posteriors_in_pieces
from .memory import MemoryManager, is_out_of_memory, release
from .service_audio import as_audio, as_windows, service_grid
from .sharing import Edges, Sharing, joined
from .spill import SpilledRows
from .track import F0Track, FrameGrid
from .windows import REDUCERS, WindowSummary, summarise

Floats = NDArray[np.float32]
DECODER = "viterbi_weighted"
LONG_S = 3600.0  # seconds; longer recordings are worked through in pieces
#: Of a frame on a GPU: samples at 16 kHz, probabilities, likelihoods, what they take.
DECODED_BYTES = 5000
PROBED = (256, 1024)  # frames whose peaks tell what a frame costs


class TorchCrepeExtractor:
    """F0 of recordings and of windows by CREPE.

    The model is loaded by the first call that needs it.

    Args:
        model: ``full`` or ``tiny``.
        device: ``cuda``, ``cuda:1``, ``cpu`` or ``auto``.
        batch_size: frames of one network round at most; does not change results.
        precision: ``fp32``; ``bf16``, and on a GPU ``tf32`` and ``fp16``, change them.
        compiler: ``none``, or ``tensorrt`` on a GPU.
        threshold: a frame is voiced from this confidence on, in [0, 1]; 0.5 if
            ``None``.
        memory: decides on batch sizes; one for ``device`` unless stated.
        long_s: recordings of more seconds are worked through in pieces.
        piece_s: seconds of a piece.

    Raises:
        ConfigError: an argument is unknown or out of its bounds.
    """

    def __init__(
        self,
        model: str = "full",
        device: str = "cuda",
        batch_size: int = 2048,
        *,
        precision: str = "fp32",
        compiler: str = "none",
        threshold: float | None = None,
        memory: MemoryManager | None = None,
        long_s: float = LONG_S,
        piece_s: float = 60.0,
    ) -> None:
        self.model = choose(model, MODELS, "model")
        self.device = self._requested = check_indexed(device)
        self.batch_size = check_batch_size(batch_size)
        self.precision, self.compiler = precision, compiler
        self.threshold = threshold
        self.long_s, self.piece_s = long_s, piece_s
        self.memory = memory
        self.record = self._new_record()
        self._crepe = self._build()
        self._ready = False

    def _build(self) -> Crepe:
        options: dict[str, Any] = {
            "model": self.model,
            "device": self.device.partition(":")[0],
            "decoder": DECODER,
            "threshold": self.threshold,
        }
        if self.compiler == "none":
            return Crepe(precision=self.precision, **options)
        from .crepe.reduced import ReducedCrepe

        return ReducedCrepe(self.precision, self.compiler, **options)

    @property
    def is_gpu_available(self) -> bool:
        """Whether torch can use a CUDA device here."""
        return cuda_missing() is None

    def load(self) -> None:
        """Read the weights and run the network once.

        Raises:
            UnavailableError: device, precision or a package cannot be had here.
            DeviceMemoryError: the device has no memory for the model.
        """
        if self._ready:
            return
        resolved = resolve(self._crepe.device)
        check_present(self.device)
        if resolved == "cpu":
            self.device = "cpu"
        elif self.device == "auto":
            self.device = resolved
        try:
            with current(self.device):
                self._crepe.load()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise DeviceMemoryError(
                f"{self.device} has no memory for crepe {self.model}; end other "
                "processes on it or use device=cpu"
            ) from error
        if self.memory is None:
            self.memory = MemoryManager(self.device)
        self._ready = True
        if self.device != "cpu":
            self.memory.learn(self.peak_bytes, PROBED)

    def peak_bytes(self, frames: int) -> int:
        """Bytes that batches of so many frames take on the GPU at most, measured.

        They come on top of the weights and of what else the process holds there.

        Raises:
            UnavailableError: this runs on a CPU, where nobody counts.
        """
        self.load()
        if self.device == "cpu":
            raise UnavailableError("peak_bytes needs a GPU; the device is cpu")
        import torch

        with current(self.device):
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            self._fill(frames)
            return int(torch.cuda.max_memory_allocated()) - before

    def _fill(self, frames: int) -> None:
        """Track as many seconds of silence as are held at once with such batches."""
        from .crepe.on_device import ROUNDS

        engine = copy(self._crepe)
        engine.batch_size = frames
        second = Audio(np.zeros(SAMPLE_RATE, np.float32), SAMPLE_RATE)
        count = -(-ROUNDS * frames // engine.grid.n_frames(SAMPLE_RATE, SAMPLE_RATE))
        for _ in engine.tracks([second] * count):
            pass

    def extract_f0(
        self, audio: ArrayLike, sr: int, fmin: float = 50.0, fmax: float = 550.0
    ) -> tuple[Floats, Floats]:
        """F0 of one recording.

        Args:
            audio: floating point, shape ``(n,)``, ``n ≥ 1``.
            sr: Hz, at least 8000.
            fmin, fmax: F0 range in Hz. A pitch outside is folded onto the range, with
                the confidence of the bin that it lands on.

        Returns:
            ``f0`` float32, Hz, NaN where unvoiced, and ``confidence`` float32 in
            [0, 1], both of shape ``(1 + n // hop,)`` with ``hop = sr // 100`` samples;
            frame ``i`` is centred at sample ``i · hop``.

        Raises:
            InputError: audio or rate cannot be used; a ``ValueError``.
        """
        track = self.track(audio, sr, fmin, fmax)
        return np.where(track.voiced, track.f0, np.float32(np.nan)), track.confidence

    def extract_f0_batch(
        self,
        audio_windows: ArrayLike,
        sr: int,
        fmin: float = 50.0,
        fmax: float = 550.0,
        *,
        reduce: str = "median_cents",
    ) -> tuple[Floats, Floats]:
        """One F0 and one confidence per window; see :mod:`extractors.windows`.

        Args:
            audio_windows: floating point, shape ``(windows, n)``.
            sr, fmin, fmax: as :meth:`extract_f0`.
            reduce: ``median_cents`` or ``mean_hz``.

        Returns:
            ``f0`` float32, Hz, NaN where nothing is voiced, and ``confidence`` float32,
            the mean over all frames; both of shape ``(windows,)``.

        Raises:
            InputError: audio or rate cannot be used; a ``ValueError``.
        """
        found = self.summarise(audio_windows, sr, fmin, fmax, reduce=reduce)
        return found.f0, found.confidence

    def summarise(
        self,
        audio_windows: ArrayLike,
        sr: int,
        fmin: float = 50.0,
        fmax: float = 550.0,
        *,
        reduce: str = "median_cents",
    ) -> WindowSummary:
        """:meth:`extract_f0_batch` with coverage; the memory is that of one window."""
        choose(reduce, tuple(REDUCERS), "reduce")
        tracks = self.window_tracks(audio_windows, sr, fmin, fmax)
        found = summarise(tracks, reduce)
        self.record.batching, self.record.reduce = "frames", reduce
        return found

    def track(
        self,
        audio: ArrayLike,
        sr: int,
        fmin: float = 50.0,
        fmax: float = 550.0,
        *,
        hop_length: int | None = None,
    ) -> F0Track:
        """The track behind :meth:`extract_f0`, with F0 in unvoiced frames too."""
        clip = as_audio(audio, sr)
        grid = service_grid(clip.sr, hop_length)
        self._begin(fmin, fmax)
        frames = grid.n_frames(len(clip.samples), clip.sr)
        if clip.seconds > self.long_s or not self._room_for(clip, frames):
            self.record.pieces = True
            found = self._in_pieces(clip, grid)
            (track,) = self._decoded(iter([found]), grid, fmin, fmax)
        else:
            (track,) = self._tracks([clip], grid, fmin, fmax)
        return track

    def window_tracks(
        self,
        audio_windows: ArrayLike,
        sr: int,
        fmin: float = 50.0,
        fmax: float = 550.0,
        *,
        hop_length: int | None = None,
    ) -> Iterator[F0Track]:
        """The tracks of windows, in order, each as if extracted alone.

        Args:
            audio_windows, sr, fmin, fmax: as :meth:`extract_f0_batch`.
            hop_length: samples between frames; ``None`` is ``sr // 100``.
        """
        windows = as_windows(audio_windows, sr)
        grid = service_grid(windows.sr, hop_length)
        self._begin(fmin, fmax)
        return self._tracks(windows, grid, fmin, fmax)

    def shared_tracks(
        self,
        audio: Audio,
        starts: NDArray[np.int64],
        sharing: Sharing,
        fmin: float,
        fmax: float,
    ) -> Iterator[F0Track]:
        """Tracks of overlapping windows of one recording, inner frames shared.

        Args:
            audio: the recording.
            starts: first sample of each window, multiples of ``sharing.step``.
            sharing: what windows share; see :func:`extractors.windows.plan_sharing`.
            fmin, fmax: F0 range in Hz.
        """
        grid = service_grid(audio.sr, sharing.step)
        self._begin(fmin, fmax)
        self.record.share_frames = True
        whole = self._in_pieces(audio, grid)
        edges = self._infer(Edges(audio, starts, sharing), grid)
        found = joined(whole, edges, starts, sharing)
        return self._decoded(found, grid, fmin, fmax)

    def _room_for(self, clip: Audio, frames: int) -> bool:
        """Whether a clip of so many frames can be on the device as a whole."""
        assert self.memory is not None  # _begin has loaded
        needed = clip.samples.nbytes + frames * DECODED_BYTES
        budget = None if self.device == "cpu" else self.memory.budget_bytes()
        if budget is not None and needed > budget:
            release(self.device)  # what earlier calls left behind can be used, too
            budget = self.memory.budget_bytes()
        return budget is None or needed <= budget

    def _in_pieces(self, clip: Audio, grid: FrameGrid) -> SpilledRows:
        with current(self.device):
            samples = self._crepe.resampled(clip)
        return posteriors_in_pieces(
            samples,
            grid.n_frames(len(clip.samples), clip.sr),
            grid,
            lambda parts: self._infer(parts, grid),
            self.piece_s,
        )

    def _tracks(
        self, clips: Sequence[Audio], grid: FrameGrid, fmin: float, fmax: float
    ) -> Iterator[F0Track]:
        """The track of every clip, decoded where the network runs."""
        engine = self._engine(grid, fmin, fmax)
        return self._counted(self._batched(engine, engine.tracks, clips))

    def _decoded(
        self,
        found: Iterator[Floats] | Iterator[SpilledRows],
        grid: FrameGrid,
        fmin: float,
        fmax: float,
    ) -> Iterator[F0Track]:
        """The tracks of posteriors that are on the host already."""
        engine = self._engine(grid, fmin, fmax)
        return self._counted(
            engine.decode(Posteriors(rows, grid.times(len(rows)))) for rows in found
        )

    def _counted(self, tracks: Iterator[F0Track]) -> Iterator[F0Track]:
        for track in tracks:
            self.record.clips += 1
            self.record.frames += len(track)
            yield track

    def _engine(self, grid: FrameGrid, fmin: float, fmax: float) -> Crepe:
        engine = copy(self._crepe)  # a shallow copy shares the loaded network
        engine.grid, engine.allowed = grid, allowed_bins(fmin, fmax)
        return engine

    def _infer(self, clips: Sequence[Audio], grid: FrameGrid) -> Iterator[Floats]:
        """Posteriors of every clip."""
        engine = copy(self._crepe)
        engine.grid = grid
        for found in self._batched(engine, engine.infer, clips):
            yield found.probabilities

    def _batched(
        self, engine: Crepe, work: Work[Found], clips: Sequence[Audio]
    ) -> Iterator[Found]:
        assert self.memory is not None  # _begin has loaded
        record = self.record
        if not record.batch_sizes:
            record.batch_sizes.append(self.memory.start(self.batch_size))
            record.free_bytes = self.memory.free_bytes()
            record.budget_bytes = self.memory.budget_bytes()
        return in_batches(engine, work, clips, self.memory, record)

    def _begin(self, fmin: float, fmax: float) -> None:
        check_range(fmin, fmax)
        allowed_bins(fmin, fmax)
        self.load()
        self.record = self._new_record()

    def _new_record(self) -> CallRecord:
        return CallRecord(
            f"crepe {self.model}, {DECODER}",
            self._requested,
            self.device,
            self.precision,
        )
