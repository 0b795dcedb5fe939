"""Several devices: clips shared out by length, answers in the order of the clips.

Every device has a worker of its own with its own copy of the model, run by one thread
(torch's current device is a property of the thread). Clips never interact, so who
computed one does not show in its result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from .errors import ConfigError

Worker = TypeVar("Worker")
Item = TypeVar("Item")
Result = TypeVar("Result")


def share_out(costs: Sequence[float], workers: int) -> list[list[int]]:
    """Indices of items for each worker: the costliest first, to whoever has least.

    The greedy rule of Graham (1969): no worker gets more than 4/3 of the best possible
    maximum. Within a worker, indices rise.
    """
    shares: list[list[int]] = [[] for _ in range(workers)]
    loads = [0.0] * workers
    for index in sorted(range(len(costs)), key=lambda i: -costs[i]):
        least = loads.index(min(loads))
        shares[least].append(index)
        loads[least] += costs[index]
    return [sorted(share) for share in shares]


class Shards(Generic[Worker]):
    """Workers on several devices.

    Args:
        devices: names, each at most once, e.g. ``("cuda:0", "cuda:1")``.
        build: makes the worker of a device; called when it first gets work.

    Raises:
        ConfigError: no device, or one named twice.
    """

    def __init__(self, devices: Sequence[str], build: Callable[[str], Worker]) -> None:
        if not devices or len(set(devices)) != len(devices):
            raise ConfigError(
                f"devices={','.join(devices) or '(none)'} must name each device once"
            )
        self.devices = tuple(devices)
        self._build = build
        self._workers: dict[str, Worker] = {}

    def worker(self, device: str) -> Worker:
        """The worker of ``device``, built at its first use."""
        if device not in self._workers:
            self._workers[device] = self._build(device)
        return self._workers[device]

    def map(
        self,
        run: Callable[[Worker, list[Item]], list[Result]],
        items: Sequence[Item],
        costs: Sequence[float],
    ) -> list[Result]:
        """Answers to all items, in their order.

        Args:
            run: answers a worker's share, in order; runs in a thread of its own.
            items: what to share out.
            costs: what each is expected to cost, e.g. its length in seconds.
        """
        shares = share_out(costs, len(self.devices))

        def answer(device: str, share: list[int]) -> list[Result]:
            if not share:
                return []
            return run(self.worker(device), [items[index] for index in share])

        with ThreadPoolExecutor(len(self.devices)) as pool:
            answers = list(pool.map(answer, self.devices, shares))
        found = {
            index: result
            for share, results in zip(shares, answers, strict=True)
            for index, result in zip(share, results, strict=True)
        }
        return [found[index] for index in range(len(items))]
