"""The references of a data set: truth as it was read, and the peer's answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.jobs import Job, Teller
from harness.tasks import make_task

from .common import Reader, ask
from .outputs import OutputWriter
from .stand_in import answering


def write_references(job: Job, teller: Teller) -> dict[str, Any]:
    """Write truth and the outputs of the reference peer, one row group per clip.

    Columns: ``clip_id, source ("truth" | "peer"), frame`` and those of the task. A clip
    on which the peer fails has no agreement; the errors are returned, and who computed
    the peer's answers.
    """
    task = make_task(job.task)
    teller.alive(None, 0.0, 0.0)
    asked = answering(task, Reader(job, task).items()) if job.task.agreement else None
    system = asked.system if asked else None
    errors: list[dict[str, Any]] = []
    done = 0.0
    assert job.out is not None  # the parent always names the file
    with OutputWriter(Path(job.out)) as writer:
        for block in Reader(job, task).blocks():
            for item in block:
                teller.alive(item.id, done, 0.0)
                truth = task.reference(item)
                if truth is not None:
                    writer.add(item.id, task.truth_columns(truth), source="truth")
                if system is not None:
                    answer = ask(task, system, [item])[0]
                    if answer.error:
                        errors.append(answer.error)
                    else:
                        columns = task.columns(answer.output)
                        writer.add(item.id, columns, source="peer")
                done += item.seconds
    return {
        "errors": errors,
        "seconds": done,
        "provenance": asked.provenance if asked else None,
        "fallback": asked.fallback if asked else None,
    }
