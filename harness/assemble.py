"""Puts the parts of a cell together to its ``record.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from statistics import median
from typing import Any

from .cell import plain
from .config import Settings
from .records import SCHEMA
from .tasks import make_task
from .validity import assess
from .validity import notes as validity_notes
from .work import Work


def assemble(
    work: Work, settings: Settings, machine: Mapping[str, Any]
) -> dict[str, Any]:
    """The record of one cell, as described in :mod:`harness.records`."""
    cell = work.cell
    status, error = _status(work)
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "key": cell.key,
        "label": cell.label,
        "role": cell.role,
        "status": status,
        "error": error,
        "fingerprint": work.fingerprint,
        "cell": _choices(work),
        "peer": work.system().is_peer or _is_peer(work),
        "accuracy_only": work.accuracy_only,
        "data": _data(work),
        "voicing": (work.accuracy or {}).get("voicing"),
        "cold": _cold(work),
        "read_s": (work.accuracy or {}).get("read_s"),
        "accuracy_pass_s": (work.accuracy or {}).get("extract_s"),
        "rounds": [part for _, part in sorted(work.rounds.items())],
        "timed_set": list(work.timed_set),
        "timed_set_s": work.timed_seconds,
        "memory": _memory(work),
        "seeds": (work.accuracy or {}).get("seeds"),
        "probe": work.probe,
        "references": work.references,
        "references_by": work.provenance,
        "describe": (work.accuracy or {}).get("describe", {}),
        "environment": dict(machine),
        "settings": plain(asdict(settings.effort)) | {"threads": settings.threads},
        "written_utc": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "wall_s": work.wall_s,
    }
    record["validity"] = assess(record)
    of_task = getattr(make_task(cell.task), "notes", None)
    record["notes"] = [
        *work.notes,
        *validity_notes(record),
        *(of_task(record) if of_task else ()),
    ]
    return record


def _choices(work: Work) -> dict[str, Any]:
    return {**work.cell.choices(), "axes": plain(work.cell.axes)}


def _is_peer(work: Work) -> bool:
    from extractors.registry import extractor_class

    return extractor_class(work.cell.extractor).peer


def _status(work: Work) -> tuple[str, dict[str, Any] | None]:
    if work.accuracy_error is not None:
        unavailable = work.accuracy_error["kind"] == "unavailable"
        return ("skipped" if unavailable else "error"), work.accuracy_error
    accuracy = work.accuracy or {}
    errors = accuracy.get("errors") or [None]
    if accuracy.get("clips_missed", 0) >= accuracy.get("clips", 1):
        return "error", errors[0]
    if accuracy.get("clips_missed", 0):
        return "partial", errors[0]
    if work.round_error is not None:
        return "partial", work.round_error
    return "ok", None


def _data(work: Work) -> dict[str, Any]:
    accuracy = work.accuracy or {}
    return {
        "name": work.data.name,
        "clips": accuracy.get("clips"),
        "clips_missed": accuracy.get("clips_missed"),
        "seconds": accuracy.get("seconds"),
        "seconds_scored": accuracy.get("seconds_scored"),
        "truth": work.data.truth,
    }


def _cold(work: Work) -> dict[str, float] | None:
    """Median over the rounds: each is a fresh interpreter."""
    parts = [part["cold"] for part in work.rounds.values()]
    if not parts:
        return None
    return {name: median(part[name] for part in parts) for name in parts[0]}


def _memory(work: Work) -> dict[str, Any] | None:
    """The round with the highest host peak, numbers of one process together."""
    parts: list[Mapping[str, Any]] = [p["memory"] for p in work.rounds.values()]
    if not parts:
        return None
    return dict(max(parts, key=lambda part: part["host_peak_bytes"]))
