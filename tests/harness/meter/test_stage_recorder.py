"""Exclusive stage times, on a clock that is told the time and on the real one."""

import contextlib
from time import perf_counter

import pytest

from extractors.stages import copied, listening, stage
from harness.meter.stage_recorder import StageRecorder


class Clock:
    def __init__(self):
        self.now = 10.0

    def __call__(self):
        return self.now


class Event:
    """A CUDA event on a clock of its own, in milliseconds."""

    device_ms = 0.0

    def record(self):
        self.at = Event.device_ms

    def elapsed_time(self, other):
        return other.at - self.at


@pytest.fixture
def clock():
    return Clock()


def test_stages_are_summed_by_name(clock):
    recorder = StageRecorder(clock=clock)
    with listening(recorder):
        for _ in range(3):
            with stage("network"):
                clock.now += 2.0
            clock.now += 100.0  # nobody's
            with stage("decode"):
                clock.now += 1.0
    assert recorder.take() == {"network": 6.0, "decode": 3.0}


def test_nested_stages_exclude_each_other(clock):
    recorder = StageRecorder(clock=clock)
    with listening(recorder), stage("network"):
        clock.now += 1.0
        with stage("h2d"):
            clock.now += 4.0
            with stage("network"):
                clock.now += 8.0
            clock.now += 16.0
        clock.now += 2.0
    assert recorder.take() == {"network": 11.0, "h2d": 20.0}


def test_take_forgets(clock):
    recorder = StageRecorder(clock=clock)
    with listening(recorder), stage("post"):
        clock.now += 1.0
    assert recorder.take() == {"post": 1.0}
    assert recorder.take() == {}


def test_take_inside_a_stage_loses_only_that_stage(clock):
    recorder = StageRecorder(clock=clock)
    with listening(recorder):
        with stage("post"):
            clock.now += 1.0
            recorder.take()
        with stage("decode"):
            clock.now += 2.0
    assert recorder.take() == {"decode": 2.0}


def test_a_stage_that_fails_is_closed(clock):
    recorder = StageRecorder(clock=clock)
    with listening(recorder):
        with contextlib.suppress(ValueError), stage("network"):
            clock.now += 1.0
            raise ValueError
        clock.now += 50.0
        with stage("decode"):
            clock.now += 1.0
    assert recorder.take() == {"network": 1.0, "decode": 1.0}


def test_stages_sum_to_at_most_the_total():
    recorder = StageRecorder()
    start = perf_counter()
    with listening(recorder):
        for _ in range(50):
            with stage("network"):
                sum(range(2000))
                with stage("h2d"):
                    sum(range(2000))
            sum(range(2000))
    total = perf_counter() - start
    taken = recorder.take()
    assert 0.3 * total < sum(taken.values()) <= total


def test_the_device_is_waited_for_at_every_edge_when_told(clock):
    waits = []

    def sync():
        waits.append(clock.now)
        clock.now += 1.0

    recorder = StageRecorder(sync=sync, clock=clock)
    with listening(recorder), stage("network"):
        clock.now += 2.0
    assert len(waits) == 2
    assert recorder.take() == {"network": 3.0}  # the work and the wait for it


def test_cuda_events_stand_beside_wall_time(clock):
    Event.device_ms = 0.0
    recorder = StageRecorder(cuda=True, clock=clock, new_event=Event)
    with listening(recorder), stage("network"):
        clock.now += 1.0
        Event.device_ms += 500.0
        with stage("d2h"):
            clock.now += 2.0
            Event.device_ms += 250.0
        Event.device_ms += 125.0
    assert recorder.take() == {"network": 1.0, "d2h": 2.0}
    assert recorder.take_events() == {"network": 0.625, "d2h": 0.25}
    recorder.take()
    assert recorder.take_events() == {}


def test_without_cuda_there_are_no_events(clock):
    recorder = StageRecorder(clock=clock)
    with listening(recorder), stage("network"):
        clock.now += 1.0
    recorder.take()
    assert recorder.take_events() == {}


def test_devices_calls_and_copies_are_kept_by_stage():
    recorder = StageRecorder()
    with listening(recorder):
        for size in (10, 20):
            with stage("h2d", "cuda"):
                copied("h2d", size)
            with stage("network", "cuda"):
                pass
        with stage("network"), stage("d2h", "cuda"):
            copied("d2h", 5)
            copied("d2h", 6)
        copied("h2d", 7)  # outside any stage
    assert recorder.take_facts() == {}  # not taken yet
    recorder.take()
    none = {"h2d_copies": 0, "h2d_bytes": 0, "d2h_copies": 0, "d2h_bytes": 0}
    there = {"calls": 2, "devices": ["cuda"], "h2d_copies": 3, "h2d_bytes": 37}
    back = {"calls": 1, "devices": ["cuda"], "d2h_copies": 2, "d2h_bytes": 11}
    assert recorder.take_facts() == {
        "h2d": {**none, **there},
        "network": {**none, "calls": 3, "devices": ["cuda", ""]},
        "d2h": {**none, **back},
    }
    recorder.take()
    assert recorder.take_facts() == {}


def test_a_copy_that_nobody_hears_is_nothing():
    copied("h2d", 1)


def test_an_unheard_stage_costs_less_than_two_microseconds():
    calls = 2000

    def once():
        start = perf_counter()
        for _ in range(calls):
            with stage("network", "cpu"):
                pass
        return (perf_counter() - start) / calls

    assert min(once() for _ in range(20)) < 2e-6
