"""Recordings listed in a table: CSV or Parquet, one row per clip.

Columns: ``id`` and ``audio_path`` are needed, ``truth_path`` and ``split`` are
optional, every further column is a tag. Paths are relative to ``dataset.root``
(default: the folder of the manifest) and may not leave it, absolute ones included.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from extractors.errors import ConfigError, DatasetError, nearest

from ..cell import dataset_name
from ..config import DatasetConfig
from .base import Clip
from .folder import Unpaired
from .recording import ClipMaker

NEEDED = ("id", "audio_path")
KNOWN = (*NEEDED, "truth_path", "split")

Row = Mapping[str, str]


class Manifest:
    """The clips of a table, sorted by id; paths are checked before anything is read.

    Raises:
        ConfigError: a bad label format, channel or tag expression.
        DatasetError: the table is missing, unreadable or empty, lacks a column, repeats
            an id, names a path outside the root, or has no row of the chosen split.
    """

    def __init__(self, config: DatasetConfig) -> None:
        if not config.manifest:
            raise ConfigError(
                "dataset=manifest needs dataset.manifest, a CSV or Parquet"
            )
        self.config = config
        self.name = dataset_name(config)
        self.path = Path(config.manifest).expanduser()
        self._maker = ClipMaker(config)
        if not self.path.is_file():
            raise DatasetError(f"dataset.manifest={config.manifest}: no such file")
        self.root = Path(config.root).expanduser() if config.root else self.path.parent

    def identity(self) -> Mapping[str, Any]:
        """How the files are read; their content is hashed beside it."""
        return self._maker.reading()

    def clips(self) -> Iterator[Clip]:
        """The clips of the chosen split by id, at most ``limit``."""
        for row in self._rows[: self.config.limit]:
            audio = self._inside(row, "audio_path")
            label = self._inside(row, "truth_path") if row.get("truth_path") else None
            yield self._maker.clip(row["id"], audio, label, _tags(row))

    def unpaired(self) -> Unpaired:
        """Rows without a ``truth_path``; the table names no labels without audio."""
        missing = [row["id"] for row in self._rows if not row.get("truth_path")]
        return Unpaired(audio=tuple(missing))

    @cached_property
    def _rows(self) -> list[Row]:
        rows = read_table(self.path)
        _check_ids(rows, self.path)
        for row in rows:  # every row, also those of other splits: the table is wrong
            self._inside(row, "audio_path")
            if row.get("truth_path"):
                self._inside(row, "truth_path")
        return sorted(self._of_split(rows), key=lambda row: row["id"])

    def _of_split(self, rows: list[Row]) -> list[Row]:
        split = self.config.split
        if split is None:
            return rows
        known = {row["split"] for row in rows if row.get("split")}
        if split not in known:
            raise DatasetError(
                f"dataset.split={split}: {self.path.name} has no such split"
                f"{nearest(split, known)}"
            )
        return [row for row in rows if row.get("split") == split]

    def _inside(self, row: Row, column: str) -> Path:
        """Resolve a path of the table; links are followed, so they cannot escape."""
        text = row[column]
        root = self.root.resolve()
        if "\0" in text or not (root / text).resolve().is_relative_to(root):
            raise DatasetError(
                f"{self.path.name}: {column} '{text}' of clip '{row['id']}' leaves the "
                "root; move the file below it or set dataset.root"
            )
        return root / text


def _tags(row: Row) -> dict[str, str]:
    """Columns that are not paths, without empty values; the split is a tag too."""
    return {
        name: value
        for name, value in row.items()
        if value and name not in ("id", "audio_path", "truth_path")
    }


def _check_ids(rows: list[Row], path: Path) -> None:
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        for column in NEEDED:
            if not row[column]:
                raise DatasetError(f"{path.name}: row {number} has an empty '{column}'")
        if row["id"] in seen:
            raise DatasetError(
                f"{path.name}: row {number} repeats id '{row['id']}'; make it unique"
            )
        seen.add(row["id"])


def read_table(path: Path) -> list[Row]:
    """Rows of a CSV or Parquet table as text, an absent value as the empty string.

    Raises:
        DatasetError: unreadable, ragged or empty table, or a needed column is missing.
    """
    parquet = path.suffix.lower() in (".parquet", ".pq")
    columns, rows = _read_parquet(path) if parquet else _read_csv(path)
    for column in NEEDED:
        if column not in columns:
            others = [name for name in columns if name not in KNOWN]
            raise DatasetError(
                f"{path.name}: no column '{column}'{nearest(column, others)}"
            )
    if not rows:
        raise DatasetError(f"{path.name}: the table has no rows")
    return rows


def _read_csv(path: Path) -> tuple[list[str], list[Row]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            columns = [name.strip() for name in next(reader, [])]
            rows = [_csv_row(path, reader.line_num, columns, r) for r in reader if r]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path.name}: not readable as CSV ({error})") from None
    return columns, rows


def _csv_row(path: Path, line: int, columns: list[str], row: list[str]) -> Row:
    if len(row) != len(columns):
        raise DatasetError(
            f"{path.name}:{line}: {len(row)} fields under {len(columns)} columns; "
            "quote values that hold a comma"
        )
    return dict(zip(columns, row, strict=True))


def _read_parquet(path: Path) -> tuple[list[str], list[Row]]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DatasetError(f"{path.name}: not readable as Parquet ({first})") from None
    rows: list[Row] = [
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in table.to_pylist()
    ]
    return list(table.column_names), rows
