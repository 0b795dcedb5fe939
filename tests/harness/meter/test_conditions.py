"""Snapshots of planted machines, and what of their change counts as noise."""

import json
import os
import sys
import time
from types import SimpleNamespace

import pytest

from harness.meter import conditions
from harness.meter.conditions import noise_reasons, other_processes, snapshot

TICK = os.sysconf("SC_CLK_TCK")
QUIET = {
    "monotonic_s": 100.0,
    "cores": 4,
    "cpu_quota": None,
    "affinity": [0, 1, 2, 3],
    "load_1min": 1.0,
    "governor": "performance",
    "clock_mhz": 3000.0,
    "busy_s": 50.0,
    "steal_s": 0.0,
    "own_cpu_s": 20.0,
    "swap_used_bytes": 0,
    "swap_traffic_bytes": 0,
    "thermal_throttles": 3,
    "quota_throttled_s": 0.0,
    "gpu": None,
}
GPU = {"other_processes": 0, "clock_reasons": ["application clocks"]}


def later(**changes):
    """Ten seconds on, all four cores busy with the measured process alone."""
    work = {"monotonic_s": 110.0, "busy_s": 90.5, "own_cpu_s": 60.0}
    return {**QUIET, **work, **changes}


def test_a_quiet_round_has_no_reasons():
    assert noise_reasons(QUIET, later()) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"load_1min": 5.1}, "load average 5.1 on 4 cores"),
        ({"busy_s": 95.0}, "other processes used 0.50 of 4 cores"),
        ({"steal_s": 2.0}, "the hypervisor withheld 0.20 of 4 cores"),
        ({"affinity": [0, 1]}, "the CPU affinity changed"),
        (
            {"quota_throttled_s": 0.5},
            "the container's CPU quota stopped threads for 0.500 s",
        ),
        ({"swap_used_bytes": 5 << 20}, "5 MiB were swapped"),
        ({"swap_traffic_bytes": 7 << 20}, "7 MiB were swapped"),
        (
            {"governor": "schedutil"},
            "the CPU governor changed from performance to schedutil",
        ),
        ({"thermal_throttles": 5}, "the CPU was throttled for heat (2 events)"),
        ({"clock_mhz": 2400.0}, "the CPU clock fell from 3000 to 2400 MHz"),
    ],
)
def test_each_disturbance_is_named_alone(changes, reason):
    assert noise_reasons(QUIET, later(**changes)) == [reason]


HOST_WIDE = {"load_1min": 50.0, "busy_s": 129.0}


@pytest.mark.parametrize("quota", [1.0, 3.5])
def test_in_a_share_of_the_cpus_work_of_others_is_no_noise(quota):
    before = {**QUIET, "cpu_quota": quota, "cores": int(quota)}
    same = {"cpu_quota": quota, "cores": int(quota)}
    assert noise_reasons(before, later(**same, **HOST_WIDE)) == []
    stopped = later(**same, **HOST_WIDE, quota_throttled_s=0.5)
    assert noise_reasons(before, stopped) == [
        "the container's CPU quota stopped threads for 0.500 s"
    ]


@pytest.mark.parametrize("quota", [4.0, 8.0])
def test_a_quota_that_grants_every_cpu_changes_nothing(quota):
    before = {**QUIET, "cpu_quota": quota}
    assert len(noise_reasons(before, later(cpu_quota=quota, **HOST_WIDE))) == 2


def test_a_rising_clock_is_a_machine_that_woke_up():
    assert noise_reasons({**QUIET, "clock_mhz": 800.0}, later()) == []


def test_powersave_is_noise_even_when_it_does_not_change():
    before = {**QUIET, "governor": "powersave"}
    assert noise_reasons(before, later(governor="powersave")) == [
        "CPU governor powersave: the clock follows the load"
    ]


def test_other_processes_cannot_be_told_in_less_than_a_second():
    assert noise_reasons(QUIET, later(monotonic_s=100.5, busy_s=99.0)) == []


def test_unknown_readings_accuse_nobody():
    unknown = dict.fromkeys(QUIET)
    assert noise_reasons(unknown, unknown) == []
    assert noise_reasons({}, {}) == []
    assert noise_reasons(QUIET, {**later(), "busy_s": None}) == []


def test_gpu_neighbours_and_throttling():
    before = {**QUIET, "gpu": GPU}
    assert noise_reasons(before, later(gpu=GPU)) == []
    hot = {"other_processes": 2, "clock_reasons": ["thermal limit", "power cap"]}
    assert noise_reasons(before, later(gpu=hot)) == [
        "2 other processes on the GPU",
        "GPU clock throttled: thermal limit",
    ]


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """A machine of three CPUs, two of them ours."""
    monkeypatch.setattr(conditions, "affinity", lambda: [0, 2])
    files = {
        "proc/stat": "cpu  9 9 9 9 9 9 9 9\n"
        f"cpu0 {TICK} 0 {TICK} 77 5 0 0 {TICK} 0 0\n"
        "cpu1 999 999 999 999 999 999 999 999 0 0\n"
        f"cpu2 0 {TICK} 0 77 5 {TICK} {TICK} 0 0 0\n",
        "proc/meminfo": "MemTotal: 9 kB\nSwapTotal: 10 kB\nSwapFree: 4 kB\n",
        "proc/vmstat": "nr_free_pages 5\npswpin 2\npswpout 1\n",
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/cpu.max": "150000 100000\n",
        "sys/fs/cgroup/cpu.stat": "usage_usec 5\nthrottled_usec 1500000\n",
    }
    for cpu, mhz, governor in ((0, 1000, "performance"), (2, 3000, "powersave")):
        base = f"sys/devices/system/cpu/cpu{cpu}"
        files[f"{base}/cpufreq/scaling_governor"] = governor
        files[f"{base}/cpufreq/scaling_cur_freq"] = str(mhz * 1000)
        files[f"{base}/thermal_throttle/core_throttle_count"] = "4"
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_snapshot_reads_what_the_system_states(planted):
    found = snapshot(planted)
    assert found["busy_s"] == 5.0  # user, nice, system, irq, softirq of 0 and 2
    assert found["steal_s"] == 1.0
    assert found["governor"] == "performance, powersave"
    assert found["clock_mhz"] == 2000.0
    assert found["thermal_throttles"] == 8
    assert found["swap_used_bytes"] == 6 * 1024
    assert found["swap_traffic_bytes"] == 3 * os.sysconf("SC_PAGE_SIZE")
    assert found["quota_throttled_s"] == 1.5
    assert found["cpu_quota"] == 1.5


def test_what_is_not_exposed_is_none(tmp_path):
    found = snapshot(tmp_path)
    absent = ("busy_s", "governor", "clock_mhz", "swap_used_bytes", "quota_throttled_s")
    assert [found[name] for name in absent] == [None] * len(absent)
    json.dumps(found, allow_nan=False)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/stat")
def test_own_work_is_not_charged_to_others():
    before = snapshot()
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass
    after = snapshot()
    own = after["own_cpu_s"] - before["own_cpu_s"]
    assert 0.03 < own <= after["busy_s"] - before["busy_s"] + 0.05


class Gpu:
    def __init__(self, *pids):
        self.pids = pids

    def processes(self):
        return dict.fromkeys(self.pids)


@pytest.mark.parametrize(
    ("pids", "opened", "others"),
    [
        ((), False, 0),
        ((7,), False, 1),
        ((os.getpid(), 7), True, 1),
        ((os.getpid(),), True, 0),
        ((41,), True, 0),  # in a container: 41 is this process by its host's number
        ((41, 42), True, 1),
    ],
)
def test_other_processes_on_the_gpu(monkeypatch, pids, opened, others):
    cuda = SimpleNamespace(is_initialized=lambda: opened)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert other_processes(Gpu(*pids)) == others


def test_a_driver_that_lists_no_processes_is_unknown():
    assert other_processes(SimpleNamespace(processes=lambda: None)) is None
