"""The schema of every choice a user can make, as frozen dataclasses.

YAML holds the choices (``conf/``), these classes hold types and defaults, and no
``DictConfig`` travels beyond :mod:`harness.compose`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class TaskConfig:
    """What is asked of every extractor and of the reference alike.

    Attributes:
        name: registered task.
        fmin, fmax: F0 range in Hz.
        hop_s: frame hop in seconds; a rational number of samples.
        resample: rule that reads an estimate at a reference time: ``f0bench`` (nearest
            voicing, pitch linear in cents) or ``mir_eval`` (its zero-order hold).
        agreement: measure agreement with librosa's pYIN besides truth.
        asked: fields that go to every extractor whose constructor has them.
    """

    asked: ClassVar[tuple[str, ...]] = ("fmin", "fmax", "hop_s")

    name: str = "f0"
    fmin: float = 50.0
    fmax: float = 1100.0
    hop_s: float = 0.01
    resample: str = "f0bench"
    agreement: bool = True

    @property
    def brief(self) -> str:
        """What tells tasks of one kind apart, as part of a label."""
        return f"{self.fmin:g}–{self.fmax:g}Hz/{self.hop_s * 1000:g}ms"


@dataclass(frozen=True)
class SpectrogramConfig(TaskConfig):
    """Which spectrogram is asked of every library alike.

    Attributes:
        transform: ``stft``, ``mel`` or ``cqt``.
        sample_rate: Hz; audio of another rate is resampled to it.
        n_fft: samples of the window of ``stft`` and ``mel``.
        n_mels: bands of ``mel``.
        bins_per_octave: of ``cqt``.
        pad: what lies beyond the ends: ``constant`` (zeros) or ``reflect``.
    """

    asked: ClassVar[tuple[str, ...]] = (
        *TaskConfig.asked,
        "transform",
        "sample_rate",
        "n_fft",
        "n_mels",
        "bins_per_octave",
        "pad",
    )

    name: str = "spectrogram"
    fmin: float = 32.7
    fmax: float = 8000.0
    hop_s: float = 0.032
    transform: str = "stft"
    sample_rate: int = 16000
    n_fft: int = 2048
    n_mels: int = 128
    bins_per_octave: int = 12
    pad: str = "constant"

    @property
    def brief(self) -> str:
        """The transform: what is usually swept."""
        return self.transform


@dataclass(frozen=True)
class PipelineConfig(TaskConfig):
    """What the chain from a file to zones is asked for.

    Attributes:
        window_s, window_hop_s: seconds of a window and between windows.
        min_rise_db, min_rise_percent: rise of loudness and of F0 that make a zone.
    """

    asked: ClassVar[tuple[str, ...]] = (
        *TaskConfig.asked,
        "window_s",
        "window_hop_s",
        "min_rise_db",
        "min_rise_percent",
    )

    name: str = "pipeline"
    fmax: float = 550.0
    window_s: float = 1.0
    window_hop_s: float = 0.5
    min_rise_db: float = 3.0
    min_rise_percent: float = 10.0

    @property
    def brief(self) -> str:
        """How windows lie: what is usually swept."""
        return f"{self.window_s:g}s/{self.window_hop_s:g}s"


#: Tasks with choices of their own; any other is composed as a :class:`TaskConfig`.
TASK_CONFIGS: Mapping[str, type[TaskConfig]] = {
    "spectrogram": SpectrogramConfig,
    "pipeline": PipelineConfig,
}


def task_config(name: str) -> type[TaskConfig]:
    """The schema of the task registered as ``name``."""
    return TASK_CONFIGS.get(name, TaskConfig)


@dataclass(frozen=True)
class DatasetConfig:
    """Which recordings, and how their labels are read.

    Attributes:
        kind: ``synthetic``, ``escalation``, ``windows`` (all generated), ``folder`` or
            ``manifest``.
        name: shown in tables and part of a cell's key; the folder's name by default.
        root: folder of the recordings (``folder``, ``manifest``).
        manifest: CSV or Parquet table with ``id, audio_path, truth_path, split``
            and any further column as a tag (``manifest``).
        audio: glob below ``root`` that finds recordings; every format that
            libsndfile reads by default.
        truth: label path of a recording relative to its folder, from ``{stem}``.
        labels: preset of the column reader (``f0ref, ptdb, mir1k, crepe, csv,
            mir_eval`` …); the options below override it one by one.
        columns: what the columns hold, e.g. ``[time, f0]``.
        unit: ``hz``, ``midi``, ``semitone`` or ``cents``.
        hop: seconds between label frames where the file has no time column.
        offset: seconds added to every label time.
        separator: column separator; ``null`` is any white space or comma.
        skip: lines to skip at the top.
        unvoiced: how a label says unvoiced: ``zero``, ``nan``, ``negative`` or
            ``nonpositive``.
        gaps: what holes in the label grid mean, ``unlabelled`` or ``unvoiced``; must be
            stated where there are holes.
        channel: channel index of multichannel files, or ``mean``.
        limit: use only the first so many clips (by id); of ``escalation``, how many
            recordings there are (1).
        split: use only the clips of this split (``manifest``).
        tags: ``name: regular expression`` over the clip id; the first group, or the
            whole match, is the value.
        seed: seed of a generated set.
        seconds: about how many seconds to synthesise; 60 is one of each kind of
            ``synthetic``; of ``escalation`` seconds of each recording, of ``windows``
            how many windows of one second.
    """

    kind: str = "synthetic"
    name: str | None = None
    root: str | None = None
    manifest: str | None = None
    audio: str | None = None
    truth: str | None = None
    labels: str | None = None
    columns: tuple[str, ...] | None = None
    unit: str | None = None
    hop: float | None = None
    offset: float | None = None
    separator: str | None = None
    skip: int | None = None
    unvoiced: str | None = None
    gaps: str | None = None
    channel: int | str | None = None
    limit: int | None = None
    split: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    seconds: float = 60.0


@dataclass(frozen=True)
class EffortConfig:
    """How much timing is done; see ``measurement.md`` in the documentation.

    Attributes:
        name: ``smoke``, ``standard``, ``rigorous`` or ``accuracy``.
        timed_s: audio seconds of the timed set; ``null`` is every clip.
        rounds: fresh processes per cell; 0 measures no time at all.
        warmup_s: seconds of warm-up before timing (at least one pass).
        min_passes: passes of the timed set at least.
        min_s: timed seconds at least.
        noise: stop once IQR/median of the passes is at most this, ``null`` to stop at
            ``min_passes``.
        cap_s: seconds after which a round ends (never below 3 passes).
        calls: calls with one second of audio, of the scenario ``single_stream``.
    """

    name: str = "standard"
    timed_s: float | None = 60.0
    rounds: int = 3
    warmup_s: float = 1.0
    min_passes: int = 10
    min_s: float = 2.0
    noise: float | None = 0.01
    cap_s: float = 60.0
    calls: int = 70


@dataclass(frozen=True)
class Settings:
    """How a plan is executed: recorded, but not part of a cell's key.

    Attributes:
        effort: see :class:`EffortConfig`.
        scenarios: out of ``offline, single_stream, cold, stream``.
        threads: threads of every worker, ``null`` for all available cores.
        seed: seed of subset choice, re-seeding and bootstrap.
        results_dir: where runs are written.
        gate: name of the gate judged after the run.
        incumbent: extractor, preset, label or key of the cell that others are to
            replace.
        baseline: name of the baseline that the gate compares with.
        timeout_s: seconds without a sign of life after which a worker is killed.
        budget_s: bound of the whole run in seconds; shrinks timed sets.
        bootstrap: tag whose values are resampled together, e.g. ``speaker``.
        name: name of the results folder.
        experiment: the experiment the plan came from.
        fresh: measure everything again.
        private: hash clip ids in what is written.
    """

    effort: EffortConfig = field(default_factory=EffortConfig)
    scenarios: tuple[str, ...] = ("offline", "single_stream", "cold")
    threads: int | None = None
    seed: int = 0
    results_dir: str = "results"
    gate: str = "validity"
    incumbent: str | None = None
    baseline: str | None = None
    timeout_s: float = 600.0
    budget_s: float | None = None
    bootstrap: str | None = None
    name: str | None = None
    experiment: str | None = None
    fresh: bool = False
    private: bool = False


@dataclass(frozen=True)
class RunConfig:
    """One composed configuration: the choices of one point of a sweep.

    Attributes:
        extractor: registered name.
        options: options of that extractor's constructor that were stated (YAML or
            command line); axes that were not stated are absent.
        axes: the top-level axes that were stated (``model, decoder, device,
            precision, batch_size``); ``null`` ones are absent.
        voicing: ``native``, ``fixed(0.5)`` or ``calibrated(speaker=rl)``; see
            :mod:`harness.voicing`.
        role: ``candidate``, ``incumbent`` or ``peer``; ``null`` lets the extractor's
            ``peer`` attribute decide.
    """

    extractor: str
    options: Mapping[str, Any] = field(default_factory=dict)
    axes: Mapping[str, Any] = field(default_factory=dict)
    task: TaskConfig = field(default_factory=TaskConfig)
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    settings: Settings = field(default_factory=Settings)
    voicing: str = "native"
    role: str | None = None
