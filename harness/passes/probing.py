"""The probe of one extractor configuration, in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.jobs import Job, Teller
from harness.records import SCHEMA, write_json
from harness.tasks import make_task

from .common import require_one


def run_probe(job: Job, teller: Teller) -> dict[str, Any]:
    """Probe the system of the job and write the result to ``job.out``."""
    system = require_one(job)
    teller.alive(None, 0.0, 0.0)
    found = make_task(job.task).probe(
        system.extractor, system.params, seed=job.seed, quick=job.quick
    )
    assert job.out is not None  # the parent always names the file
    write_json(Path(job.out), {"schema": SCHEMA, "probe": found})
    return {}
