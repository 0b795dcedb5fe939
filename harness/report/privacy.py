"""What must not leave the machine in a report: paths, the user's name, ids of clips.

Messages and commands are quoted in reports, and they may hold paths of the user's
data. Known folders are replaced first (they may hold spaces), then whatever still
looks like an absolute path keeps only its last part, and not even that where it is the
name of a home folder. Ids of clips are replaced where the run asks for it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import frames

if TYPE_CHECKING:
    from harness.records import Record, Run

_NOT_IN_PATHS = r"\s'\",;:()\[\]{}<>|"
_PART = rf"[^{_NOT_IN_PATHS}/\\]+"
# A single colon may stand before a path (``error:/mnt/x``), that of a URL may not.
_BEGINS = r"(?:(?<![\w.:/\\<…~])|(?<=:)(?!//)|(?<=file://))"
_TOP = r"(?:…?/|~/|[A-Za-z]:[/\\])"
_ABSOLUTE = re.compile(rf"{_BEGINS}{_TOP}/*(?:{_PART}[/\\]+)+")
_OTHER_HOME = re.compile(
    rf"{_BEGINS}{_TOP}(?:{_PART}[/\\]+)*?"
    rf"(?:home|users|documents and settings)[/\\]+{_PART}(?![^{_NOT_IN_PATHS}])",
    re.IGNORECASE,
)
_NAMED_HOME = re.compile(rf"{_BEGINS}~[A-Za-z_][\w.-]*(?=/)")
_HOMES = {"home", "users"}
_KEYS = ("root", "manifest", "results_dir", "pattern")
#: Words of the program and choices: no clip is named in them, but an id may equal one.
_NO_IDS = {
    *("schema", "name", "experiment", "machine", "versions", "task", "kind"),
    *("key", "label", "role", "status", "extractor", "params", "axes"),
    *("metrics", "verdict"),
}
_HASHED = r"clip-[0-9a-f]{10}"


class Scrubber:
    """Replaces absolute paths by ``…/`` and their last part, the home folder by ``~``.

    Ids of the clips of runs whose settings say ``private`` become ``clip-`` and the
    first ten hex digits of the id's SHA-256.

    Args:
        runs: folders of these runs, their data sets and parameters are known paths.
    """

    def __init__(self, *runs: Run) -> None:
        known = {str(Path.cwd())}
        for run in runs:
            known |= {str(run.path), str(run.path.parent)}
            known |= set(_paths(run.plan))
            for record in run.records:
                known |= set(_paths(record.data.get("cell", {})))
        names = {place: _ending(place) for place in known if _private(place)}
        names |= {str(home): "~" for home in (Path.home(), Path.home().resolve())}
        # Longest first: a folder inside another must not leave its own name behind.
        self._known = [
            (re.compile(rf"(?<![\w.-]){re.escape(place)}(?![\w-])"), names[place])
            for place in sorted(filter(_private, names), key=len, reverse=True)
        ]
        private = [run for run in runs if run.plan.get("settings", {}).get("private")]
        ids = {clip for run in private for clip in clip_ids(run)}
        self._hashes = {clip: hashed(clip) for clip in ids}
        self._nested = [clip for clip in ids if "/" in clip or "\\" in clip]

    def clip(self, clip_id: str) -> str:
        """The id as a report may show it."""
        return self._hashes.get(clip_id) or self.path(clip_id)

    def path(self, value: object) -> str:
        """``value`` as text without absolute paths; for texts that name no clip."""
        found = str(value)
        for place, name in self._known:
            found = place.sub(name, found)
        found = _NAMED_HOME.sub("~", _OTHER_HOME.sub("…", found))
        return _ABSOLUTE.sub("…/", found)

    def text(self, value: object) -> str:
        """``value`` as text without absolute paths and without ids of private clips."""
        found = str(value)
        if found in self._hashes:
            return self._hashes[found]
        # An id with folders goes first, because shortening a path may cut it in two.
        found = self._without(found, self._nested)
        return self._without(self.path(found), self._hashes)

    def _without(self, value: str, ids: Iterable[str]) -> str:
        present = sorted((i for i in ids if i and i in value), key=len, reverse=True)
        if not present:
            return value
        words = "|".join([_HASHED, *map(re.escape, present)])
        whole = re.compile(rf"(?<!\w)(?:{words})(?!\w)")
        return whole.sub(lambda m: self._hashes.get(m.group(), m.group()), value)

    def data(self, value: Any) -> Any:
        """Plain data with every text in it scrubbed, keys kept."""
        return self._data(value, self.text)

    def choices(self, value: Any) -> Any:
        """Plain data without absolute paths; for data that name no clip."""
        return self._data(value, self.path)

    def _data(self, value: Any, clean: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                k: self._data(v, self.path if k in _NO_IDS else clean)
                for k, v in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self._data(v, clean) for v in value]
        return clean(value) if isinstance(value, str) else value


def hashed(clip_id: str) -> str:
    """``clip-`` and the first ten hex digits of the SHA-256 of ``clip_id``."""
    return f"clip-{hashlib.sha256(clip_id.encode()).hexdigest()[:10]}"


def clip_ids(run: Run) -> set[str]:
    """Every id of a clip that the files of ``run`` name."""
    found: set[str] = set()
    for group in run.plan.get("groups", ()):
        for name in ("dropped", "unlabelled"):
            found |= {str(c["clip_id"]) for c in group["dataset"].get(name, ())}
    for record in run.records:
        found |= set(map(str, record.data.get("timed_set") or ()))
        found |= {str((record.data.get("error") or {}).get("clip_id") or "")}
    for path in sorted({path for r in run.records for path in _tables(r)}):
        found |= frames.clip_ids(path)
    return found - {""}


def _tables(record: Record) -> tuple[Path, Path]:
    # Where every cell failed, only the references know the clips.
    return record.path / "clips.parquet", frames.references_path(record)


def _ending(path: str) -> str:
    *folders, name = re.split(r"[/\\]+", path.rstrip("/\\"))
    return "…" if folders and folders[-1].lower() in _HOMES else f"…/{name}"


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
