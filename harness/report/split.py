"""The accuracy table split by tags of the clips (``--by speaker,register``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from extractors.errors import UsageError, nearest
from harness.metrics.base import Metric

from .columns import accuracy_columns
from .table import Row, Table, heads, metric_cells, present, tabulate

if TYPE_CHECKING:
    import pandas as pd

PREFIX = "tag_"
_UNTAGGED = "(none)"


def split_table(
    rows: Sequence[Row], metrics: Sequence[Metric], tags: tuple[str, ...], wide: bool
) -> Table:
    """One row per cell and per combination of tag values that occurs.

    Raises:
        UsageError: no clip of any row carries one of ``tags``.
    """
    for tag in tags:
        check_tag("--by", tag, rows)
    parts = [part for row in rows for part in _parts(row, metrics, tags)]
    known = present(parts)
    columns = [
        c
        for c in accuracy_columns(metrics, known, wide)
        # Offsets belong to the extractor, not to a subset of the clips.
        if c.metric in {m.name for m in metrics}
    ]
    title = f"Accuracy by {', '.join(tags)}"
    return tabulate(title, parts, heads(columns), metric_cells(columns))


def _parts(row: Row, metrics: Sequence[Metric], tags: tuple[str, ...]) -> Iterator[Row]:
    from harness.metrics.bootstrap import summarise_counts

    clips = row.record.clips()
    if row.failed or clips.empty:
        yield row
        return
    for value, part in _subsets(clips, tags):
        values = summarise_counts(part, metrics, groups=_groups(part, row.groups))
        context = ", ".join(filter(None, [row.context, f"{value} ({len(part)})"]))
        yield Row(row.record, values, row.label, context, row.hardware, row.groups)


def check_tag(flag: str, tag: str, rows: Sequence[Row]) -> None:
    """Refuse a tag that no row with scored clips has.

    Raises:
        UsageError: names the nearest tag.
    """
    tables = [row.record.clips() for row in rows if not row.failed]
    names = {str(name) for table in tables for name in table.columns}
    known = [n.removeprefix(PREFIX) for n in sorted(names) if n.startswith(PREFIX)]
    if any(not table.empty for table in tables) and tag not in known:
        raise UsageError(f"{flag} {tag}: no clip has this tag{nearest(tag, known)}")


def groups_of(clips: pd.DataFrame, column: str) -> pd.Series[str]:
    """Value of a tag for each clip, ``(none)`` where the clip has none."""
    if column not in clips.columns:
        return clips["clip_id"].map(lambda _: _UNTAGGED)
    return clips[column].fillna(_UNTAGGED).astype(str)


def _groups(clips: pd.DataFrame, tag: str) -> list[str] | None:
    name = PREFIX + tag
    return list(clips[name].astype(str)) if tag and name in clips.columns else None


def _subsets(
    clips: pd.DataFrame, tags: tuple[str, ...]
) -> Iterator[tuple[str, pd.DataFrame]]:
    names = [PREFIX + tag for tag in tags]
    filled = clips.assign(**{name: groups_of(clips, name) for name in names})
    parts: Any = filled.groupby(names, sort=True)
    for values, part in parts:
        yield ", ".join(str(value) for value in values), part
