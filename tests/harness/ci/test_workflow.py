"""The workflow that users copy: every command in it exists, and its rules hold."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from harness.ci.comment import changed
from harness.flags import parse

PLACE = Path(__file__).parents[3] / ".github" / "workflows" / "f0bench.yml"
TEXT = PLACE.read_text(encoding="utf-8")
FLOW = yaml.safe_load(TEXT)
JOBS = FLOW["jobs"]
STEPS = [step for job in JOBS.values() for step in job["steps"]]
COMMANDS = re.findall(r"^ *(?:# +|run: )?(f0bench [a-z].*?)(?: +#.*)?$", TEXT, re.M)
QUIET, BAD, WORSE = (
    f"<!-- f0bench:ci:quickstart -->\n<!-- state:{state} -->\ntext\n"
    for state in ("quiet", "111111111111", "222222222222")
)


def test_the_commands_are_found():
    found = {command.split()[1] for command in COMMANDS}
    assert found == {"run", "baseline", "doctor", "gate", "export"}
    scripts = [line for step in STEPS for line in step.get("run", "").splitlines()]
    run = [line for line in scripts if line.startswith("f0bench ")]
    assert len(run) == 5 and set(run) <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_parses(command):
    name, flags, _ = parse(shlex.split(command)[1:])
    assert name is not None and not flags.help


def test_what_is_measured_composes():
    from harness.compose import compose
    from harness.confdir import conf_dir
    from harness.gate_file import load_gate
    from harness.metrics import all_metrics

    (line,) = {command for command in COMMANDS if command.startswith("f0bench run")}
    _, flags, words = parse(shlex.split(line)[1:])
    settings = compose(words, multirun=flags.multirun).configs[0].settings
    assert settings.gate == "ci"
    assert load_gate("ci", all_metrics(), conf_dir()).rules


def test_jobs_are_bounded_and_have_only_the_rights_they_need():
    assert FLOW["permissions"] == {}
    rights = {name: job["permissions"] for name, job in JOBS.items()}
    assert rights == {
        "measure": {"contents": "read"},
        "comment": {"pull-requests": "write"},
    }
    assert all(0 < job["timeout-minutes"] <= 60 for job in JOBS.values())
    assert FLOW["concurrency"]["group"]


def test_the_job_that_may_write_runs_nothing_of_the_pull_request():
    assert not [step for step in JOBS["comment"]["steps"] if "run" in step]
    used = [step["uses"].split("@")[0] for step in JOBS["comment"]["steps"]]
    assert used == ["actions/download-artifact", "actions/github-script"]


def test_actions_are_pinned_to_a_major_version():
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert len(used) == 6
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", name) for name in used)


def test_no_text_of_a_stranger_enters_a_script():
    scripts = [step.get("run", "") for step in STEPS]
    scripts += [step.get("with", {}).get("script", "") for step in STEPS]
    assert not [script for script in scripts if "${{" in script]


def test_records_are_kept_after_a_failure():
    (step,) = (s for s in STEPS if "upload-artifact" in s.get("uses", ""))
    assert step["if"] == "always()"
    assert step["with"]["path"] == "results/ci"


def test_torch_comes_without_cuda_and_in_the_tested_version():
    (step,) = (s for s in STEPS if s.get("name") == "Install")
    first, second, *_ = step["run"].splitlines()
    assert "https://download.pytorch.org/whl/cpu" in first and "torch" in first
    assert second.startswith("pip install -c constraints.txt")
    root = PLACE.parents[2]
    pins = re.findall("^torch==.*$", (root / "constraints.txt").read_text(), re.M)
    assert len(pins) == 1


STUB = """
const calls = [];
const given = JSON.parse(process.env.GIVEN);
const record = (name) => async (value) => { calls.push([name, value.body]); };
const core = { info: () => calls.push(['info']) };
const context = { repo: { owner: 'o', repo: 'r' }, issue: { number: 1 } };
const github = {
  paginate: async () => given,
  rest: { issues: {
    listComments: null,
    createComment: record('create'),
    updateComment: record('update'),
  } },
};
const script = `return (async () => {${process.env.SCRIPT}})()`;
const run = new Function('core', 'context', 'github', 'require', script);
run(core, context, github, require).then(() => console.log(JSON.stringify(calls)));
"""


def commented(tmp_path, body, previous, kind="Bot"):
    (script,) = (s["with"]["script"] for s in STEPS if "script" in s.get("with", {}))
    if body is not None:
        (tmp_path / "results").mkdir()
        (tmp_path / "results" / "comment.md").write_text(body)
    other = {"id": 6, "body": "<!-- other -->\n", "user": {"type": "Bot"}}
    given = [other, {"id": 7, "body": previous, "user": {"type": kind}}]
    env = {"GIVEN": json.dumps(given if previous else [other]), "SCRIPT": script}
    node = shutil.which("node")
    if node is None:
        pytest.skip("node runs the script; install Node.js")
    found = subprocess.run(
        [node, "-e", STUB],
        cwd=tmp_path,
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(found.stdout)


@pytest.mark.parametrize(
    ("body", "previous"),
    [
        *((QUIET, None), (BAD, None), (BAD, BAD), (QUIET, BAD)),
        *((WORSE, BAD), (BAD, QUIET), (BAD, BAD.replace("\n", "\r\n"))),
    ],
)
def test_the_script_decides_as_the_package_does(tmp_path, body, previous):
    calls = commented(tmp_path, body, previous)
    if not changed(body, previous):
        assert calls == []
    else:
        assert calls == [["create" if previous is None else "update", body]]


def test_a_comment_of_a_person_is_left_alone(tmp_path):
    assert commented(tmp_path, BAD, BAD, "User") == [["create", BAD]]


def test_without_a_body_nothing_is_sent(tmp_path):
    assert commented(tmp_path, None, None) == [["info"]]
