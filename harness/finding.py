"""What a check of the machine found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail", "info"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: ``ok``; ``info``, something optional is absent; ``warn``, measuring works
            but the numbers deserve less trust; ``fail``, f0bench cannot run.
        topic: what was looked at.
        text: what was found.
        remedy: what to do about it, a command where there is one.
    """

    level: Level
    topic: str
    text: str
    remedy: str = ""
