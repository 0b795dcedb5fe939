"""F0 contours of the worst clips over their references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import frames as stored
from .clips import ClipScores
from .figures import Figure, contour, curve, line, row_name
from .table import Row

if TYPE_CHECKING:
    import pandas as pd


CLIPS = 10
#: More rows than this in one contour cannot be told apart.
ROWS = 6
#: Seconds of a clip that are drawn.
SPAN_S = 30.0
_REFERENCES = {
    "truth": {"color": "rgba(128,128,128,0.55)", "width": 7},
    "peer": {"color": "rgba(128,128,128,0.9)", "width": 1.2, "dash": "dot"},
}


def worst_contours(
    rows: Sequence[Row], clips: Sequence[ClipScores]
) -> list[tuple[ClipScores, Figure]]:
    """A figure for each of the first ten of ``clips`` that has stored outputs.

    Args:
        rows: rows of the report; the first six that scored the clip are drawn.
        clips: worst first; those without a score are left out.
    """
    worst = [clip for clip in clips if clip.mean is not None][:CLIPS]
    if not worst:
        return []
    ids = [clip.clip_id for clip in worst]
    references = {
        row.record.data["data"]["name"]: stored.references(row.record, ids, SPAN_S)
        for _, row in reversed(_drawn(rows))
    }
    tracks = {i: stored.tracks(row.record, ids, SPAN_S) for i, row in _drawn(rows)}
    found = []
    for clip in worst:
        curves = _reference_curves(references.get(clip.dataset), clip.clip_id)
        curves += [
            trace
            for index, row in _drawn(rows)
            if row.record.data["data"]["name"] == clip.dataset
            for trace in _curves(tracks[index], clip.clip_id, index, row)
        ]
        if curves:
            found.append((clip, contour(curves)))
    return found


def _drawn(rows: Sequence[Row]) -> list[tuple[int, Row]]:
    return [(i, row) for i, row in enumerate(rows) if not row.failed][:ROWS]


def _curves(
    tracks: pd.DataFrame, clip_id: str, index: int, row: Row
) -> list[dict[str, Any]]:
    if tracks.empty or not {"f0_hz", "time_s", "voiced"} <= set(tracks.columns):
        return []
    frames = _of_clip(tracks, clip_id)
    return [curve(frames, row_name(index, row), line(index))] if len(frames) else []


def _of_clip(frames: pd.DataFrame, clip_id: str) -> pd.DataFrame:
    return frames[frames["clip_id"] == clip_id].sort_values("time_s")


def _reference_curves(
    references: pd.DataFrame | None, clip_id: str
) -> list[dict[str, Any]]:
    if references is None or references.empty:
        return []
    found = []
    for source, style in _REFERENCES.items():
        frames = _of_clip(references[references["source"] == source], clip_id)
        if len(frames):
            found.append(curve(frames, source, style))
    return found
