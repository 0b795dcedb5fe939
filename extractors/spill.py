"""Rows that wait on disk: what a network says of hours, without holding it in memory.

CREPE says 1440 bytes of a frame, half a gigabyte of an hour. A decoder needs them
twice, a few at a time and in order; so those of a long clip go to an unnamed temporary
file and are read from it block by block. A mapped file would not do: pages that were
read count as memory of the process.
"""

from __future__ import annotations

import tempfile
import weakref

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]


class SpilledRows:
    """A float32 matrix in a temporary file, read and written by slices of whole rows.

    What is not written reads as zeros. The file goes with the object.

    Args:
        shape: rows and columns.

    Raises:
        OSError: the temporary folder cannot be written, or is full.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self._row = 4 * shape[1]  # bytes
        # Unbuffered, as what is read is wanted once
        self._file = tempfile.TemporaryFile(  # noqa: SIM115 - closed by the finalizer
            prefix="f0bench-", buffering=0
        )
        weakref.finalize(self, self._file.close)
        self._file.truncate(shape[0] * self._row)

    def __len__(self) -> int:
        return self.shape[0]

    def __setitem__(self, part: slice, rows: Rows) -> None:
        start, stop, _ = part.indices(len(self))
        if rows.shape != (stop - start, self.shape[1]):
            raise ValueError(f"rows of shape {rows.shape} do not fit in {part}")
        left = _bytes(np.ascontiguousarray(rows, np.float32))
        self._file.seek(start * self._row)
        while left:
            left = left[self._file.write(left) :]

    def __getitem__(self, part: slice) -> Rows:
        start, stop, _ = part.indices(len(self))
        found = np.empty((max(stop - start, 0), self.shape[1]), np.float32)
        left = _bytes(found)
        self._file.seek(start * self._row)
        while left:
            count = self._file.readinto(left)
            if not count:
                raise OSError(f"rows {start} to {stop} of {len(self)} end too early")
            left = left[count:]
        return found


def _bytes(rows: Rows) -> memoryview:
    return rows.reshape(-1).view(np.uint8).data
