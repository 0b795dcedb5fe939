"""Kernels that numba compiles, and the threads they may use.

Kernels live in modules of their own, which are imported where they are first needed:
importing numba takes a second that nobody should pay for an extractor's name. They are
compiled for the types they are called with, hold no lock of the interpreter and are
kept on disk (``NUMBA_CACHE_DIR``, else beside the module). Kernels that call each
other stand in one module: numba notices a change of a kernel's own file only.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
Item = TypeVar("Item")


def jit() -> Callable[[F], F]:
    """Compile a function with numba, cached on disk where a folder can be written.

    Every operation rounds as it is written; division by zero gives infinity or NaN, as
    in numpy.
    """
    import numba

    def compiled(function: F) -> F:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError as error:  # no folder for the cache can be written
            warn_once(f"kernels are compiled anew in every process: {error}")
            return numba.njit(**options)(function)

    return compiled


@lru_cache(maxsize=16)
def warn_once(message: str) -> None:
    """Issue a ``RuntimeWarning`` the first time a process has this message."""
    warnings.warn(message, RuntimeWarning, stacklevel=3)


def threads() -> int:
    """Threads that this process was given: torch's number where torch is loaded.

    Otherwise numba's, which follows ``NUMBA_NUM_THREADS``; never more than the CPUs
    that the process may run on.
    """
    torch = sys.modules.get("torch")
    if torch is not None:
        stated = int(torch.get_num_threads())
    else:
        import numba

        settings: Any = numba.config  # filled from the environment at import
        stated = int(settings.NUMBA_NUM_THREADS)
    return max(1, min(stated, usable_cpus()))


def usable_cpus() -> int:
    """CPUs that the process may run on."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def shared_out(work: Callable[[Iterator[Item]], None], items: Sequence[Item]) -> None:
    """Let every thread take items from one queue until it is empty.

    Args:
        work: called once per thread with the common queue, so that it can keep its
            buffers from one item to the next.
        items: in the order in which they are taken; the longest first wastes least.
    """
    queue = iter(items)  # next() of a sequence's iterator is atomic
    width = min(threads(), len(items))
    if width <= 1:
        work(queue)
        return
    with ThreadPoolExecutor(width) as pool:
        for done in [pool.submit(work, queue) for _ in range(width)]:
            done.result()
