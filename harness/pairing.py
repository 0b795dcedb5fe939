"""What two records have in common, and what keeps them from being compared.

A baseline of a private run holds hashes of its clips' ids, the run itself the ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from .records import Record


#: What must be equal in the description of a machine before two costs are compared.
HARDWARE = ("cpu", "cores", "gpu")


def other_data(one: Record, other: Record) -> str:
    """``other recordings or labels``, ``other scoring code``, or an empty string."""
    sides = [record.data.get("fingerprint") or {} for record in (one, other)]
    for part, name in (("data", "recordings or labels"), ("scoring", "scoring code")):
        values = [side.get(part) for side in sides]
        if None not in values and values[0] != values[1]:
            return f"other {name}"
    return ""


def common_rows(one: Record, other: Record) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the clips that both records have, in one order; empty without any."""
    import pandas as pd

    from .metrics.bootstrap import common_clips

    tables = _clips(one, other), _clips(other, one)
    if any(table.empty for table in tables):
        return pd.DataFrame(), pd.DataFrame()
    return common_clips(*tables)


def timed_ids(record: Record, *, like: Record) -> list[str]:
    """The timed set of a record, with ids as those of ``like``."""
    from .report.privacy import hashed

    ids = [str(clip) for clip in record.data.get("timed_set") or ()]
    return [hashed(clip) for clip in ids] if _to_be_hashed(record, like) else ids


def _clips(record: Record, like: Record) -> pd.DataFrame:
    from .report.privacy import hashed

    found = record.clips()
    if found.empty or not _to_be_hashed(record, like):
        return found
    return found.assign(clip_id=found["clip_id"].map(hashed))


def _to_be_hashed(record: Record, like: Record) -> bool:
    return like.hashed and not record.hashed
