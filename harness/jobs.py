"""Work that is done in a process of its own, and how that process is watched.

The parent writes a :class:`Job` as JSON, starts ``python -m harness.worker`` on it and
blocks on a pipe. The worker writes its results to files and sends only status lines;
silence beyond the time-out, a crash and a kill all become an error, never a hang.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import IO, Any

from .cell import plain
from .config import DatasetConfig, EffortConfig, TaskConfig, task_config

Progress = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class System:
    """One system of a job: which extractor, and where its results go.

    Attributes:
        key: key of its cell.
        extractor: registered name.
        params: constructor arguments.
        folder: folder of the cell.
        is_peer: it is the reference peer itself; agreement with itself says nothing.
        voicing: rule of its voicing, see :mod:`harness.voicing`.
        threshold: learnt by that rule in the accuracy pass; ``None`` before it and for
            other rules.
    """

    key: str
    extractor: str
    params: Mapping[str, Any]
    folder: str
    is_peer: bool = False
    voicing: str = "native"
    threshold: float | None = None


@dataclass(frozen=True)
class Job:
    """What one worker process does.

    Attributes:
        kind: ``reference``, ``probe``, ``accuracy``, ``round`` or ``tune``.
        task, dataset: as composed.
        systems: cells that share one inference (``accuracy``), else exactly one.
        dropped: ids of clips that cannot be read, left out for all cells alike.
        unlabelled: why the labels of a clip cannot be used, by its id.
        seed: seed of re-seeding.
        quick: half the audio is enough (``probe``).
        out: file that a ``reference`` or ``probe`` job writes.
        peer_outputs: Parquet file with the outputs of the reference peer.
        timed_set, effort, scenarios, round: of a ``round`` job.
        cpu: the only CPU that the worker may use, ``None`` for all.
        tuning: topic and numbers of a ``tune`` job.
    """

    kind: str
    task: TaskConfig
    dataset: DatasetConfig
    systems: tuple[System, ...] = ()
    dropped: tuple[str, ...] = ()
    unlabelled: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    quick: bool = False
    out: str | None = None
    peer_outputs: str | None = None
    timed_set: tuple[str, ...] = ()
    effort: EffortConfig = field(default_factory=EffortConfig)
    scenarios: tuple[str, ...] = ()
    round: int = 0
    cpu: int | None = None
    tuning: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The job as JSON text."""
        return json.dumps(plain(asdict(self)), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Read a job back."""
        data = json.loads(text)
        dataset = data["dataset"]
        if dataset["columns"] is not None:
            dataset["columns"] = tuple(dataset["columns"])
        data["task"] = task_config(data["task"]["name"])(**data["task"])
        data["dataset"] = DatasetConfig(**dataset)
        data["effort"] = EffortConfig(**data["effort"])
        data["systems"] = tuple(System(**system) for system in data["systems"])
        data["unlabelled"] = dict(data["unlabelled"])
        for name in ("dropped", "timed_set", "scenarios"):
            data[name] = tuple(data[name])
        return cls(**data)


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        value: what the worker reported, ``None`` if it failed.
        error: ``{"kind", "message", "clip_id"}``, ``None`` if it succeeded.
        wall_s: seconds from start to end of the process.
    """

    value: dict[str, Any] | None
    error: dict[str, Any] | None
    wall_s: float


def launch(
    job: Job,
    *,
    env: Mapping[str, str],
    timeout_s: float,
    log: Path,
    progress: Progress | None = None,
    cancelled: Event | None = None,
) -> Outcome:
    """Run ``job`` in a fresh interpreter and wait for it.

    Args:
        env: variables that must be set before numerical libraries are imported.
        timeout_s: seconds without a status line after which the worker is killed.
        log: file that receives what the worker and its libraries print.
        progress: called with every status line.
        cancelled: ends the worker once it is set; looked at once a second.
    """
    began = time.perf_counter()
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="f0bench-") as scratch:
        place = Path(scratch) / "job.json"
        place.write_text(job.to_json(), encoding="utf-8")
        read, write = os.pipe()
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "harness.worker", str(place), str(write)],
                env={**os.environ, **env},
                pass_fds=(write,),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a kill reaches the worker's children too
            )
        os.close(write)
        try:
            watch = _Watch(process, read, timeout_s, progress, cancelled)
            value, error = watch.wait()
        finally:
            os.close(read)
            _end(process)
    return Outcome(value, error, time.perf_counter() - began)


@dataclass
class _Watch:
    """Reads the status lines of one worker until it is done, silent or gone."""

    process: subprocess.Popen[bytes]
    pipe: int
    timeout_s: float
    progress: Progress | None
    cancelled: Event | None
    clip: str | None = None
    where: str = ""
    pending: bytes = b""

    def wait(self) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """The worker's outcome, or the error that stands in its place."""
        while True:
            ready = self._ready()
            if not ready:
                reason = f"no sign of life for {self.timeout_s:g} s; raise timeout_s"
                return None, self._named(_error("hang", reason, self.clip))
            chunk = os.read(self.pipe, 65536)
            if not chunk:
                return None, self._named(_crash(self.process, self.clip))
            *lines, self.pending = (self.pending + chunk).split(b"\n")
            for line in lines:
                message = json.loads(line)
                self.clip = message.get("clip", self.clip)
                self.where = message.get("where", self.where)
                if message["event"] == "done":
                    return message["outcome"], None
                if message["event"] == "failed":
                    return None, {"clip_id": self.clip} | _stated(message["error"])
                if self.progress is not None:
                    self.progress(message)

    def _named(self, error: dict[str, Any]) -> dict[str, Any]:
        """Say where it happened, as far as that is known."""
        if self.where and error["clip_id"] is None:
            error["message"] += f"; {self.where}"
        return error

    def _ready(self) -> bool:
        """Sleep until the worker says something; ``False`` after the time-out."""
        if self.cancelled is None:
            return bool(select.select([self.pipe], [], [], self.timeout_s)[0])
        deadline = time.monotonic() + self.timeout_s
        while time.monotonic() < deadline:
            if self.cancelled.is_set():
                raise KeyboardInterrupt
            if select.select([self.pipe], [], [], min(1.0, self.timeout_s))[0]:
                return True
        return False


def _stated(error: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of an error that say something."""
    return {name: value for name, value in error.items() if value is not None}


def _crash(process: subprocess.Popen[bytes], clip: str | None) -> dict[str, Any]:
    code = process.wait()
    if code < 0:
        name = signal.Signals(-code).name
        hint = "; out of memory?" if name == "SIGKILL" else ""
        return _error("crash", f"the process was ended by {name}{hint}", clip)
    return _error("exit", f"the process exited by itself with code {code}", clip)


def _error(kind: str, message: str, clip: str | None) -> dict[str, Any]:
    return {"kind": kind, "message": message, "clip_id": clip}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait briefly for a finished worker, then end its whole session."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=5)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Teller:
    """The worker's end of the pipe: one JSON line per message."""

    def __init__(self, pipe: IO[str]) -> None:
        self._pipe = pipe

    def alive(self, clip: str | None, done: float, total: float) -> None:
        """Say which clip is being worked on and how far the job is."""
        self._send({"event": "alive", "clip": clip, "done": done, "total": total})

    def block(self, clips: Sequence[str], done: float) -> None:
        """Say which clips are given to the system together."""
        name = clips[0] if len(clips) == 1 else None
        among = f"among {len(clips)} clips from {clips[0]} to {clips[-1]}"
        where = "" if name else among
        self._send(
            {"event": "alive", "clip": name, "where": where, "done": done, "total": 0.0}
        )

    def pulse(self) -> None:
        """Say that the work goes on, without saying how far it is."""
        self._send({"event": "alive", "done": 0.0, "total": 0.0})

    def done(self, outcome: Mapping[str, Any]) -> None:
        """Report success."""
        self._send({"event": "done", "outcome": outcome})

    def failed(self, error: Mapping[str, Any]) -> None:
        """Report an error that ends the job."""
        self._send({"event": "failed", "error": error})

    def _send(self, message: Mapping[str, Any]) -> None:
        self._pipe.write(json.dumps(message, allow_nan=False) + "\n")
        self._pipe.flush()
