"""The parts of a record that a killed run leaves behind, and what is still missing.

``accuracy.json`` and ``rounds/<n>/round.json`` are written when their pass is complete;
each carries the hash of what it depends on, so that a rerun takes exactly those parts
that still hold.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

from extractors.errors import RecordError

from .records import SCHEMA, read_json, write_json

#: Files of an accuracy pass; the last one where a threshold was learnt.
_PASS = ("accuracy.json", "record.json", "clips.parquet", "tracks.parquet")
_FILES = (*_PASS, "learning.parquet")


class Parts:
    """Stored passes of one cell below ``folder``.

    Args:
        folder: folder of the cell.
        depends: hash of data, labels, weights, code and libraries.
    """

    def __init__(self, folder: Path, depends: str) -> None:
        self.folder = folder
        self.depends = depends

    def accuracy(self) -> dict[str, Any] | None:
        """The accuracy pass, ``None`` where it is missing or no longer holds."""
        return self._read(self.folder / "accuracy.json", self.depends)

    def keep_accuracy(self, value: dict[str, Any]) -> None:
        """Store a complete accuracy pass."""
        self._write(self.folder / "accuracy.json", self.depends, value)

    def forget(self) -> None:
        """Remove what no longer holds, so that nothing stale is ever read."""
        for name in _FILES:
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / "rounds", ignore_errors=True)

    def round(self, number: int, how: str) -> dict[str, Any] | None:
        """Round ``number`` measured in the way ``how``, ``None`` where missing."""
        place = self.folder / "rounds" / str(number)
        if not (place / "samples.parquet").exists():
            return None
        return self._read(place / "round.json", f"{self.depends}-{how}")

    def keep_round(self, number: int, how: str, value: dict[str, Any]) -> None:
        """Store a complete round."""
        place = self.folder / "rounds" / str(number) / "round.json"
        self._write(place, f"{self.depends}-{how}", value)

    def drop_rounds(self, keep: int) -> None:
        """Remove rounds beyond ``keep``, left by a run with more effort."""
        for place in (self.folder / "rounds").glob("*"):
            if not place.name.isdigit() or int(place.name) > keep:
                shutil.rmtree(place, ignore_errors=True)

    @staticmethod
    def _read(place: Path, depends: str) -> dict[str, Any] | None:
        with contextlib.suppress(RecordError):
            found = read_json(place)
            if found.get("depends") == depends:
                value: dict[str, Any] = found["value"]
                return value
        return None

    @staticmethod
    def _write(place: Path, depends: str, value: dict[str, Any]) -> None:
        write_json(place, {"schema": SCHEMA, "depends": depends, "value": value})
