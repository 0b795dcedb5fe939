"""An extractor from outside: installed with pip, configured by --config-dir, run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parent / "plugin"


@pytest.mark.slow
def test_installed_plugin_runs(tmp_path):
    site = tmp_path / "site"
    source = shutil.copytree(PLUGIN, tmp_path / "plugin")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    pip += ["--disable-pip-version-check", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(site), str(source)], check=True)
    command = [sys.executable, "-m", "f0bench", "run", "extractor=acf"]
    command += ["effort=accuracy", "dataset.limit=4", "task.agreement=false", "--json"]
    done = subprocess.run(
        [*command, "--config-dir", str(source / "conf")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    document = json.loads(done.stdout.splitlines()[-1])
    (cell,) = document["cells"]
    assert cell["label"].startswith("acf")
    assert cell["status"] == "ok"
    assert cell["metrics"]["rpa_50c"]["value"] > 0.8


def test_example_has_at_most_twenty_lines_of_code():
    lines = (PLUGIN / "acf_tracker.py").read_text().splitlines()
    body = lines[lines.index("class Acf(F0Extractor):") :]
    assert len([line for line in body if line.strip()]) <= 20
