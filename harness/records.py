"""Runs on disk: folders, strict JSON, Parquet, appearance by rename.

A run is ``results/<name>/`` with ``plan.json``, one folder per cell below ``cells/``
and, per data set, the references that outputs were scored against. Every file is
written beside its place and renamed, so that a kill or a full disk leaves either the
old file or the new one, never half of one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extractors.errors import RecordError, UsageError, nearest

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1


def strict(value: Any) -> Any:
    """Plain data that strict JSON can hold: NaN and Inf become null."""
    if isinstance(value, Mapping):
        return {str(k): strict(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int, bool)):
        return value
    if hasattr(value, "item"):  # numpy scalars
        return strict(value.item())
    return str(value)


def dumps(value: Any, *, indent: int | None = 1) -> str:
    """Strict JSON text (no NaN), UTF-8 left as it is."""
    return json.dumps(strict(value), indent=indent, ensure_ascii=False, allow_nan=False)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place on success."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file that appears by rename."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON that appears by rename."""
    write_text(path, dumps(value) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of this schema.

    Raises:
        RecordError: absent, unreadable, or of another schema version.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise RecordError(
            f"{path}: not JSON ({error}); remove it and run again"
        ) from None
    if not isinstance(found, dict) or found.get("schema", SCHEMA) != SCHEMA:
        raise RecordError(
            f"{path}: not of schema {SCHEMA}; it was written by another version"
        )
    return found


@dataclass(frozen=True, eq=False)
class Record:
    """Everything learned about one cell.

    Attributes:
        path: the folder of the cell.
        data: ``record.json``.
        hashed: ids of clips are hashes (a private baseline).
    """

    path: Path
    data: dict[str, Any]
    hashed: bool = False

    @property
    def key(self) -> str:
        return str(self.data["key"])

    @property
    def label(self) -> str:
        return str(self.data["label"])

    @property
    def role(self) -> str:
        return str(self.data["role"])

    @property
    def status(self) -> str:
        return str(self.data["status"])

    def clips(self) -> pd.DataFrame:
        """Counts per clip; empty where nothing was scored."""
        return _table(self.path / "clips.parquet")

    def samples(self) -> pd.DataFrame:
        """Timed calls of the record's rounds, with the column ``round``.

        Rounds that an earlier run left on disk and this one has not taken stay out.
        """
        import pandas as pd

        parts = []
        for number in sorted(int(part["n"]) for part in self.data.get("rounds") or ()):
            part = _table(self.path / "rounds" / str(number) / "samples.parquet")
            if not part.empty:
                parts.append(part.assign(round=number))
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    def tracks(self, clip_ids: Sequence[str] | None = None) -> pd.DataFrame:
        """Stored outputs, of all clips or of the named ones."""
        wanted = None if clip_ids is None else [("clip_id", "in", list(clip_ids))]
        return _table(self.path / "tracks.parquet", wanted)

    def references(self, clip_ids: Sequence[str] | None = None) -> pd.DataFrame:
        """What the outputs were scored against, on the references' own frames.

        ``clip_id``, ``source`` (``truth`` or ``peer``) and the columns of a track.
        """
        wanted = None if clip_ids is None else [("clip_id", "in", list(clip_ids))]
        name = self.data.get("references") or "absent"
        return _table(self.path.parent.parent / "references" / name, wanted)


def _table(path: Path, filters: Any = None) -> pd.DataFrame:
    import pandas as pd
    import pyarrow.parquet as pq

    if not path.exists():
        return pd.DataFrame()
    try:
        table: pd.DataFrame = pq.read_table(path, filters=filters).to_pandas()
        return table
    except (OSError, ValueError) as error:
        raise RecordError(
            f"{path}: {error}; remove the cell's folder and run again"
        ) from (None)


@dataclass(frozen=True, eq=False)
class Run:
    """One results folder.

    Attributes:
        path: the folder.
        plan: ``plan.json``.
        records: in the order of the request; cells that were not measured are absent.
    """

    path: Path
    plan: dict[str, Any]
    records: list[Record] = field(default_factory=list)

    @cached_property
    def name(self) -> str:
        return str(self.plan["name"])


def load_run(path: str | Path) -> Run:
    """Read a results folder; cells whose record is absent or broken are left out.

    Raises:
        RecordError: the folder holds no readable ``plan.json``.
    """
    folder = Path(path).resolve()
    plan = read_json(folder / "plan.json")
    records = []
    for cell in plan["cells"]:
        place = folder / "cells" / cell["key"]
        with contextlib.suppress(RecordError):
            data = read_json(place / "record.json")
            # The label belongs to the plan: it depends on which cells stand together.
            records.append(Record(place, {**data, "label": cell["label"]}))
    return Run(folder, plan, records)


def find_run(results_dir: str | Path, word: str = "latest") -> Path:
    """The folder meant by ``word``: a path, a run's name, or ``latest``.

    Raises:
        UsageError: no such run; names the nearest one.
    """
    root = Path(results_dir)
    for place in (Path(word), root / word):
        if (place / "plan.json").is_file():
            return place.resolve()
    names = [p.parent.name for p in root.glob("*/plan.json")]
    raise UsageError(
        f"no run '{word}' in {root}/{nearest(word, names) if names else ''}"
        + ("" if names else "; 'f0bench run' writes one")
    )


def point_latest(folder: Path) -> None:
    """Let ``latest`` beside ``folder`` point to it."""
    link = folder.parent / "latest"
    temporary = folder.parent / f".latest.{os.getpid()}"
    with contextlib.suppress(OSError):  # a file system without links has no 'latest'
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(folder.name)
        os.replace(temporary, link)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a results folder; the system frees it when a process dies.

    Raises:
        UsageError: another run is writing this folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / ".lock").open("w")
    except OSError as error:
        raise UsageError(
            f"results_dir: cannot write {folder} ({error.strerror}); "
            "choose another with results_dir=…"
        ) from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"{folder.name} is being written by another run; wait for it or "
                "choose --name"
            ) from None
        yield
