"""State, reasons and notes of a record, from hand-made record parts."""

from __future__ import annotations

import copy

import pytest

from harness.validity import assess, differs, notes, percent

SAME = {"moved_ratio": 0.0, "flipped_ratio": 0.0, "max_cents": 0.0, "identical": True}
OTHER = {
    "moved_ratio": 0.004,
    "flipped_ratio": 0.002,
    "max_cents": 240.0,
    "identical": False,
}
PROBE = {
    "offset_s": 0.0005,
    "drift_s_per_min": 0.0001,
    "batch": SAME,
    "order": SAME,
    "repeat": SAME,
    "seed": None,
    "notes": [],
}
QUIET = {"load_1min": 0.1, "cores": 2}
ROUND = {
    "n": 1,
    "consistency": {"clips": 3, "identical": 3, "frames": 300, "moved": 0},
    "env_before": QUIET,
    "env_after": QUIET,
}
RECORD = {
    "status": "ok",
    "error": None,
    "peer": False,
    "accuracy_only": False,
    "cell": {"axes": {"device": "cpu"}},
    "data": {"clips": 3, "clips_missed": 0},
    "probe": PROBE,
    "rounds": [ROUND],
}


def record(**changes):
    return {**copy.deepcopy(RECORD), **changes}


def probed(**changes):
    return {**copy.deepcopy(PROBE), **changes}


def timed(**changes):
    return [{**ROUND, "consistency": {**ROUND["consistency"], **changes}}]


def test_sound_record_is_valid():
    assert assess(record()) == {"state": "valid", "reasons": []}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"offset_s": 0.0021}, "time offset +2.10 ms exceeds 2 ms"),
        ({"offset_s": -0.032}, "time offset -32.00 ms exceeds 2 ms"),
        ({"drift_s_per_min": 0.0011}, "clock drift +1.10 ms/min exceeds 1 ms/min"),
        ({"batch": OTHER}, "depends on batch size: 0.4 % of frames move > 50 cents"),
        ({"order": OTHER}, "order or company"),
        ({"repeat": OTHER}, "same call"),
    ],
)
def test_broken_contract_invalidates_own(changes, words):
    found = assess(record(probe=probed(**changes)))
    assert found["state"] == "invalid"
    assert words in found["reasons"][0]


@pytest.mark.parametrize("section", ["batch", "order", "repeat"])
def test_peer_dependence_is_a_note(section):
    peer = record(peer=True, probe=probed(**{section: OTHER}))
    assert assess(peer)["state"] == "valid"
    assert "(peer): 0.4 % of frames move > 50 cents" in notes(peer)[0]


def test_peer_clock_invalidates():
    late = record(peer=True, probe=probed(offset_s=0.032))
    assert assess(late)["state"] == "invalid"


def test_own_seed_note():
    spread = {"spread_cents": 11.25, "seeds": 5}
    assert notes(record(probe=probed(seed=spread))) == [
        "result depends on the seed: 11.2 cents spread over 5 seeds"
    ]


def test_timed_answers_must_be_the_scored_ones():
    found = assess(record(rounds=timed(moved=1)))
    assert found["state"] == "invalid"
    assert found["reasons"] == [
        "speed: in round 1 1 of 300 timed frames differ from the accuracy pass"
    ]
    dithered = assess(record(rounds=timed(identical=2)))
    assert "1 of 3 timed answers are not bit for bit" in dithered["reasons"][0]
    assert assess(record(peer=True, rounds=timed(identical=2)))["state"] == "valid"
    assert "empty" in assess(record(rounds=timed(frames=0)))["reasons"][0]


def test_fickle_peer_may_answer_differently_and_says_so():
    fickle = record(peer=True, probe=probed(order=OTHER), rounds=timed(moved=3))
    assert assess(fickle)["state"] == "valid"
    assert "timed answers differ from the scored ones (peer): 1.0 %" in notes(fickle)
    steady = record(peer=True, rounds=timed(moved=3))
    assert assess(steady)["state"] == "invalid"


def test_cuda_tolerates_a_tenth_of_a_percent():
    cuda = {"axes": {"device": "cuda"}}
    near = {**OTHER, "moved_ratio": 0.0, "flipped_ratio": 0.0005, "max_cents": 0.2}
    assert not differs(near, "cuda")
    assert differs(near, "cpu")
    assert differs({**near, "max_cents": 1.5}, "cuda")
    assert differs({**near, "flipped_ratio": 0.002}, "cuda")
    long = {"clips": 3, "frames": 10_000, "moved": 10}
    assert assess(record(cell=cuda, rounds=timed(**long)))["state"] == "valid"
    long["moved"] = 11
    assert assess(record(cell=cuda, rounds=timed(**long)))["state"] == "invalid"


def test_noise_of_the_machine():
    busy = {"load_1min": 9.0, "cores": 2}
    found = assess(record(rounds=[{**ROUND, "env_after": busy}, ROUND]))
    assert found["state"] == "noisy"
    assert found["reasons"] == ["load average 9.0 on 2 cores"]


def test_error_and_skipped():
    error = {"kind": "crash", "message": "it died", "clip_id": None}
    assert assess(record(status="error", error=error)) == {
        "state": "invalid",
        "reasons": ["error: crash: it died"],
    }
    gone = {"kind": "unavailable", "message": "no CUDA device"}
    found = assess(record(status="skipped", error=gone, probe=None, rounds=[]))
    assert found["state"] == "not measured"
    assert "no CUDA device" in found["reasons"][0]


def test_what_was_not_measured():
    assert assess(record(probe=None))["state"] == "not measured"
    ready = assess(record(accuracy_only=True, probe=None, rounds=[]))
    assert ready["state"] == "not measured"
    untracked = probed(offset_s=None, drift_s_per_min=None, notes=["clock: 3 frames"])
    assert "clock: 3 frames" in assess(record(probe=untracked))["reasons"][0]
    untimed = assess(record(rounds=[]))
    assert untimed == {"state": "valid", "reasons": ["no timed round: no speed"]}


def test_missed_clips_are_noted():
    error = {"kind": "exception", "message": "boom", "clip_id": "a"}
    data = {"clips": 4, "clips_missed": 1}
    partial = record(status="partial", error=error, data=data)
    assert notes(partial) == ["1 of 4 clips missed; first: boom"]
    assert assess(partial)["state"] == "valid"


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.0, "0.0 %"), (0.004, "0.4 %"), (0.0001, "0.01 %"), (0.25, "25.0 %")],
)
def test_percent_is_never_rounded_to_nothing(ratio, text):
    assert percent(ratio) == text
