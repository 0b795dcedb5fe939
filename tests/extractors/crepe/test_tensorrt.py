"""What TensorRT gains; needs a GPU and the extra ``tensorrt``."""

from statistics import median
from time import perf_counter

import numpy as np
import pytest

from extractors.crepe.reduced import ReducedNetwork, check_precision
from extractors.device import resolve
from extractors.errors import UnavailableError

FRAMES = 4096
CALLS = 15


@pytest.mark.gpu
@pytest.mark.slow
def test_half_as_fast_again():
    try:
        check_precision("fp16", "tensorrt", resolve("cuda"))
    except UnavailableError as error:
        pytest.skip(f"unavailable: {error}")
    rows = np.random.default_rng(0).standard_normal((FRAMES, 1024)).astype(np.float32)
    plain, compiled = (seconds(name, rows) for name in ("none", "tensorrt"))
    assert plain / compiled >= 1.5


def seconds(compiler, rows):
    """Median of the wall time of a call, result in host memory."""
    network = ReducedNetwork("full", "cuda", "fp16", compiler)
    network(rows)  # compiles
    found = []
    for _ in range(CALLS):
        start = perf_counter()
        network(rows)
        found.append(perf_counter() - start)
    return median(found)
