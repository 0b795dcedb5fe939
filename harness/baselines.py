"""Baselines: what a run measured, small enough to be committed and reviewed.

``baselines/<name>/`` below the results folder holds

- ``baseline.json``: settings, machine, versions and the cells;
- ``cells/<key>.json``: the record of a cell without its environment's paths;
- ``cells/<key>.counts.csv``: per clip the counts that metrics are made of;
- ``cells/<key>.samples.json``: the wall times of every call, a line per round and
  scenario;
- ``accepted.json``: regressions that somebody has acknowledged, with reason and expiry.

Tracks, references and paths stay out. Ids of clips are hashed where the run was
private. A baseline reads like a run, so gate and comparison treat both alike.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extractors.errors import UsageError, nearest

from .acceptances import Acceptance, read_acceptances
from .metrics.base import Value
from .records import SCHEMA, Record, Run, read_json, write_json, write_text
from .verdict import FAIL, RuleVerdict

if TYPE_CHECKING:
    import pandas as pd

    from .report.privacy import Scrubber

FOLDER = "baselines"
HEAD = "baseline.json"
#: Columns of ``clips.parquet`` beside the counts.
_ABOUT = ("clip_id", "seconds", "status", "digest")
_TEXTS = ("status", "digest")
#: Sections of a record that name no clip, though a word of theirs may equal an id.
_CHOICES = ("cell", "environment", "fingerprint", "settings")
_PLAN = ("experiment", "settings", "machine", "versions", "created_utc")
_DIGITS = 7  # of a second: a tenth of a microsecond


@dataclass(frozen=True, eq=False)
class BaselineRecord(Record):
    """A record that is read from the files of a baseline."""

    def clips(self) -> pd.DataFrame:
        """Counts per clip; empty where nothing was scored."""
        import pandas as pd

        place = self.path / f"{self.key}.counts.csv"
        if not place.exists():
            return pd.DataFrame()
        with place.open(encoding="utf-8", newline="") as lines:
            names, *rows = csv.reader(lines)
        return pd.DataFrame(
            {
                name: _column(name, cells)
                for name, *cells in zip(names, *rows, strict=True)
            }
        )

    def samples(self) -> pd.DataFrame:
        """Timed calls of all rounds, with the column ``round``."""
        import pandas as pd

        place = self.path / f"{self.key}.samples.json"
        if not place.exists():
            return pd.DataFrame()
        parts = [pd.DataFrame(entry) for entry in read_json(place)["samples"]]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


@dataclass(frozen=True, eq=False)
class Baseline:
    """What rules ``to: baseline`` compare with.

    Attributes:
        name: as it was saved.
        run: its cells, in the form of a run.
        same_job: it was measured in one job with the run that is judged, round by
            round.
        accepted: regressions that were acknowledged.
        since: per cell, number of the last round that is *not* looked at.
        known: metric values by cell key, as far as they were computed.
    """

    name: str
    run: Run
    same_job: bool = False
    accepted: Sequence[Acceptance] = ()
    since: Mapping[str, int] = field(default_factory=dict)
    known: dict[str, dict[str, Value]] = field(default_factory=dict)

    @property
    def records(self) -> list[Record]:
        return self.run.records

    @cached_property
    def told(self) -> str:
        """Name, date, number of cells and of acceptances."""
        made = str(self.run.plan.get("created_utc") or "")[:10]
        cells = f"{len(self.records)} cell{'s' if len(self.records) != 1 else ''}"
        more = f", {len(self.accepted)} accepted" if self.accepted else ""
        return f"{self.name} ({', '.join(filter(None, (made, cells)))}{more})"

    def find(self, key: str) -> Record | None:
        """The cell with this key."""
        return next((r for r in self.records if r.key == key), None)

    def summary(self, key: str) -> dict[str, Value]:
        """Metric values of a cell, recomputed from its counts and samples."""
        if key not in self.known:
            from .summary import summarise_record

            record = self.find(key)
            found = {} if record is None else summarise_record(record, self.run.plan)
            self.known[key] = found
        return self.known[key]

    def accepting(self, verdict: RuleVerdict, today: date) -> RuleVerdict:
        """The verdict, marked as accepted where an acknowledgement covers it."""
        if verdict.verdict != FAIL:
            return verdict
        for entry in self.accepted:
            if not entry.names(verdict):
                continue
            refusal = entry.refusal(verdict, today)
            if not refusal:
                return replace(verdict, accepted=entry.told)
            reason = f"{verdict.reason}; {refusal}"
            verdict = replace(verdict, reason=reason)
        return verdict


def folder_of(results_dir: str | Path, name: str) -> Path:
    """Where a baseline lies."""
    return Path(results_dir) / FOLDER / name


def names(results_dir: str | Path) -> list[str]:
    """Names of the saved baselines."""
    found = (Path(results_dir) / FOLDER).glob(f"*/{HEAD}")
    return sorted(place.parent.name for place in found)


def load_baseline(results_dir: str | Path, name: str) -> Baseline:
    """Read a baseline by its name, or by the path of its folder.

    Raises:
        UsageError: there is none of this name; names the nearest one.
        RecordError: its files are broken.
    """
    places = (folder_of(results_dir, name), Path(name))
    folder = next((p for p in places if (p / HEAD).is_file()), None)
    if folder is None:
        known = names(results_dir)
        hint = nearest(name, known) if known else "; 'f0bench baseline save' makes one"
        raise UsageError(f"no baseline '{name}' in {Path(results_dir) / FOLDER}/{hint}")
    plan = read_json(folder / HEAD)
    hashed = bool(plan.get("settings", {}).get("private"))
    records: list[Record] = [
        BaselineRecord(
            folder / "cells",
            read_json(folder / "cells" / f"{cell['key']}.json"),
            hashed,
        )
        for cell in plan["cells"]
    ]
    accepted = read_acceptances(folder)
    return Baseline(folder.name, Run(folder, plan, records), accepted=accepted)


def save_baseline(
    run: Run, results_dir: str | Path, name: str
) -> tuple[Path, list[str]]:
    """Write the measured cells of ``run`` as a baseline, in place of an older one.

    Returns:
        The folder, and what the user should know: cells that were left out, and
        acceptances that ended with the older baseline.

    Raises:
        UsageError: no cell was measured, or the name cannot be a folder's.
    """
    from .flags import run_name
    from .report.privacy import Scrubber

    folder = folder_of(results_dir, run_name(name))
    usable = [r for r in run.records if r.status in ("ok", "partial")]
    if not usable:
        raise UsageError(f"{run.name} has no measured cell: a baseline needs one")
    notes = _dropped(run, usable, folder)
    scrub = Scrubber(run)
    shutil.rmtree(folder, ignore_errors=True)
    for record in usable:
        _save_cell(record, folder / "cells", scrub)
    head = {key: run.plan.get(key) for key in _PLAN}
    cells = [{"key": r.key, "label": r.label, "role": r.role} for r in usable]
    content = {"schema": SCHEMA, "name": name, **head, "cells": cells, "skipped": []}
    write_json(folder / HEAD, scrub.choices(content))
    return folder, notes


def _dropped(run: Run, usable: Sequence[Record], folder: Path) -> list[str]:
    kept = {record.key for record in usable}
    found = [c["label"] for c in run.plan["cells"] if c["key"] not in kept]
    notes = [f"left out, not measured: {label}" for label in found]
    old = read_acceptances(folder)
    if old:
        notes.append(f"{len(old)} acceptances of the older baseline ended with it")
    return notes


def _save_cell(record: Record, folder: Path, scrub: Scrubber) -> None:
    data = {
        k: v for k, v in record.data.items() if k not in ("references", "written_utc")
    }
    data["rounds"] = [_slim(part) for part in record.data.get("rounds") or []]
    data["timed_set"] = [scrub.clip(c) for c in record.data.get("timed_set") or []]
    plain = {k: scrub.choices(data[k]) for k in _CHOICES if k in data}
    write_json(folder / f"{record.key}.json", {**scrub.data(data), **plain})
    clips = record.clips()
    if not clips.empty:
        write_text(folder / f"{record.key}.counts.csv", _counts(record, clips, scrub))
    samples = record.samples()
    if not samples.empty:
        lines = ",\n".join(_sample_lines(samples, scrub))
        text = f'{{"schema": {SCHEMA}, "samples": [\n{lines}\n]}}\n'
        write_text(folder / f"{record.key}.samples.json", text)


def _slim(part: Mapping[str, Any]) -> dict[str, Any]:
    """A round without the state of the machine around it, which its validity tells."""
    return {k: v for k, v in part.items() if k not in ("env_before", "env_after")}


def _counts(record: Record, clips: pd.DataFrame, scrub: Scrubber) -> str:
    """The counts that metrics need, one line per clip."""
    from .metrics.bootstrap import needed_columns
    from .tasks import task_metrics

    metrics = task_metrics(record.data["cell"]["task"]["name"])
    needed = needed_columns(metrics)
    tags = [name for name in clips.columns if name.startswith("tag_")]
    columns = [c for c in (*_ABOUT, *tags, *needed) if c in clips.columns]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in clips[columns].itertuples(index=False):
        cells = zip(columns, row, strict=True)
        writer.writerow([_cell_text(name, value, scrub) for name, value in cells])
    return text.getvalue()


def _cell_text(name: str, value: Any, scrub: Scrubber) -> str:
    if name == "clip_id":
        return scrub.clip(str(value))
    text = _shown(value)
    return scrub.text(text) if name.startswith("tag_") else text  # a tag may be an id


def _column(name: str, cells: Sequence[str]) -> list[Any]:
    """A column as it was: an id may look like a number, or like a missing value."""
    if name == "clip_id":
        return list(cells)
    if name in _TEXTS or name.startswith("tag_"):
        return [cell or None for cell in cells]
    return [float(cell or "nan") for cell in cells]


def _shown(value: Any) -> str:
    """A count as text that reads back as the same number; undefined is empty."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _sample_lines(samples: pd.DataFrame, scrub: Scrubber) -> Iterator[str]:
    groups = samples[["round", "scenario"]].drop_duplicates()
    for number, scenario in groups.itertuples(index=False):
        alike = (samples["round"] == number) & (samples["scenario"] == scenario)
        part = samples[alike]
        entry: dict[str, Any] = {"round": int(number), "scenario": str(scenario)}
        entry["pass"] = [int(n) for n in part["pass"]]
        if part["clip_id"].notna().any():
            entry["clip_id"] = [scrub.clip(str(c)) for c in part["clip_id"]]
        entry["audio_s"] = [round(float(s), _DIGITS) for s in part["audio_s"]]
        entry["wall_s"] = [round(float(s), _DIGITS) for s in part["wall_s"]]
        if len(set(entry["audio_s"])) == 1:
            entry["audio_s"] = entry["audio_s"][0]
        yield json.dumps(entry, ensure_ascii=False, allow_nan=False)
