"""Kernels are kept on disk, fall back, and share the threads that were given."""

import os
import subprocess
import sys
import threading
import warnings

import numba
import numpy as np
import pytest

from extractors import compiled
from extractors.compiled import jit, shared_out, threads

COUNT_HITS = """
import numpy as np
from extractors.decoders import viterbi_numba
from extractors.decoders.viterbi import triangular_band, viterbi_path
viterbi_path(np.ones((3, 40), np.float32), triangular_band(40, 3))
stats = [viterbi_numba.forward_dense.stats, viterbi_numba.backward.stats]
print(sum(sum(s.cache_hits.values()) for s in stats))
print(sum(sum(s.cache_misses.values()) for s in stats))
"""


def count_hits(folder):
    env = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", COUNT_HITS],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(line) for line in done.stdout.split()]


@pytest.mark.slow
def test_a_second_process_compiles_nothing(tmp_path):
    assert count_hits(tmp_path) == [0, 2]
    assert count_hits(tmp_path) == [2, 0]


def test_without_a_folder_kernels_are_compiled_all_the_same(monkeypatch):
    real = numba.njit

    def no_folder(*arguments, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return real(*arguments, **options)

    monkeypatch.setattr(numba, "njit", no_folder)
    compiled.warn_once.cache_clear()

    def twice(x):
        return 2 * x

    with pytest.warns(RuntimeWarning, match="anew in every process: cannot cache"):
        assert jit()(twice)(21) == 42
    with warnings.catch_warnings():  # said once
        warnings.simplefilter("error")
        assert jit()(twice)(21) == 42


def test_division_by_zero_is_numpys():
    def ratio(a, b):
        return a / b

    assert jit()(ratio)(1.0, 0.0) == np.inf


def test_threads_follow_torch_and_the_cpus(torch_threads, monkeypatch):
    monkeypatch.setattr(compiled, "usable_cpus", lambda: 8)
    torch_threads(1)
    assert threads() == 1
    torch_threads(3)
    assert threads() == 3
    monkeypatch.setattr(compiled, "usable_cpus", lambda: 2)
    assert threads() == 2


def test_threads_follow_numba_where_torch_is_not_loaded(monkeypatch):
    monkeypatch.setattr(compiled, "usable_cpus", lambda: 8)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 5)
    assert threads() == 5


@pytest.mark.parametrize("width", [1, 3])
def test_every_item_is_taken_once(width, monkeypatch):
    monkeypatch.setattr(compiled, "threads", lambda: width)
    taken, workers = [], set()
    together = threading.Barrier(width)

    def work(queue):
        together.wait(timeout=10)  # as many threads as were given
        workers.add(threading.get_ident())
        taken.extend(queue)

    shared_out(work, list(range(50)))
    assert sorted(taken) == list(range(50))
    assert len(workers) == width


def test_an_error_of_a_thread_is_raised(monkeypatch):
    monkeypatch.setattr(compiled, "threads", lambda: 2)

    def work(queue):
        for item in queue:
            if item == 3:
                raise ValueError("item 3")

    with pytest.raises(ValueError, match="item 3"):
        shared_out(work, list(range(10)))
