"""Reading a file of weights that ``torch.save`` wrote, without importing torch.

torch takes two seconds and 200 MB to import, which the spectral engine on the CPU has
no use for. Since torch 1.6 such a file is a zip archive without compression:
``data.pkl`` pickles the structure, where each tensor is a call of
``torch._utils._rebuild_tensor_v2`` on a persistent reference ``("storage", type, key,
device, count)``, and the numbers of a storage are the member ``data/key`` (see
"Serialization semantics" in torch's notes).
Nothing but dictionaries of float32 and int64 tensors is read; a pickle that names
anything else is refused, so that a file cannot run code.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

State = dict[str, np.ndarray[Any, Any]]

STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


def read_state(path: Path) -> State:
    """The tensors of a state dict as arrays, by name, in the order of the file.

    Raises:
        pickle.UnpicklingError: it holds something else than such tensors.
        zipfile.BadZipFile: it is no archive, or a damaged one.
    """
    with zipfile.ZipFile(path) as archive:
        (pickled,) = (n for n in archive.namelist() if n.endswith("data.pkl"))
        folder = pickled.removesuffix("data.pkl")
        if folder + "byteorder" in archive.namelist():
            order = archive.read(folder + "byteorder")
            if order != b"little":
                raise pickle.UnpicklingError(f"numbers of byte order {order!r}")
        reader = _Reader(BytesIO(archive.read(pickled)), archive, folder)
        found = reader.load()
    if not isinstance(found, dict):
        raise pickle.UnpicklingError(f"a {type(found).__name__}, no state dict")
    for name, array in found.items():
        if not isinstance(array, np.ndarray):
            raise pickle.UnpicklingError(f"{name} is no tensor")
    return dict(found)


class _Reader(pickle.Unpickler):
    """Knows tensors and ordered dictionaries, and no other name."""

    def __init__(self, source: BytesIO, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(source)
        self._archive = archive
        self._folder = folder

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in STORAGES:
            return np.dtype(STORAGES[name])
        raise pickle.UnpicklingError(f"the name {module}.{name} is not allowed")

    def persistent_load(self, pid: Any) -> np.ndarray[Any, Any]:
        _, kind, key, _, count = pid
        numbers = np.frombuffer(self._archive.read(f"{self._folder}data/{key}"), kind)
        if len(numbers) != count:
            raise pickle.UnpicklingError(
                f"storage {key} has {len(numbers)} of {count} numbers"
            )
        return numbers


def _tensor(
    storage: np.ndarray[Any, Any],
    offset: int,
    shape: Sequence[int],
    stride: Sequence[int],
    *_: Any,
) -> np.ndarray[Any, Any]:
    """What torch rebuilds from the same arguments; the rest is about gradients."""
    steps = [step * storage.itemsize for step in stride]
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    if min(shape, default=1) > 0 and not 0 <= offset <= last < len(storage):
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    flat = storage[offset:]
    return np.lib.stride_tricks.as_strided(flat, shape, steps, writeable=False)
