"""Outputs and counts as Parquet: streamed out and in, clip by clip."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.records import replacing


class OutputWriter:
    """Writes outputs one row group per clip; the file appears when it is complete.

    Columns: ``clip_id``, ``frame``, then those of the task (and any constant ones
    given to :meth:`add`). An exception inside the ``with`` block leaves no file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}")
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> OutputWriter:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._writer is not None:
                self._writer.close()
            if kind is None and self._writer is not None:
                os.replace(self._temporary, self._path)
            elif kind is None:  # no clip had an output: no stale file may say so
                self._path.unlink(missing_ok=True)
        finally:
            self._temporary.unlink(missing_ok=True)

    def add(self, clip_id: str, columns: Mapping[str, Any], **constant: str) -> None:
        """Append the output of one clip."""
        frames = len(next(iter(columns.values())))
        table = pa.table(
            {
                "clip_id": pa.array([clip_id] * frames).dictionary_encode(),
                **{
                    name: pa.array([value] * frames).dictionary_encode()
                    for name, value in constant.items()
                },
                "frame": np.arange(frames, dtype=np.int32),
                **{name: np.asarray(column) for name, column in columns.items()},
            }
        )
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._temporary, table.schema)
        self._writer.write_table(table)


class OutputReader:
    """Reads what :class:`OutputWriter` wrote, one row group (one clip) at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> OutputReader:
        self._file = pq.ParquetFile(self._path)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def stream(
        self, column: str | None = None, value: str | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield ``(clip_id, columns)``, only clips whose ``column`` is ``value``."""
        for index in range(self._file.num_row_groups):
            group = self._file.read_row_group(index)
            if group.num_rows == 0:
                continue
            if column is not None and str(group[column][0].as_py()) != value:
                continue
            yield (
                str(group["clip_id"][0].as_py()),
                {
                    name: group[name].to_numpy()
                    for name in group.column_names
                    if name not in ("clip_id", "frame", column)
                },
            )


def write_clips(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the table of counts; a column that a clip lacks is null there."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns: dict[str, Any] = {}
    for name in names:
        column = [row.get(name) for row in rows]
        text = name in ("clip_id", "status", "error", "digest") or name.startswith(
            "tag_"
        )
        columns[name] = pa.array(
            [None if v is None else str(v) for v in column] if text else column,
            type=pa.string() if text else pa.float64(),
        )
    with replacing(path) as temporary:
        pq.write_table(pa.table(columns), temporary)
