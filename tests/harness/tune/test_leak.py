"""Planted leaks are found, sound series and wandering ones are not called leaks."""

from __future__ import annotations

import json

import numpy as np
import pytest

from harness.cli import main
from harness.tune.leak import LEAK, NONE, UNCLEAR, growth, judge, verdict_of

BASE = 400 * 2**20
PAGE = 4096


def series(*steps):
    """Readings after each call, in whole pages, as the kernel counts them."""
    return [int((BASE + float(step)) // PAGE * PAGE) for step in steps]


def planted(bytes_per_call, calls=200):
    return series(*(bytes_per_call * np.arange(calls)))


@pytest.mark.parametrize("bytes_per_call", [4096, 65536, 2**20])
def test_a_planted_leak_is_found(bytes_per_call):
    found = growth("rss_bytes", planted(bytes_per_call))
    assert found.verdict == LEAK
    assert found.low <= bytes_per_call <= found.high
    assert found.slope == pytest.approx(bytes_per_call, rel=0.05)
    assert found.last - found.first == pytest.approx(150 * bytes_per_call, rel=0.05)


def test_a_leak_is_found_in_noise():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 200_000, 200)
    found = growth("rss_bytes", series(*(20_000 * np.arange(200) + noise)))
    assert found.verdict == LEAK


def test_a_constant_series_has_no_leak():
    found = growth("rss_bytes", planted(0))
    assert (found.verdict, found.slope, found.low, found.high) == (NONE, 0, 0, 0)


@pytest.mark.parametrize("place", [20, 60, 100, 150, 190])
def test_one_step_is_no_leak(place):
    steps = np.where(np.arange(200) < place, 0, 8 * 2**20)
    assert growth("rss_bytes", series(*steps)).verdict == NONE


def test_growth_that_ends_is_no_leak():
    steps = np.minimum(np.arange(200), 100) * 65536
    found = growth("rss_bytes", series(*steps))
    assert found.verdict == NONE and "no more in the last quarter" in found.reason


def test_a_sawtooth_is_no_leak():
    steps = (np.arange(200) % 16) * 65536
    assert growth("rss_bytes", series(*steps)).verdict != LEAK


def test_wandering_is_seldom_called_a_leak():
    """A random walk without drift: independent readings is what it is not."""
    verdicts = []
    for seed in range(60):
        walk = np.random.default_rng(seed).choice([-1, 0, 1], 200).cumsum() * 65536
        verdicts.append(growth("rss_bytes", series(*walk)).verdict)
    assert verdicts.count(LEAK) <= 3


def test_too_small_to_matter():
    assert growth("rss_bytes", planted(300)).verdict == NONE


def test_several_series():
    found = judge({"rss_bytes": planted(0), "gpu_allocated_bytes": planted(65536)})
    assert [entry.verdict for entry in found] == [NONE, LEAK]
    assert verdict_of(found) == LEAK
    assert judge({"rss_bytes": None, "gpu_allocated_bytes": None}) == []


def test_the_command_finds_a_planted_leak(faulty, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["tune", "leak", "extractor=hoards", "calls=60", "audio=0.5", "--json"]
    assert main(words) == 1
    *text, last = capsys.readouterr().out.splitlines()
    document = json.loads(last)
    assert text[0].startswith("hoards") and text[0].endswith(": leak")
    (found,) = document["growth"]
    assert 0.9 * 2**17 < found["low"] <= found["high"] < 1.1 * 2**17
    assert found["calls"] == len(document["samples"]["rss_bytes"]) == 60


def test_the_command_clears_a_sound_extractor(faulty, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["tune", "leak", "extractor=constant", "calls=60", "audio=0.5"]) == 0
    assert "no leak" in capsys.readouterr().out


def test_unclear_is_an_exit_code_of_its_own(faulty, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harness.tune.leak.verdict_of", lambda found: UNCLEAR)
    assert main(["tune", "leak", "extractor=constant", "calls=40", "audio=0.5"]) == 3


def test_a_failing_extractor_could_not_run(faulty, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["tune", "leak", "extractor=exits", "calls=40"]) == 2
    err = capsys.readouterr().err
    assert "sys.exit(3)" in err and err.count("\n") == 1
