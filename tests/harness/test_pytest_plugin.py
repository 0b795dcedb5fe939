"""The fixture ``f0bench_gate`` measures, judges, and fails tests; it disturbs none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from extractors.errors import F0BenchError
from harness import pytest_plugin
from harness.pytest_plugin import GateFixture

QUICK = {
    "limit": 2,
    "task": {"agreement": False},
    "options": {"threshold": 0.4},
}
EASY = "- {id: accurate, metric: rpa_50c, abs: 'x >= 20 %'}\n"
HARD = "- {id: absurd, metric: rpa_50c, abs: 'x < 1 %'}\n"
LOST = "- {id: no_worse, metric: rpa_50c, margin: 1 points, to: baseline}\n"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A results folder of several tests: the first measures, the others reuse it."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def f0bench_gate(request, acf, kept, monkeypatch):
    option = request.config.option
    monkeypatch.setattr(option, "f0bench_results", str(kept), raising=False)
    return GateFixture(request)


@pytest.fixture
def gate_file(tmp_path):
    def write(text):
        path = tmp_path / "mine gate.yaml"
        path.write_text(text)
        return path

    return write


def failure(call, *args, **more):
    with pytest.raises(pytest.fail.Exception) as error:
        call(*args, **more)
    assert error.value.pytrace is False
    return str(error.value)


# what is measured and judged


def test_result_is_returned_and_kept(f0bench_gate, gate_file, kept, request):
    result = f0bench_gate("acf", gate=gate_file(EASY), **QUICK)
    assert (result.exit_code, result.verdict) == (0, "pass")
    assert [rule.id for rule in result.rules] == ["accurate"]
    plan_path = kept / "latest" / "plan.json"
    plan = json.loads(plan_path.read_text())
    assert plan["command"] == f"pytest {request.node.nodeid}"
    (record,) = plan_path.parent.glob("cells/*/record.json")
    assert json.loads(record.read_text())["cell"]["params"]["threshold"] == 0.4
    assert json.loads((plan_path.parent / "gate.json").read_text())["exit_code"] == 0
    assert ("f0bench", "Gate mine gate  pass  (1 pass)") in request.node.user_properties

    # the same run again, by other rules: nothing is measured twice
    told = failure(f0bench_gate, "acf", gate=gate_file(HARD), **QUICK)
    assert "Gate mine gate  fail  (1 fail)" in told
    assert "absurd  acf" in told
    assert "exit 1" in told
    counts = json.loads(plan_path.read_text())["counts"]
    assert counts == {"measured": 0, "reused": 1}


def test_incomplete_gate_fails_unless_that_is_allowed(f0bench_gate, gate_file):
    gate = gate_file(LOST)
    told = failure(f0bench_gate, "acf", gate=gate, **QUICK)
    assert "Gate mine gate  incomplete" in told
    assert "exit 4" in told
    assert f0bench_gate("acf", gate=gate, fail_on=(1,), **QUICK).exit_code == 4


def test_registered_class_is_measured_beside_an_incumbent(f0bench_gate, monkeypatch):
    from acf_tracker import Acf

    def measure(plan, **more):
        roles = {cell.extractor: cell.role for cell in plan.cells}
        params = {cell.extractor: cell.params.get("threshold") for cell in plan.cells}
        raise F0BenchError(f"{roles} {params} {plan.settings.gate}")

    monkeypatch.setattr("harness.api.measure", measure)
    more = {"incumbent": "librosa_pyin", "gate": "replace", **QUICK}
    told = failure(f0bench_gate, Acf, **more)
    assert "{'acf': 'candidate', 'librosa_pyin': 'incumbent'}" in told
    assert "{'acf': 0.4, 'librosa_pyin': None} replace" in told


@pytest.mark.parametrize(
    ("args", "more", "told"),
    [
        ((), {}, "name an extractor"),
        (("afc",), {}, "did you mean 'acf'?"),
        ((3,), {}, "3 is neither a registered name nor a class"),
        (("acf",), {"gate": "validty"}, "did you mean 'validity'?"),
        (("acf",), {"gate": "replace"}, "gate.incumbent"),
        (("acf",), {"effort": "smok"}, "did you mean 'smoke'?"),
        (("acf",), {"task": {"fmim": 60}}, "did you mean 'task.fmin'?"),
        (("acf",), {"task": {"fmin": -1.5}}, "-1.5"),
        (("acf",), {"options": {"treshold": 0.4}}, "did you mean 'threshold'?"),
        (
            ("acf",),
            {"options": {"threshold": None}, "modl": "x"},
            "did you mean 'model'?",
        ),
        (
            ("acf",),
            {"dataset": {"kind": "folder", "root": "/none, such"}},
            "/none, such",
        ),
        (("acf",), {"baseline": "main"}, "no baseline 'main'"),
        (("acf",), {"words": ["seed=1", "gate=ci"]}, "gate is stated twice"),
        (("acf",), {"config_dir": "/none"}, "no such folder"),
    ],
)
def test_wrong_arguments_fail_in_one_line(f0bench_gate, kept, args, more, told):
    before = set(kept.iterdir())
    message = failure(f0bench_gate, *args, **more)
    assert told in message
    assert message.startswith("f0bench_gate: ")
    assert "\n" not in message
    assert set(kept.iterdir()) == before


def test_class_of_another_with_the_same_name_is_refused(f0bench_gate):
    from acf_tracker import Acf

    class Mine(Acf):
        pass

    assert "has the name 'acf', under which another class" in failure(
        f0bench_gate, Mine
    )


def test_everything_skipped_is_told(f0bench_gate, monkeypatch):
    from harness.environment import Inventory

    nothing = Inventory(reasons={"cuda": "no GPU driver is loaded"})
    monkeypatch.setattr("harness.api.available", lambda threads: nothing)
    told = failure(f0bench_gate, "crepe", device="cuda", model="tiny", limit=2)
    assert "nothing was measured" in told
    assert "no GPU driver is loaded" in told
    assert "exit 4" in told


def test_values_become_words_of_the_command_line():
    stated = {
        **pytest_plugin._nested("dataset", {"kind": "folder", "root": "a, b='c'"}),
        **pytest_plugin._nested(
            "effort", {"name": "standard", "rounds": 10}, kind="name"
        ),
        "dataset.tags.speaker": r"^(\w+)_",
        "threads": 2,
        "acf.flag": True,
        "task.fmin": 60.5,
        "scenarios": ("offline", "cold"),
        "extractor": pytest_plugin._Sweep(["a", "b"]),
        "voicing": "fixed(0.5)",
        "gate.incumbent": None,
    }
    assert list(pytest_plugin._words(stated)) == [
        "dataset.kind='folder'",
        "dataset.root=a, b='c'",
        "effort='standard'",
        "effort.rounds=10",
        r"dataset.tags.speaker=^(\w+)_",
        "threads=2",
        "acf.flag=true",
        "task.fmin=60.5",
        "scenarios=['offline','cold']",
        "extractor='a','b'",
        "voicing='fixed(0.5)'",
    ]


def test_committed_baseline_of_the_project_is_found(
    f0bench_gate, kept, tmp_path, monkeypatch
):
    project = tmp_path / "project"
    saved = project / "results" / "baselines" / "main"
    saved.mkdir(parents=True)
    (saved / "baseline.json").write_text("{}")
    config = f0bench_gate._request.config
    monkeypatch.setattr(type(config), "rootpath", project)
    assert f0bench_gate._baseline("main") == str(saved)
    assert f0bench_gate._baseline("other") == "other"
    shadowing = kept / "baselines" / "main"
    shadowing.mkdir(parents=True)
    (shadowing / "baseline.json").write_text("{}")
    assert f0bench_gate._baseline("main") == "main"
    shutil.rmtree(kept / "baselines")


def test_results_are_temporary_without_the_option(request, tmp_path, monkeypatch):
    option = request.config.option
    monkeypatch.setattr(option, "f0bench_results", None, raising=False)
    assert GateFixture(request)._results() == tmp_path / "results"
    monkeypatch.setattr(option, "f0bench_results", "some/where")
    started = request.config.invocation_params.dir
    monkeypatch.chdir(tmp_path)
    assert GateFixture(request)._results() == started / "some" / "where"


# sessions of a user


def session(folder, *args):
    command = [sys.executable, "-m", "pytest", "-p", "f0bench_pytest"]
    command += ["-p", "no:cacheprovider", "-W", "error", *args]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False
    )


def project(folder: Path, **modules: str) -> Path:
    folder.mkdir()
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    return folder


def test_session_of_a_user(acf, kept, tmp_path):
    (tmp_path / "hard.yaml").write_text(HARD)
    mine = project(
        tmp_path / "mine",
        test_release="""
            QUICK = {
                "limit": 2,
                "task": {"agreement": False},
                "options": {"threshold": 0.4},
            }

            def test_fine(f0bench_gate):
                f0bench_gate("acf", gate="../easy.yaml", **QUICK)

            def test_bad(f0bench_gate):
                f0bench_gate("acf", gate="../hard.yaml", **QUICK)

            def test_typo(f0bench_gate):
                f0bench_gate("afc")
        """,
    )
    (tmp_path / "easy.yaml").write_text(EASY)
    done = session(
        mine, "--f0bench-results", str(kept), "-rP", "--junitxml", "junit.xml"
    )
    assert "2 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "Gate easy  pass  (1 pass)" in done.stdout
    assert "absurd  acf" in done.stdout
    assert "f0bench_gate: unknown extractor 'afc'; did you mean 'acf'?" in done.stdout
    assert "During handling" not in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "pytest_plugin.py" not in done.stdout
    junit = (mine / "junit.xml").read_text()
    assert 'name="f0bench" value="Gate hard  fail  (1 fail)"' in junit


def test_sessions_without_it_import_nothing_of_it(tmp_path):
    """Not even where a project has packages of the same names."""
    mine = project(
        tmp_path / "mine",
        test_own="""
            import sys

            def test_own():
                import harness.engine
                assert harness.engine.VALUE == 7
                heavy = {"extractors", "f0bench", "numpy", "pandas", "torch"}
                assert not heavy & set(sys.modules)
        """,
    )
    project(mine / "harness", __init__="", engine="VALUE = 7\n")
    done = session(mine, "-q")
    assert done.returncode == 0, done.stdout + done.stderr


def test_entry_point_names_the_plug_in():
    import tomllib

    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"f0bench_pytest": "f0bench_pytest"}
    assert os.path.isfile(root / "f0bench_pytest.py")
