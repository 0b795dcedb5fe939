"""The child process: ``python -m harness.worker JOB.json FD``.

It reads one job, does it, writes its results to files and reports over the pipe. Every
exception ends as a status line; what is printed goes to the log of the cell.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread
from typing import Any

from .failure import describe
from .jobs import Job, Teller
from .records import strict

Step = Callable[[Job, Teller], dict[str, Any]]


def steps() -> Mapping[str, Step]:
    """What each kind of job does."""
    from .passes import accuracy, probing, reference, rounds, tuning

    return {
        "reference": alive(reference.write_references),
        "probe": alive(probing.run_probe),
        "accuracy": alive(accuracy.accuracy_pass),
        "round": rounds.timed_round,  # nothing but the recorder may listen here
        "tune": tuning.tune,  # as in a round
    }


def alive(step: Step) -> Step:
    """Let the stages of a step be its signs of life."""

    def listened(job: Job, teller: Teller) -> dict[str, Any]:
        from extractors.stages import listening

        from .passes.common import Heartbeat

        with listening(Heartbeat(teller)):
            return step(job, teller)

    return listened


def main(argv: list[str]) -> int:
    """Run the job of ``argv``; 0 also when the job failed and said so."""
    job = Job.from_json(Path(argv[0]).read_text(encoding="utf-8"))
    with os.fdopen(int(argv[1]), "w", encoding="utf-8") as pipe:
        if job.cpu is not None:
            stay_on(job.cpu)
        Thread(target=end_with_parent, args=(pipe.fileno(),), daemon=True).start()
        teller = Teller(pipe)
        try:
            outcome = steps()[job.kind](job, teller)
        except BaseException as error:  # also SystemExit, raised by a library
            traceback.print_exc()
            teller.failed(strict(describe(error)))
        else:
            teller.done(strict(outcome))
    return 0


def stay_on(cpu: int) -> None:
    """Use one CPU only, where the system lets a process say so."""
    if hasattr(os, "sched_setaffinity"):  # not on macOS
        with contextlib.suppress(OSError):  # taken away meanwhile: any will do
            os.sched_setaffinity(0, {cpu})


def end_with_parent(pipe: int) -> None:
    """Leave as soon as nobody reads the pipe: the parent was killed.

    The thread sleeps in the kernel until then and takes no time from what is timed.
    """
    waiting = select.poll()
    waiting.register(pipe, 0)  # errors and hang-ups are reported without asking
    waiting.poll()
    os._exit(1)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    gc.collect()
    sys.stdout.flush()
    sys.stderr.flush()
    # Native thread pools of foreign libraries may hang or crash at interpreter exit,
    # after everything that matters has been written and reported.
    os._exit(code)
