"""The search for a batch size, on made machines."""

from __future__ import annotations

import json

import pytest

from harness.cli import main
from harness.tune.batch import Search, advised, as_dict, fit, render

MIB, GIB = 2**20, 2**30


def machine(*, slope=MIB, constant=100 * MIB, free=None, speed=lambda size: size):
    """What a worker would answer; above ``free`` bytes it runs out of memory."""

    def measure(size):
        peak = constant + slope * size
        if free is not None and peak > free:
            return {"error": "out of memory: made"}
        return {
            "wall_s": [10.0 / speed(size)] * 5,
            "audio_s": 10.0,
            "host_peak_bytes": peak,
            "gpu_reserved_peak_bytes": peak,
            "gpu_free_bytes": free,
            "gpu_total_bytes": None if free is None else 2 * free,
        }

    return measure


def searched(limit=None, largest=8192, share=1.0, device="cpu", **made):
    """A finished search; ``limit`` is the budget of a share of 1 and the margin."""
    memory = None if limit is None else (round(limit / 0.9), 4 * GIB)
    search = Search(machine(**made), device, share, largest, memory)
    search.run()
    return search


def sizes(search):
    return [trial.batch_size for trial in search.tried]


def test_everything_fits():
    found = searched(limit=10**12)
    assert sizes(found) == [32, 128, 512, 2048, 8192]
    assert advised(found.tried) == 8192


def test_the_smallest_that_is_as_fast_is_advised():
    found = searched(limit=10**12, speed=lambda size: min(size, 500))
    assert advised(found.tried) == 512


def test_the_gap_is_halved_where_memory_runs_out():
    found = searched(free=1000 * MIB)  # 900 frames fit
    assert sizes(found) == [32, 128, 512, 2048, 1024, 724, 861]
    assert advised(found.tried) == 861
    assert not next(t for t in found.tried if t.batch_size == 1024).fits


def test_what_the_line_rules_out_is_not_tried():
    found = searched(limit=1000 * MIB)
    skipped = [t for t in found.tried if t.note.startswith("not tried")]
    assert [t.batch_size for t in skipped] == [2048, 1024]
    assert "2.10 GiB by the line" in skipped[0].note
    assert advised(found.tried) == 861


def test_down_to_one():
    found = searched(free=105 * MIB)
    assert sizes(found) == [32, 8, 2, 4, 6, 5]
    assert advised(found.tried) == 5
    found = searched(free=101 * MIB)
    assert sizes(found) == [32, 8, 2, 1]
    assert advised(found.tried) == 1
    nothing = searched(free=MIB)
    assert sizes(nothing) == [32, 8, 2, 1]
    assert advised(nothing.tried) is None


def test_the_free_memory_of_a_gpu_limits_by_its_share():
    found = searched(device="cuda", free=4000 * MIB, share=0.25)
    assert found.limit_bytes == 900 * MIB  # a tenth less, as peaks vary
    assert advised(found.tried) == 724
    assert found.service_start == 800  # what the line through the peaks leaves room for
    assert not found.small


def test_below_two_gib_free_on_a_gpu_batches_are_128_at_most():
    found = searched(device="cuda", free=2 * GIB - 1)
    assert sizes(found) == [32, 128]
    assert found.small and found.service_start == 128
    assert "begins with 128, 128 at most below 2 GiB" in render("mine", found)
    assert as_dict(found)["below_2_gib"] is True
    assert sizes(searched(device="cuda", free=2 * GIB))[:3] == [32, 128, 512]


def test_the_published_formula_stands_beside_and_decides_nothing():
    found = searched(limit=1000 * MIB)  # of a device of 4 GiB
    windows = int(0.8 * 4096 / 24)
    assert as_dict(found)["formula_windows"] == windows
    text = render("mine", found)
    assert f"{windows} windows (80 % of all 4.00 GiB at 24 MiB each" in text
    assert "limit 0.98 GiB: 100 % of 1.09 GiB free, × 0.9 as peaks vary" in text
    assert advised(found.tried) == 861
    unknown = searched(largest=32)
    assert as_dict(unknown)["formula_windows"] is None
    assert "limit unknown" in render("mine", unknown)


def test_the_line_of_the_peaks():
    constant, slope = fit(searched(limit=10**12).tried)
    assert (constant, slope) == (pytest.approx(100 * MIB), pytest.approx(MIB))
    assert fit(searched(largest=32).tried) is None


def test_shown_and_as_data():
    found = searched(free=1000 * MIB)
    text = render("mine", found)
    assert "advised: batch_size=861" in text
    assert "out of memory" in text
    document = as_dict(found)
    assert document["bytes_per_frame"] == pytest.approx(MIB)
    shown = [trial["batch_size"] for trial in document["trials"]]
    assert shown == sorted(shown)
    assert "no batch size fits" in render("mine", searched(free=MIB))
    assert "GiB + 1024.0 KiB × batch" in text
    shrinking = render("mine", searched(slope=-100, largest=512))
    assert "GiB, and does not grow with the batch\n" in shrinking


def test_the_command_measures(faulty, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["tune", "batch-size", "extractor=batched", "largest=128", "--json"]
    assert main(words) == 0
    *_, last = capsys.readouterr().out.splitlines()
    document = json.loads(last)
    assert [t["batch_size"] for t in document["trials"]] == [32, 128]
    assert all(t["x_realtime"] > 0 and t["peak_bytes"] > 0 for t in document["trials"])
    assert document["batch_size"] in (32, 128) and document["memory"] == "host"


def test_memory_that_runs_out_ends_no_search(faulty, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["tune", "batch-size", "extractor=batched", "largest=128", "--json"]
    assert main([*words, "extractor.most=50"]) == 0
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    notes = {t["batch_size"]: t["note"] for t in document["trials"]}
    assert notes[32] == "" and notes[128].startswith("out of memory")
    assert document["batch_size"] <= 50


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["tune"], "tune needs a topic; valid: batch-size, leak, profile"),
        (["tune", "batchsize"], "did you mean 'batch-size'?"),
        (["tune", "leak", "calls=x"], "calls=x: expected a whole number from 1"),
        (["tune", "leak", "calls=3"], "a slope needs 40 calls or more"),
        (["tune", "leak", "share=0.5"], "leak takes no share; it has calls, audio"),
        (["tune", "leak", "share=5"], "leak takes no share"),
        (["tune", "batch-size", "share=5"], "expected a number from 0.01 to 1"),
        (["tune", "batch-size", "largst=5"], "'largst'; did you mean 'largest'?"),
        (["tune", "leak", "cals=50"], "unknown key 'cals'; did you mean 'calls'?"),
        (["tune", "leak", "extractor=crep"], "did you mean 'crepe'?"),
        (["tune", "leak", "dataset.root=/x"], "tune makes its own signal"),
        (["tune", "batch-size", "extractor=librosa_yin"], "has no batch_size"),
        (["tune", "leak", "device=cpu,cuda"], "several values are a sweep"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(capsys, words, told):
    assert main(words) == 2
    err = capsys.readouterr().err
    assert told in err and err.count("\n") == 1
