"""Noise floors from calibration sessions, against brute force and hand-made cases."""

from __future__ import annotations

from itertools import product
from statistics import median

import numpy as np
import pytest

from extractors.errors import RecordError
from harness.floors import (
    MAX_SESSIONS,
    Floors,
    add_session,
    floors_path,
    load_floors,
    within,
)

MACHINE = {"cpu": "Some CPU", "cores": 2, "gpu": None, "os": "Linux"}


def session(ratios=(1.0,), level=1.0, key="a", metric="load_s", when="today"):
    old = [level] * len(ratios)
    entry = {"old": old, "new": [level * ratio for ratio in ratios]}
    return {"created_utc": when, "cells": {key: {metric: entry}}}


def of_ratios(ratios, rounds):
    """The floor of pairs with these ratios, compared by their median."""
    return within([1.0] * len(ratios), ratios, rounds, None)


def brute_force(ratios, rounds):
    """The 95th percentile of |log median| over every draw there is, as a fraction."""
    draws = product(np.log(ratios), repeat=rounds)
    effects = sorted(abs(median(draw)) for draw in draws)
    return float(np.expm1(np.quantile(effects, 0.95)))


def test_identical_rounds_have_no_floor():
    assert of_ratios([1.0] * 10, 5) == 0.0


def test_one_round_is_the_spread_of_single_ratios():
    # draws are 1.1 or 1/1.1, equally far from 1
    assert of_ratios([1.1, 1 / 1.1], 1) == pytest.approx(0.1)


def test_floor_of_a_rare_outlier_by_hand():
    # One of 10 ratios is 2. The median of one draw is 2 with p = 0.1 > 5 %, that of
    # three with p = 3 × 0.01 × 0.9 + 0.001 = 2.8 % < 5 %.
    ratios = [1.0] * 9 + [2.0]
    assert of_ratios(ratios, 1) == pytest.approx(1.0)
    assert of_ratios(ratios, 3) == 0.0


@pytest.mark.parametrize("rounds", [1, 3, 4])
def test_floor_is_that_of_every_possible_draw(rounds):
    ratios = [0.90, 0.97, 0.99, 1.0, 1.02, 1.04, 1.15]
    assert of_ratios(ratios, rounds) == pytest.approx(
        brute_force(ratios, rounds), rel=0.15
    )


def test_floor_shrinks_with_rounds_and_ignores_the_direction():
    ratios = np.exp(np.random.default_rng(1).normal(0, 0.05, 40))
    assert of_ratios(ratios, 3) > of_ratios(ratios, 9) > of_ratios(ratios, 27) > 0
    assert of_ratios(ratios, 9) == pytest.approx(of_ratios(1 / ratios, 9))
    assert of_ratios(ratios, 9) == of_ratios(list(ratios), 9)  # no dice of its own


def test_the_floor_of_times_is_that_of_their_fast_quarters():
    # half of the rounds are a third slower, on either side by chance
    random = np.random.default_rng(0)
    old, new = 1 + 0.35 * (random.random((2, 40)) < 0.5)
    assert within(old, new, 22, "lowest") == 0.0
    assert within(1 / old, 1 / new, 22, "highest") == 0.0
    assert within(old, new, 1, "lowest") == pytest.approx(0.35)


# sessions


def test_within_a_job_all_sessions_count():
    floors = Floors([session([1.0] * 10), session([1.0] * 9 + [1.21])])
    found, source = floors.of("a", "load_s", same_job=True, rounds=6)
    assert found == of_ratios([1.0] * 19 + [1.21], 6)
    assert source == "20 calibrated pairs of rounds"


@pytest.mark.parametrize("metric", ["load_s", "x_realtime", "latency_1s_p50_s"])
def test_between_jobs_the_extreme_levels_count(metric):
    floors = Floors([session(level=m, metric=metric) for m in (4.0, 5.0, 4.4)])
    found = floors.of("a", metric, same_job=False, rounds=6)
    assert found == (pytest.approx(0.25), "3 calibrated sessions")


def test_levels_are_fast_quarters_of_times_and_medians_of_the_rest():
    def between(metric):
        entries = [
            {"old": [1.0, 3.0, 3.0], "new": [3.0]},
            {"old": [2.0, 3.0, 3.0], "new": [3.0]},
        ]
        sessions = [{"cells": {"a": {metric: entry}}} for entry in entries]
        return Floors(sessions).of("a", metric, same_job=False, rounds=6)[0]

    assert between("latency_1s_p50_s") == 1.0  # lowest of four: 1 and 2
    assert between("x_realtime") == 0.0  # highest: 3 and 3
    assert between("load_s") == 0.0


def test_one_session_says_nothing_between_jobs():
    found, source = Floors([session()]).of("a", "load_s", same_job=False, rounds=6)
    assert found is None and "one session only" in source


@pytest.mark.parametrize(("key", "metric"), [("b", "x_realtime"), ("a", "rtf")])
@pytest.mark.parametrize("same_job", [True, False])
def test_unknown_cells_and_metrics_have_no_floor(key, metric, same_job):
    found, source = Floors([session(), session()]).of(
        key, metric, same_job=same_job, rounds=6
    )
    assert found is None and "f0bench calibrate" in source


# files


def test_sessions_are_kept_by_machine(tmp_path):
    assert load_floors(tmp_path, MACHINE) is None
    place = add_session(tmp_path, MACHINE, session(when="first"))
    assert place == floors_path(tmp_path, MACHINE) and place.is_file()
    assert place.parent == tmp_path / "floors"
    add_session(tmp_path, {**MACHINE, "os": "another"}, session(when="second"))
    kept = load_floors(tmp_path, MACHINE)
    assert [entry["created_utc"] for entry in kept.sessions] == ["first", "second"]
    for other in ({"cpu": "Other"}, {"cores": 4}, {"gpu": "H200"}):
        assert load_floors(tmp_path, {**MACHINE, **other}) is None


def test_only_the_newest_sessions_are_kept(tmp_path):
    for number in range(MAX_SESSIONS + 2):
        add_session(tmp_path, MACHINE, session(when=str(number)))
    kept = load_floors(tmp_path, MACHINE)
    assert [entry["created_utc"] for entry in kept.sessions] == [
        str(number) for number in range(2, MAX_SESSIONS + 2)
    ]


def test_a_broken_file_is_named(tmp_path):
    place = add_session(tmp_path, MACHINE, session())
    place.write_text("{")
    with pytest.raises(RecordError, match=place.name):
        load_floors(tmp_path, MACHINE)
