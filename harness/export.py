"""Stored tracks in the formats of other tools, one file per clip and cell.

- ``librosa``: ``.npz`` with ``times`` (s), ``f0`` (Hz, NaN unvoiced), ``voiced_flag``
  and ``voiced_prob``, the arrays that ``librosa.pyin`` returns;
- ``mir_eval``: text, ``time <tab> f0``; an unvoiced frame is negative where there is an
  estimate and 0 where there is none;
- ``crepe``: CSV with ``time,frequency,confidence``; the estimate stands in every frame
  that has one, else 0.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from extractors.errors import ConfigError, UsageError, nearest
from harness.records import replacing

if TYPE_CHECKING:
    import pandas as pd

    from harness.records import Record, Run

_BLOCK = 200  # clips read at once, so that memory does not grow with the corpus
_LONGEST = 120  # bytes of a file name before its suffix
_RESERVED = {"con", "prn", "aux", "nul"}


def export_run(
    run: Run, form: str, folder: Path, cell: str | None = None
) -> list[Path]:
    """Write the tracks of a run.

    Args:
        run: the run.
        form: ``librosa``, ``mir_eval`` or ``crepe``.
        folder: where; made if it does not exist. One folder per cell inside.
        cell: key (or its beginning) or label of a single cell; all by default.

    Returns:
        The written files.

    Raises:
        ConfigError: unknown format.
        UsageError: no such cell, or nothing was stored.
    """
    if form not in WRITERS:
        raise ConfigError(f"--format {form}: unknown{nearest(form, WRITERS)}")
    suffix, write = WRITERS[form]
    records = choose(run, cell)
    names = Names()
    paths = []
    for record in records:
        place = folder / names.unique(f"{record.label} {record.key}")
        paths += list(_export_cell(record, place, suffix, write))
    if not paths:
        raise UsageError(f"{run.name}: no tracks were stored; run it again")
    return paths


def choose(run: Run, cell: str | None) -> list[Record]:
    """The cells meant by a key, the beginning of a key, or a label."""
    if cell is None:
        return run.records
    exact = [r for r in run.records if cell in {r.key, r.label}]
    found = exact or [r for r in run.records if cell and r.key.startswith(cell)]
    if not found:
        names = [name for r in run.records for name in (r.label, r.key)]
        raise UsageError(f"--cell {cell}: not in {run.name}{nearest(cell, names)}")
    return found


def _export_cell(
    record: Record, folder: Path, suffix: str, write: Writer
) -> Iterator[Path]:
    clips = record.clips()
    ids = [] if clips.empty else list(clips["clip_id"][clips["status"] == "ok"])
    names = Names()
    for start in range(0, len(ids), _BLOCK):
        block = ids[start : start + _BLOCK]
        tracks = record.tracks(block)
        if tracks.empty:
            continue
        stored = {clip: part for clip, part in tracks.groupby("clip_id", sort=False)}
        for clip_id in block:
            if clip_id in stored:
                path = folder / (names.unique(clip_id) + suffix)
                with replacing(path) as temporary:
                    write(temporary, stored[clip_id].sort_values("frame"))
                yield path


class Names:
    """File names that are safe and, ignoring case, unique within one folder."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, text: str) -> str:
        """A name for ``text``; a second text that gives the same name gets a hash."""
        name = safe_name(text)
        if name.casefold() in self._taken:
            name = f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        number = 2
        while name.casefold() in self._taken:
            name = f"{safe_name(text)}-{number}"
            number += 1
        self._taken.add(name.casefold())
        return name


def safe_name(text: str) -> str:
    """One path component made of letters, digits and a few signs of ``text``.

    Separators, control characters and leading dots become ``_``, so the name can
    neither leave its folder nor hide in it.
    """
    kept = "".join(
        c if _harmless(c) else "_" for c in unicodedata.normalize("NFC", text)
    )
    kept = " ".join(kept.split()).rstrip(". ")
    if kept.startswith(".") or kept.split(".")[0].casefold() in _RESERVED:
        kept = "_" + kept
    if len(kept.encode()) > _LONGEST:
        mark = hashlib.sha256(text.encode()).hexdigest()[:8]
        kept = kept.encode()[:_LONGEST].decode(errors="ignore") + "-" + mark
    return kept or "_"


def _harmless(character: str) -> bool:
    return character in " -_.()+=,@#" or unicodedata.category(character)[0] in "LMN"


Writer = Callable[[Path, "pd.DataFrame"], None]


def _write_librosa(path: Path, track: pd.DataFrame) -> None:
    import numpy as np

    voiced = track["voiced"].to_numpy(bool)
    f0 = track["f0_hz"].to_numpy(np.float64)
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            times=track["time_s"].to_numpy(np.float64),
            f0=np.where(voiced, f0, np.nan),
            voiced_flag=voiced,
            voiced_prob=track["confidence"].to_numpy(np.float64),
        )


def _write_mir_eval(path: Path, track: pd.DataFrame) -> None:
    rows = zip(track["time_s"], track["f0_hz"], track["voiced"], strict=True)
    lines = [f"{t!r}\t{_signed(f, v)}" for t, f, v in _plain(rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _signed(hertz: float, voiced: float) -> str:
    if not hertz > 0:
        return "0"
    return f"{hertz if voiced else -hertz:.9g}"


def _write_crepe(path: Path, track: pd.DataFrame) -> None:
    rows = zip(track["time_s"], track["f0_hz"], track["confidence"], strict=True)
    lines = [f"{t!r},{f if f > 0 else 0.0:.9g},{c:.9g}" for t, f, c in _plain(rows)]
    text = "\n".join(["time,frequency,confidence", *lines])
    path.write_text(text + "\n", encoding="utf-8")


def _plain(
    rows: Iterator[Sequence[float]],
) -> Iterator[tuple[float, float, float]]:
    for first, second, third in rows:
        yield float(first), float(second), float(third)


#: Formats by name: file suffix and writer.
WRITERS: dict[str, tuple[str, Writer]] = {
    "librosa": (".npz", _write_librosa),
    "mir_eval": (".txt", _write_mir_eval),
    "crepe": (".csv", _write_crepe),
}
