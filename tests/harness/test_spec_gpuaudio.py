"""The gate of SPEC-GPUAUDIO-001: complete, and what its own rules rest on."""

from __future__ import annotations

import importlib.metadata
import re

import pytest
from packaging.requirements import Requirement

from harness.confdir import conf_dir
from harness.gate_evidence import why_absent
from harness.gate_file import load_gate
from harness.metrics import all_metrics

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
