"""Every error that f0bench raises on purpose.

::

    F0BenchError
    ├── UsageError               the command or its configuration is wrong (exit 2)
    │   ├── ConfigError          unknown key or name, wrong type, value out of bounds
    │   └── DatasetError         no clips, duplicate ids, a path that leaves its root
    ├── InputError               audio that cannot be measured; a ValueError too
    ├── LabelError               a truth file that cannot be read or does not fit
    ├── ExtractorError           an extractor failed or broke its contract
    │   ├── TrackError           the track it returned is malformed
    │   └── DeviceMemoryError    no memory at the smallest batch; a RuntimeError too
    ├── UnavailableError         device, platform or package absent: the cell is skipped
    │   └── MissingExtraError    a package is absent; carries the pip line
    └── RecordError              a result on disk that cannot be read

A message carries the value, the bound and the remedy, on one line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class F0BenchError(Exception):
    """Root of the tree; catching it catches every error raised on purpose."""


class UsageError(F0BenchError):
    """The command or its configuration is wrong: nothing was measured."""


class ConfigError(UsageError):
    """Unknown key or name, wrong type, or a value outside its bounds."""


class DatasetError(UsageError):
    """The data set as a whole cannot be used."""


class InputError(F0BenchError, ValueError):
    """Audio that cannot be measured; names the clip, the value and the remedy."""


class LabelError(F0BenchError):
    """A truth file that cannot be read, or that does not fit its audio."""


class ExtractorError(F0BenchError):
    """An extractor failed or broke its contract."""


class TrackError(ExtractorError):
    """A track is malformed: lengths, order, NaN in voiced frames, range."""


class DeviceMemoryError(ExtractorError, RuntimeError):
    """A device has no memory left even for the smallest batch allowed."""


class UnavailableError(F0BenchError):
    """Device, platform or package absent: the cell is skipped, not failed."""


class MissingExtraError(UnavailableError):
    """An optional package is absent.

    Args:
        package: what could not be imported, e.g. ``"swift_f0"``.
        extra: the extra of f0bench that installs it, e.g. ``"swiftf0"``.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; pip install 'f0bench[{extra}]'")


class RecordError(F0BenchError):
    """A result on disk that cannot be read."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Say which valid name is meant, as the end of an error message.

    Args:
        name: what the user typed.
        valid: every name that would have been accepted.

    Returns:
        ``"; did you mean 'x'?"``, or the list of valid names where none is near.
    """
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; valid: {', '.join(names)}" if names else ""
