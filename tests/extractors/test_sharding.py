"""Sharing out: balanced, complete, in order."""

import threading

import pytest

from extractors.errors import ConfigError
from extractors.sharding import Shards, share_out


def test_shares_are_balanced_and_complete():
    costs = [5, 1, 1, 1, 4, 4]
    shares = share_out(costs, 2)
    assert sorted(index for share in shares for index in share) == list(range(6))
    assert [sum(costs[i] for i in share) for share in shares] == [8, 8]
    assert all(share == sorted(share) for share in shares)


def test_answers_keep_the_order_and_devices_work_side_by_side():
    both = threading.Barrier(2, timeout=10)
    seen = {}

    def run(worker, items):
        seen[worker] = list(items)
        both.wait()  # passes only if the other device works at the same time
        return [(worker, item) for item in items]

    shards = Shards(("fake:0", "fake:1"), str.upper)
    found = shards.map(run, list("abcdef"), [1, 2, 3, 1, 2, 3])
    assert [item for _, item in found] == list("abcdef")
    assert set(seen) == {"FAKE:0", "FAKE:1"}


def test_workers_are_built_once_and_only_for_work():
    built = []
    shards = Shards(("fake:0", "fake:1"), built.append)
    for _ in range(2):
        shards.map(lambda worker, items: items, ["only"], [1.0])
    assert len(built) == 1


def test_an_error_of_a_device_is_raised():
    def run(worker, items):
        raise RuntimeError("device lost")

    with pytest.raises(RuntimeError, match="device lost"):
        Shards(("fake:0",), str).map(run, [1], [1.0])


@pytest.mark.parametrize("devices", [(), ("cuda:0", "cuda:0")])
def test_devices_are_named_once(devices):
    with pytest.raises(ConfigError, match="devices="):
        Shards(devices, str)
