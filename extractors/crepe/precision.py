"""Which precisions CREPE's network is computed in, where, and how far they are off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from extractors.base import choose
from extractors.errors import MissingExtraError, UnavailableError

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
COMPILERS = ("none", "tensorrt")

Rows = NDArray[np.float32]


def check_precision(precision: str, compiler: str, device: str) -> None:
    """Refuse what ``device`` cannot do, before anything is loaded.

    Args:
        precision: one of :data:`PRECISIONS`.
        compiler: one of :data:`COMPILERS`.
        device: ``cpu`` or ``cuda``, as resolved.

    Raises:
        ConfigError: an unknown name.
        UnavailableError: the device or a package does not allow it, with the reason.
    """
    choose(precision, PRECISIONS, "precision")
    choose(compiler, COMPILERS, "compile")
    if precision in ("tf32", "fp16") and device == "cpu":
        raise UnavailableError(
            f"precision={precision} needs a GPU, and this runs on the CPU; "
            "use precision=fp32 or bf16"
        )
    if compiler == "tensorrt" and device == "cpu":
        raise UnavailableError("compile=tensorrt needs a GPU; use compile=none")
    if compiler == "tensorrt" and find_spec("torch_tensorrt") is None:
        raise MissingExtraError("torch_tensorrt", "tensorrt")


@dataclass(frozen=True)
class PrecisionDelta:
    """How far probabilities are from those of another network.

    Attributes:
        probability: largest absolute difference, in [0, 1].
        argmax: share of frames with another most probable bin, in [0, 1].
    """

    probability: float
    argmax: float


def precision_delta(
    exact: Callable[[Rows], Rows], other: Callable[[Rows], Rows], rows: Rows
) -> PrecisionDelta:
    """Compare two networks on the same frames.

    Args:
        exact, other: from rows to probabilities ``(n, 360)``, e.g. a
            :class:`~extractors.crepe.network.Network` and a
            :class:`~extractors.crepe.reduced.ReducedNetwork`.
        rows: normalised frames, float32, ``(n, 1024)``, ``n ≥ 1``.
    """
    ours, theirs = exact(rows), other(rows)
    moved = ours.argmax(axis=1) != theirs.argmax(axis=1)
    return PrecisionDelta(float(np.abs(ours - theirs).max()), float(moved.mean()))
