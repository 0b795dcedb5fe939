"""Device memory: what is free, the largest batch that fits, and what to do when not.

A batch size never changes a result here (network and decoder are called on fixed
shapes), so it may follow the memory: it is chosen from measured peaks, and halved
whenever the device runs out. Peaks grow as ``a + b · n`` with the frames ``n`` of a
batch, ``a`` being weights and work space; both are measured, none is assumed.

"Free" is what the driver says (``torch.cuda.mem_get_info``), with other processes and
the caching allocator counted; on a CPU what the kernel calls available.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import ConfigError, DeviceMemoryError

GIB = 2**30
MIB = 2**20
SMALL_DEVICE = 2 * GIB  # bytes; below it batches start at SMALL_BATCH
SMALL_BATCH = 128  # frames

log = logging.getLogger("f0bench.service")


@dataclass(frozen=True)
class BatchSearch:
    """What :meth:`MemoryManager.find_batch_size` found.

    Attributes:
        batch_size: frames; the largest that stays within the budget.
        budget_bytes: share of the free memory that a batch may take.
        probes: pairs of batch size and measured peak in bytes, in order of trial;
            ``None`` where the device ran out.
        intercept_bytes, bytes_per_frame: least squares fit of the peaks, ``None`` with
            fewer than two of them.
        seed_batch_size: what the formula of :func:`seed_batch_size` says, in windows;
            ``None`` where the size of the device is not known.
    """

    batch_size: int
    budget_bytes: int
    probes: tuple[tuple[int, int | None], ...]
    intercept_bytes: float | None
    bytes_per_frame: float | None
    seed_batch_size: int | None


class MemoryManager:
    """Batch sizes that fit into what is free, and recovery when they did not.

    Nothing is reserved or allocated here.

    Args:
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        share: the part of the free memory that a batch may take, in (0, 1].
        margin: the part of that share that is used; peaks vary by a few percent.
        floor: smallest batch in frames.
        ceiling: largest batch in frames.
        memory: tells free and total bytes of the device, or ``None`` where unknown;
            :func:`device_memory` unless stated.

    Raises:
        ConfigError: a share or margin outside (0, 1], or a floor above the ceiling.
    """

    def __init__(
        self,
        device: str = "cuda",
        *,
        share: float = 0.8,
        margin: float = 0.9,
        floor: int = 1,
        ceiling: int = 65536,
        memory: Callable[[str], tuple[int, int] | None] | None = None,
    ) -> None:
        if not (0 < share <= 1 and 0 < margin <= 1):
            raise ConfigError(f"share={share} and margin={margin} must lie in (0, 1]")
        if not 1 <= floor <= ceiling:
            raise ConfigError(
                f"floor={floor} and ceiling={ceiling}: need 1 ≤ floor ≤ ceiling"
            )
        self.device = device
        self.share, self.margin = share, margin
        self.floor, self.ceiling = floor, ceiling
        self._memory = device_memory if memory is None else memory
        self._cost: tuple[float, float] | None = None  # bytes, and bytes a frame

    def free_bytes(self) -> int | None:
        """Bytes free on the device now, ``None`` where nobody says."""
        found = self._memory(self.device)
        return None if found is None else found[0]

    def total_bytes(self) -> int | None:
        """Bytes of the device, ``None`` where nobody says."""
        found = self._memory(self.device)
        return None if found is None else found[1]

    def budget_bytes(self) -> int | None:
        """Bytes that a batch may take: ``share · margin`` of what is free."""
        free = self.free_bytes()
        return None if free is None else int(free * self.share * self.margin)

    def start(self, requested: int) -> int:
        """The batch size to begin with: ``requested``, or less where memory is short.

        128 below 2 GiB free on a GPU; and what fits into the budget, where the cost of
        a frame is known (:meth:`learn`).
        """
        limit = self.ceiling
        if self.device != "cpu" and self._short():
            release(self.device)  # what earlier calls left behind can be used, too
            if self._short():
                limit = min(limit, SMALL_BATCH)
        budget = self.budget_bytes()
        if budget is not None and self._cost is not None and self._cost[1] > 0:
            fixed, per_frame = self._cost
            limit = min(limit, int((budget - max(fixed, 0.0)) / per_frame))
        return max(self.floor, min(requested, limit))

    def learn(self, peak: Callable[[int], int], sizes: tuple[int, ...]) -> None:
        """Measure peaks of small batches; :meth:`start` then knows what fits.

        Args:
            peak: as :meth:`find_batch_size`.
            sizes: two batch sizes or more, in frames.
        """
        fixed, per_frame = _fit([(size, self._measured(peak, size)) for size in sizes])
        if fixed is not None and per_frame is not None:
            self._cost = fixed, per_frame

    def _short(self) -> bool:
        free = self.free_bytes()
        return free is not None and free < SMALL_DEVICE

    def smaller(self, batch_size: int) -> int:
        """Half of a batch that did not fit; gives cached memory back first.

        Raises:
            DeviceMemoryError: the batch is the smallest already.
        """
        release(self.device)
        if batch_size <= self.floor:
            raise DeviceMemoryError(
                f"{self.device} has no memory for a batch of {batch_size} frames, the "
                f"smallest allowed ({_gib(self.free_bytes())} free); end other "
                "processes on it or use device=cpu"
            )
        half = max(self.floor, batch_size // 2)
        log.warning(
            "%s: out of memory at batch_size=%d; going on with %d (same result)",
            self.device,
            batch_size,
            half,
        )
        return half

    def find_batch_size(
        self, peak: Callable[[int], int], *, requested: int | None = None
    ) -> BatchSearch:
        """Search the largest batch whose measured peak stays within the budget.

        Doubles from the floor until a peak is over the budget, then halves the
        interval until it is within an eighth of the batch.

        Args:
            peak: runs a batch of so many frames and returns the bytes that it took at
                most; may run out of memory.
            requested: no larger batch is tried; the ceiling unless stated.

        Raises:
            ConfigError: nobody says what is free on this device.
        """
        budget = self.budget_bytes()
        if budget is None:
            raise ConfigError(f"the free memory of {self.device} is not known")
        limit = min(self.ceiling, requested or self.ceiling)
        probes: list[tuple[int, int | None]] = []

        def fits(size: int) -> bool:
            found = self._measured(peak, size)
            probes.append((size, found))
            return found is not None and found <= budget

        best = _largest(fits, min(self.floor, limit), limit)
        intercept, slope = _fit(probes)
        total = self.total_bytes()
        seed = None if total is None else seed_batch_size(total)
        return BatchSearch(best, budget, tuple(probes), intercept, slope, seed)

    def _measured(self, peak: Callable[[int], int], size: int) -> int | None:
        try:
            return peak(size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        release(self.device)
        return None


def _largest(fits: Callable[[int], bool], low: int, limit: int) -> int:
    """Largest size up to ``limit`` that fits, to within an eighth; at least ``low``."""
    if not fits(low):
        return low
    high = low
    while high < limit:
        high = min(2 * high, limit)
        if not fits(high):
            break
        low = high
    while high - low > max(1, low // 8):
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


def _fit(probes: list[tuple[int, int | None]]) -> tuple[float | None, float | None]:
    known = [(size, found) for size, found in probes if found is not None]
    if len({size for size, _ in known}) < 2:
        return None, None
    sizes, peaks = np.array(known, dtype=np.float64).T
    slope, intercept = np.polyfit(sizes, peaks, 1)
    return float(intercept), float(slope)


def seed_batch_size(total_bytes: int) -> int:
    """The source documents' rule, shown beside a measured size and never used.

    80 % of the *whole* device at 24 MiB a window, within 100–5000 windows: a device of
    2 GiB gets 100 windows of 2.4 GiB.
    """
    return max(100, min(int(total_bytes * 0.8 / (24 * MIB)), 5000))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory ran out, on a GPU or on the host.

    Beside torch's own error, libraries that fail to allocate their work space raise a
    plain ``RuntimeError``.
    """
    if isinstance(error, MemoryError):
        return True
    if not isinstance(error, RuntimeError) or isinstance(error, DeviceMemoryError):
        return False
    text = str(error).lower()
    signs = ("out of memory", "alloc_failed", "can't allocate memory")
    return any(sign in text for sign in signs)


def release(device: str) -> None:
    """Give unused cached memory back to the driver."""
    gc.collect()  # frames of a failed call may still be held by its traceback
    if device.startswith("cuda"):
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def device_memory(device: str) -> tuple[int, int] | None:
    """Free and total bytes of a device, ``None`` where nobody says."""
    if device == "cpu":
        return _host_memory()
    import torch

    if not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info(device)
    return int(free), int(total)


def _host_memory(source: Path = Path("/proc/meminfo")) -> tuple[int, int] | None:
    try:
        lines = source.read_text(encoding="ascii").splitlines()
    except OSError:  # not Linux
        return None
    kib = {name: int(rest.split()[0]) for name, _, rest in map(_parts, lines)}
    if "MemAvailable" not in kib or "MemTotal" not in kib:
        return None
    return kib["MemAvailable"] * 1024, kib["MemTotal"] * 1024


def _parts(line: str) -> tuple[str, str, str]:
    return line.partition(":")


def _gib(count: int | None) -> str:
    return "unknown" if count is None else f"{count / GIB:.2f} GiB"
