"""What a user types, from the command line and from Python, with good and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.cli import main
from harness.environment import Inventory

PLUGIN = Path(__file__).parent / "plugin"
SR = 16000


def tone(f0: float, seconds: float = 1.5, sr: int = SR) -> np.ndarray:
    """A harmonic tone with half a second of silence behind it."""
    t = np.arange(int(seconds * sr)) / sr
    on = t < seconds - 0.5
    parts = [np.sin(2 * np.pi * k * f0 * t) / k for k in range(1, 6)]
    return (0.2 * on * sum(parts)).astype(np.float32)


def labels(f0: float, seconds: float = 1.5) -> str:
    rows = [
        f"{i / 100:.2f},{f0 if i / 100 < seconds - 0.5 else 0.0}"
        for i in range(int(seconds * 100))
    ]
    return "\n".join(rows) + "\n"


def good(folder: Path, name: str, f0: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / f"{name}.wav", tone(f0), SR)
    (folder / f"{name}_f0.csv").write_text(labels(f0), encoding="utf-8")


def run_json(capsys: pytest.CaptureFixture, *words: str) -> tuple[int, dict]:
    code = main(["run", *words, "--json"])
    out = capsys.readouterr().out
    return code, json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def empty_folder(tmp_path_factory) -> Path:
    """A directory that is empty but for the runs of this module and their cache."""
    return tmp_path_factory.mktemp("empty_folder")


@pytest.fixture
def here(empty_folder, acf, monkeypatch) -> Path:
    """The working directory; the inventory, which has tests of its own, is stated."""
    monkeypatch.chdir(empty_folder)
    monkeypatch.setattr("harness.api.available", lambda threads=None: Inventory())
    return empty_folder


COMMON = (
    *("extractor=acf", "--config-dir", str(PLUGIN / "conf")),
    "dataset=folder",
    "dataset.truth={stem}_f0.csv",
    "dataset.labels=csv",
    "effort=accuracy",
    "task.agreement=false",
    "task.fmin=80",
)


def test_bad_files_are_named_and_falsify_nothing(here, tmp_path, capsys):
    clean, mixed = tmp_path / "clean", tmp_path / "mixed"
    for folder in (clean, mixed):
        good(folder, "a", 200.0)
        good(folder, "b", 310.0)
    spoil(mixed)
    _, expected = run_json(capsys, *COMMON, f"dataset.root={clean}", "--name", "clean")
    _, found = run_json(capsys, *COMMON, f"dataset.root={mixed}", "--name", "mixed")
    data = found["groups"][0]["dataset"]
    dropped = {entry["clip_id"]: entry["error"] for entry in data["dropped"]}
    assert "no such" not in str(dropped)
    for name, text in (
        ("empty", "not readable"),
        ("not_audio", "not readable"),
        ("stereo", "2 channels"),
        ("nan", "NaN"),
        ("slow", "7000 Hz"),
        ("nothing", "0 samples"),
        ("truncated", "frames"),
    ):
        assert text in dropped.pop(name), name
    assert not dropped
    unlabelled = {entry["clip_id"]: entry["error"] for entry in data["unlabelled"]}
    for name, text in (
        ("unsorted", "_f0.csv:3"),
        ("columns", "column"),
        ("beyond", "outside the audio"),
    ):
        assert text in unlabelled.pop(name), name
    assert not unlabelled
    from harness.records import load_run

    rows = load_run(here / "results" / "mixed").records[0].clips().set_index("clip_id")
    assert rows.loc["unsorted", "error"].startswith("labels: unsorted_f0.csv:3")
    for name in ("rpa_50c", "pitch_f1_50c", "ref_voiced_ratio"):
        before = expected["cells"][0]["metrics"][name]["value"]
        assert found["cells"][0]["metrics"][name]["value"] == before


def spoil(folder: Path) -> None:
    """Every kind of file that must not stop a run."""
    (folder / "empty.wav").write_bytes(b"")
    (folder / "not_audio.wav").write_text("this is text")
    soundfile.write(folder / "stereo.wav", np.zeros((SR, 2)), SR)
    spoiled = tone(200.0)
    spoiled[100] = np.nan
    soundfile.write(folder / "nan.wav", spoiled, SR, subtype="FLOAT")
    soundfile.write(folder / "slow.wav", tone(200.0), 7000)
    soundfile.write(folder / "nothing.wav", np.zeros(0), SR)
    soundfile.write(folder / "truncated.wav", tone(200.0), SR)
    whole = (folder / "truncated.wav").read_bytes()
    (folder / "truncated.wav").write_bytes(whole[: len(whole) // 2])
    for name in ("unsorted", "columns", "beyond"):
        good(folder, name, 250.0)
    rows = labels(250.0).splitlines()
    unsorted = [rows[0], rows[2], rows[1], *rows[3:]]
    (folder / "unsorted_f0.csv").write_text("\n".join(unsorted))
    (folder / "columns_f0.csv").write_text("0.0,1,2,3\n0.01,1\n")
    (folder / "beyond_f0.csv").write_text(labels(250.0, 9.0))


def test_wrong_label_format_is_refused_before_anything_runs(here, tmp_path, capsys):
    good(tmp_path / "calls", "a", 200.0)
    words = [*COMMON[:5], "dataset.labels=ptdb", f"dataset.root={tmp_path / 'calls'}"]
    assert main(["run", *words]) == 2
    error = capsys.readouterr().err
    assert "none of 1 label files can be used" in error
    assert len(error.splitlines()) == 1


def test_paths_work_as_typed(here, tmp_path, capsys):
    folder = tmp_path / "녹음" / "통화 (1)" / "a=b, c"
    good(folder, "음성 = eins, zwei", 220.0)
    code, found = run_json(capsys, *COMMON, f"dataset.root={folder}", "gate=validity")
    assert code in (0, 1)
    assert found["cells"][0]["status"] == "ok"
    assert found["cells"][0]["metrics"]["rpa_50c"]["value"] > 0.9
    page = (here / "results" / "latest" / "report.html").read_text()
    assert str(tmp_path) not in page


def test_names_cannot_inject_html(here, tmp_path, capsys):
    good(tmp_path / "calls", "<script>alert(1)<", 220.0)
    run_json(capsys, *COMMON, f"dataset.root={tmp_path / 'calls'}")
    page = (here / "results" / "latest" / "report.html").read_text()
    assert "<script>alert(1)<" not in page


def test_exported_tracks_score_the_same_as_tracks(here, tmp_path, capsys):
    folder = tmp_path / "calls"
    good(folder, "a", 200.0)
    good(folder, "b", 310.0)
    words = (*COMMON, f"dataset.root={folder}")
    _, first = run_json(capsys, *words, "--name", "first")
    assert main(["export", "first", "--format", "mir_eval", "--out", "tracks"]) == 0
    (cell,) = [place for place in Path("tracks").iterdir() if place.is_dir()]
    capsys.readouterr()
    _, second = run_json(
        capsys,
        *("extractor=tracks", *words[3:]),
        f"tracks.root={cell}",
        "tracks.pattern={id}.txt",
    )
    again = second["cells"][0]["metrics"]
    for name in ("rpa_50c", "pitch_f1_50c", "voicing_recall", "fpe_bias_cents"):
        before = first["cells"][0]["metrics"][name]["value"]
        assert again[name]["value"] == pytest.approx(before, abs=1e-6), name
    assert again["x_realtime"]["value"] is None


def test_data_set_without_voiced_frames_is_null_not_zero(here, tmp_path, capsys):
    folder = tmp_path / "silence"
    folder.mkdir()
    soundfile.write(folder / "a.wav", np.zeros(SR), SR)
    (folder / "a_f0.csv").write_text("".join(f"{i / 100},0\n" for i in range(100)))
    _, found = run_json(capsys, *COMMON, f"dataset.root={folder}")
    metrics = found["cells"][0]["metrics"]
    assert metrics["rpa_50c"]["value"] is None
    assert metrics["voicing_false_alarm"]["value"] is not None


def test_run_cell_from_python(here):
    from f0bench import run_cell
    from harness.config import DatasetConfig

    result = run_cell("librosa_yin", dataset=DatasetConfig(limit=2), name="mine")
    assert result.record.status == "ok"
    assert result.metrics["rpa_50c"].value > 0.5
    assert "librosa_yin" in repr(result)


def test_extractor_from_python():
    from f0bench import Audio, Crepe

    (track,) = Crepe(model="tiny").extract([Audio(tone(220.0), SR)])
    voiced = track.f0[10:90]
    assert np.abs(1200 * np.log2(voiced / 220.0)).max() < 20
    assert track.voiced[10:90].all()
    assert not track.voiced[120:].any()
