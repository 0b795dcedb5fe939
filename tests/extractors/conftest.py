"""Fixtures of the extractor tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def torch_threads() -> Iterator[Callable[[int], None]]:
    """Sets torch's threads; the old number comes back after the test."""
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
