"""The timed subset: bounded, representative, seeded, independent of listing order."""

import random
from statistics import mean

import pytest

from harness.meter.timed_set import choose

CLIPS = [(f"clip{i:03d}", 1.0 + i / 8) for i in range(80)]  # 1 … 10.875 s, 475 s
SECONDS = dict(CLIPS)


def total(ids):
    return sum(SECONDS[name] for name in ids)


def test_without_a_limit_every_clip_is_timed():
    assert choose(CLIPS, None, 0) == sorted(SECONDS)
    assert choose(CLIPS, 600.0, 0) == sorted(SECONDS)


@pytest.mark.parametrize("seed", range(5))
def test_the_limit_holds_and_is_used(seed):
    chosen = choose(CLIPS, 60.0, seed)
    assert 50.0 <= total(chosen) <= 60.0
    assert len(set(chosen)) == len(chosen)


def test_the_order_of_the_listing_does_not_matter():
    shuffled = CLIPS.copy()
    random.Random(4).shuffle(shuffled)
    assert choose(shuffled, 60.0, 7) == choose(CLIPS, 60.0, 7)


def test_the_seed_matters_and_is_the_only_chance():
    assert choose(CLIPS, 60.0, 1) == choose(CLIPS, 60.0, 1)
    assert choose(CLIPS, 60.0, 1) != choose(CLIPS, 60.0, 2)


def test_durations_are_those_of_the_whole_set():
    # Eight strata of ten clips: 120 s hold about 20 clips, two or three of each.
    for seed in range(10):
        lengths = [SECONDS[name] for name in choose(CLIPS, 120.0, seed)]
        assert mean(lengths) == pytest.approx(mean(SECONDS.values()), rel=0.2)
        assert min(lengths) < 3.5
        assert max(lengths) > 8.5


def test_one_long_clip_does_not_take_the_place_of_all_others():
    clips = [("hour", 3600.0), *((f"c{i}", 5.0) for i in range(20))]
    assert len(choose(clips, 60.0, 0)) == 12


def test_at_least_one_clip_is_chosen_the_shortest():
    assert choose([("b", 30.0), ("a", 20.0), ("c", 25.0)], 10.0, 0) == ["a"]
    assert choose([], 10.0, 0) == []
