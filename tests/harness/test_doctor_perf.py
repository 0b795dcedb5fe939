"""``doctor --perf`` on machines that have one thing or another."""

from __future__ import annotations

import json

import pytest

from harness import doctor_perf
from harness.cli import main

CPU = {
    "version": "2.13.0+cpu",
    "device": "cpu",
    "cuda_reason": "torch 2.13.0+cpu is a CPU build",
    "dtype": "float32",
    "matmul_precision": "highest",
    "tf32_convolution": True,
    "threads": 2,
    "interop_threads": 1,
    "instruction_set": "AVX512",
    "onednn": True,
    "gpu": None,
}
GPU = {
    "name": "NVIDIA GB10",
    "capability": "12.1",
    "free_bytes": 100 * 2**30,
    "total_bytes": 119 * 2**30,
    "bf16": True,
}
QUIET = {
    "governor": None,
    "clock_mhz": 2500.0,
    "thermal_throttles": 0,
    "quota_throttled_s": 0.0,
    "gpu": None,
}


@pytest.fixture
def found(monkeypatch):
    """``found(asked, **state)``: findings by topic of a made machine."""

    def look(asked, **state):
        monkeypatch.setattr(doctor_perf, "ask", lambda: asked)
        monkeypatch.setattr(doctor_perf, "snapshot", lambda: {**QUIET, **state})
        monkeypatch.setattr(doctor_perf, "cores", lambda: 2)
        return {finding.topic: finding for finding in doctor_perf.report()}

    return look


def test_a_machine_without_a_gpu(found):
    seen = found(CPU)
    assert seen["device"].text == "cpu: torch 2.13.0+cpu is a CPU build"
    assert "without effect on the CPU" in seen["TF32"].text
    assert "2500 MHz" in seen["CPU clock"].text
    assert seen["throttling"].level == "ok"
    assert "GPU memory" not in seen


def test_a_machine_with_a_gpu(found):
    gpu = {"clock_mhz": 1200, "temperature_c": 60, "clock_reasons": ["thermal limit"]}
    asked = {**CPU, "device": "cuda", "gpu": GPU, "matmul_precision": "high"}
    seen = found(asked, gpu=gpu)
    assert "NVIDIA GB10, compute capability 12.1, with bf16" in seen["device"].text
    assert "matrix products and convolutions" in seen["TF32"].text
    assert seen["GPU clock"].text == "1200 MHz now, 60 °C"
    assert seen["GPU throttling"].level == "warn"
    assert seen["GPU memory"].text.startswith("100.0 of 119.0 GiB free")


def test_what_deserves_less_trust_warns(found):
    asked = {**CPU, "threads": 16, "onednn": False}
    low = {**GPU, "free_bytes": 2**20}
    seen = found({**asked, "gpu": low}, thermal_throttles=7, quota_throttled_s=1.5)
    warned = {topic for topic, finding in seen.items() if finding.level == "warn"}
    assert {"threads", "CPU kernels", "throttling", "GPU memory"} <= warned
    assert "1.5 s" in seen["CPU quota"].text


def test_torch_that_cannot_be_asked_fails(found, monkeypatch, capsys):
    seen = found({"error": "torch cannot be asked: no module"})
    assert seen["torch"].level == "fail"
    assert main(["doctor", "--perf"]) == 2


def test_the_command_asks_a_child(capsys, monkeypatch):
    code = main(["doctor", "--perf", "--json"])
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    topics = {finding["topic"] for finding in document["findings"]}
    assert code == document["exit_code"] == 0
    assert {"device", "dtype", "TF32", "threads", "CPU clock", "memory"} <= topics


def test_a_child_that_fails_is_a_reason(monkeypatch):
    monkeypatch.setattr(doctor_perf.sys, "executable", "/bin/false")
    assert "torch cannot be asked" in doctor_perf.ask()["error"]
