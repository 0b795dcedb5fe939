"""Stored frames read in bounded parts: named clips, one source, up to a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extractors.errors import RecordError

if TYPE_CHECKING:
    import pandas as pd

    from harness.records import Record

#: Seconds of audio whose frames are held at once; a longer clip is held alone.
BATCH_S = 600.0


def batches(
    ids: Iterable[str], seconds: Iterable[float], limit_s: float | None = None
) -> Iterator[list[str]]:
    """Ids in their order, cut into parts of a bounded duration or of one clip.

    Args:
        ids: of clips.
        seconds: duration of each.
        limit_s: bound on the sum of durations in a part, :data:`BATCH_S` by default.
    """
    bound = BATCH_S if limit_s is None else limit_s
    part: list[str] = []
    total = 0.0
    for clip, length in zip(ids, seconds, strict=True):
        if part and total + length > bound:
            yield part
            part, total = [], 0.0
        part.append(clip)
        total += length
    if part:
        yield part


def tracks(
    record: Record, ids: Sequence[str], until_s: float | None = None
) -> pd.DataFrame:
    """Stored outputs of the named clips, of times up to ``until_s``.

    Raises:
        RecordError: the file cannot be read.
    """
    return _read(tracks_path(record), _filters(ids, until_s))


def references(
    record: Record,
    ids: Sequence[str],
    until_s: float | None = None,
    source: str | None = None,
) -> pd.DataFrame:
    """References of the named clips, all or those of ``source``; as :func:`tracks`."""
    filters = _filters(ids, until_s)
    filters += [("source", "==", source)] if source else []
    return _read(references_path(record), filters)


def tracks_path(record: Record) -> Path:
    """Where the outputs of a cell lie."""
    return record.path / "tracks.parquet"


def references_path(record: Record) -> Path:
    """Where the references of a cell lie; they are shared by the cells of its data."""
    name = str(record.data.get("references") or "absent")
    return record.path.parent.parent / "references" / name


def columns(path: Path) -> set[str]:
    """Names of the columns of a table, none where it is absent."""
    import pyarrow.parquet as pq

    if not path.is_file():
        return set()
    try:
        return set(pq.read_schema(path).names)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def clip_ids(path: Path) -> set[str]:
    """The clips that a table names, read row group by row group."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found: set[str] = set()
    if "clip_id" not in columns(path):
        return found
    with pq.ParquetFile(path) as file:
        for part in file.iter_batches(columns=["clip_id"]):
            found |= {str(clip) for clip in pc.unique(part["clip_id"]).to_pylist()}
    return found


Filter = tuple[str, str, Any]


def _filters(ids: Sequence[str], until_s: float | None) -> list[Filter]:
    filters: list[Filter] = [("clip_id", "in", list(ids))]
    return filters + ([("time_s", "<=", until_s)] if until_s is not None else [])


def _read(path: Path, filters: list[Filter]) -> pd.DataFrame:
    import pandas as pd
    import pyarrow.parquet as pq

    names = columns(path)
    if not {name for name, _, _ in filters} <= names:
        return pd.DataFrame()
    try:
        found: pd.DataFrame = pq.read_table(path, filters=filters).to_pandas()
        return found
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> RecordError:
    return RecordError(f"{path}: {error}; remove the cell's folder and run again")
