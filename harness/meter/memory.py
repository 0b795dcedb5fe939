"""Memory of this process: resident set, its peak, and torch's own counters.

``ru_maxrss`` survives fork and exec on Linux: a small child of a large parent reports
the parent's peak. ``VmHWM`` belongs to the address space and can be reset, so it is
used wherever there is a ``/proc``. Reading it costs nothing and needs no pass of its
own; numbers that must be polled are in :mod:`harness.meter.nvml`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from .nvml import open_nvml

PROC = Path("/proc/self")
RESET_PEAK = "5"  # proc(5), clear_refs: set VmHWM to the current resident set


def reset_peak() -> bool:
    """Set the peak of the resident set to its present size.

    Returns:
        Whether the kernel allows it; where not, the peak covers the life of the
        process.
    """
    try:
        (PROC / "clear_refs").write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def host_peak() -> tuple[int | None, str]:
    """Peak resident set of this process in bytes, and the counter it was read from.

    ``VmHWM`` on Linux; elsewhere ``ru_maxrss``, which macOS counts in bytes and other
    systems in KiB, and which cannot be reset; ``(None, "unknown")`` without either.
    """
    peak = _status_bytes("VmHWM")
    if peak is not None:
        return peak, "VmHWM"
    return resource_peak()


def resource_peak() -> tuple[int | None, str]:
    """``ru_maxrss`` in bytes and its name; see :func:`host_peak`."""
    try:
        import resource
    except ImportError:  # Windows
        return None, "unknown"
    counted = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "darwin":
        return counted, "ru_maxrss (bytes)"
    return counted * 1024, "ru_maxrss (KiB)"


def rss_bytes() -> int | None:
    """Resident set of this process in bytes, ``None`` where there is no ``/proc``."""
    return _status_bytes("VmRSS")


def _status_bytes(field: str) -> int | None:
    try:
        lines = (PROC / "status").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, rest = line.partition(":")
        if name == field:
            return int(rest.split()[0]) * 1024  # "kB" in proc(5) means KiB
    return None


def reset_torch_peak() -> None:
    """Set torch's peak counters to the present; nothing where CUDA is not in use."""
    torch = _torch_on_cuda()
    if torch is not None:
        torch.cuda.reset_peak_memory_stats()


def torch_peak() -> dict[str, int | None]:
    """Peaks of torch's CUDA allocator in bytes, ``None`` where CUDA is not in use.

    ``gpu_allocated_peak_bytes`` is what tensors took, ``gpu_reserved_peak_bytes`` what
    the allocator held for them; neither holds the CUDA context or library workspaces.
    """
    torch = _torch_on_cuda()
    allocated = reserved = None
    if torch is not None:
        allocated = int(torch.cuda.max_memory_allocated())
        reserved = int(torch.cuda.max_memory_reserved())
    return {
        "gpu_allocated_peak_bytes": allocated,
        "gpu_reserved_peak_bytes": reserved,
    }


def device_bytes() -> int | None:
    """Memory in use on the GPU by everybody, ``None`` without NVML or a device."""
    device = open_nvml()
    if device is None:
        return None
    try:
        return device.used_bytes()
    finally:
        device.close()


def torch_allocated_bytes() -> int | None:
    """Bytes that CUDA tensors hold now, ``None`` where CUDA is not in use."""
    torch = _torch_on_cuda()
    return None if torch is None else int(torch.cuda.memory_allocated())


def torch_reserved_bytes() -> int | None:
    """Bytes that torch's allocator holds now, ``None`` where CUDA is not in use."""
    torch = _torch_on_cuda()
    return None if torch is None else int(torch.cuda.memory_reserved())


def _torch_on_cuda() -> Any | None:
    """Torch where this process has loaded it and opened a CUDA context, else ``None``.

    Looking torch up among the loaded modules keeps the question free of side effects:
    importing it or opening a context would change the memory that is asked about.
    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    return torch
