"""What takes the time: files, rows, and extractors without torch."""

from __future__ import annotations

import json
import pstats

from harness.cli import main
from harness.passes.tuning import _place


def test_an_extractor_without_torch(faulty, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["tune", "profile", "extractor=busy_wait", "calls=2", "audio=0.5"]
    assert main([*words, "--out", "prof", "--json"]) == 0
    *text, last = capsys.readouterr().out.splitlines()
    document = json.loads(last)
    assert document["operations"] is None
    assert "torch is not used" in "\n".join(text)
    assert set(document["stages"]) == {"network", "other"}
    rows = document["functions"]
    (slow,) = [row for row in rows if row["function"].endswith("extract")]
    assert slow["self_s"] > 0.005 and slow["count"] == 1
    assert pstats.Stats("prof/functions.pstats").total_calls > 0
    assert not (tmp_path / "prof" / "trace.json").exists()
    assert " files functions.pstats in prof" in text


def test_stages_are_told_whatever_threads_work(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["tune", "profile", "extractor=crepe_tiny", "device=cpu", "calls=2"]
    assert main([*words, "audio=0.5", "--json"]) == 0
    *text, last = capsys.readouterr().out.splitlines()
    stages = json.loads(last)["stages"]
    assert {"frontend", "network", "decode", "other"} <= set(stages)
    assert stages["network"] == max(stages.values())
    assert all(seconds >= 0 for seconds in stages.values())
    assert any(line.endswith(" network") for line in text)


def test_operations_and_trace_of_torch(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["tune", "profile", "extractor=torch_spectrogram", "task=spectrogram"]
    assert main([*words, "device=cpu", "calls=1", "audio=0.5", "--json"]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    document = json.loads(last)
    names = [row["name"] for row in document["operations"]]
    assert any(name.startswith("aten::") for name in names)
    (folder,) = (tmp_path / "results" / ".cache" / "tune").glob("profile-*")
    trace = json.loads((folder / "trace.json").read_text())
    shown = {event.get("name") for event in trace["traceEvents"]}
    assert set(names) & shown
    assert any(str(name).startswith("stage ") for name in shown)


def test_places_tell_no_folder_of_the_machine():
    site = "/home/someone/lib/site-packages/librosa/core/audio.py"
    assert _place(site, 12, "load") == "librosa/core/audio.py:12 load"
    assert _place("/home/someone/f0/extractors/crepe/frames.py", 3, "cut") == (
        "extractors/crepe/frames.py:3 cut"
    )
    assert _place("~", 0, "<built-in len>") == "<built-in len>"
