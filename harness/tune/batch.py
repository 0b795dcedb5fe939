"""A batch size by measured peaks and throughput, not by a formula.

Sizes on a ladder are measured, each in a fresh process, until one does not fit: its
peak exceeds the budget that :class:`extractors.memory.MemoryManager` gives of the free
memory, or it runs out of memory. On a GPU with less than 2 GiB free, none above the
manager's 128 frames is tried. Between the last
that fits and the first that does not, the search halves the gap a few times. A size
whose peak would exceed the limit by the line through the peaks so far is not tried:
on the CPU, running out of memory ends other programs too.

Advised is the smallest size that is as fast as any that fits, within
:data:`AS_FAST`: more memory than that buys nothing. Beside it stand the size that the
manager would begin with, knowing these peaks, and what the formula of the source
documents says, which nothing uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import linear_regression, median
from typing import Any

from extractors.memory import (
    SMALL_BATCH,
    SMALL_DEVICE,
    MemoryManager,
    seed_batch_size,
)

#: Each step of the ladder is so many times the last.
FACTOR = 4
FIRST = 32
#: Steps between the last size that fits and the first that does not.
HALVINGS = 3
#: Share of the best throughput that counts as the same.
AS_FAST = 0.95


@dataclass(frozen=True)
class Tried:
    """One batch size.

    Attributes:
        batch_size: frames in a batch, at most.
        x_realtime: median over the passes, ``None`` where it failed or was not tried.
        peak_bytes: peak on the device that is searched, ``None`` likewise.
        fits: whether the peak keeps within the limit.
        note: why it does not, or was not tried.
    """

    batch_size: int
    x_realtime: float | None
    peak_bytes: int | None
    fits: bool
    note: str = ""


@dataclass
class Search:
    """A search in progress.

    Attributes:
        measure: answers one batch size with the worker's samples, or an error.
        device: ``cpu`` or ``cuda``: whose memory is meant.
        share: of the free memory that may be used.
        largest: no size above it is tried.
        memory: free and total bytes before anything was loaded; that of a GPU is known
            by the first worker.
        tried: in the order of the trials.
    """

    measure: Callable[[int], Mapping[str, Any]]
    device: str
    share: float
    largest: int
    memory: tuple[int, int] | None = None
    tried: list[Tried] = field(default_factory=list)

    @property
    def manager(self) -> MemoryManager:
        """Decides what fits into the memory."""
        return MemoryManager(
            self.device,
            share=self.share,
            ceiling=self.largest,
            memory=lambda _: self.memory,
        )

    @property
    def limit_bytes(self) -> int | None:
        """The peak that is allowed, ``None`` where it is not known."""
        return self.manager.budget_bytes()

    @property
    def small(self) -> bool:
        """Less than 2 GiB is free on a GPU: batches are 128 frames at most."""
        free = self.manager.free_bytes()
        return self.device != "cpu" and free is not None and free < SMALL_DEVICE

    @property
    def service_start(self) -> int:
        """What the manager begins with, asked for ``largest`` and knowing the peaks."""
        peaks = {t.batch_size: t.peak_bytes for t in self.tried if t.peak_bytes}
        manager = self.manager
        manager.learn(lambda size: peaks[size] or 0, tuple(peaks))
        return manager.start(self.largest)

    def run(self) -> None:
        """Fill ``tried``."""
        good, bad = 0, 0
        for size in self._ladder():
            if not self._try(size).fits:
                bad = size
                break
            good = size
        if bad and not good:
            good, bad = self._below(bad)
        for _ in range(HALVINGS if good else 0):
            middle = round((good * bad) ** 0.5) if bad else 0
            if not good < middle < bad:
                break
            if self._try(middle).fits:
                good = middle
            else:
                bad = middle

    def _ladder(self) -> Iterator[int]:
        size = min(FIRST, self.largest)
        while size < self._most():
            yield size
            size *= FACTOR
        yield self._most()

    def _most(self) -> int:
        """The largest size that is tried; a GPU's memory is known after the first."""
        return self.manager.start(self.largest)

    def _below(self, bad: int) -> tuple[int, int]:
        """Down the ladder to the first size that fits, or to 1."""
        while bad > 1:
            size = max(bad // FACTOR, 1)
            if self._try(size).fits:
                return size, bad
            bad = size
        return 0, bad

    def _try(self, size: int) -> Tried:
        found = self._foreseen(size) or self._measured(size)
        self.tried.append(found)
        return found

    def _foreseen(self, size: int) -> Tried | None:
        """A size that the line through the peaks so far rules out."""
        line = fit(self.tried)
        if line is None or self.limit_bytes is None:
            return None
        peak = line[0] + line[1] * size
        if peak <= self.limit_bytes:
            return None
        note = f"not tried: {peak / 2**30:.2f} GiB by the line through the others"
        return Tried(size, None, None, False, note)

    def _measured(self, size: int) -> Tried:
        found = self.measure(size)
        if "error" in found:
            return Tried(size, None, None, False, str(found["error"]))
        on_gpu = self.device != "cpu"
        if on_gpu and self.memory is None and found["gpu_free_bytes"]:
            self.memory = found["gpu_free_bytes"], found["gpu_total_bytes"]
        name = "gpu_reserved_peak_bytes" if on_gpu else "host_peak_bytes"
        peak = found[name]
        speed = float(found["audio_s"]) / median(found["wall_s"])
        over = self.limit_bytes is not None and (peak or 0) > self.limit_bytes
        return Tried(size, speed, peak, not over, "beyond the limit" if over else "")


def fit(tried: Sequence[Tried]) -> tuple[float, float] | None:
    """Constant in bytes and bytes per frame of the batch, by least squares.

    ``None`` with fewer than three peaks: two always lie on a line.
    """
    points = [(t.batch_size, t.peak_bytes) for t in tried if t.peak_bytes is not None]
    if len(points) < 3:
        return None
    slope, constant = linear_regression(*zip(*points, strict=True))
    return constant, slope


def advised(tried: Sequence[Tried]) -> int | None:
    """The smallest size that fits and is as fast as any; ``None`` where none fits."""
    fitting = [t for t in tried if t.fits and t.x_realtime is not None]
    if not fitting:
        return None
    best = max(t.x_realtime or 0.0 for t in fitting)
    return min(t.batch_size for t in fitting if (t.x_realtime or 0.0) >= AS_FAST * best)


def as_dict(search: Search) -> dict[str, Any]:
    """The search as plain data, trials by size."""
    line = fit(search.tried)
    manager = search.manager
    return {
        "batch_size": advised(search.tried),
        "memory": "host" if search.device == "cpu" else "gpu",
        "free_bytes": manager.free_bytes(),
        "total_bytes": manager.total_bytes(),
        "share": manager.share,
        "margin": manager.margin,
        "limit_bytes": search.limit_bytes,
        "below_2_gib": search.small,
        "service_batch_size": search.service_start,
        "formula_windows": _formula(search),
        "trials": [asdict(t) for t in _sorted(search.tried)],
        "constant_bytes": None if line is None else line[0],
        "bytes_per_frame": None if line is None else line[1],
    }


def _sorted(tried: Sequence[Tried]) -> list[Tried]:
    return sorted(tried, key=lambda t: t.batch_size)


def render(label: str, search: Search) -> str:
    """Lines for a terminal."""
    place = "host" if search.device == "cpu" else "GPU"
    lines = [f"{label}: peak memory ({place}) by batch size, {_limit(search)}", ""]
    lines.append(f"  {'batch':>6}  {'× RT':>8}  {'peak GiB':>8}")
    for trial in _sorted(search.tried):
        speed = "–" if trial.x_realtime is None else f"{trial.x_realtime:.1f}"
        peak = "–" if trial.peak_bytes is None else _gib(trial.peak_bytes)
        line = f"  {trial.batch_size:>6}  {speed:>8}  {peak:>8}  {trial.note}"
        lines.append(line.rstrip())
    line_found = fit(search.tried)
    if line_found is not None:
        constant, slope = line_found
        grows = f" + {slope / 2**10:.1f} KiB × batch" if slope > 0 else ""
        more = "" if grows else ", and does not grow with the batch"
        lines += ["", f"  peak ≈ {_gib(constant)} GiB{grows}{more}"]
    size = advised(search.tried)
    told = "no batch size fits" if size is None else f"batch_size={size}"
    lines += ["", f"  advised: {told}", *_beside(search)]
    return "\n".join(lines) + "\n"


def _limit(search: Search) -> str:
    """The budget and where it comes from."""
    manager = search.manager
    free = manager.free_bytes()
    if free is None or search.limit_bytes is None:
        return "limit unknown"
    return (
        f"limit {_gib(search.limit_bytes)} GiB: {100 * manager.share:g} % of "
        f"{_gib(free)} GiB free, × {manager.margin:g} as peaks vary"
    )


def _beside(search: Search) -> Iterator[str]:
    """What the service would do, and what the source documents say."""
    small = f", {SMALL_BATCH} at most below 2 GiB" if search.small else ""
    yield (
        f"  the F0 service's manager, asked for {search.largest} and knowing these "
        f"peaks, begins with {search.service_start}{small}"
    )
    windows, total = _formula(search), search.manager.total_bytes()
    if windows is not None and total is not None:
        yield (
            f"  formula of the source documents: {windows} windows (80 % of all "
            f"{_gib(total)} GiB at 24 MiB each, 100 to 5000); shown only"
        )


def _formula(search: Search) -> int | None:
    total = search.manager.total_bytes()
    return None if total is None else seed_batch_size(total)


def _gib(count: float) -> str:
    return f"{count / 2**30:.2f}"
