"""Conditions under which a round ran, and the reasons to distrust its times.

A snapshot is taken before and after a round *in the process that is measured*: the
CPU time of other processes is what the machine spent less what this process spent.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .host import (
    ROOT,
    affinity,
    cgroup_folders,
    cores,
    cpu_quota,
    memory_bytes,
    read_text,
)
from .nvml import Nvml, open_nvml

Snapshot = Mapping[str, Any]

#: Share of the usable cores that others may use before a round counts as disturbed.
FOREIGN_SHARE = 0.1
#: Share of the usable cores' time that a hypervisor may withhold.
STEAL_SHARE = 0.02
#: Share of a round for which the container's quota may stop threads.
THROTTLED_SHARE = 0.01
#: Below this many seconds CPU accounting in ticks of 10 ms says nothing.
SHORTEST_S = 1.0
#: Bytes of growth of swap, or of swap traffic, that pass as background.
SWAP_BYTES = 1 << 20
#: A clock after the round below this part of the clock before it was throttled.
CLOCK_RATIO = 0.85
#: Reasons of a low GPU clock that mean throttling under this load.
THROTTLING = (
    "hardware slowdown",
    "thermal limit",
    "hardware thermal slowdown",
    "power brake",
)


def snapshot(root: Path = ROOT) -> dict[str, Any]:
    """State of the machine now, as plain JSON values; ``None`` where unknown.

    Takes a few milliseconds and belongs outside every timed region.

    Args:
        root: root of the file system, for tests.
    """
    cpus = affinity()
    busy_s, steal_s = _cpu_times(cpus, root)
    own = os.times()
    return {
        "monotonic_s": time.monotonic(),
        "cores": cores(root),
        "cpu_quota": cpu_quota(root),
        "affinity": cpus,
        "load_1min": _load(),
        "governor": _governor(cpus, root),
        "clock_mhz": _clock_mhz(cpus, root),
        "busy_s": busy_s,
        "steal_s": steal_s,
        "own_cpu_s": own.user + own.system + own.children_user + own.children_system,
        "swap_used_bytes": _swap_used(root),
        "swap_traffic_bytes": _swap_traffic(root),
        "thermal_throttles": _thermal_throttles(cpus, root),
        "quota_throttled_s": _quota_throttled(root),
        "gpu": _gpu_state(),
    }


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):  # absent on Windows
        return None


def _cpu_times(cpus: list[int], root: Path) -> tuple[float | None, float | None]:
    """Seconds that the given CPUs were busy, and that a hypervisor withheld."""
    wanted = {f"cpu{number}" for number in cpus}
    busy = steal = 0
    found = False
    for line in (read_text(root / "proc/stat") or "").splitlines():
        name, *ticks = line.split()
        if name not in wanted:
            continue
        found = True
        # proc(5): user nice system idle iowait irq softirq steal …
        user, nice, system, _idle, _iowait, irq, softirq, stolen = map(int, ticks[:8])
        busy += user + nice + system + irq + softirq
        steal += stolen
    if not found:
        return None, None
    per_second = os.sysconf("SC_CLK_TCK")
    return busy / per_second, steal / per_second


def _per_cpu(cpus: list[int], name: str, root: Path) -> Iterator[str]:
    for number in cpus:
        text = read_text(root / f"sys/devices/system/cpu/cpu{number}" / name)
        if text:
            yield text


def _governor(cpus: list[int], root: Path) -> str | None:
    found = set(_per_cpu(cpus, "cpufreq/scaling_governor", root))
    return ", ".join(sorted(found)) or None


def _clock_mhz(cpus: list[int], root: Path) -> float | None:
    """Mean clock of the usable CPUs; ``/proc/cpuinfo`` where cpufreq is not exposed."""
    khz = [float(v) for v in _per_cpu(cpus, "cpufreq/scaling_cur_freq", root)]
    if khz:
        return sum(khz) / len(khz) / 1000
    text = read_text(root / "proc/cpuinfo") or ""
    mhz = [
        float(line.partition(":")[2])
        for line in text.splitlines()
        if line.startswith("cpu MHz")
    ]
    return sum(mhz) / len(mhz) if mhz else None


def _swap_used(root: Path) -> int | None:
    total = memory_bytes("SwapTotal", root)
    free = memory_bytes("SwapFree", root)
    return None if total is None or free is None else total - free


def _swap_traffic(root: Path) -> int | None:
    pages = _numbers(root / "proc/vmstat")
    if "pswpin" not in pages or "pswpout" not in pages:
        return None
    moved = pages["pswpin"] + pages["pswpout"]
    return int(moved) * os.sysconf("SC_PAGE_SIZE")


def _thermal_throttles(cpus: list[int], root: Path) -> int | None:
    counts = list(_per_cpu(cpus, "thermal_throttle/core_throttle_count", root))
    return sum(map(int, counts)) if counts else None


def _quota_throttled(root: Path) -> float | None:
    """Seconds for which the control group's CPU quota has stopped this process."""
    for folder in cgroup_folders("cpu", root):
        counters = _numbers(folder / "cpu.stat")
        if "throttled_usec" in counters:  # version 2
            return counters["throttled_usec"] / 1e6
        if "throttled_time" in counters:  # version 1, nanoseconds
            return counters["throttled_time"] / 1e9
    return None


def _numbers(path: Path) -> dict[str, float]:
    """``name number`` lines of a system file."""
    pairs = [line.split() for line in (read_text(path) or "").splitlines()]
    return {pair[0]: float(pair[1]) for pair in pairs if len(pair) == 2}


def _gpu_state() -> dict[str, Any] | None:
    device = open_nvml()
    if device is None:
        return None
    try:
        return {
            "clock_mhz": device.clock_mhz(),
            "clock_reasons": device.clock_reasons(),
            "temperature_c": device.temperature_c(),
            "used_bytes": device.used_bytes(),
            "other_processes": other_processes(device),
        }
    finally:
        device.close()


def other_processes(device: Nvml) -> int | None:
    """How many processes besides this one have a context on the device.

    NVML states ids of the host. Where this process is not found by its id although it
    has opened a context, it runs in a container and is one of the strangers.
    """
    found = device.processes()
    if found is None:
        return None
    torch = sys.modules.get("torch")
    present = torch is not None and torch.cuda.is_initialized()
    hidden = present and os.getpid() not in found
    return max(0, len(set(found) - {os.getpid()}) - hidden)


def noise_reasons(before: Snapshot, after: Snapshot) -> list[str]:
    """Why the times of a round between two snapshots deserve less trust.

    Args:
        before, after: two snapshots of the same process.

    Returns:
        One phrase with its value per reason; empty where nothing speaks against it.
    """
    return [
        *_cpu_noise(before, after),
        *_memory_noise(before, after),
        *_clock_noise(before, after),
        *_gpu_noise(before.get("gpu"), after.get("gpu")),
    ]


def _growth(before: Snapshot, after: Snapshot, name: str) -> float:
    """How much a counter has grown; 0 where either side does not know it."""
    old, new = before.get(name), after.get(name)
    return 0.0 if old is None or new is None else float(new - old)


def _cpu_noise(before: Snapshot, after: Snapshot) -> Iterator[str]:
    count = before.get("cores") or 1
    elapsed = _growth(before, after, "monotonic_s")
    if not _shares_cpus(before):
        yield from _foreign_work(before, after, count, elapsed)
    if elapsed >= SHORTEST_S:
        withheld = _growth(before, after, "steal_s")
        if withheld > STEAL_SHARE * count * elapsed:
            yield f"the hypervisor withheld {withheld / elapsed:.2f} of {count} cores"
    if before.get("affinity") != after.get("affinity"):
        yield "the CPU affinity changed"
    throttled = _growth(before, after, "quota_throttled_s")
    if throttled > THROTTLED_SHARE * elapsed:
        yield f"the container's CPU quota stopped threads for {throttled:.3f} s"


def _shares_cpus(state: Snapshot) -> bool:
    """Whether a quota grants less than the CPUs that the process may run on.

    The rest of them belongs to other containers: what the host accounts for these CPUs
    is their rightful work, and says nothing of the share that was granted.
    """
    quota = state.get("cpu_quota")
    return quota is not None and quota < len(state.get("affinity") or ())


def _foreign_work(
    before: Snapshot, after: Snapshot, count: int, elapsed: float
) -> Iterator[str]:
    # Own threads and the waiting parent make up for one more than the cores at most.
    load = max(s.get("load_1min") or 0.0 for s in (before, after))
    if load > count + 1:
        yield f"load average {load:.1f} on {count} cores"
    spent = _growth(before, after, "busy_s") - _growth(before, after, "own_cpu_s")
    if elapsed >= SHORTEST_S and spent > FOREIGN_SHARE * count * elapsed:
        yield f"other processes used {spent / elapsed:.2f} of {count} cores"


def _memory_noise(before: Snapshot, after: Snapshot) -> Iterator[str]:
    moved = max(
        _growth(before, after, "swap_used_bytes"),
        _growth(before, after, "swap_traffic_bytes"),
    )
    if moved > SWAP_BYTES:
        yield f"{moved / 2**20:.0f} MiB were swapped"


def _clock_noise(before: Snapshot, after: Snapshot) -> Iterator[str]:
    old, new = before.get("governor"), after.get("governor")
    if old != new:
        yield f"the CPU governor changed from {old} to {new}"
    elif old is not None and "powersave" in old:
        yield f"CPU governor {old}: the clock follows the load"
    events = _growth(before, after, "thermal_throttles")
    if events > 0:
        yield f"the CPU was throttled for heat ({events:.0f} events)"
    yield from _fallen("CPU", before, after)


def _fallen(what: str, before: Snapshot, after: Snapshot) -> Iterator[str]:
    old, new = before.get("clock_mhz"), after.get("clock_mhz")
    if old and new and new < CLOCK_RATIO * old:
        yield f"the {what} clock fell from {old:.0f} to {new:.0f} MHz"


def _gpu_noise(before: Snapshot | None, after: Snapshot | None) -> Iterator[str]:
    if before is None or after is None:
        return
    others = max(s.get("other_processes") or 0 for s in (before, after))
    if others:
        yield f"{others} other process{'es' if others > 1 else ''} on the GPU"
    held = {r for s in (before, after) for r in s.get("clock_reasons") or ()}
    for reason in THROTTLING:
        if reason in held:
            yield f"GPU clock throttled: {reason}"
