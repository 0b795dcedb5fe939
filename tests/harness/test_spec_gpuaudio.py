"""The gate of SPEC-GPUAUDIO-001: complete, and what its own rules rest on."""

from __future__ import annotations

import importlib.metadata
import re

import pytest
from packaging.requirements import Requirement

from harness.confdir import conf_dir
from harness.gate import judge
from harness.gate_evidence import why_absent
from harness.gate_file import load_gate
from harness.metrics import all_metrics
from harness.summary import summarise_run

IDS = (
    *(f"REQ-U-00{n}" for n in range(1, 5)),
    *(f"REQ-E-00{n}" for n in range(1, 6)),
    *(f"REQ-S-00{n}" for n in range(1, 6)),
    *(f"REQ-O-00{n}" for n in range(1, 5)),
    *(f"REQ-N-00{n}" for n in range(1, 6)),
    *(f"C-00{n}" for n in range(1, 5)),
    *(f"NF-00{n}" for n in range(1, 5)),
)


def rules():
    return load_gate("spec_gpuaudio_001", all_metrics(), conf_dir()).rules


def test_every_requirement_has_a_rule():
    bare = {re.sub(r"\.\w+$", "", rule.id) for rule in rules()}
    assert bare == set(IDS)
    assert all(rule.requirement for rule in rules())


def test_every_named_test_exists():
    named = [test for rule in rules() for test in rule.tests]
    assert named
    assert [why_absent(test) for test in named] == [""] * len(named)


def test_only_optional_or_foreign_requirements_do_not_block():
    loose = {rule.id for rule in rules() if not rule.blocking}
    assert all(name.startswith(("REQ-O", "C-004")) for name in loose)


#: Rules that only a GPU can show.
ON_A_GPU = (
    *("REQ-U-001.used", "REQ-E-001", "REQ-S-001", "REQ-O-002"),
    *("REQ-N-001", "REQ-N-001.built", "REQ-N-002", "REQ-N-005"),
    *("C-003", "NF-001", "NF-002", "NF-003"),
)


def test_without_a_gpu_what_only_a_gpu_shows_is_missing(folder):
    """A cell on the CPU, however good, is no evidence for them."""
    begun = folder()
    begun.add("a" * 12, "crepe full  cpu", speed=100.0)
    run = begun.load()
    axes = {"device": "cpu", "model": "full", "precision": "fp32"}
    (record,) = run.records
    record.data["cell"] = {**record.data["cell"], "axes": axes, "params": axes}
    gate = load_gate("spec_gpuaudio_001", all_metrics(), conf_dir())
    found = judge(gate, run, summarise_run(run))
    verdicts = {rule.id: rule.verdict for rule in found.rules}
    assert {verdicts[name] for name in ON_A_GPU} == {"missing"}
    assert found.verdict == "fail"


def test_torch_is_two_or_later():
    (line,) = (
        r
        for r in importlib.metadata.requires("f0bench") or ()
        if Requirement(r).name == "torch"
    )
    allowed = Requirement(line).specifier
    assert "1.13.1" not in allowed and "2.13" in allowed
    assert int(importlib.metadata.version("torch").partition(".")[0]) >= 2


def test_cuda_is_twelve_or_later():
    import torch

    if torch.version.cuda is None:
        pytest.skip(f"torch {torch.__version__} is built without CUDA")
    assert int(torch.version.cuda.partition(".")[0]) >= 12
