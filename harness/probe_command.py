"""The command ``probe``: how an extractor behaves, measured on signals made for it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from extractors.base import Extractor
from extractors.registry import extractor_class

from .cell import Cell, plain
from .compose import compose
from .console import progress_reporter
from .data import load_data
from .environment import available
from .jobs import System
from .launching import Launcher
from .plan import Plan, build
from .probe import contract_broken, render
from .probes import Probed, ensure_probe
from .records import dumps


def main(flags: Any, words: Sequence[str]) -> int:
    """Probe every extractor that ``words`` name; 1 where one breaks its contract."""
    request = compose(words, multirun=True, config_dir=flags.config_dir)
    plan = build(request, available(request.configs[0].settings.threads))
    found = []
    with progress_reporter(len(plan.cells)) as reporter:
        cache = Path(plan.settings.results_dir) / ".cache"
        launcher = Launcher(plan.settings, cache, reporter)
        for cell in plan.cells:
            found.append((cell, _probe(launcher, cell)))
    entries = [_entry(cell, probed) for cell, probed in found]
    for entry in entries:
        _print(entry)
    for skipped in plan.skipped:
        print(f"{skipped.label}  skipped: {skipped.reason}")
    code = _exit_code(plan, entries)
    if flags.json:
        skips = [{"label": s.label, "reason": s.reason} for s in plan.skipped]
        document = {"probes": entries, "skipped": skips, "exit_code": code}
        sys.stdout.write(dumps(document, indent=None) + "\n")
    return code


def _exit_code(plan: Plan, entries: Sequence[dict[str, Any]]) -> int:
    if any(entry["broken"] for entry in entries):
        return 1
    return 4 if plan.skipped and not plan.cells else 0


def _probe(launcher: Launcher, cell: Cell) -> Probed:
    cls = extractor_class(cell.extractor)
    if cls.accuracy_only:
        error = {"kind": "unavailable", "message": "it reads ready-made tracks"}
        return Probed(None, error)
    log = launcher.cache / "probe" / f"{cell.key}.log"
    system = System(cell.key, cell.extractor, plain(cell.params), str(log.parent))
    data = load_data(cell.dataset)
    return ensure_probe(launcher, cell, data, system, log, quick=False)


def _entry(cell: Cell, probed: Probed) -> dict[str, Any]:
    cls: type[Extractor] = extractor_class(cell.extractor)
    if probed.result is None:
        message = (probed.error or {}).get("message", "no result")
        broken = [f"not probed: {message}"]
    else:
        broken = contract_broken(probed.result, cls.peer, cell.device)
    return {
        "label": cell.label,
        "key": cell.key,
        "peer": cls.peer,
        "probe": probed.result,
        "broken": broken,
    }


def _print(entry: dict[str, Any]) -> None:
    print(entry["label"])
    if entry["probe"] is not None:
        print(render(entry["probe"]))
    for line in entry["broken"]:
        print(f"  contract broken: {line}")
    print()
