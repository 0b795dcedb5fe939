"""What must not leave the machine in a report: absolute paths and the home folder.

Messages and commands are quoted in reports, and they may hold paths of the user's
data. Known folders are replaced first (they may hold spaces), then whatever still
looks like an absolute path keeps only its last part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.records import Run

_ABSOLUTE = re.compile(
    r"(?<![\w.:/\\<])(?:~?/|[A-Za-z]:\\)(?:[^\s'\",;:()\[\]{}<>|]+[/\\])+"
)
_KEYS = ("root", "manifest", "results_dir", "pattern")


class Scrubber:
    """Replaces absolute paths in texts by ``…/`` and their last part.

    Args:
        runs: folders of these runs, their data sets and parameters are known paths.
    """

    def __init__(self, *runs: Run) -> None:
        known = {str(Path.home()), str(Path.cwd())}
        for run in runs:
            known |= {str(run.path), str(run.path.parent)}
            known |= set(_paths(run.plan))
            for record in run.records:
                known |= set(_paths(record.data.get("cell", {})))
        # Longest first: a folder inside another must not leave its own name behind.
        self._known = sorted((p for p in known if _private(p)), key=len, reverse=True)

    def text(self, value: object) -> str:
        """``value`` as text without absolute paths."""
        found = str(value)
        for place in self._known:
            found = found.replace(place, "…/" + Path(place).name)
        return _ABSOLUTE.sub("…/", found)

    def data(self, value: Any) -> Any:
        """Plain data with every text in it scrubbed, keys kept."""
        if isinstance(value, Mapping):
            return {k: self.data(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(v) for v in value]
        return self.text(value) if isinstance(value, str) else value


def _private(path: str) -> bool:
    return len(path) > 1 and (path[0] in "/~" or path[1:3] == ":\\")


def _paths(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in _KEYS and isinstance(inner, str):
                yield inner.rstrip("/")
            else:
                yield from _paths(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _paths(inner)
