"""What this machine offers: devices, versions, and the environment of a worker.

Torch is imported in a child process only (``python -m harness.environment``), so the
parent stays light and free of CUDA contexts and thread pools.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .meter.conditions import noise_reasons, snapshot
from .meter.host import cores, machine

__all__ = [
    "Inventory",
    "available",
    "inventory",
    "library_versions",
    "machine",
    "noise_reasons",
    "requirements",
    "snapshot",
    "worker_env",
]

#: Libraries that shape results without being requirements of f0bench itself.
INDIRECT = ("torchaudio", "numba", "llvmlite", "resampy")

#: Requirement lines of tools that no result depends on.
DEVELOPER_EXTRA = re.compile(r"extra\s*==\s*['\"](test|dev|bench)['\"]")

#: Every variable that sets the size of some library's thread pool.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


#: Device files without which no driver that torch can use is loaded on Linux: NVIDIA's,
#: that of its Tegra boards, the one of WSL, and AMD's.
DRIVERS = ("/dev/nvidiactl", "/dev/nvmap", "/dev/dxg", "/dev/kfd")


@dataclass(frozen=True)
class Inventory:
    """What this machine can run on, as far as torch can tell.

    Attributes:
        devices: usable ones, ``cpu`` and perhaps ``cuda``.
        reasons: why a device is not usable, by device; ``torch`` where torch itself
            cannot be imported.
        versions: installed version of every library that shapes results.
        gpus: names of the visible CUDA devices.
        driver: version of the NVIDIA driver, where NVML tells it.
        cuda: CUDA version that torch was built for, ``None`` for a CPU build.
        threads: threads that torch uses within one operation; ``None`` if not asked.
        torchaudio: whether torchaudio is real or a stand-in; ``None`` if not asked.
    """

    devices: tuple[str, ...] = ("cpu",)
    reasons: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    gpus: tuple[str, ...] = ()
    driver: str | None = None
    cuda: str | None = None
    threads: int | None = None
    torchaudio: str | None = None

    @property
    def gpu(self) -> str | None:
        """Name of the first GPU, ``None`` without one."""
        return self.gpus[0] if self.gpus else None


def available(threads: int | None = None) -> Inventory:
    """The devices that a run can use; starts torch only where the answer needs it.

    Importing torch takes seconds; that a CPU build, or a machine without a GPU driver,
    has no CUDA device is known before.

    Args:
        threads: threads of the child that asks torch, ``None`` for all usable cores.
    """
    versions = library_versions()
    if "torch" not in versions:  # let the child say what is wrong
        return inventory(threads)
    if versions["torch"].endswith("+cpu"):
        reason = f"torch {versions['torch']} is a CPU build"
    elif sys.platform == "linux" and not any(Path(p).exists() for p in DRIVERS):
        reason = f"no GPU driver is loaded: none of {', '.join(DRIVERS)} exists"
    else:
        return inventory(threads)
    return Inventory(reasons={"cuda": reason}, versions=versions)


def inventory(
    threads: int | None = None, timeout_s: float = 120, *, torchaudio: bool = False
) -> Inventory:
    """Ask one fresh interpreter which devices and versions there are.

    A child that fails or hangs is no error: its reason takes the place of the devices,
    and what does not need torch can still be measured.

    Args:
        threads: threads of the child, ``None`` for all usable cores.
        timeout_s: seconds after which the child is killed.
        torchaudio: also try to import torchaudio, which takes seconds.
    """
    command = [sys.executable, "-P", "-m", __name__, "--json"]
    if torchaudio:
        command.append("--torchaudio")
    try:
        child = subprocess.run(
            command,
            env=worker_env(threads, "cuda"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _failed(f"the device inventory took more than {timeout_s:g} s")
    if child.returncode != 0:
        last = (child.stderr.strip().splitlines() or ["no message"])[-1]
        return _failed(f"the device inventory ended with {child.returncode}: {last}")
    return _parsed(json.loads(child.stdout.strip().splitlines()[-1]))


def _failed(reason: str) -> Inventory:
    return Inventory(
        reasons={"torch": reason, "cuda": reason}, versions=library_versions()
    )


def _parsed(data: Mapping[str, Any]) -> Inventory:
    tuples = {name: tuple(data[name]) for name in ("devices", "gpus")}
    return Inventory(**{**data, **tuples})


def library_versions() -> dict[str, str]:
    """Installed version of every library that shapes results, nothing imported.

    These are f0bench itself, its requirements with all extras but the developers', and
    a few libraries below them. Absent ones are left out.
    """
    lines = [line for line in requirements() if not DEVELOPER_EXTRA.search(line)]
    names = {"f0bench", *INDIRECT, *(re.split(r"[^\w.-]", line)[0] for line in lines)}
    versions = {}
    for name in sorted(names, key=str.lower):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def requirements() -> list[str]:
    """Requirement lines of the installed f0bench, extras included; may be empty."""
    try:
        return importlib.metadata.requires("f0bench") or []
    except importlib.metadata.PackageNotFoundError:  # run from a bare checkout
        return []


def worker_env(
    threads: int | None, device: str, overlay: Path | None = None
) -> dict[str, str]:
    """The whole environment of a worker, to be set before it imports torch.

    Args:
        threads: size of every thread pool, ``None`` for all usable cores.
        device: ``cpu`` hides every GPU; ``cuda`` leaves the visible ones as they are.
        overlay: folder whose packages come before everything else.
    """
    count = str(cores() if threads is None else threads)
    env = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, count)}
    env["PYTHONHASHSEED"] = "0"
    path = _with_this_package(env.get("PYTHONPATH", ""))
    env["PYTHONPATH"] = path if overlay is None else f"{overlay}{os.pathsep}{path}"
    if device == "cpu":
        env["CUDA_VISIBLE_DEVICES"] = ""
    return env


def _with_this_package(path: str) -> str:
    """``PYTHONPATH`` by which a child finds the code that this process runs.

    Children are started with ``-P``: a folder of the user's that happens to be called
    ``harness`` must not be imported in its place.
    """
    root = str(Path(__file__).resolve().parent.parent)
    return os.pathsep.join(filter(None, (root, path)))


def look(torchaudio: bool) -> Inventory:
    """Take the inventory in this process, which imports torch."""
    versions = library_versions()
    state = _torchaudio_state() if torchaudio else None
    try:
        import torch
    except (ImportError, OSError) as error:
        reason = f"torch cannot be imported: {_one_line(error)}"
        reasons = {"torch": reason, "cuda": reason}
        return Inventory(reasons=reasons, versions=versions, torchaudio=state)
    why = cuda_reason(torch)
    count = 0 if why else torch.cuda.device_count()
    return Inventory(
        devices=("cpu",) if why else ("cpu", "cuda"),
        reasons={"cuda": why} if why else {},
        versions=versions,
        gpus=tuple(torch.cuda.get_device_name(i) for i in range(count)),
        driver=_driver(),
        cuda=torch.version.cuda,
        threads=torch.get_num_threads(),
        torchaudio=state,
    )


def cuda_reason(torch: Any) -> str | None:
    """Why CUDA cannot be used, ``None`` where a tensor was placed on the device."""
    if torch.version.cuda is None and getattr(torch.version, "hip", None) is None:
        return f"torch {torch.__version__} is a CPU build"
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides every device"
    try:
        torch.zeros(1, device="cuda")
    except (RuntimeError, AssertionError) as error:
        message = _one_line(error)
        return f"no CUDA device usable by torch {torch.__version__}: {message}"
    return None


def _one_line(error: BaseException) -> str:
    """First sentence of an error message; CUDA appends paragraphs of advice."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].split(". ")[0]


def _torchaudio_state() -> str:
    """Ask the stand-in; what goes wrong there is an answer, not the end."""
    try:
        from extractors.peers.torchaudio_stand_in import torchaudio_state

        return str(torchaudio_state())
    except Exception as error:  # a broken native library can raise anything
        return f"not determined: {_one_line(error)}"


def _driver() -> str | None:
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # absent package, absent driver: NVML has an error of its own
        return None
    try:
        version = pynvml.nvmlSystemGetDriverVersion()
        return version.decode() if isinstance(version, bytes) else str(version)
    finally:
        pynvml.nvmlShutdown()


def main(words: list[str]) -> int:
    """Print the inventory of this process as the last line of its output."""
    found = look("--torchaudio" in words)
    print(json.dumps(asdict(found), allow_nan=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
