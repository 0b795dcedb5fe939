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
  f0bench gate --pytest-benchmark new.json --baseline old.json

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
    "list": """\
f0bench list [TOPIC] [flags]: names that a command line may use; without TOPIC, all.

topics
  extractors decoders datasets labels tasks metrics experiments efforts gates

examples
  f0bench list extractors
  f0bench list metrics --json
""",
    "doctor": """\
f0bench doctor [flags]: versions, devices, missing extras with their pip lines.

examples
  f0bench doctor
  f0bench doctor --json
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
