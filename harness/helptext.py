"""Help texts of the commands: what, examples, flags, exit codes."""

from __future__ import annotations

from collections.abc import Mapping

from .flags import FLAGS

OVERVIEW = """\
f0bench measures F0 (pitch) extractors: accuracy, speed, latency, memory, one gate.

  f0bench run                    measure; without words: experiment=quickstart
  f0bench probe extractor=…      time offset, pitch bias, range, determinism
  f0bench check dataset=…        what the recordings and their labels hold
  f0bench ab BASE HEAD …         two versions of an extractor's code in one job
  f0bench calibrate …            how much identical code differs on this machine
  f0bench gate RUN [gate=NAME]   judge a run again
  f0bench baseline save RUN NAME what later runs are compared with
  f0bench report RUN…            tables and figures of runs
  f0bench compare A B            two runs, cell by cell
  f0bench export RUN --format F  tracks or headline metrics for other tools
  f0bench claims RUN             published figures beside what was measured
  f0bench tune batch-size …      a batch size by measured peaks; also: leak, profile
  f0bench list [TOPIC]           extractors, decoders, datasets, metrics, …
  f0bench doctor                 versions, devices, missing extras

`f0bench COMMAND --help` has the examples; RUN is a name, a folder or `latest`.
"""

TEXTS: Mapping[str, str] = {
    "run": """\
f0bench run [key=value …] [flags]: measure a plan and judge it.

examples
  f0bench run
  f0bench run extractor=crepe_tiny dataset=folder dataset.root=calls \\
      dataset.truth={stem}.f0ref dataset.labels=f0ref task.fmin=60 task.fmax=500
  f0bench run -m extractor=crepe,librosa_pyin model=full,tiny device=cpu,cuda
  f0bench run -m extractor=librosa_pyin,crepe_tiny gate=replace \\
      gate.incumbent=librosa_pyin
  f0bench run extractor=tracks tracks.root=my_tracks effort=accuracy
  f0bench run experiment=quickstart effort=accuracy --dry-run

keys (defaults)
  task (f0)  task.fmin (50 Hz)  task.fmax (1100 Hz)  task.hop_s (0.01 s)
  dataset (synthetic)  dataset.root  dataset.truth  dataset.labels  dataset.limit
  extractor (crepe_tiny)  extractor.KEY: option of all  NAME.KEY: of NAME alone
  model  decoder  device (auto)  precision  batch_size: the extractor's own default
  voicing (native): native, fixed(0.5), 'calibrated(TAG=VALUE)': learnt on these clips
  role: candidate, incumbent, peer
  effort (standard): smoke, standard, rigorous, accuracy
  scenarios ([offline,single_stream,cold])  threads (all cores)  seed (0)
  gate (validity)  gate.incumbent (none)  gate.baseline (none)
  results_dir (results)  budget (none): 90s, 20m, 1h
  timeout_s (600)  bootstrap (none): a tag  experiment (none)
  Sweeps need -m: a,b  range(1,4)  choice(a,b)  glob(crepe*).
""",
    "probe": """\
f0bench probe extractor=NAME [key=value …] [flags]: test signals instead of recordings.

examples
  f0bench probe extractor=crepe_tiny
  f0bench probe extractor=librosa_pyin task.fmin=60 task.fmax=500 --json
""",
    "check": """\
f0bench check dataset=NAME [key=value …] [flags]: look at a data set before a run.

examples
  f0bench check dataset=synthetic
  f0bench check dataset=folder dataset.root=calls dataset.truth={stem}.f0ref \\
      dataset.labels=f0ref task.fmin=60 task.fmax=500
""",
    "ab": """\
f0bench ab BASE HEAD [key=value …] [flags]: may HEAD replace BASE? Two versions of an
extractor's code, measured in one job, round beside round.

BASE and HEAD are folders with Python packages, or revisions of the git repository in
the working directory (or --repo). Rounds are added only where the answer is unclear;
what looks slower is measured again before it fails. The gate is regression.

examples
  f0bench ab v1.2 HEAD extractor=acf
  f0bench ab v1.2 . extractor=acf --explain no_slower
  f0bench ab ../main . -m extractor=crepe_tiny,acf dataset=folder dataset.root=calls
""",
    "calibrate": """\
f0bench calibrate [key=value …] [flags]: measure the same code against itself, and
keep for this machine how much it differs: the noise floor of every cell and metric.

Every call adds a session; two sessions or more also tell how much jobs differ.

examples
  f0bench calibrate extractor=crepe_tiny
  f0bench calibrate -m extractor=crepe_tiny,librosa_pyin effort=smoke
""",
    "gate": """\
f0bench gate RUN… [gate=NAME] [flags]: judge finished runs, rule by rule.

Several runs of one plan are judged as one: what a CPU and a GPU runner measured.

examples
  f0bench gate latest
  f0bench gate quickstart-1a2b3c4d gate=validity --json
  f0bench gate latest gate=rules/release.yaml
  f0bench gate latest gate=regression --baseline main
  f0bench gate latest gate=replace gate.incumbent=librosa_pyin
  f0bench gate latest --baseline main --explain no_slower
  f0bench gate latest gate=spec_gpuaudio_001 gate.tests=results/tests.xml
  f0bench gate --pytest-benchmark new.json --baseline old.json

Rules that state a requirement are shown as a table: id, requirement, evidence,
verdict. Some rest on tests: `pytest --junitxml results/tests.xml` writes their results.

In GitHub Actions, run and gate also write the step summary, annotations and, beside
gate.json, comment.md for the pull request: see .github/workflows/f0bench.yml.
""",
    "baseline": """\
f0bench baseline save|accept|diff|list … [flags]: what runs are compared with, small
enough to be committed: results/baselines/NAME/.

  save RUN NAME          counts per clip, wall times, environment; no tracks, no paths
  accept CELL METRIC     acknowledge what the gate of the latest run found worse
                         (--reason TEXT, --until DAY, or of another run: a third word)
  diff NAME RUN          what RUN changes against it, cell by cell
  list                   names, dates, cells, acceptances

examples
  f0bench baseline save latest main
  f0bench gate latest gate=regression --baseline main
  f0bench baseline accept "crepe tiny  cpu" x_realtime --reason "exact resampler" \\
      --until 2027-03-31
  f0bench baseline diff main latest
""",
    "report": """\
f0bench report [RUN…] [flags]: tables, Markdown, CSV and HTML of one run or several;
without RUN, of the latest.

examples
  f0bench report latest
  f0bench report latest --by speaker,register
  f0bench report before after --wide
  f0bench report latest claims=voice_man
  f0bench report latest --into README.md

--into replaces what stands between the lines <!-- f0bench:NAME --> and
<!-- /f0bench:NAME --> of a Markdown file, and nothing else; NAME is the run's
experiment (or its name), unless --marker states another. In come the cells, what the
gate compared with intervals, machine, date, versions, and the command that repeats it.
""",
    "compare": """\
f0bench compare A B [flags]: what B changes against A, cell by cell.

examples
  f0bench compare before after
  f0bench compare results/before results/after --fail-on-regression
""",
    "export": """\
f0bench export RUN --format FORMAT [flags]: what other tools read.

formats
  librosa, mir_eval, crepe  tracks, one file a clip and cell
  github-action-benchmark   headline metrics: customBiggerIsBetter.json and
                            customSmallerIsBetter.json, named by that action's tools
  bmf                       headline metrics in Bencher Metric Format: bmf.json
  The JUnit XML of a gate lies beside gate.json.

examples
  f0bench export latest --format crepe --out tracks
  f0bench export latest --format mir_eval --cell "crepe tiny  cpu"
  f0bench export latest --format bmf
""",
    "claims": """\
f0bench claims RUN [claims=NAME] [flags]: published figures beside what was measured.

A file of claims states each figure with unit, hardware and the cell that tests it.
Statuses: reproduced, better, not_reproduced, other_hardware, malformed, contradicted,
not_measured. Writes claims.md and claims.json into the run's folder.

keys (defaults)
  claims (voice_man): a name below claims/ of the configuration, or a YAML file

examples
  f0bench run experiment=spec_gpuaudio    (cells that test the figures of voice_man)
  f0bench claims latest
  f0bench claims latest claims=pytorch_hmm --json
""",
    "tune": """\
f0bench tune TOPIC extractor=NAME [key=value …] [flags]: one extractor looked at
closely, in processes of its own, on a generated voice.

topics
  batch-size   throughput and peak memory by batch size; the smallest that is as fast
               as any and keeps within a share of the free memory; beside it what the
               F0 service's memory manager begins with, and a published formula
  leak         growth of memory over calls: slope, 99 % interval, verdict
  profile      operations of torch (with a Chrome trace) and functions of Python that
               take the time; files go to --out (default: below results_dir)

keys (defaults), beside those of run
  calls (200; profile 3)   timed calls          audio (2 s; profile 10 s)  of each call
  share (0.8)   of the free memory, batch-size  largest (8192)  batch-size

examples
  f0bench tune batch-size extractor=crepe_tiny device=cpu
  f0bench tune batch-size extractor=crepe model=full share=0.5 largest=2048 --json
  f0bench tune leak extractor=crepe_tiny calls=300 --json
  f0bench tune profile extractor=librosa_pyin --out profile
""",
    "list": """\
f0bench list [TOPIC] [flags]: names that a command line may use; without TOPIC, all.

topics
  extractors decoders datasets labels tasks metrics experiments efforts gates claims

examples
  f0bench list extractors
  f0bench list metrics --json
""",
    "doctor": """\
f0bench doctor [flags]: versions, devices, missing extras with their pip lines, and
whether compiled kernels can be kept.

--perf looks at what decides speed instead: device, dtype, TF32, threads, clocks,
throttling, free memory.

--warm also loads every installed extractor once, in a process of its own, so that its
kernels are compiled for this host: for runs, and for Python programs where it is
f0bench's own. It tells how long that took, or that the kernels were there already.

examples
  f0bench doctor
  f0bench doctor --json
  f0bench doctor --warm
  f0bench doctor --perf --json
""",
}

EXITS: Mapping[str, str] = {
    "ab": """\
  0 passed · 1 HEAD is worse, or broken · 2 could not run · 3 inconclusive, where the
  gate blocks on it · 4 incomplete""",
    "run": """\
  0 passed · 1 a blocking gate rule failed · 2 could not run · 3 inconclusive, where
  the gate blocks on it · 4 incomplete · 130 interrupted (finished cells are kept)""",
    "gate": """\
  0 passed · 1 a blocking gate rule failed · 2 could not run · 3 inconclusive, where
  the gate blocks on it · 4 incomplete""",
    "probe": "  0 contract held · 1 contract broken · 2 could not run",
    "check": "  0 nothing wrong · 1 the data set has errors · 2 could not run",
    "baseline": "  0 done · 1 worse, with diff --fail-on-regression · 2 could not run",
    "claims": "  0 shown, whatever is found · 2 could not run · 4 nothing measured",
    "tune": """\
  0 done, no leak · 1 a leak · 2 could not run · 3 it cannot be told whether there is
  a leak · 4 the extractor cannot run here""",
    "compare": "  0 compared · 1 worse, with --fail-on-regression · 2 could not run",
    "doctor": "  0 f0bench can run · 2 a required package is missing",
}


def help_text(command: str | None) -> str:
    """Help of one command, or of f0bench where there is none; ends with a newline."""
    if command is None:
        return f"{OVERVIEW}\nflags\n  -h, --help   --version   --debug\n"
    exits = EXITS.get(command, "  0 done · 2 could not run")
    return f"{TEXTS[command]}\nflags\n{_flags(command)}\n\nexit codes\n{exits}\n"


def _flags(command: str) -> str:
    rows = [
        (", ".join(flag.names) + (f" {flag.takes}" if flag.takes else ""), flag.help)
        for flag in FLAGS
        if command in flag.commands
    ]
    width = max(len(left) for left, _ in rows)
    return "\n".join(f"  {left:<{width}}  {right}" for left, right in rows)
