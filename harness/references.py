"""References of a data set: computed before anything is timed, cached by content."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from extractors.errors import F0BenchError

from .cell import Cell, stable_hash
from .data import Data
from .fingerprint import scoring_hash, system_fingerprint
from .launching import Launcher
from .records import SCHEMA, read_json, write_json
from .tasks import make_task


@dataclass(frozen=True)
class References:
    """Where the references of a data set lie.

    Attributes:
        path: Parquet file, ``None`` where there is neither truth nor a peer's answer.
        notes: what a reader of the run must know, e.g. clips without agreement.
        provenance: who computed the peer's answers, see
            :mod:`harness.passes.stand_in`; ``None`` without them.
    """

    path: Path | None
    notes: tuple[str, ...] = ()
    provenance: str | None = None


def ensure_references(launcher: Launcher, cell: Cell, data: Data) -> References:
    """Take the references of ``data`` from the cache, or compute them in a worker.

    The cache is keyed by the content of recordings and labels, the task, the code that
    reads and scores, and the peer with its libraries; its content is verified on read.
    """
    parts = {
        "data": data.hash,
        "task": asdict(cell.task),
        "peer": _peer_fingerprint(cell),
        "scoring": scoring_hash(cell.task.name),
    }
    place = launcher.cache / "references" / f"{stable_hash(parts, 16)}.parquet"
    if not launcher.settings.fresh and _verified(place):
        return References(place, provenance=read_json(_seal(place)).get("provenance"))
    outcome = launcher.run(
        launcher.job("reference", cell, data, out=str(place)),
        device="cpu",
        log=place.with_suffix(".log"),
        text=f"references of {data.name}",
        total=data.seconds,
    )
    if outcome.error is not None:
        message = outcome.error["message"]
        return References(None, (f"no references for {data.name}: {message}",))
    value = outcome.value or {}
    notes = _failures(data, value.get("errors", []))
    if not place.exists():
        return References(None, notes)
    provenance, fallback = value.get("provenance"), value.get("fallback")
    if fallback:
        provenance = f"{provenance}: {fallback}"
        notes += (f"references of {data.name} by {provenance}",)
    seal = {"schema": SCHEMA, "sha256": _sha256(place), "provenance": provenance}
    write_json(_seal(place), seal)
    return References(place, notes, provenance)


def _peer_fingerprint(cell: Cell) -> dict[str, Any] | None:
    peer = make_task(cell.task).peer() if cell.task.agreement else None
    if peer is None:
        return None
    return system_fingerprint(replace(cell, extractor=peer[0], params=dict(peer[1])))


def _failures(data: Data, errors: list[dict[str, Any]]) -> tuple[str, ...]:
    if not errors:
        return ()
    first = errors[0]
    return (
        f"{len(errors)} clips of {data.name} have no agreement, because the peer "
        f"failed; the first: {first['clip_id']}: {first['message']}",
    )


def _verified(place: Path) -> bool:
    if not place.exists() or not _seal(place).exists():
        return False
    try:
        return bool(read_json(_seal(place))["sha256"] == _sha256(place))
    except (F0BenchError, KeyError):
        return False


def _seal(place: Path) -> Path:
    return place.with_suffix(".json")


def _sha256(place: Path) -> str:
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
