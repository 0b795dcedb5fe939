"""The command line as people type it: flags, help, errors and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from extractors.errors import ExtractorError, UsageError
from harness import cli, flags
from harness.helptext import help_text


def run(capsys, *argv):
    code = cli.main(list(argv))
    out, err = capsys.readouterr()
    return code, out, err


def test_flags_stand_anywhere():
    command, found, words = flags.parse(
        ["--json", "run", "a=1", "-m", "--name", "x", "b=2", "--config-dir=/c d"]
    )
    assert (command, words) == ("run", ["a=1", "b=2"])
    assert (found.multirun, found.json, found.name) == (True, True, "x")
    assert str(found.config_dir) == "/c d"
    assert found.command_line == (
        "f0bench --json run a=1 -m --name x b=2 '--config-dir=/c d'"
    )


def test_values_of_flags():
    _, found, _ = flags.parse(["report", "latest", "--by", "speaker,register"])
    assert found.by == ("speaker", "register")
    _, found, words = flags.parse(["run", "--", "--json"])
    assert (found.json, words) == (False, ["--json"])


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["rnu"], "unknown command 'rnu'; did you mean 'run'?"),
        (["run", "--dryrun"], "did you mean '--dry-run'?"),
        (["run", "-x"], "unknown flag '-x'"),
        (["run", "--name"], "--name needs a value: --name NAME"),
        (["run", "--name", "--json"], "--name needs a value"),
        (["run", "--json=1"], "takes no value"),
        (["run", "--cfg", "hydra"], "valid: job"),
        (["run", "--by", "x"], "run takes no --by; it belongs to report"),
        (["export", "x", "--format", "crep"], "did you mean 'crepe'?"),
    ],
)
def test_unknown_flags_are_refused(argv, expected):
    with pytest.raises(UsageError) as caught:
        flags.parse(argv)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/b", "a\\b", ".", "..", ".x", "latest", "a\nb", "x/"]
)
def test_a_run_cannot_be_named_out_of_the_results(name):
    with pytest.raises(UsageError, match="--name") as caught:
        flags.parse(["run", f"--name={name}"])
    assert "\n" not in str(caught.value)


def test_plain_names_of_runs():
    for name in ("before", "녹음 1", "v1.2-rc_3", "latest2"):
        assert flags.parse(["run", "--name", name])[1].name == name


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["compare", "a"], "two runs"),
        (["gate"], "needs a run"),
        (["export", "x"], "--format"),
        (["run", "crepe"], "did you mean extractor=crepe?"),
        (["run", "task.fmin=abc"], "task.fmin=abc: expected a number (Hz)"),
        (["list", "extractor"], "did you mean 'extractors'?"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(capsys, argv, expected):
    code, out, err = run(capsys, *argv)
    assert (code, out) == (2, "")
    assert err.startswith("f0bench: error: ")
    assert err.count("\n") == 1
    assert expected in err


def test_debug_shows_the_traceback(capsys):
    code, _, err = run(capsys, "--debug", "run", "task.fmin=abc")
    assert code == 2
    assert "Traceback" in err


def test_help(capsys):
    assert run(capsys)[0] == 2
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for command in flags.COMMANDS:
        assert f"f0bench {command}" in out
        code, text, _ = run(capsys, command, "--help")
        assert (code, text) == (0, help_text(command))
        assert "examples" in text
        assert "exit codes" in text
        assert max(map(len, text.splitlines())) <= 88
    assert run(capsys, "help", "run")[1] == help_text("run")


def test_version(capsys):
    code, out, _ = run(capsys, "--version")
    assert code == 0
    assert out.startswith("f0bench 0.")


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ExtractorError("two\nlines"), 2, "f0bench: error: two lines\n"),
        (KeyboardInterrupt(), 130, "finished cells are kept"),
        (
            PermissionError(13, "Permission denied", "/proc/x"),
            2,
            "f0bench: error: /proc/x: Permission denied; state a folder that you may "
            "use, or see where with --debug\n",
        ),
        (
            FileNotFoundError(2, "No such file or directory", "/proc/x"),
            2,
            "f0bench: error: /proc/x: No such file or directory; state another path",
        ),
        (OSError("odd"), 2, "f0bench: error: odd; state another path"),
        (ZeroDivisionError("a defect"), 2, "ZeroDivisionError: a defect"),
    ],
)
def test_errors_become_exit_codes(capsys, monkeypatch, error, code, told):
    def fail(*_):
        raise error

    monkeypatch.setattr("harness.cli._dispatch", fail)
    found, _, err = run(capsys, "run")
    assert found == code
    assert told in err
    assert not isinstance(error, OSError) or err.count("\n") == 1


def test_commands_get_flags_and_words(monkeypatch, capsys):
    seen = []

    def load(target):
        return lambda flags, words: seen.append((target, flags.json, words)) or 3

    monkeypatch.setattr("harness.cli._load", load)
    assert run(capsys, "gate", "latest", "gate=validity", "--json")[0] == 3
    assert seen == [
        ("harness.gate_command:main", True, ["latest", "gate=validity"]),
    ]


def test_list_as_json(capsys):
    code, out, _ = run(capsys, "list", "efforts", "experiments", "--json")
    assert code == 0
    document = json.loads(out)
    assert [row["name"] for row in document["efforts"]] == [
        "ab",
        "accuracy",
        "engines",
        "rigorous",
        "smoke",
        "standard",
    ]
    names = [row["name"] for row in document["experiments"]]
    assert "quickstart" in names
    assert all(row["definition"] for row in document["experiments"])


def test_list_tables(capsys):
    code, out, _ = run(capsys, "list")
    assert code == 0
    for name in ("librosa_pyin", "viterbi_weighted", "rpa_50c", "f0ref", "validity"):
        assert name in out


def test_list_of_labels_and_tasks(capsys):
    _, out, _ = run(capsys, "list", "labels", "tasks", "datasets", "--json")
    found = json.loads(out)
    (f0ref,) = [row for row in found["labels"] if row["name"] == "f0ref"]
    assert "hop 0.015" in f0ref["format"] and "FDA" in f0ref["definition"]
    assert {"name": "f0", "state": "installed"}.items() <= found["tasks"][0].items()
    assert found["tasks"][0]["definition"].endswith("F0Track out.")
    assert "folder" in [row["name"] for row in found["datasets"]]
    assert not [row for row in found["datasets"] if "=" in row["name"]]


def test_metrics_are_shown_once(capsys):
    _, shown, _ = run(capsys, "list", "metrics")
    _, out, _ = run(capsys, "list", "metrics", "--json")
    names = [row["name"] for row in json.loads(out)["metrics"]]
    assert "agreement_rpa_50c" in names
    assert "agreement_rpa_50c" not in shown
    assert "exists as agreement_<name> too" in shown
    rest = [name for name in names if not name.startswith("agreement_")]
    assert all(name in shown for name in rest)


@pytest.mark.parametrize("content", [b"name: [crepe\n", b"name: \xff\xfe\n"])
def test_a_broken_file_is_named_by_list(capsys, tmp_path, content):
    (tmp_path / "extractor").mkdir()
    (tmp_path / "extractor" / "mine.yaml").write_bytes(content)
    code, _, err = run(capsys, "list", "extractors", "--config-dir", str(tmp_path))
    assert code == 2
    assert err.startswith("f0bench: error: ") and err.count("\n") == 1
    assert "mine.yaml" in err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["extractor.threshold=5"], "crepe: threshold=5.0 must lie in [0, 1]"),
        (["extractor=tracks", "tracks.root=/nonexistent"], "is no folder"),
        (["extractor=tracks", "tracks.root=/", "tracks.pattern=foo"], "use {id}"),
    ],
)
def test_options_out_of_bounds_are_refused_by_a_dry_run(capsys, words, expected):
    code, out, err = run(capsys, "run", *words, "--dry-run")
    assert (code, out) == (2, "")
    assert expected in err and err.count("\n") == 1


def test_every_shipped_extractor_and_experiment_composes(capsys):
    import yaml

    code, out, _ = run(capsys, "list", "extractors", "experiments", "--json")
    document = json.loads(out)
    presets = [p for row in document["extractors"] for p in row["presets"]]
    assert {"crepe_tiny", "torchcrepe_tiny", "tracks"} <= set(presets)
    chosen = ",".join(presets)
    words = ["-m", f"extractor={chosen}", "tracks.root=x", "--cfg", "job"]
    code, out, err = run(capsys, "run", *words)
    assert (code, err) == (0, "")
    assert len(list(yaml.safe_load_all(out))) == len(presets)
    for row in document["experiments"]:
        need = ["dataset.root=x"] if row["name"].startswith("real_") else []
        words = [f"experiment={row['name']}", "--cfg", "job", *need]
        code, out, err = run(capsys, "run", *words)
        assert (code, err) == (0, "")


def test_bare_run_shows_the_quickstart(capsys):
    import yaml

    code, out, _ = run(capsys, "run", "--cfg", "job")
    documents = list(yaml.safe_load_all(out))
    assert code == 0
    assert [d["extractor"] for d in documents] == [
        "librosa_pyin",
        "torchcrepe",
        "crepe",
        "crepe",
    ]


def shell(line, **env):
    return subprocess.run(
        ["sh", "-c", line.replace("f0bench", f"'{sys.executable}' -m f0bench", 1)],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        timeout=120,
    )


def test_as_typed_in_a_shell(tmp_path):
    place = tmp_path / "녹음 (1)" / "a=b"
    done = shell(
        'f0bench run extractor=crepe_tiny dataset=folder dataset.root="$PLACE" '
        "dataset.truth={stem}.f0ref dataset.labels=f0ref task.fmin=60 task.fmax=500 "
        "--cfg job",
        PLACE=str(place),
    )
    assert done.returncode == 0, done.stderr
    assert f"root: {place}" in done.stdout
    assert "truth: '{stem}.f0ref'" in done.stdout


@pytest.mark.parametrize("words", ["list efforts", "list efforts --json"])
def test_a_closed_pipe_is_quiet_and_no_success(tmp_path, words):
    place = tmp_path / "code"
    done = shell(f"{{ f0bench {words}; echo $? > '{place}'; }} | true")
    assert done.stderr == ""
    assert place.read_text() == "141\n"


def test_a_dry_run_of_300_cells_is_quick_and_loads_no_torch(tmp_path):
    script = (
        "import sys, time; start = time.monotonic(); from harness.cli import main; "
        "code = main(sys.argv[1:]); "
        "print(time.monotonic() - start, 'torch' in sys.modules, file=sys.stderr); "
        "raise SystemExit(code)"
    )
    words = ["decoder=argmax,viterbi,viterbi_weighted", "model=full,tiny", "device=cpu"]
    line = ["run", "-m", "extractor=crepe", "batch_size=range(1,51)", *words]
    done = subprocess.run(
        [sys.executable, "-c", script, *line, "--dry-run", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["cells"]) == 300
    seconds, torch = done.stderr.split()
    assert torch == "False"
    assert float(seconds) < 20
