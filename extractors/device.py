"""Where an extractor runs: the device it was asked for, or why it cannot."""

from __future__ import annotations

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
