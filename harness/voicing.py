"""Rules of voicing: an extractor's own decision, one threshold, or a learnt one.

``native`` is what the extractor decides. ``fixed(θ)`` gives its constructor the
threshold. ``calibrated(TAG=VALUE)`` learns the threshold on the clips whose tag has
that value and scores all the others: no clip is scored at a threshold that was learnt
on it. The key of a cell holds the rule, its record the threshold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from extractors.errors import ConfigError, DatasetError, nearest

if TYPE_CHECKING:
    from .cell import Cell
    from .data import Data
    from .datasets.registry import ClipInfo

_EXPECTED = (
    "expected native, fixed(θ) with θ in [0, 1], e.g. fixed(0.5), or "
    "calibrated(TAG=VALUE), e.g. calibrated(split=train)"
)


@dataclass(frozen=True)
class Calibration:
    """The rule ``calibrated(TAG=VALUE)``.

    Attributes:
        tag: name of a tag of the clips, e.g. ``speaker`` or ``split``.
        value: clips with this value teach the threshold; all others are scored.
    """

    tag: str
    value: str

    @classmethod
    def of(cls, rule: str) -> Calibration | None:
        """Read a normalised rule; ``None`` for every other kind."""
        found = re.fullmatch(r"calibrated\(([^=]+)=(.+)\)", rule)
        return cls(found[1], found[2]) if found else None

    def __str__(self) -> str:
        return f"calibrated({self.tag}={self.value})"

    def teaches(self, tags: Mapping[str, str]) -> bool:
        """Whether a clip with these tags is learnt on."""
        return tags.get(self.tag) == self.value


def voicing_rule(value: Any) -> str:
    """Normalise ``native``, ``fixed(θ)`` with θ in [0, 1] or ``calibrated(TAG=VALUE)``.

    Raises:
        ConfigError: anything else.
    """
    text = str(value).strip()
    if text.startswith("calibrated"):
        return _calibrated(text)
    bare = text.replace(" ", "")
    if bare == "native":
        return bare
    found = re.fullmatch(r"fixed\((\d*\.?\d+)\)", bare)
    if found is None or not 0 <= float(found[1]) <= 1:
        raise ConfigError(f"voicing={value}: {_EXPECTED}")
    return f"fixed({float(found[1])})"


def _calibrated(text: str) -> str:
    """Blanks and quotes around tag and value carry no meaning, those inside do."""
    found = re.fullmatch(r"calibrated\s*\(([^=]*)=(.*)\)", text)
    parts = [part.strip().strip("'\"") for part in found.groups()] if found else []
    if not parts or not all(parts):
        raise ConfigError(
            f"voicing={text}: expected calibrated(TAG=VALUE), e.g. "
            "calibrated(split=train); for thresholds learnt across all values of a "
            "tag: f0bench report RUN --calibrate TAG"
        )
    return str(Calibration(*parts))


def fixed_threshold(voicing: str) -> float | None:
    """θ of ``fixed(θ)``, ``None`` for every other rule."""
    return float(voicing[6:-1]) if voicing.startswith("fixed(") else None


def check_calibrations(found: Iterable[tuple[Cell, Data]]) -> None:
    """Refuse rules that the scanned clips cannot serve, before anything is extracted.

    Args:
        found: every cell with its data set.

    Raises:
        ConfigError: a tag or value that no clip has, or nothing left to score.
        DatasetError: no clip to learn on has a truth with a voiced frame.
    """
    for cell, data in found:
        rule = Calibration.of(cell.voicing)
        if rule is not None:
            _check(rule, data.name, data.clips)


def _check(rule: Calibration, name: str, clips: Iterable[ClipInfo]) -> None:
    clips = list(clips)
    values = {clip.tags[rule.tag] for clip in clips if rule.tag in clip.tags}
    if not values:
        known = {tag for clip in clips for tag in clip.tags}
        raise ConfigError(
            f"voicing={rule}: no clip of {name} has the tag {rule.tag}"
            + (nearest(rule.tag, known) or f"; add dataset.tags.{rule.tag}=REGEX")
        )
    own = [clip for clip in clips if rule.teaches(clip.tags)]
    where = f"{rule.tag} {rule.value}"
    if not own:
        raise ConfigError(
            f"voicing={rule}: no clip of {name} has {where}"
            f"{nearest(rule.value, values)}"
        )
    if len(own) == len(clips):
        raise ConfigError(
            f"voicing={rule}: all {len(own)} clips of {name} have {where}, so that "
            "none is left to score; add clips with another value"
        )
    if not any(clip.has_truth for clip in own):
        raise DatasetError(
            f"voicing={rule}: no clip of {name} with {where} has a truth to learn on; "
            "give labels (dataset.truth) or use voicing=native"
        )
    if not any(clip.has_voiced for clip in own):
        raise DatasetError(
            f"voicing={rule}: no truth of {name} with {where} has a voiced frame, so "
            "no threshold can be learnt; learn on another value"
        )
