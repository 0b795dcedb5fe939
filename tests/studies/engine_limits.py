"""What bounds the CREPE engine on this machine: its arithmetic, its stages, its memory.

    python tests/studies/engine_limits.py peak
    python tests/studies/engine_limits.py stages --model full --frames 96
    python tests/studies/engine_limits.py hours --model tiny --hours 3
    python tests/studies/engine_limits.py chunks --model full

*peak* times a loop of fused multiply-adds on registers, on one core and on all: more
than that nothing can compute. *stages* times every kernel of the network while each
core works on a slice of its own, as it does in an extraction; products are told in
GFLOP/s, three multiplications and three additions for a complex one. *hours* tracks one
long clip of a generated vibrato tone and tells the peak memory of the process. *chunks*
streams such a tone in chunks of several lengths.

Each figure is a best and a median of several turns: machines that are shared with
others have good and bad minutes. Needs Linux and a processor that the engine runs on.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.audio import Audio
from extractors.compiled import threads
from extractors.crepe.engines import read_weights
from extractors.crepe.host import host
from extractors.crepe.spectral_compile import compiled
from extractors.crepe.spectral_network import MOST, _Slice
from extractors.crepe.spectral_plan import SIZES
from extractors.crepe.spectral_weights import packed
from extractors.registry import build
from extractors.streaming import StreamingCrepe

TURNS = 12
STEPS = 4_000_000  # of a turn's loop
SR = 16000
STREAM_S = 16  # seconds that are streamed


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("peak", help="fused multiply-adds a second")
    stages = commands.add_parser("stages", help="time and GFLOP/s of every kernel")
    stages.add_argument("--model", choices=("full", "tiny"), default="full")
    stages.add_argument("--frames", type=int, default=MOST, help=f"1 to {MOST}")
    hours = commands.add_parser("hours", help="peak memory for one long clip")
    hours.add_argument("--model", choices=("full", "tiny"), default="tiny")
    hours.add_argument("--hours", type=float, default=3.0)
    chunks = commands.add_parser("chunks", help="time of a stream's chunks by length")
    chunks.add_argument("--model", choices=("full", "tiny"), default="full")
    asked = vars(parser.parse_args(words))
    run: Mapping[str, Callable[..., None]] = {
        "peak": peak,
        "stages": time_stages,
        "hours": track_hours,
        "chunks": stream_chunks,
    }
    run[asked.pop("command")](**asked)
    return 0


# peak


def peak() -> None:
    """Print the GFLOP/s of register arithmetic on one thread and on all."""
    width = host().width
    accumulators = 24 if width == 16 else 12  # as many as the registers hold
    loop = _register_loop(width, accumulators)
    work = [np.full(256, 0.5, np.float32) for _ in range(threads())]
    loop(work[0].ctypes.data, 10)
    for count in sorted({1, threads()}):
        speeds = []
        for _ in range(TURNS):
            began = time.perf_counter()
            _together(
                [lambda i=i: loop(work[i].ctypes.data, STEPS) for i in range(count)]
            )
            took = time.perf_counter() - began
            speeds.append(2 * width * accumulators * STEPS * count / took / 1e9)
        best, middle = max(speeds), median(speeds)
        print(f"{count} threads: best {best:.0f}, median {middle:.0f} GFLOP/s")


def _register_loop(width: int, accumulators: int) -> Any:
    """A function ``(address, steps)`` that does nothing but fused multiply-adds."""
    from numba import njit, types
    from numba.extending import intrinsic

    from extractors.crepe.lanes import Lanes

    @intrinsic(prefer_literal=True)
    def chain(typing, address, steps):
        def codegen(context, builder, signature, args):
            lanes = Lanes(builder, width)
            a = lanes.load(args[0])
            b = lanes.load(lanes.at(args[0], (1, 64)))
            sums = lanes.folded(
                args[1],
                [lanes.zeros] * accumulators,
                lambda index, state: [lanes.fma(a, b, value) for value in state],
            )
            total = sums[0]
            for value in sums[1:]:  # all are used, or the loop would be left out
                total = lanes.add(total, value)
            lanes.store(total, args[0])
            return context.get_dummy_value()

        return types.void(address, steps), codegen

    @njit(nogil=True)
    def loop(address, steps):
        chain(address, steps)

    return loop


# stages


def time_stages(model: str, frames: int) -> None:
    """Print share, time and speed of every kernel of the network."""
    vectors, count = host(), threads()
    weights = packed(read_weights(model), vectors.width)
    rows = np.random.default_rng(0).standard_normal((frames, 1024), dtype=np.float32)
    spent: list[Counter[str]] = []
    rooms = [_Slice(weights, compiled(vectors), MOST) for _ in range(count)]
    for room in rooms:
        room.run(rows, np.empty((frames, 360), np.float32))

    def work(room: _Slice) -> None:
        found = np.empty((frames, 360), np.float32)
        kernels = room.kernels
        for _ in range(TURNS):
            turn: Counter[str] = Counter()
            room.kernels = {n: _timed(n, f, turn) for n, f in kernels.items()}
            room.run(rows, found)
            spent.append(turn)

    _together([lambda room=room: work(room) for room in rooms])
    _print_stages(spent, rooms[0].channels, frames, count)


def _timed(name: str, kernel: Any, turn: Counter[str]) -> Callable[..., None]:
    def call(*args: Any) -> None:
        began = time.perf_counter()
        kernel(*args)
        key = f"multiply, {args[4]} bins" if name == "multiply" else name
        turn[key] += time.perf_counter() - began

    return call


def _print_stages(
    spent: Sequence[Mapping[str, float]],
    channels: Sequence[int],
    frames: int,
    count: int,
) -> None:
    whole = median(sum(turn.values()) for turn in spent)
    best = min(sum(turn.values()) for turn in spent)
    print(
        f"{frames} frames on each of {count} threads: {1e3 * best:.1f} ms at best, "
        f"median {1e3 * whole:.1f}; {count * frames / 100 / whole:.1f} x real time"
    )
    operations = {
        f"multiply, {size // 2 + 1} bins": 6.0
        * (size // 2 + 1)
        * channels[layer]
        * channels[layer + 1]
        * frames
        for layer, size in enumerate(SIZES[1:6])
    }
    medians = {key: median(turn[key] for turn in spent) for key in spent[0]}
    for key in sorted(medians, key=lambda name: -medians[name]):
        line = f"  {key:20s} {medians[key] / whole:6.1%} {1e3 * medians[key]:8.2f} ms"
        if key in operations:
            fastest = min(turn[key] for turn in spent)
            line += (
                f"  {operations[key] / medians[key] / 1e9:4.0f} GFLOP/s,"
                f" at best {operations[key] / fastest / 1e9:.0f}"
            )
        print(line)


def _together(jobs: Sequence[Callable[[], None]]) -> None:
    running = [threading.Thread(target=job) for job in jobs]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


# hours


def track_hours(model: str, hours: float) -> None:
    """Print the peak memory of tracking one clip of so many hours."""
    clip = Audio(_vibrato(round(hours * 3600 * SR)), SR)
    crepe = build("crepe", {"model": model, "device": "cpu"})
    crepe.load()
    before, began = _peak_bytes(), time.perf_counter()
    (track,) = crepe.extract([clip])
    took = time.perf_counter() - began
    print(
        f"{hours} h, {len(track.f0)} frames, {clip.samples.nbytes / 1e9:.2f} GB of "
        f"samples: peak {before / 1e9:.3f} GB before, {_peak_bytes() / 1e9:.3f} GB "
        f"after; {hours * 3600 / took:.1f} x real time"
    )


def stream_chunks(model: str) -> None:
    """Print how long a call takes for chunks of 10 to 80 ms."""
    tone = _vibrato(STREAM_S * SR)
    stream = StreamingCrepe(SR, model=model)
    stream.load()
    for length in (10, 20, 40, 80):  # ms
        size, spent = SR * length // 1000, []
        for start in range(0, len(tone), size):
            began = time.perf_counter()
            stream.push(tone[start : start + size])
            spent.append(1e3 * (time.perf_counter() - began))
        stream.restart()
        p50, p95, p99 = np.percentile(spent, (50, 95, 99))
        late = np.mean(np.array(spent) > length)
        print(
            f"chunks of {length} ms: p50 {p50:.1f}, p95 {p95:.1f}, p99 {p99:.1f} ms, "
            f"{late:.1%} late"
        )


def _vibrato(samples: int) -> NDArray[np.float32]:
    """A tone around 150 Hz in faint noise, made by parts and not to be written."""
    random, tone = np.random.default_rng(0), np.empty(samples, np.float32)
    for start in range(0, samples, 1 << 20):
        part = tone[start : start + (1 << 20)]
        t = np.arange(start, start + len(part)) / SR
        part[:] = 0.3 * np.sin(2 * np.pi * 150 * t + 30 * np.sin(np.pi * t))
        part += 0.01 * random.standard_normal(len(part), dtype=np.float32)
    tone.flags.writeable = False
    return tone


def _peak_bytes() -> float:
    with open("/proc/self/status") as status:
        return next(1024.0 * int(x.split()[1]) for x in status if x.startswith("VmHWM"))


if __name__ == "__main__":
    sys.exit(main())
