"""``f0bench tune TOPIC extractor=NAME``: starts the workers, shows their answers."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extractors.errors import ConfigError, ExtractorError, UsageError, nearest
from extractors.memory import device_memory
from harness.cell import Cell, plain
from harness.compose import compose
from harness.console import progress_reporter
from harness.environment import available
from harness.jobs import Job, Outcome, System
from harness.launching import Launcher
from harness.plan import build
from harness.records import dumps, write_json

from . import batch, leak, profile

if TYPE_CHECKING:
    from harness.flags import Flags

TOPICS = ("batch-size", "leak", "profile")
SCHEMA = 1
#: Keys of a run that mean nothing here.
FOREIGN = ("dataset", "effort", "scenarios", "gate", "experiment", "budget", "voicing")
LONGEST_AUDIO_S = 120.0  # what the harness gives a system in one call, at most
SHORTEST_AUDIO_S = 10.0
UNAVAILABLE = 4
LIKE = 0.75  # of two keys, from which on one is a misspelling of the other


@dataclass(frozen=True)
class Options:
    """Keys that only ``tune`` has.

    Attributes:
        topic: one of :data:`TOPICS`.
        calls: calls that are measured.
        audio_s: seconds of audio of each call, ``None`` for the topic's own choice.
        share: of the free memory that a batch may take.
        largest: batch size above which none is tried.
    """

    topic: str
    calls: int
    audio_s: float | None
    share: float = 0.8
    largest: int = 8192


#: Key, and what it may be.
_KEYS: Mapping[str, tuple[type, float, float]] = {
    "calls": (int, 1, 100_000),
    "audio": (float, 0.1, LONGEST_AUDIO_S),
    "share": (float, 0.01, 1.0),
    "largest": (int, 1, 1_000_000),
}
_OF: Mapping[str, tuple[str, ...]] = {
    "batch-size": ("share", "largest"),
    "leak": ("calls", "audio"),
    "profile": ("calls", "audio"),
}


def main(flags: Flags, words: Sequence[str]) -> int:
    """Look at one extractor; 1 where a leak was found, 3 where that is unclear.

    Raises:
        UsageError: no or an unknown topic.
        ConfigError: a key that the topic does not take, or several configurations.
        ExtractorError: the extractor failed.
    """
    options, rest = parse(words)
    _refuse_foreign(rest)
    request = compose(rest, config_dir=flags.config_dir)
    plan = build(request, available(request.configs[0].settings.threads))
    if not plan.cells:
        for skipped in plan.skipped:
            print(f"{skipped.label}  skipped: {skipped.reason}")
        return UNAVAILABLE
    cell = plan.cells[0]
    with progress_reporter(6) as reporter:
        cache = Path(plan.settings.results_dir) / ".cache"
        tuner = _Tuner(Launcher(plan.settings, cache, reporter), cell, options)
        text, found, code = tuner.run(flags.out)
    sys.stdout.write(text)
    if flags.json:
        head = {"schema": SCHEMA, "topic": options.topic, "label": cell.label}
        document = {**head, "key": cell.key, **found, "exit_code": code}
        sys.stdout.write(dumps(document, indent=None) + "\n")
    return code


def parse(words: Sequence[str]) -> tuple[Options, list[str]]:
    """Split words into the topic, its own keys, and words for the composition.

    Raises:
        UsageError: no or an unknown topic.
        ConfigError: a key of another topic, or a value out of bounds.
    """
    topic = words[0] if words else ""
    if topic not in TOPICS:
        told = f"unknown topic '{topic}'" if topic else "tune needs a topic"
        raise UsageError(f"{told}{nearest(topic, TOPICS)}")
    own: dict[str, Any] = {}
    rest: list[str] = []
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if not equals or key not in _KEYS:
            _refuse_misspelt(key, topic)
            rest.append(word)
            continue
        if key not in _OF[topic]:
            raise ConfigError(f"{topic} takes no {key}; it has {', '.join(_OF[topic])}")
        own[key] = _number(key, value)
    calls = own.get("calls", 3 if topic == "profile" else 200)
    if topic == "leak" and calls < leak.LEAST_CALLS:
        text = f"calls={calls}: a slope needs {leak.LEAST_CALLS} calls or more"
        raise ConfigError(text)
    made = Options(topic, calls, own.get("audio"))
    more = {key: own[key] for key in ("share", "largest") if key in own}
    return replace(made, **more), rest


def _refuse_misspelt(key: str, topic: str) -> None:
    """Name the topic's own key that was probably meant; others know but theirs."""
    meant = get_close_matches(key, _OF[topic], 1, LIKE)
    if meant and "." not in key:
        raise ConfigError(f"unknown key '{key}'; did you mean '{meant[0]}'?")


def _number(key: str, text: str) -> Any:
    kind, least, most = _KEYS[key]
    try:
        found = kind(text)
    except ValueError:
        found = None
    if found is None or not least <= found <= most:
        name = "a whole number" if kind is int else "a number"
        raise ConfigError(f"{key}={text}: expected {name} from {least:g} to {most:g}")
    return found


def _refuse_foreign(words: Sequence[str]) -> None:
    for word in words:
        if word.lstrip("+").partition("=")[0].partition(".")[0] in FOREIGN:
            raise ConfigError(f"{word} has no effect: tune makes its own signal")


class _Tuner:
    """Runs the workers of one topic for one cell."""

    def __init__(self, launcher: Launcher, cell: Cell, options: Options) -> None:
        self.launcher = launcher
        self.cell = cell
        self.options = options
        self.folder = launcher.cache / "tune" / f"{options.topic}-{cell.key}"

    def run(self, out: Path | None) -> tuple[str, dict[str, Any], int]:
        """Text, data and exit code of the topic."""
        return {
            "batch-size": self._batch_size,
            "leak": self._leak,
            "profile": self._profile,
        }[self.options.topic](out)

    def _batch_size(self, out: Path | None) -> tuple[str, dict[str, Any], int]:
        if "batch_size" not in self.cell.axes:
            text = f"{self.cell.extractor} has no batch_size: there is nothing to tune"
            raise ConfigError(f"{text}; 'f0bench list extractors' shows the axes")
        device, options = self.cell.device, self.options
        known = device_memory("cpu") if device == "cpu" else None  # else by a worker
        search = batch.Search(
            self._peaks, device, options.share, options.largest, known
        )
        search.run()
        found = batch.as_dict(search)
        text = batch.render(_without_batch(self.cell.label), search)
        self._keep(out, found)
        return text, found, 0

    def _peaks(self, size: int) -> Mapping[str, Any]:
        """What one batch size does; an error only where memory ran out."""
        hop = float(getattr(self.cell.task, "hop_s", None) or 0.01)
        seconds = min(max(2 * size * hop, SHORTEST_AUDIO_S), LONGEST_AUDIO_S)
        outcome = self._launch(
            {"audio_s": seconds}, f"batch size {size}", {"batch_size": size}
        )
        if outcome.value is not None:
            return outcome.value
        error = outcome.error or {}
        text = str(error.get("message", "no message"))
        if error.get("kind") == "oom" or "memory" in text.lower():
            return {"error": f"out of memory: {text[:60]}"}
        raise ExtractorError(f"{self.cell.label}: batch size {size}: {text}")

    def _leak(self, out: Path | None) -> tuple[str, dict[str, Any], int]:
        asked = {"calls": self.options.calls, "audio_s": self.options.audio_s or 2.0}
        found = self._value(asked, f"leak  {self.cell.label}")
        judged = leak.judge(found)
        if not judged:
            raise UsageError("the resident set is not known on this platform")
        result = {**leak.as_dict(judged), "samples": found}
        self._keep(out, result)
        code = leak.EXITS[leak.verdict_of(judged)]
        return leak.render(self.cell.label, judged), result, code

    def _profile(self, out: Path | None) -> tuple[str, dict[str, Any], int]:
        folder = (out or self.folder).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        asked = {
            "calls": self.options.calls,
            "audio_s": self.options.audio_s or 10.0,
            "folder": str(folder),
        }
        found = self._value(asked, f"profile  {self.cell.label}")
        write_json(folder / "profile.json", found)
        shown = str(out or self.folder)
        return profile.render(self.cell.label, found, shown), found, 0

    def _keep(self, out: Path | None, found: Mapping[str, Any]) -> None:
        """Write the result where ``--out`` asks for it."""
        if out is not None:
            write_json(out / f"{self.options.topic}.json", found)

    def _value(self, asked: Mapping[str, Any], text: str) -> dict[str, Any]:
        outcome = self._launch(asked, text)
        if outcome.value is None:
            message = (outcome.error or {}).get("message", "no message")
            raise ExtractorError(f"{self.cell.label}: {message}")
        return outcome.value

    def _launch(
        self,
        asked: Mapping[str, Any],
        text: str,
        params: Mapping[str, Any] | None = None,
    ) -> Outcome:
        cell = self.cell
        chosen = plain({**cell.params, **(params or {})})
        job = Job(
            kind="tune",
            task=cell.task,
            dataset=cell.dataset,
            systems=(System(cell.key, cell.extractor, chosen, str(self.folder)),),
            seed=self.launcher.settings.seed,
            tuning={"topic": self.options.topic, **asked},
        )
        log = self.folder / "worker.log"
        return self.launcher.run(job, device=cell.device, log=log, text=text)


def _without_batch(label: str) -> str:
    """The label, without a batch size that the search replaces."""
    return " ".join(part for part in label.split(" ") if not part.startswith("batch"))
