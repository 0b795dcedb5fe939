"""``doctor --warm``: whose kernels are compiled, where, and what is said of it."""

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from harness import doctor, warm
from harness.environment import Inventory
from harness.finding import Finding
from harness.warm import Subject, Warmed, in_child, subjects

#: An extractor whose kernel numba compiles and keeps, one without kernels, and two that
#: cannot be loaded.
PLUGIN = """
import warnings

import numpy as np

from extractors.base import F0Extractor
from extractors.track import F0Track, FrameGrid

class Compiles(F0Extractor):
    name = "compiles"

    def __init__(self, *, loud: bool = False):
        self.loud = loud

    def load(self):
        from kernels_of_warm import double

        if double(np.ones(3))[0] != 2:
            raise ValueError
        print("chatter")
        if self.loud:
            warnings.warn("it fell back", RuntimeWarning)

    def extract(self, clips):
        grid = FrameGrid(0.01)
        n = [grid.n_frames(len(c.samples), c.sr) for c in clips]
        ones = [np.ones(k) for k in n]
        return [F0Track(grid.times(len(o)), 100 * o, o > 0, o) for o in ones]


class Silent(Compiles):
    name = "silent"

    def load(self):
        pass


class Breaks(Compiles):
    name = "breaks"

    def load(self):
        raise ValueError("no such\\nmachine")


class Dies(Compiles):
    name = "dies"

    def load(self):
        import os

        os._exit(7)
"""
KERNELS = """
import numba


@numba.njit(cache=True)
def double(x):
    return 2 * x
"""
NAMES = ("Compiles", "Silent", "Breaks", "Dies")


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Install the three for child processes; returns the folder of kernels."""
    site = tmp_path / "site"
    info = site / "plugin-0.1.dist-info"
    info.mkdir(parents=True)
    (site / "warmed.py").write_text(PLUGIN)
    (site / "kernels_of_warm.py").write_text(KERNELS)
    metadata = "Metadata-Version: 2.1\nName: plugin\nVersion: 0.1\n"
    (info / "METADATA").write_text(metadata)
    points = [f"{name.lower()} = warmed:{name}" for name in NAMES]
    lines = ["[f0bench.extractors]", *points, ""]
    (info / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "own"))
    return tmp_path / "own"


def test_kernels_are_compiled_once_for_runs_and_once_for_programs(plugin):
    subject = Subject("compiles", ("compiles",), ({},))
    (first,) = warm.warm(subject)
    assert first.level == "ok", first.text
    number = r"\d+\.\d s"
    told = f"compiles: compiled in {number} for runs, {number} for Python programs"
    assert re.fullmatch(told, first.text)
    assert list((plugin / "compiles-0").rglob("*.nbi"))  # of runs
    apart = {path.parts[-2] for path in plugin.glob("*/*.nbi")}
    assert any(name.startswith("site_") for name in apart)  # of programs
    (second,) = warm.warm(subject)
    assert re.fullmatch(told.replace("compiled", "from the cache"), second.text)


def test_a_peer_is_compiled_for_runs_alone(plugin):
    (found,) = warm.warm(Subject("compiles", ("x",), ({},), peer=True))
    assert found.text.startswith("x: compiled in")
    assert "Python programs" not in found.text
    assert not [p for p in plugin.glob("*/*.nbi") if p.parent.name.startswith("site_")]


def test_kernels_of_one_place_only_are_told_apart():
    done, kept = Warmed(3.0, True, True), Warmed(0.2, True)
    assert warm._finding("x", done, kept).text == (
        "x: compiled in 3.0 s for runs, from the cache in 0.2 s for Python programs"
    )


def test_an_extractor_without_kernels_is_loaded_once(plugin):
    (found,) = warm.warm(Subject("silent", ("silent",), ({},)))
    assert re.fullmatch(r"silent: nothing to compile; loaded in \d\.\d s", found.text)


def test_variants_share_a_process_and_warnings_are_told(plugin):
    quiet, loud = in_child(Subject("compiles", ("q", "l"), ({}, {"loud": True})), {})
    assert (quiet.compiled, quiet.told) == (True, ())
    assert (loud.compiled, loud.told) == (False, ("it fell back",))
    finding = warm._finding("loud", loud, loud)
    assert finding.level == "warn"
    assert finding.text.endswith("for Python programs; it fell back")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("breaks", "cannot be loaded: ValueError: no such machine"),
        ("dies", "cannot be loaded: the process ended with 7: no message"),
    ],
)
def test_what_cannot_be_loaded_is_a_warning_of_one_line(plugin, name, told):
    (finding,) = warm.warm(Subject(name, (name,), ({},), peer=True))
    assert (finding.level, finding.text) == ("warn", f"{name}: {told}")


def test_a_child_that_hangs_is_given_up(monkeypatch):
    def hang(*_, **__):
        raise subprocess.TimeoutExpired("x", 1)

    monkeypatch.setattr(subprocess, "run", hang)
    found = in_child(Subject("x", ("a", "b"), ({}, {})), {})
    assert [f.error for f in found] == ["it took more than 600 s"] * 2


def test_every_installed_extractor_is_warmed_with_its_presets(monkeypatch):
    found = {subject.name: subject for subject in subjects(("cpu",))}
    crepe = found["crepe"]
    assert dict(zip(crepe.labels, crepe.options, strict=True)) == {
        "crepe": {"device": "cpu"},
        "crepe_tiny": {"model": "tiny", "device": "cpu"},
    }
    assert not crepe.peer and found["torchcrepe"].peer
    assert "tracks" not in found  # it computes nothing
    both = {subject.name: subject for subject in subjects(("cpu", "cuda"))}
    assert "crepe_tiny on cuda" in both["crepe"].labels
    assert "librosa_pyin" in both["librosa_pyin"].labels


def test_what_is_not_installed_is_said_with_its_pip_line():
    (found,) = warm.warm(Subject("praat", absent="pip install 'f0bench[praat]'"))
    assert found == Finding(
        "info", "kernels", "praat is not installed", "pip install 'f0bench[praat]'"
    )


@pytest.mark.parametrize(
    ("warmed", "text"),
    [
        (Warmed(1.24, True, True), "compiled in 1.2 s"),
        (Warmed(0.04, True, False), "from the cache in 0.0 s"),
        (Warmed(2.0), "nothing to compile; loaded in 2.0 s"),
    ],
)
def test_texts(warmed, text):
    assert warmed.text == text


def test_doctor_warms_after_its_report(monkeypatch, capsys):
    done = []
    looked = Inventory(("cpu",), threads=2, torchaudio="real 2.11.0")
    monkeypatch.setattr(doctor, "inventory", lambda torchaudio: looked)
    sound = [Finding("ok", "a", "b")]
    monkeypatch.setattr(doctor, "report", lambda place, found: sound)
    monkeypatch.setattr(warm, "subjects", lambda devices: [Subject("x"), Subject("y")])
    monkeypatch.setattr(
        warm,
        "warm",
        lambda s: done.append(s.name) or [Finding("ok", "kernels", f"{s.name}: fine")],
    )
    assert doctor.main(SimpleNamespace(json=True, warm=True)) == 0
    shown = json.loads(capsys.readouterr().out)["findings"]
    assert [finding["text"] for finding in shown] == ["b", "x: fine", "y: fine"]
    assert done == ["x", "y"]


def test_nothing_is_compiled_where_f0bench_cannot_run(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "inventory", lambda torchaudio: Inventory())
    broken = [Finding("fail", "torch", "absent")]
    monkeypatch.setattr(doctor, "report", lambda place, found: broken)
    monkeypatch.setattr(warm, "subjects", lambda devices: pytest.fail("warmed"))
    assert doctor.main(SimpleNamespace(warm=True)) == 2


def test_the_parent_imports_neither_torch_nor_numba():
    code = (
        "import sys; from harness.warm import subjects; subjects(('cpu', 'cuda')); "
        "raise SystemExit(bool({'torch', 'numba'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
