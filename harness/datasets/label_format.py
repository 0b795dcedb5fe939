"""What a label file holds: formats, their presets, and overrides from a configuration.

Conventions:

- ``time`` is in seconds; ``offset`` is added to every label time.
- Without a ``time`` column row ``k`` is centred at ``k · hop + offset``.
- ``cents`` count from 10 Hz, as CREPE's do: ``f = 10 · 2^(c / 1200)``; ``midi`` and
  ``semitone`` are MIDI note numbers: ``f = 440 · 2^((m − 69) / 12)``.
- Voicing is coded in the value as written, before the unit is converted. A column
  named ``voiced`` overrides nothing but can add unvoiced rows: values up to 0.5 are
  unvoiced and keep their pitch value. (So ``columns=[time, f0, voiced]`` reads CREPE's
  confidence as a voicing decision at 0.5.)
- A column named ``_`` or ``confidence`` is ignored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from extractors.errors import ConfigError, nearest

from ..config import DatasetConfig

COLUMNS = ("time", "f0", "voiced", "confidence", "_")
UNITS = ("hz", "midi", "semitone", "cents")
UNVOICED = ("zero", "nan", "negative", "nonpositive")
GAPS = ("unlabelled", "unvoiced")


@dataclass(frozen=True)
class LabelFormat:
    """What a label file holds; see the module's conventions.

    Attributes:
        columns: names out of ``time, f0, voiced, confidence, _`` in file order.
        unit: of the ``f0`` column: ``hz``, ``midi``, ``semitone`` or ``cents``.
        hop: seconds between rows; needed where there is no ``time`` column.
        offset: seconds added to every label time.
        separator: column separator; ``None`` is white space, comma or semicolon.
        skip: lines to skip at the top.
        unvoiced: ``zero`` (0), ``nan`` (NaN or an empty field), ``negative`` (0, or a
            negative value whose magnitude is the pitch value) or ``nonpositive``
            (0 or negative, without a pitch value).
        gaps: what holes in the grid mean, ``unlabelled`` or ``unvoiced``; ``None``
            refuses files with holes.
        note: where the conventions of a preset come from.
    """

    columns: tuple[str, ...] = ("time", "f0")
    unit: str = "hz"
    hop: float | None = None
    offset: float = 0.0
    separator: str | None = None
    skip: int = 0
    unvoiced: str = "zero"
    gaps: str | None = None
    note: str = ""

    @property
    def has_time(self) -> bool:
        """Whether the file carries its own clock."""
        return "time" in self.columns


PRESETS: Mapping[str, LabelFormat] = {
    "csv": LabelFormat(note="time in s, F0 in Hz, 0 = unvoiced; as in Vocadito"),
    "f0ref": LabelFormat(
        ("f0",),
        hop=0.015,
        offset=0.0015,
        note="FDA evaluation database: Hz per line, frame k centred at k·15 + 1.5 ms",
    ),
    "ptdb": LabelFormat(
        ("f0", "_", "_", "_"),
        hop=0.01,
        offset=0.0217,
        note="PTDB-TUG .f0 (F0, voiced, RMS, peak autocorrelation) from RAPT on the "
        "laryngograph; its documentation states a window of 32 ms every 10 ms, so at "
        "least 16 ms; 21.7 ms is what the pitch-benchmark project measured against "
        "three trackers. Verify with f0bench check",
    ),
    "mir1k": LabelFormat(
        ("f0",),
        unit="semitone",
        hop=0.02,
        offset=0.02,
        note="MIR-1K .pv: MIDI note per line, 40 ms frames every 20 ms from t = 0, so "
        "frame k is centred at (k + 1) · 20 ms; the voice is dataset.channel=1",
    ),
    "crepe": LabelFormat(
        ("time", "f0", "confidence"),
        unvoiced="nonpositive",
        note="time,frequency,confidence of CREPE; every positive F0 is voiced",
    ),
    "mir_eval": LabelFormat(
        unvoiced="negative",
        note="time in s, F0 in Hz; ≤ 0 = unvoiced, −f keeps the pitch value f",
    ),
}


def label_format(config: DatasetConfig) -> LabelFormat:
    """The format that a configuration asks for: a preset and its overrides.

    Raises:
        ConfigError: unknown preset, column, unit or code, a hop that is not positive,
            or neither a ``time`` column nor a hop.
    """
    name = config.labels or "csv"
    if name not in PRESETS:
        raise ConfigError(f"dataset.labels={name}: unknown{nearest(name, PRESETS)}")
    stated = {
        field.name: getattr(config, field.name)
        for field in fields(LabelFormat)
        if getattr(config, field.name, None) is not None
    }
    if "columns" in stated:
        stated["columns"] = tuple(stated["columns"])
    fmt = replace(PRESETS[name], **stated)
    _check_names(fmt)
    _check_numbers(fmt)
    return fmt


def _check_names(fmt: LabelFormat) -> None:
    for column in fmt.columns:
        _one_of("columns", column, COLUMNS)
    for column in ("time", "f0", "voiced"):
        if fmt.columns.count(column) > 1:
            raise ConfigError(f"dataset.columns names '{column}' twice")
    if "f0" not in fmt.columns:
        raise ConfigError(f"dataset.columns={list(fmt.columns)} must name 'f0'")
    _one_of("unit", fmt.unit, UNITS)
    _one_of("unvoiced", fmt.unvoiced, UNVOICED)
    if fmt.gaps is not None:
        _one_of("gaps", fmt.gaps, GAPS)


def _one_of(key: str, value: str, valid: tuple[str, ...]) -> None:
    if value not in valid:
        raise ConfigError(f"dataset.{key}={value}: unknown{nearest(value, valid)}")


def _check_numbers(fmt: LabelFormat) -> None:
    if fmt.hop is not None and not 0 < fmt.hop <= 10:
        raise ConfigError(f"dataset.hop={fmt.hop} must lie in (0, 10] seconds")
    if fmt.hop is None and not fmt.has_time:
        raise ConfigError(
            "labels without a time column need dataset.hop, the seconds between rows"
        )
    if not math.isfinite(fmt.offset):
        raise ConfigError(f"dataset.offset={fmt.offset} must be a number of seconds")
    if fmt.skip < 0:
        raise ConfigError(f"dataset.skip={fmt.skip} must not be negative")
