"""NVML through a library that answers from a table, and its absence."""

import sys
import time
from types import SimpleNamespace

import pytest

from harness.meter import nvml


class Library:
    """What of pynvml is used; ``answers`` maps a call to its result or error."""

    class NVMLError(Exception):
        pass

    def __init__(self, **answers):
        self.answers = answers
        self.shut = 0

    def nvmlInit(self):
        self._say("nvmlInit")

    def nvmlShutdown(self):
        self.shut += 1

    def nvmlDeviceGetHandleByIndex(self, index):
        return self._say("nvmlDeviceGetHandleByIndex", ("index", index))

    def nvmlDeviceGetHandleByUUID(self, uuid):
        return self._say("nvmlDeviceGetHandleByUUID", ("uuid", uuid))

    def __getattr__(self, name):
        if not name.startswith("nvmlDevice"):
            raise AttributeError(name)
        return lambda handle, *args: self._say(name)

    def _say(self, name, default=None):
        answer = self.answers.get(name, default)
        if answer is Library.NVMLError:
            raise Library.NVMLError(name)
        return answer


def entry(pid, used):
    return SimpleNamespace(pid=pid, usedGpuMemory=used)


@pytest.fixture
def install(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def put(**answers):
        library = Library(**answers)
        monkeypatch.setitem(sys.modules, "pynvml", library)
        return library

    return put


def test_absent_package_or_driver_is_none(monkeypatch, install):
    install(nvmlInit=Library.NVMLError)
    assert nvml.open_nvml() is None
    monkeypatch.setitem(sys.modules, "pynvml", None)  # import raises ImportError
    assert nvml.open_nvml() is None


def test_unknown_device_is_none_and_the_library_is_released(install):
    library = install(nvmlDeviceGetHandleByIndex=Library.NVMLError)
    assert nvml.open_nvml() is None
    assert library.shut == 1


@pytest.mark.parametrize(
    ("visible", "handle"),
    [("2,0", ("index", 2)), ("GPU-1a", ("uuid", "GPU-1a")), (None, ("index", 0))],
)
def test_the_first_visible_device_is_meant(install, monkeypatch, visible, handle):
    install()
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert nvml.open_nvml()._handle == handle


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_hidden_devices_are_not_asked(install, monkeypatch, hidden):
    install()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert nvml.open_nvml() is None


def test_readings(install):
    install(
        nvmlDeviceGetMemoryInfo=SimpleNamespace(used=7),
        nvmlDeviceGetComputeRunningProcesses=[entry(11, 3), entry(12, None)],
        nvmlDeviceGetCurrentClocksEventReasons=0x1 | 0x40,
        nvmlDeviceGetClockInfo=1980,
        nvmlDeviceGetTemperature=41,
    )
    device = nvml.open_nvml()
    assert device.used_bytes() == 7
    assert device.processes() == {11: 3, 12: None}
    assert device.process_bytes(11) == 3
    assert device.process_bytes(99) is None
    assert device.clock_reasons() == ["idle", "hardware thermal slowdown"]
    assert (device.clock_mhz(), device.temperature_c()) == (1980, 41)


def test_readings_that_the_driver_refuses_are_none(install):
    refused = (
        "nvmlDeviceGetMemoryInfo",
        "nvmlDeviceGetComputeRunningProcesses",
        "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlDeviceGetClockInfo",
    )
    install(**dict.fromkeys(refused, Library.NVMLError))
    device = nvml.open_nvml()
    assert device.used_bytes() is None
    assert device.processes() is None
    assert device.process_bytes() is None
    assert device.clock_mhz() is None
    assert device.clock_reasons() is None  # the older call has no answer either


class Gpu:
    """A memory source whose readings rise to a peak and fall again."""

    def __init__(self, process):
        self.device = 100
        self.process = process

    def used_bytes(self):
        return self.device

    def process_bytes(self, pid=None):
        return self.process


def test_the_sampler_keeps_peaks():
    gpu = Gpu(process=10)
    with nvml.NvmlSampler(gpu, interval_s=0.001) as sampler:
        gpu.device, gpu.process = 180, 60
        seen = sampler.polls
        deadline = time.monotonic() + 5
        while sampler.polls < seen + 2 and time.monotonic() < deadline:
            time.sleep(0.001)
        gpu.device, gpu.process = 100, 10
    assert sampler.process_peak_bytes == 60
    assert sampler.device_peak_bytes == 180
    assert sampler.device_delta_bytes == 80


def test_a_block_shorter_than_a_poll_is_read_at_exit():
    gpu = Gpu(process=None)
    with nvml.NvmlSampler(gpu, interval_s=60, baseline_bytes=90) as sampler:
        gpu.device = 130
    assert sampler.polls == 1
    assert sampler.device_delta_bytes == 40
    assert sampler.process_peak_bytes is None
