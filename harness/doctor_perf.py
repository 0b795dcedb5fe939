"""``f0bench doctor --perf``: what decides speed on this machine, before it is measured.

Torch is asked in a child (``python -m harness.doctor_perf``): device, default dtype,
TF32, threads, instruction set, memory of the GPU. The rest is read from the system.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any, cast

from .environment import cuda_reason, worker_env
from .finding import Finding
from .meter.conditions import THROTTLING, snapshot
from .meter.host import cores, memory_bytes

GIB = 2**30
TIMEOUT_S = 120.0
#: Below this much free memory, a batch of usual size may not fit.
LEAST_GPU_BYTES = 2 * GIB
LEAST_HOST_BYTES = 2 * GIB
NO_TORCH = "reinstall torch, see the README for a CPU-only build"


def report() -> list[Finding]:
    """Look at everything; takes seconds, because a child imports torch."""
    asked = ask()
    state = snapshot()
    return [*_torch(asked), *_clocks(state), *_throttling(state), *_memory(asked)]


def ask(timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """What torch says in a fresh interpreter; ``{"error": reason}`` where it cannot."""
    try:
        child = subprocess.run(
            [sys.executable, "-P", "-m", __name__],
            env=worker_env(None, "cuda"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"torch did not answer within {timeout_s:g} s"}
    if child.returncode != 0:
        last = (child.stderr.strip().splitlines() or ["no message"])[-1]
        return {"error": f"torch cannot be asked: {last}"}
    found: dict[str, Any] = json.loads(child.stdout.strip().splitlines()[-1])
    return found


def look() -> dict[str, Any]:
    """What torch says in this process, which imports it."""
    import torch

    why, mkldnn = cuda_reason(torch), cast(Any, torch.backends.mkldnn)
    return {
        "version": torch.__version__,
        "device": "cpu" if why else "cuda",
        "cuda_reason": why,
        "dtype": str(torch.get_default_dtype()).removeprefix("torch."),
        "matmul_precision": torch.get_float32_matmul_precision(),
        "tf32_convolution": bool(torch.backends.cudnn.allow_tf32),
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "onednn": bool(mkldnn.is_available()),
        "gpu": None if why else _gpu(torch),
    }


def _gpu(torch: Any) -> dict[str, Any]:
    free, total = torch.cuda.mem_get_info()
    seen = torch.cuda.get_device_properties(0)
    return {
        "name": seen.name,
        "capability": f"{seen.major}.{seen.minor}",
        "free_bytes": int(free),
        "total_bytes": int(total),
        "bf16": bool(torch.cuda.is_bf16_supported()),
    }


def _torch(asked: Mapping[str, Any]) -> Iterator[Finding]:
    if "error" in asked:
        yield Finding("fail", "torch", str(asked["error"]), NO_TORCH)
        return
    gpu = asked["gpu"]
    if gpu is None:
        yield Finding("info", "device", f"cpu: {asked['cuda_reason']}")
    else:
        bf16 = "with" if gpu["bf16"] else "without"
        text = f"{gpu['name']}, compute capability {gpu['capability']}, {bf16} bf16"
        yield Finding("ok", "device", f"cuda: {text}")
    yield Finding("ok", "dtype", f"{asked['dtype']} by default")
    yield _tf32(asked)
    yield from _threads(asked)
    library = "with oneDNN" if asked["onednn"] else "without oneDNN"
    text = f"torch {asked['version']} uses {asked['instruction_set']}, {library}"
    yield Finding("ok" if asked["onednn"] else "warn", "CPU kernels", text)
    triton = importlib.util.find_spec("triton") is not None
    text = (
        "triton is installed" if triton else "no triton: torch.compile has no GPU code"
    )
    yield Finding("ok" if triton or gpu is None else "info", "compiler", text)


def _tf32(asked: Mapping[str, Any]) -> Finding:
    """TF32 keeps 10 bits of the mantissa, which moves F0 by more than rounding."""
    precision, allowed = asked["matmul_precision"], asked["tf32_convolution"]
    where = [
        name
        for name, used in (
            ("matrix products", precision != "highest"),
            ("convolutions", allowed),
        )
        if used
    ]
    text = f"allowed in {' and '.join(where)}" if where else "off"
    if asked["gpu"] is None:
        text += ", without effect on the CPU"
    text += "; extractors set it by their precision"
    return Finding("ok", "TF32", f"{text} (float32 matmul precision: {precision})")


def _threads(asked: Mapping[str, Any]) -> Iterator[Finding]:
    used, usable = asked["threads"], cores()
    text = f"torch uses {used} within and {asked['interop_threads']} between operations"
    if used > usable:
        remedy = f"set threads={usable}"
        yield Finding("warn", "threads", f"{text}, more than {usable} cores", remedy)
    else:
        yield Finding("ok", "threads", f"{text}; {usable} cores usable")


def _clocks(state: Mapping[str, Any]) -> Iterator[Finding]:
    clock, governor = state["clock_mhz"], state["governor"]
    if clock is None:
        yield Finding("info", "CPU clock", "not exposed on this machine")
    else:
        told = f", governor {governor}" if governor else ", governor not exposed"
        yield Finding("ok", "CPU clock", f"{clock:.0f} MHz now{told}")
    gpu = state["gpu"]
    if gpu is not None and gpu["clock_mhz"] is not None:
        heat = gpu["temperature_c"]
        text = f"{gpu['clock_mhz']} MHz now"
        text += "" if heat is None else f", {heat} °C"
        yield Finding("ok", "GPU clock", text)


def _throttling(state: Mapping[str, Any]) -> Iterator[Finding]:
    """Events since the system started, and the present reasons of the GPU's clock."""
    events, quota = state["thermal_throttles"], state["quota_throttled_s"]
    if events is None:
        yield Finding("info", "throttling", "heat events are not exposed")
    elif events:
        text = f"{events} heat events since the system started"
        yield Finding("warn", "throttling", text, "improve cooling, measure again")
    else:
        yield Finding("ok", "throttling", "no heat event since the system started")
    if quota:
        text = f"the container's CPU quota has stopped threads for {quota:.1f} s so far"
        yield Finding("info", "CPU quota", text, "use fewer threads than the quota")
    reasons = (state["gpu"] or {}).get("clock_reasons") or ()
    held = [reason for reason in reasons if reason in THROTTLING]
    if held:
        yield Finding("warn", "GPU throttling", f"clock held by {', '.join(held)}")


def _memory(asked: Mapping[str, Any]) -> Iterator[Finding]:
    free, total = memory_bytes("MemAvailable"), memory_bytes()
    if free is None or total is None:
        yield Finding("info", "memory", "not known on this platform")
    else:
        level, remedy = _enough(free, LEAST_HOST_BYTES)
        text = f"{free / GIB:.1f} of {total / GIB:.1f} GiB free"
        yield Finding(level, "memory", text, remedy)
    gpu = asked.get("gpu")
    if gpu:
        level, remedy = _enough(gpu["free_bytes"], LEAST_GPU_BYTES)
        share = f"{gpu['free_bytes'] / GIB:.1f} of {gpu['total_bytes'] / GIB:.1f}"
        yield Finding(level, "GPU memory", f"{share} GiB free, by the driver", remedy)


def _enough(free: int, least: int) -> tuple[Any, str]:
    if free >= least:
        return "ok", ""
    return "warn", "free some, or use a small batch: f0bench tune batch-size finds one"


if __name__ == "__main__":
    print(json.dumps(look(), allow_nan=False))
