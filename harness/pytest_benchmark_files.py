"""Files of pytest-benchmark: what ``pytest --benchmark-json FILE`` wrote.

One file is one process. Of a benchmark its median and interquartile range over the
calls are read (``stats.median``, ``stats.iqr``, seconds per call), and the single calls
(``stats.data``) where the file holds them; ``--benchmark-save`` leaves them out. A
benchmark that failed is not in its file at all.

Fields: pytest-benchmark's documentation, "Usage" and "Hooks".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from extractors.errors import ConfigError, UsageError, nearest

#: Where ``--benchmark-save NAME`` writes ``<machine>/<number>_NAME.json``.
STORAGE = Path(".benchmarks")
#: Options of a benchmark that change what a time means.
TIMED_BY = ("timer", "disable_gc")


@dataclass(frozen=True)
class Timing:
    """One benchmark in one process.

    Attributes:
        median_s: median of the calls, seconds.
        iqr_s: their interquartile range, seconds.
        rounds: how many times were taken; a time is the mean of ``iterations`` calls.
        data: the times, empty where the file has none.
    """

    median_s: float
    iqr_s: float
    rounds: int
    data: tuple[float, ...] = ()


@dataclass(frozen=True)
class Benchmark:
    """One benchmark in every process of a side.

    Attributes:
        fullname: pytest's node id, unique in a file.
        name: the function and its parameters in brackets.
        group: of the marker ``benchmark``, ``None`` without one.
        params: parameters as text.
        options: those of :data:`TIMED_BY`.
        timings: by number of the process, from 1.
    """

    fullname: str
    name: str
    group: str | None
    params: Mapping[str, str]
    options: Mapping[str, Any]
    timings: dict[int, Timing] = field(default_factory=dict)

    @property
    def medians(self) -> dict[int, float]:
        """Seconds per call, by number of the process."""
        return {number: timing.median_s for number, timing in self.timings.items()}


@dataclass(frozen=True)
class Suite:
    """One side: the same benchmarks, run by one process or more.

    Attributes:
        told: how reasons call the side.
        processes: number of files.
        machines: hardware and interpreter of every process that measured something,
            see :func:`_machine`.
        pythons: versions of Python among them.
        span: when the first and the last file were written (ISO), empty if not stated.
        benchmarks: by full name, in the order of the files.
    """

    told: str
    processes: int
    machines: tuple[Mapping[str, Any], ...]
    pythons: tuple[str, ...]
    span: tuple[str, ...]
    benchmarks: Mapping[str, Benchmark]


def benchmark_files(words: Sequence[str], storage: Path = STORAGE) -> list[Path]:
    """Files that words mean.

    Args:
        words: a file, several with commas between, or the NAME of files that
            ``--benchmark-save NAME`` wrote.
        storage: folder of saved files.

    Raises:
        UsageError: there is no such file.
    """
    found: list[Path] = []
    for word in words:
        whole = Path(word).expanduser()
        parts = [word] if whole.is_file() else word.split(",")
        for part in filter(None, (p.strip() for p in parts)):
            found += _named(part, storage)
    if not found:
        raise UsageError("--pytest-benchmark needs a file of pytest --benchmark-json")
    return found


def _named(word: str, storage: Path) -> list[Path]:
    place = Path(word).expanduser()
    if place.is_file():
        return [place]
    saved = sorted(storage.glob("*/*_*.json"))
    names = {path.stem.partition("_")[2] for path in saved}
    if word in names:
        return [path for path in saved if path.stem.partition("_")[2] == word]
    hint = nearest(word, names) if names else ""
    raise UsageError(
        f"no file '{word}'{hint}; 'pytest --benchmark-json {word}' writes one, unless "
        "no benchmark ran"
    )


def read_suite(paths: Sequence[Path]) -> Suite:
    """Read the files of one side.

    Raises:
        ConfigError: a file is not pytest-benchmark's.
        UsageError: a file cannot be read.
    """
    benchmarks: dict[str, Benchmark] = {}
    contents = {path: _content(path) for path in paths}
    _check_apart(paths, contents)
    measured = [found for found in contents.values() if found["benchmarks"]]
    for number, (path, content) in enumerate(contents.items(), start=1):
        for entry in content["benchmarks"]:
            benchmark, timing = _benchmark(path, entry)
            known = benchmarks.setdefault(benchmark.fullname, benchmark)
            if number in known.timings:
                raise ConfigError(
                    f"{path.name}: {known.fullname} is in it twice; let every process "
                    "write a file of its own"
                )
            known.timings[number] = timing
    infos = [content["machine_info"] for content in measured]
    times = sorted(filter(None, (str(c.get("datetime") or "") for c in measured)))
    return Suite(
        told=paths[0].name if len(paths) == 1 else f"{len(paths)} files",
        processes=len(paths),
        machines=tuple(_machine(info) for info in infos),
        pythons=tuple(sorted({str(info.get("python_version")) for info in infos})),
        span=(times[0], times[-1]) if times else (),
        benchmarks=benchmarks,
    )


def _check_apart(paths: Sequence[Path], contents: Mapping[Path, Any]) -> None:
    """Refuse the same process twice: it would pass for a second opinion."""
    seen: dict[str, Path] = {}
    for path, content in contents.items():
        text = json.dumps(content) if content["benchmarks"] else str(path)
        if text in seen:
            raise ConfigError(
                f"{path} is a copy of {seen[text]}; every file must be a process of "
                "its own"
            )
        seen[text] = path
    if len(contents) < len(paths):
        raise ConfigError("a file is named twice; every file must be another process")


def _content(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not JSON; {_REMEDY}") from None
    if not text.strip():  # some versions open the file before they know of a benchmark
        return {"machine_info": {}, "benchmarks": []}
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON ({error}); {_REMEDY}") from None
    wanted = {"machine_info": dict, "benchmarks": list}
    for key, kind in wanted.items():
        if not isinstance(content, dict) or not isinstance(content.get(key), kind):
            raise ConfigError(f"{path}: not of pytest-benchmark, no {key}; {_REMEDY}")
    return dict(content)


_REMEDY = "give a file of 'pytest --benchmark-json FILE'"


def _machine(info: Mapping[str, Any]) -> dict[str, Any]:
    """What must be equal for two times to be comparable; ``None`` is not stated."""
    cpu = info.get("cpu")
    cpu = cpu if isinstance(cpu, Mapping) else {}
    return {
        "cpu": cpu.get("brand_raw") or cpu.get("brand"),
        "cores": cpu.get("count"),
        "architecture": info.get("machine"),
        "python": info.get("python_implementation"),
    }


def _benchmark(path: Path, entry: Any) -> tuple[Benchmark, Timing]:
    entry = entry if isinstance(entry, dict) else {}
    fullname, stats = entry.get("fullname"), entry.get("stats")
    if not isinstance(fullname, str) or not isinstance(stats, dict):
        raise ConfigError(f"{path}: a benchmark has no fullname or stats; {_REMEDY}")
    where = f"{path.name}: {fullname}: stats"
    timing = Timing(
        _seconds(f"{where}.median", stats.get("median")),
        _seconds(f"{where}.iqr", stats.get("iqr")),
        int(_seconds(f"{where}.rounds", stats.get("rounds"))),
        tuple(_seconds(f"{where}.data", value) for value in stats.get("data") or ()),
    )
    options = entry.get("options") or {}
    group = entry.get("group")
    benchmark = Benchmark(
        fullname,
        str(entry.get("name") or fullname),
        None if group is None else str(group),
        {str(k): str(v) for k, v in (entry.get("params") or {}).items()},
        {name: options.get(name) for name in TIMED_BY},
    )
    return benchmark, timing


def _seconds(where: str, value: Any) -> float:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not plain or not math.isfinite(value) or value < 0:
        raise ConfigError(f"{where} is {value}, expected a number ≥ 0; {_REMEDY}")
    return float(value)
