"""Outputs and counts as Parquet: streamed out and in, clip by clip."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from harness.records import replacing

#: Frames of a row group, at least: a writer keeps the description of every group in
#: memory, some ten kilobytes, so that a group per clip would be felt in a long corpus.
GROUP_FRAMES = 16_384


class OutputWriter:
    """Writes outputs clip by clip; the file appears when it is complete.

    A row group holds whole clips. Columns: ``clip_id``, ``frame``, then those of the
    task (and any constant ones given to :meth:`add`). An exception inside the ``with``
    block leaves no file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}")
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []
        self._frames = 0

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
            if kind is None:
                self._flush()
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
        self._waiting.append(table)
        self._frames += frames
        if self._frames >= GROUP_FRAMES:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting).unify_dictionaries().combine_chunks()
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._temporary, table.schema)
        # one group whatever its length: a clip is never cut
        self._writer.write_table(table, row_group_size=max(len(table), 1))
        self._waiting, self._frames = [], 0


class OutputReader:
    """Reads what :class:`OutputWriter` wrote, clip by clip, a row group at a time."""

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
        """Yield ``(clip_id, columns)``, only of rows whose ``column`` is ``value``."""
        for index in range(self._file.num_row_groups):
            group = self._file.read_row_group(index)
            if column is not None:
                group = group.filter(pc.equal(group[column].cast(pa.string()), value))
            if group.num_rows == 0:
                continue
            ids = group["clip_id"].cast(pa.string()).to_numpy()
            columns = {
                name: group[name].to_numpy()
                for name in group.column_names
                if name not in ("clip_id", "frame", column)
            }
            starts = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1), len(ids)]
            for start, end in pairwise(starts):
                parts = {name: part[start:end] for name, part in columns.items()}
                yield str(ids[start]), parts


class CountTable:
    """Count columns of many clips, a few kilobytes each.

    A dictionary of some hundred counts takes fifteen times as much as their values; a
    corpus of many hours would be felt.
    """

    def __init__(self) -> None:
        self._position: dict[str, int] = {}
        self._rows: list[NDArray[np.float64]] = []

    def add(self, counts: Mapping[str, float]) -> None:
        """Append the counts of one clip; it may lack columns that others have."""
        for name in counts:
            self._position.setdefault(name, len(self._position))
        row = np.full(len(self._position), np.nan)
        for name, value in counts.items():
            row[self._position[name]] = value
        self._rows.append(row)

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """Every column, NaN where a clip lacks it."""
        table = np.full((len(self._rows), len(self._position)), np.nan)
        for index, row in enumerate(self._rows):
            table[index, : len(row)] = row
        return {name: table[:, place] for name, place in self._position.items()}

    def total(self, name: str) -> float:
        """Sum of one column over the clips that have it."""
        place = self._position.get(name)
        if place is None:
            return 0.0
        return float(sum(np.nan_to_num(r[place]) for r in self._rows if len(r) > place))


def write_clips(
    path: Path, rows: Sequence[Mapping[str, Any]], counts: CountTable
) -> None:
    """Write ``clips.parquet``: what is said of each clip, then its counts.

    A column that a clip lacks is null there.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns: dict[str, Any] = {}
    for name in names:
        column = [row.get(name) for row in rows]
        kind = pa.float64() if name == "seconds" else pa.string()
        columns[name] = pa.array(column, type=kind)
    for name, values in counts.columns().items():
        columns[name] = pa.array(values, mask=np.isnan(values))
    with replacing(path) as temporary:
        pq.write_table(pa.table(columns), temporary)
