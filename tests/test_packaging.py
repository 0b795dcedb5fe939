"""The wheel: what it holds, and that it works where there is no checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel built from this tree, without network."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    pip += ["--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([*pip, "-w", str(folder), str(ROOT)], check=True)
    (found,) = folder.glob("*.whl")
    return found


def test_wheel_holds_the_configuration_and_no_foreign_top_level(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "harness/conf/config.yaml" in names
    assert "harness/report/report.html.j2" in names
    tops = {name.split("/")[0] for name in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {
        "extractors",
        "f0bench.py",
        "f0bench_pytest.py",
        "harness",
    }


@pytest.mark.slow
def test_installed_wheel_works_in_an_empty_directory(wheel, tmp_path):
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    zipfile.ZipFile(wheel).extractall(site)
    script = (
        "import sys, harness, f0bench; from harness.cli import main;"
        "assert harness.__file__.startswith(sys.argv[1]), harness.__file__;"
        "raise SystemExit(main(sys.argv[2:]))"
    )
    command = [sys.executable, "-c", script, str(site), "run", "extractor=librosa_yin"]
    done = subprocess.run(
        [*command, "effort=accuracy", "dataset.limit=2", "task.agreement=false"],
        cwd=empty,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    assert "librosa_yin" in done.stdout
    (run,) = (empty / "results").glob("f0-*")
    assert (run / "report.html").exists()
