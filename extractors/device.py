"""Where an extractor runs: the device it was asked for, or why it cannot."""

from __future__ import annotations

from .errors import ConfigError, UnavailableError, nearest

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
