"""The probe of an extractor configuration: once per code, weights and libraries."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .cell import Cell, plain, stable_hash
from .data import Data
from .fingerprint import files_hash, system_fingerprint
from .jobs import System
from .launching import Launcher
from .records import read_json


@dataclass(frozen=True)
class Probed:
    """Result of a probe.

    Attributes:
        result: what :func:`harness.probe.probe` returned, ``None`` if it failed.
        error: why it failed.
        fresh: it was measured now, not taken from the cache.
    """

    result: dict[str, Any] | None
    error: dict[str, Any] | None = None
    fresh: bool = False


def ensure_probe(
    launcher: Launcher,
    cell: Cell,
    data: Data,
    system: System,
    log: Path,
    *,
    quick: bool = True,
) -> Probed:
    """Take the probe of ``cell`` from the cache, or measure it in a worker."""
    parts = {
        "system": system_fingerprint(cell),
        "extractor": cell.extractor,
        "params": plain(cell.params),
        "task": asdict(cell.task),
        "quick": quick,
        "probe": files_hash("probe*.py"),
    }
    place = launcher.cache / "probe" / f"{stable_hash(parts, 16)}.json"
    fresh = launcher.settings.fresh or not place.exists()
    if fresh:
        job = launcher.job(
            "probe", cell, data, systems=(system,), out=str(place), quick=quick
        )
        text = f"probe  {cell.label}"
        outcome = launcher.run(job, device=cell.device, log=log, text=text)
        if outcome.error is not None:
            return Probed(None, outcome.error, fresh=True)
    return Probed(read_json(place)["probe"], fresh=fresh)
