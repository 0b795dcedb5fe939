"""Fixtures of the extractor tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from extractors.crepe.network import RowNetwork, Rows


@pytest.fixture
def torch_threads() -> Iterator[Callable[[int], None]]:
    """Sets torch's threads; the old number comes back after the test."""
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


class MadeNetwork(RowNetwork):
    """Stands for CREPE's network: one bin is sure in every frame; it computes nothing.

    Attributes:
        devices: that a network was opened on.
        rounds: frames of every call.
    """

    micro_batch = 1

    def __init__(self) -> None:
        self.devices: list[str] = []
        self.rounds: list[int] = []

    def __call__(self, rows: Rows) -> Rows:
        self.rounds.append(len(rows))
        found = np.zeros((len(rows), 360), np.float32)
        found[:, 150] = 1.0
        return found


@pytest.fixture
def made_network(monkeypatch: pytest.MonkeyPatch) -> MadeNetwork:
    """Is opened in place of every network of CREPE, on whatever device."""
    network = MadeNetwork()

    def opened(
        model: str, device: str, engine: str, precision: str = "fp32"
    ) -> tuple[RowNetwork, str]:
        network.devices.append(device)
        return network, "made"

    monkeypatch.setattr("extractors.crepe.extractor.open_network", opened)
    return network
