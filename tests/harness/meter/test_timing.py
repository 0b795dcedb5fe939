"""Timed regions and the stopping rules of a round, on a clock that is told the time."""

import gc
import weakref
from statistics import median
from time import perf_counter

import pytest

from harness.config import EffortConfig
from harness.meter.timing import measure, run_passes, timed


class Clock:
    """A clock that moves only when work is done."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def work(self, *durations):
        """A pass that takes the given seconds one after another, then the last."""
        left = list(durations)

        def one_pass():
            self.now += left.pop(0) if len(left) > 1 else left[0]
            return self.now

        return one_pass


def effort(**changes):
    bounds = {"warmup_s": 0, "min_passes": 3, "min_s": 0, "noise": None, "cap_s": 60}
    return EffortConfig(**{**bounds, **changes})


def run(*durations, **changes):
    clock = Clock()
    return run_passes(clock.work(*durations), effort=effort(**changes), clock=clock)


def busy_wait(seconds):
    """Wait, and return how long it really took: a loaded machine may interrupt it."""
    start = now = perf_counter()
    while now < start + seconds:
        now = perf_counter()
    return now - start


def test_a_busy_wait_of_20_ms_is_recorded_within_one_percent():
    pairs = [measure(lambda: busy_wait(0.020)) for _ in range(15)]
    assert median(wall / real for wall, real in pairs) == pytest.approx(1, rel=0.01)
    # The quietest of them is what an undisturbed machine records.
    assert min(wall for wall, _ in pairs) == pytest.approx(0.020, rel=0.01)
    assert timed(lambda: busy_wait(0.020)) >= 0.020


def test_a_round_records_a_busy_wait_within_one_percent():
    real = []
    result = run_passes(
        lambda: busy_wait(0.020), effort=effort(min_passes=9), on_result=real.append
    )
    ratios = [a / b for a, b in zip(result.wall_s, real[1:], strict=True)]
    assert median(ratios) == pytest.approx(1, rel=0.01)


def test_measure_returns_the_output_and_synchronises_at_both_edges():
    clock = Clock()
    order = []

    def sync():
        order.append("sync")
        clock.now += 5.0

    def call():
        order.append("call")
        clock.now += 2.0
        return "tracks"

    wall, output = measure(call, sync=sync, clock=clock)
    assert output == "tracks"
    assert order == ["sync", "call", "sync"]
    assert wall == 7.0  # the first wait belongs to earlier work


def test_the_collector_is_off_inside_and_as_before_after():
    assert gc.isenabled()
    assert measure(gc.isenabled)[1] is False
    assert gc.isenabled()
    gc.disable()
    try:
        timed(lambda: None)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_the_collector_comes_back_after_an_error():
    with pytest.raises(ZeroDivisionError):
        timed(lambda: 1 / 0)
    assert gc.isenabled()


def test_garbage_of_a_pass_is_collected_before_the_next():
    class Node:
        pass

    alive = []

    def one_pass():
        node = Node()
        node.itself = node  # only the collector frees a cycle
        alive.append(weakref.ref(node))

    seen = []
    run_passes(
        one_pass,
        effort=effort(min_passes=4),
        between=lambda: seen.append(sum(r() is not None for r in alive)),
    )
    assert seen == [0, 1, 1, 1, 1]  # never more than that of the pass before
    assert gc.get_freeze_count() == 0


def test_without_noise_bound_the_round_ends_at_min_passes():
    result = run(1.0)
    assert result.wall_s == [1.0, 1.0, 1.0]
    assert result.stop == "min_passes: 3"


def test_one_warm_up_pass_at_least_and_never_in_the_samples():
    result = run(9.0, 1.0)
    assert (result.warmup_passes, result.warmup_s) == (1, 9.0)
    assert result.wall_s == [1.0, 1.0, 1.0]


def test_warm_up_lasts_its_seconds():
    result = run(0.5, warmup_s=1.2)
    assert (result.warmup_passes, result.warmup_s) == (3, 1.5)


def test_the_noise_rule_needs_passes_seconds_and_quiet():
    quiet = run(1.0, min_passes=5, noise=0.01)
    assert len(quiet.wall_s) == 5
    assert quiet.stop == "noise: 0.00% of at most 1.00%"
    assert len(run(0.25, min_passes=4, min_s=2.0, noise=0.01).wall_s) == 8


def test_noisy_passes_go_on_until_the_noise_has_gone():
    # The warm-up takes 1.0; quartiles of the rest first agree when 2.0 is an outlier.
    result = run(1.0, 2.0, 1.0, 1.0, 1.0, min_passes=3, noise=0.01)
    # IQR of (2,1,1) is 0.5; of (2,1,1,1) 0.25; of (2,1,1,1,1) 0.
    assert result.wall_s == [2.0, 1.0, 1.0, 1.0, 1.0]


def test_the_cap_wins_over_passes_but_not_below_three():
    result = run(40.0, min_passes=10, noise=0.01)
    assert result.wall_s == [40.0] * 3
    assert result.stop == "cap: 60 s after 3 passes, noise 0.0%"
    result = run(10.0, min_passes=10, noise=0.01)
    assert len(result.wall_s) == 5  # one warm-up and five passes are 60 s
    assert result.stop.startswith("cap: 60 s after 5 passes")


def test_the_cap_bounds_warm_up_too():
    assert run(40.0, warmup_s=1000.0).warmup_passes == 2


def test_hooks_run_outside_the_timed_region():
    clock = Clock()
    seen = []

    def between():
        seen.append("between")
        clock.now += 7.0

    def on_result(output):
        seen.append(output)
        clock.now += 11.0

    work = clock.work(1.0)

    def one_pass():
        work()
        return "out"

    result = run_passes(
        one_pass,
        effort=effort(cap_s=1e9),
        clock=clock,
        between=between,
        on_result=on_result,
    )
    assert result.wall_s == [1.0, 1.0, 1.0]
    assert seen == ["between", "out"] * 4
