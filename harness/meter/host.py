"""Facts about the machine, read from ``/proc`` and ``/sys``; ``None`` where unknown."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def read_text(path: Path) -> str | None:
    """Content of a small system file, stripped; ``None`` where it is unreadable."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None


def affinity() -> list[int]:
    """Logical CPUs that this process may run on, sorted."""
    if sys.platform == "linux":
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cores(root: Path = ROOT) -> int:
    """Threads that can run at once: CPU affinity, bounded by the container's quota.

    A quota of a fraction is rounded down: one thread more than it pays for would be
    throttled in every period.

    Args:
        root: root of the file system, for tests.
    """
    quota = cpu_quota(root)
    count = len(affinity())
    return count if quota is None else max(1, min(count, int(quota)))


def cpu_quota(root: Path = ROOT) -> float | None:
    """CPUs that the control group grants, ``None`` where it sets no bound.

    Reads ``cpu.max`` (version 2) and ``cpu.cfs_quota_us`` (version 1) from the group of
    this process up to the root; the tightest bound holds.
    """
    found = [_quota_of(folder) for folder in cgroup_folders("cpu", root)]
    return min((quota for quota in found if quota is not None), default=None)


def _quota_of(folder: Path) -> float | None:
    both = read_text(folder / "cpu.max")
    if both is None:
        quota = read_text(folder / "cpu.cfs_quota_us")
        both = f"{quota} {read_text(folder / 'cpu.cfs_period_us')}"
    try:
        quota_us, period_us = map(float, both.split())
    except ValueError:  # "max", or no such file
        return None
    return quota_us / period_us if quota_us > 0 and period_us > 0 else None


def cgroup_folders(controller: str, root: Path = ROOT) -> Iterator[Path]:
    """Folders of this process's control groups, innermost first, up to the mount.

    Inside a container the stated path may lie outside of what is mounted; the mount
    itself, which then is the container's group, is always among the results.
    """
    base = root / "sys/fs/cgroup"
    for line in (read_text(root / "proc/self/cgroup") or "0::/").splitlines():
        _, controllers, place = line.split(":", 2)
        if controllers == "":
            mount = base
        elif controller in controllers.split(","):
            mount = base / controller
        else:
            continue
        folder = mount / place.lstrip("/")
        while folder != mount:
            yield folder
            folder = folder.parent
        yield mount


def memory_bytes(field: str = "MemTotal", root: Path = ROOT) -> int | None:
    """A line of ``/proc/meminfo`` in bytes, e.g. ``MemAvailable`` or ``SwapFree``."""
    for line in (read_text(root / "proc/meminfo") or "").splitlines():
        name, _, rest = line.partition(":")
        if name == field:
            return int(rest.split()[0]) * 1024  # "kB" means KiB
    return None


def cpu_model(root: Path = ROOT) -> str:
    """Name of the processor as its maker writes it, without marks and double spaces."""
    for line in (read_text(root / "proc/cpuinfo") or "").splitlines():
        name, _, rest = line.partition(":")
        if name.strip() in ("model name", "Model", "cpu model") and rest.strip():
            return _tidy(rest)
    if sys.platform == "darwin":
        asked = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.stdout.strip():
            return _tidy(asked.stdout)
    return _tidy(platform.processor() or platform.machine() or "unknown")


def _tidy(name: str) -> str:
    for mark in ("(R)", "(TM)", "(r)", "(tm)"):
        name = name.replace(mark, "")
    return " ".join(name.split())


def machine(gpu: str | None = None) -> dict[str, str | int | None]:
    """What ran, without a name of host or user.

    Args:
        gpu: name of the GPU from the inventory, because asking for it needs torch.

    Returns:
        ``cpu, cores, memory_bytes, gpu, os, python``.
    """
    return {
        "cpu": cpu_model(),
        "cores": cores(),
        "memory_bytes": memory_bytes(),
        "gpu": gpu,
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }
