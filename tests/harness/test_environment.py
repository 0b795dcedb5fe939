"""The inventory of one child process, and the environment of a worker."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from harness import environment
from harness.environment import (
    Inventory,
    cuda_reason,
    inventory,
    library_versions,
    worker_env,
)


@pytest.fixture(scope="module")
def found():
    return inventory(threads=1)


def test_the_inventory_states_devices_reasons_and_versions(found):
    assert found.devices[0] == "cpu"
    assert ("cuda" in found.devices) != ("cuda" in found.reasons)
    assert found.versions["torch"] == library_versions()["torch"]
    assert found.threads == 1
    assert found.torchaudio is None  # not asked for
    if "+cpu" in found.versions["torch"]:
        reason = f"torch {found.versions['torch']} is a CPU build"
        assert found.reasons["cuda"] == reason
        assert (found.gpus, found.gpu, found.cuda) == ((), None, None)


def test_the_parent_stays_free_of_torch():
    code = (
        "import sys; from harness.environment import inventory, library_versions; "
        "library_versions(); import harness.doctor; "
        "heavy = {'torch', 'librosa', 'numba', 'pandas', 'scipy'} & set(sys.modules); "
        "print(heavy); sys.exit(bool(heavy))"
    )
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stdout + child.stderr


def test_a_child_that_hangs_becomes_a_reason():
    found = inventory(timeout_s=0.01)
    assert found.devices == ("cpu",)
    assert found.reasons["cuda"] == "the device inventory took more than 0.01 s"
    assert found.versions == library_versions()


def test_a_child_that_fails_becomes_a_reason(monkeypatch):
    done = SimpleNamespace(returncode=-11, stdout="", stderr="warming up\nsegfault\n")
    monkeypatch.setattr(environment.subprocess, "run", lambda *a, **k: done)
    assert inventory().reasons["torch"] == (
        "the device inventory ended with -11: segfault"
    )


def test_chatter_before_the_answer_is_ignored(monkeypatch):
    answer = json.dumps({"devices": ["cpu", "cuda"], "gpus": ["H200"], "cuda": "13.0"})
    done = SimpleNamespace(returncode=0, stdout=f"hello\n{answer}\n", stderr="")
    monkeypatch.setattr(environment.subprocess, "run", lambda *a, **k: done)
    found = inventory()
    assert found == Inventory(("cpu", "cuda"), gpus=("H200",), cuda="13.0")
    assert found.gpu == "H200"


def test_versions_cover_what_shapes_results_and_no_tools():
    versions = library_versions()
    assert {"f0bench", "torch", "librosa", "numba", "numpy", "soxr"} <= set(versions)
    assert not {"pytest", "ruff", "mypy"} & set(versions)
    json.dumps(versions)


def test_workers_get_threads_and_no_gpu_on_the_cpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    env = worker_env(3, "cpu")
    for name in environment.THREAD_VARIABLES:
        assert env[name] == "3"
    assert env["CUDA_VISIBLE_DEVICES"] == ""
    assert env["PYTHONHASHSEED"] == "0"
    assert "PATH" in env
    assert worker_env(3, "cuda")["CUDA_VISIBLE_DEVICES"] == "1"


def test_by_default_workers_get_every_usable_core():
    assert worker_env(None, "cpu")["OMP_NUM_THREADS"] == str(environment.cores())


def fake_torch(cuda, zeros=lambda *a, **k: None, hip=None):
    version = SimpleNamespace(cuda=cuda, hip=hip)
    return SimpleNamespace(__version__="2.9.1+x", version=version, zeros=zeros)


def test_why_cuda_cannot_be_used(monkeypatch):
    def too_old(*args, **kwargs):
        raise RuntimeError("The NVIDIA driver is too old. Please update it.\nMore.")

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert cuda_reason(fake_torch("13.0")) is None
    assert cuda_reason(fake_torch(None, hip="6.2")) is None
    assert cuda_reason(fake_torch(None)) == "torch 2.9.1+x is a CPU build"
    assert cuda_reason(fake_torch("13.0", too_old)) == (
        "no CUDA device usable by torch 2.9.1+x: The NVIDIA driver is too old"
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert cuda_reason(fake_torch("13.0")) == "CUDA_VISIBLE_DEVICES hides every device"


@pytest.mark.parametrize(
    ("version", "drivers", "reason"),
    [
        ("2.13.0+cpu", ("/dev/null",), "torch 2.13.0+cpu is a CPU build"),
        ("2.13.0", ("/no/such",), "no GPU driver is loaded: none of /no/such exists"),
        ("2.13.0", ("/dev/null",), "asked"),
        (None, ("/no/such",), "asked"),
    ],
)
def test_torch_is_asked_only_where_the_answer_is_open(
    monkeypatch, version, drivers, reason
):
    versions = {"torch": version} if version else {}
    monkeypatch.setattr(environment, "library_versions", lambda: versions)
    monkeypatch.setattr(environment, "DRIVERS", drivers)
    monkeypatch.setattr(environment.sys, "platform", "linux")
    asked = Inventory(reasons={"cuda": "asked"})
    monkeypatch.setattr(environment, "inventory", lambda threads: asked)
    assert environment.available().reasons["cuda"] == reason
