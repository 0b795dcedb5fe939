"""``f0bench doctor --warm``: kernels compiled before somebody waits for them.

What numba compiles is kept in two places: in folders of their own for the workers of a
run (:mod:`harness.kernel_cache`), and for Python programs where numba keeps it by
itself, which is ``$NUMBA_CACHE_DIR`` or a folder beside the module. Every registered
extractor is loaded in a fresh interpreter and given a second of noise, under the first
setting; f0bench's own ones under the second too.

The child runs as ``python -m harness.warm NAME OPTIONS…`` and prints one line of JSON:
a list with one entry for each of the OPTIONS, which are JSON objects.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from extractors.base import Extractor
from extractors.errors import F0BenchError
from extractors.registry import build, extractor_class

from . import kernel_cache
from .environment import worker_env
from .finding import Finding

TIMEOUT_S = 600.0  # librosa's kernels take 40 s on two slow cores
TOPIC = "kernels"


@dataclass(frozen=True)
class Warmed:
    """What came of one set of options in one place.

    Attributes:
        seconds: to load the extractor and to track its first second of audio.
        numba: it has kernels that numba compiles.
        compiled: numba compiled something; otherwise the cache held everything.
        told: warnings of the extractor, e.g. that it fell back.
        error: why it could not be loaded, else empty.
    """

    seconds: float = 0.0
    numba: bool = False
    compiled: bool = False
    told: tuple[str, ...] = ()
    error: str = ""

    @property
    def text(self) -> str:
        """What happened, without the name of the extractor."""
        if self.error:
            return f"cannot be loaded: {self.error}"
        return f"{self.state} in {self.seconds:.1f} s"

    @property
    def state(self) -> str:
        """Where the kernels came from."""
        if not self.numba:
            return "nothing to compile; loaded"
        return "compiled" if self.compiled else "from the cache"


@dataclass(frozen=True)
class Subject:
    """One extractor with the options of its presets.

    Attributes:
        name: registered name.
        labels: how its presets are called, with the device where it has several.
        options: constructor arguments of each of them.
        peer: a foreign implementation: only runs keep its kernels apart.
        absent: pip line that installs what it needs, empty where all is there.
    """

    name: str
    labels: tuple[str, ...] = ()
    options: tuple[Mapping[str, Any], ...] = ()
    peer: bool = False
    absent: str = ""


def subjects(devices: Sequence[str]) -> list[Subject]:
    """Every registered extractor that computes anything.

    Args:
        devices: usable ones; extractors that can choose are loaded on each.
    """
    from .confdir import search_dirs
    from .listing import extractors

    found = []
    for row in extractors(search_dirs()):
        try:
            cls = extractor_class(row["name"])
        except F0BenchError as error:
            found.append(Subject(row["name"], absent=str(error)))
            continue
        if not cls.accuracy_only:
            found.append(_subject(row, cls, devices))
    return found


def _subject(
    row: Mapping[str, Any], cls: type[Extractor], devices: Sequence[str]
) -> Subject:
    name = str(row["name"])
    if row["state"] != "installed":
        return Subject(name, peer=cls.peer, absent=str(row["state"]))
    able = [d for d in cls.axes.get("device") or () if d in devices]
    labels, options = [], []
    for preset in row["presets"] or [name]:
        for device in able or [None]:
            labels.append(f"{preset} on {device}" if len(able) > 1 else str(preset))
            stated = _stated(str(preset))
            options.append({**stated, "device": device} if device else stated)
    return Subject(name, tuple(labels), tuple(options), cls.peer)


def _stated(preset: str) -> dict[str, Any]:
    """Options that the file of a preset states, none where there is no file."""
    import yaml

    from .confdir import option_file, read_text, search_dirs

    try:
        path = option_file("extractor", preset, search_dirs())
    except F0BenchError:
        return {}
    node = yaml.safe_load(read_text(path))
    return {key: value for key, value in node.items() if key != "name"}


def warm(subject: Subject) -> Iterator[Finding]:
    """Compile the kernels of one extractor and say how that went."""
    if subject.absent:
        yield Finding("info", TOPIC, f"{subject.name} is not installed", subject.absent)
        return
    with kernel_cache.claimed(subject.name) as folder:
        runs = in_child(subject, {kernel_cache.VARIABLE: str(folder)})
    programs: Sequence[Warmed | None] = [None] * len(runs)
    if not subject.peer and any(run.numba for run in runs):
        programs = in_child(subject, {})
    for label, run, program in zip(subject.labels, runs, programs, strict=True):
        yield _finding(label, run, program)


def _finding(label: str, run: Warmed, program: Warmed | None) -> Finding:
    places = [run] if program is None else [run, program]
    text = f"{label}: {run.text}"
    if program is not None:
        same = program.state == run.state and not (program.error or run.error)
        other = f"{program.seconds:.1f} s" if same else program.text
        text += f" for runs, {other} for Python programs"
    told = list(dict.fromkeys(line for place in places for line in place.told))
    doubtful = told or any(place.error for place in places)
    return Finding("warn" if doubtful else "ok", TOPIC, "; ".join([text, *told]))


def in_child(subject: Subject, env: Mapping[str, str]) -> list[Warmed]:
    """Load every variant of an extractor in one fresh interpreter.

    Args:
        env: variables beside those of a worker.
    """
    words = [json.dumps(options) for options in subject.options]
    command = [sys.executable, "-P", "-m", __name__, subject.name, *words]
    try:
        child = subprocess.run(
            command,
            env={**worker_env(None, "cuda"), **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        found = json.loads(child.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        return [Warmed(error=f"it took more than {TIMEOUT_S:g} s")] * len(words)
    except (IndexError, ValueError):  # it ended before it could say anything
        last = (child.stderr.strip().splitlines() or ["no message"])[-1]
        text = f"the process ended with {child.returncode}: {last}"
        return [Warmed(error=text)] * len(words)
    return [Warmed(**{**entry, "told": tuple(entry["told"])}) for entry in found]


def here(name: str, options: Mapping[str, Any]) -> Warmed:
    """Load one extractor in this process and let it track a second of noise."""
    try:
        for module in extractor_class(name).requires:
            importlib.import_module(module)
        with _compilations() as passes, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", RuntimeWarning)
            began = time.perf_counter()
            system = build(name, options)
            system.load()
            system.extract([_second_of_noise()])
            seconds = time.perf_counter() - began
        kernels = bool(passes) or _kernels()
    except Exception as error:  # a library may raise anything
        return Warmed(error=f"{type(error).__name__}: {' '.join(str(error).split())}")
    told = () if system.peer else tuple(str(warning.message) for warning in caught)
    return Warmed(seconds, kernels, bool(passes), told)


def _second_of_noise() -> Any:
    import numpy as np

    from extractors.audio import Audio

    samples = np.random.default_rng(0).standard_normal(16000)
    return Audio(0.1 * samples.astype(np.float32), 16000)


@contextmanager
def _compilations() -> Iterator[list[Any]]:
    """Passes of numba's compiler inside the block; its cache needs none."""
    passes: list[Any] = []
    try:
        from numba.core import event
    except ImportError:
        yield passes
        return

    class Listener(event.Listener):
        def on_start(self, event: Any) -> None:
            passes.append(event)

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:run_pass", Listener()):
        yield passes


def _kernels() -> bool:
    """Whether this process holds a function that numba compiled or took from disk."""
    if "numba" not in sys.modules:
        return False
    from numba.core.dispatcher import Dispatcher
    from numba.np.ufunc.gufunc import GUFunc

    # types, because some libraries' objects do work when they are asked for a class
    return any(
        issubclass(type(found), GUFunc)
        or (issubclass(type(found), Dispatcher) and found.overloads)
        for found in gc.get_objects()
    )


def main(words: Sequence[str]) -> int:
    """Warm ``words[0]`` with each of the options that follow, in this process."""
    print_to = os.dup(1)
    os.dup2(2, 1)  # what libraries print must not meet the answer
    found = [asdict(here(words[0], json.loads(word))) for word in words[1:]]
    with os.fdopen(print_to, "w", encoding="utf-8") as answer:
        answer.write(json.dumps(found, allow_nan=False) + "\n")
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # Native thread pools of foreign libraries may hang at interpreter exit.
    sys.stderr.flush()
    os._exit(code)
