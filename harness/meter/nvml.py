"""NVIDIA's management library through nvidia-ml-py, ``None`` wherever it is absent.

NVML counts what no framework counts: the CUDA context, cuDNN and cuBLAS workspaces,
other processes, clocks and the reasons why they are low.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Protocol

#: Bits of ``nvmlDeviceGetCurrentClocksEventReasons`` (NVML API reference, group
#: nvmlClocksEventReasons); the older name of the call has "Throttle" for "Event".
CLOCK_REASONS = {
    0x001: "idle",
    0x002: "application clocks",
    0x004: "power cap",
    0x008: "hardware slowdown",
    0x010: "sync boost",
    0x020: "thermal limit",
    0x040: "hardware thermal slowdown",
    0x080: "power brake",
    0x100: "display clocks",
}


class Nvml:
    """One GPU as NVML sees it; build it with :func:`open_nvml`.

    Every reading is ``None`` where the driver does not support it.
    """

    def __init__(self, library: Any, handle: Any) -> None:
        self._library = library
        self._handle = handle

    def _ask(self, call: str, *args: object) -> Any:
        try:
            return getattr(self._library, call)(self._handle, *args)
        except (self._library.NVMLError, AttributeError):
            return None

    def used_bytes(self) -> int | None:
        """Memory in use on the device by everybody, in bytes."""
        memory = self._ask("nvmlDeviceGetMemoryInfo")
        return None if memory is None else int(memory.used)

    def processes(self) -> dict[int, int | None] | None:
        """Process id to bytes of every process with a compute context.

        Ids are those of the host: inside a container the own one is not among them.
        """
        found = self._ask("nvmlDeviceGetComputeRunningProcesses")
        if found is None:
            return None
        return {int(entry.pid): entry.usedGpuMemory for entry in found}

    def process_bytes(self, pid: int | None = None) -> int | None:
        """Bytes on the device of process ``pid``, by default this one."""
        return (self.processes() or {}).get(os.getpid() if pid is None else pid)

    def clock_mhz(self) -> int | None:
        """Clock of the streaming multiprocessors in MHz."""
        clock = self._ask("nvmlDeviceGetClockInfo", 1)  # NVML_CLOCK_SM
        return None if clock is None else int(clock)

    def clock_reasons(self) -> list[str] | None:
        """Why the clock is what it is; names of :data:`CLOCK_REASONS`."""
        bits = self._ask("nvmlDeviceGetCurrentClocksEventReasons")
        if bits is None:
            bits = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons")
        if bits is None:
            return None
        return [name for bit, name in CLOCK_REASONS.items() if int(bits) & bit]

    def temperature_c(self) -> int | None:
        """Core temperature in °C."""
        found = self._ask("nvmlDeviceGetTemperature", 0)  # NVML_TEMPERATURE_GPU
        return None if found is None else int(found)

    def close(self) -> None:
        """Release the library; further readings are ``None``."""
        self._library.nvmlShutdown()


def open_nvml(uuid: str | None = None) -> Nvml | None:
    """Open the device that CUDA calls number 0, or ``None``.

    ``None`` means: nvidia-ml-py is not installed, there is no driver, no device is
    visible, or ``CUDA_VISIBLE_DEVICES`` names one that NVML does not know.

    Args:
        uuid: ``GPU-…`` as the CUDA properties state it; by default the first entry of
            ``CUDA_VISIBLE_DEVICES``, else device 0.
    """
    chosen = uuid or _first_visible()
    if chosen is None:
        return None
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        if chosen.isdigit():
            return Nvml(pynvml, pynvml.nvmlDeviceGetHandleByIndex(int(chosen)))
        return Nvml(pynvml, pynvml.nvmlDeviceGetHandleByUUID(chosen))
    except pynvml.NVMLError:
        pynvml.nvmlShutdown()
        return None


def _first_visible() -> str | None:
    """First entry of ``CUDA_VISIBLE_DEVICES``; ``None`` where it hides every device."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    return None if first in ("", "-1") else first


class MemorySource(Protocol):
    """What the sampler reads."""

    def used_bytes(self) -> int | None: ...

    def process_bytes(self, pid: int | None = None) -> int | None: ...


class NvmlSampler:
    """Polls GPU memory in a thread while its ``with`` block runs.

    Polling takes the driver's lock, so this belongs in a pass of its own that is not
    timed. Peaks between two polls are missed.

    Attributes:
        process_peak_bytes: highest reading of this process, ``None`` where NVML does
            not know it (e.g. inside a container).
        device_peak_bytes: highest reading of the whole device.
        device_delta_bytes: ``device_peak_bytes`` above the reading at entry, or above
            ``baseline_bytes`` where it was given.
        polls: number of readings.
    """

    def __init__(
        self,
        source: MemorySource,
        *,
        interval_s: float = 0.01,
        baseline_bytes: int | None = None,
    ) -> None:
        self._source = source
        self._interval_s = interval_s
        self._baseline_bytes = baseline_bytes
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self.process_peak_bytes: int | None = None
        self.device_peak_bytes: int | None = None
        self.polls = 0

    @property
    def device_delta_bytes(self) -> int | None:
        if self.device_peak_bytes is None or self._baseline_bytes is None:
            return None
        return self.device_peak_bytes - self._baseline_bytes

    def __enter__(self) -> NvmlSampler:
        if self._baseline_bytes is None:
            self._baseline_bytes = self._source.used_bytes()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()
        self._read()  # a block shorter than a poll has a reading too

    def _poll(self) -> None:
        while not self._done.wait(self._interval_s):
            self._read()

    def _read(self) -> None:
        self.polls += 1
        self.process_peak_bytes = _largest(
            (self.process_peak_bytes, self._source.process_bytes())
        )
        self.device_peak_bytes = _largest(
            (self.device_peak_bytes, self._source.used_bytes())
        )


def _largest(readings: Iterable[int | None]) -> int | None:
    return max((r for r in readings if r is not None), default=None)
