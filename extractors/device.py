"""Where an extractor runs: the device it was asked for, or why it cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from .errors import ConfigError, UnavailableError, nearest
from .stages import copied, stage

if TYPE_CHECKING:
    from torch import Tensor

DEVICES = ("auto", "cpu", "cuda")


def check_device(name: str) -> str:
    """Return ``name`` if it is one of :data:`DEVICES`, without asking the machine.

    Raises:
        ConfigError: any other name.
    """
    if name not in DEVICES:
        raise ConfigError(f"device={name}{nearest(str(name), DEVICES)}")
    return name


def check_indexed(device: str) -> str:
    """Accept ``auto``, ``cpu``, ``cuda`` and ``cuda:<number>``.

    Raises:
        ConfigError: any other name.
    """
    name, colon, index = device.partition(":")
    check_device(name)
    if colon and (name != "cuda" or not re.fullmatch(r"\d+", index)):
        raise ConfigError(f"device={device} must be auto, cpu, cuda or cuda:<number>")
    return device


def check_present(device: str) -> None:
    """Refuse a number that no GPU has.

    Raises:
        UnavailableError: there are fewer GPUs.
    """
    index = device.partition(":")[2]
    if index:
        import torch

        count = torch.cuda.device_count()
        if int(index) >= count:
            raise UnavailableError(
                f"device={device}: torch finds {count} CUDA devices here, the last one "
                f"is cuda:{count - 1}"
            )


@contextmanager
def current(device: str) -> Iterator[None]:
    """Make ``cuda:1`` the thread's current device; ``cuda`` is the first one."""
    if ":" not in device:
        yield
        return
    import torch

    with torch.cuda.device(device):
        yield


def resolve(name: str) -> str:
    """Turn ``auto``, ``cpu`` or ``cuda`` into the device that work will run on.

    Imports torch unless the answer is plainly ``cpu``.

    Returns:
        ``"cpu"`` or ``"cuda"``; ``auto`` is ``cuda`` where there is one.

    Raises:
        ConfigError: unknown name.
        UnavailableError: ``cuda`` was asked for and cannot be used, with the reason.
    """
    if check_device(name) == "cpu":
        return "cpu"
    reason = cuda_missing()
    if reason is None:
        return "cuda"
    if name == "auto":
        return "cpu"
    raise UnavailableError(f"device=cuda: {reason}; use device=cpu")


def cuda_missing() -> str | None:
    """Why torch cannot use CUDA here, or ``None`` where it can."""
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA"
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} finds no usable CUDA device"
    return None


def synchronize(device: str) -> None:
    """Wait until ``device`` has finished its queue; nothing to wait for on a CPU."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def to_device(array: NDArray[Any], device: str) -> Tensor:
    """``array`` as a tensor on ``device``: stage ``h2d``, where one copy is counted.

    On the CPU nothing is copied: the tensor shares the memory of ``array``.
    """
    import torch

    with stage("h2d", device):
        moved = torch.from_numpy(array).to(device)
        if moved.device.type != "cpu":
            copied("h2d", array.nbytes)
    return moved


def to_host(tensor: Tensor) -> NDArray[Any]:
    """``tensor`` as an array: stage ``d2h``, where one copy is counted.

    On the CPU nothing is copied: the array shares the memory of ``tensor``.
    """
    with stage("d2h", tensor.device.type):
        if tensor.device.type != "cpu":
            copied("d2h", tensor.nbytes)
        found: NDArray[Any] = tensor.cpu().numpy()
    return found
