"""Memory counters against allocations of known size."""

import json
import subprocess
import sys

import numpy as np
import pytest

from harness.meter import memory

MIB = 2**20
linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="VmHWM exists on Linux only"
)

CHILD = """
import json
from harness.meter.memory import host_peak
print(json.dumps(host_peak()))
"""


@linux
def test_a_child_of_a_large_parent_reports_its_own_peak():
    held = np.ones(300 * MIB // 8)
    child = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, check=True
    )
    assert memory.rss_bytes() > 300 * MIB
    assert held[0] == 1
    peak, source = json.loads(child.stdout)
    assert source == "VmHWM"
    assert 4 * MIB < peak < 100 * MIB


@linux
def test_the_peak_is_reset_to_the_present_size():
    held = np.ones(200 * MIB // 8)
    high, _ = memory.host_peak()
    del held
    if not memory.reset_peak():
        pytest.skip("this kernel does not let the peak be reset")
    low, _ = memory.host_peak()
    assert high - low > 150 * MIB
    grown = np.ones(100 * MIB // 8)
    again, _ = memory.host_peak()
    assert grown[0] == 1
    assert 95 * MIB < again - low < 130 * MIB


def test_without_proc_the_source_says_what_was_used(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "PROC", tmp_path / "absent")
    assert memory.reset_peak() is False
    assert memory.rss_bytes() is None
    counted = memory.resource_peak()
    assert memory.host_peak() == counted
    assert counted[1] == "ru_maxrss (KiB)"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert memory.host_peak() == (counted[0] // 1024, "ru_maxrss (bytes)")


def test_counters_of_a_gpu_that_is_not_in_use_are_null():
    assert memory.torch_peak() == {
        "gpu_allocated_peak_bytes": None,
        "gpu_reserved_peak_bytes": None,
    }
    assert memory.torch_allocated_bytes() is None
    memory.reset_torch_peak()


def test_counters_of_torch_are_read_when_cuda_is_in_use(monkeypatch):
    class Cuda:
        peak = 5 * MIB

        def is_initialized(self):
            return True

        def max_memory_allocated(self):
            return self.peak

        def max_memory_reserved(self):
            return 8 * MIB

        def memory_allocated(self):
            return 3 * MIB

        def reset_peak_memory_stats(self):
            self.peak = 3 * MIB

    class Torch:
        cuda = Cuda()

    monkeypatch.setitem(sys.modules, "torch", Torch)
    assert memory.torch_peak() == {
        "gpu_allocated_peak_bytes": 5 * MIB,
        "gpu_reserved_peak_bytes": 8 * MIB,
    }
    memory.reset_torch_peak()
    assert memory.torch_peak()["gpu_allocated_peak_bytes"] == 3 * MIB
    assert memory.torch_allocated_bytes() == 3 * MIB
