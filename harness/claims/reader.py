"""Files of claims, read strictly and completely; nothing in them is executed.

::

    about: what was published, and where
    tolerance: 10 %          # of numbers and ranges; bounds are as stated
    sources: {api: API reference 1.0.0}
    hardware: {gb10: {text: NVIDIA GB10, gpu: GB10}}
    claims:
      - id: latency_gpu
        source: api
        text: F0 of one second of audio
        value: 1.76 ms       # or 63–100 x, < 5 s, ~3 s
        hardware: gb10       # a name from above, or any
        metric: latency_1s_p50_s
        where: {extractor: crepe, model: full, device: cuda}

``to: {…}`` makes the figure a ratio to another cell, ``audio: 42 min`` the time for so
much audio. ``untested: REASON`` stands in place of ``metric``; ``malformed: REASON`` or
``contradicted: REASON`` says what is wrong with the figure itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from extractors.errors import ConfigError, nearest
from harness.confdir import option_file
from harness.gate_entries import known_keys, one_of, selector
from harness.gate_rules import UNITS
from harness.metrics.base import Metric

from .model import ANY, FLAWS, FOREIGN_UNITS, TOLERANCE, Claim, Figure, Hardware, Ledger

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_FIGURE = re.compile(
    rf"(?P<sign><=|>=|<|>|~)?\s*(?P<low>{_NUMBER})(?:\s*[–-]\s*(?P<high>{_NUMBER}))?"
    r"\s*(?P<unit>\S*)"
)
_HEAD = ("about", "tolerance", "sources", "hardware", "claims")
_KEYS = (
    *("id", "source", "text", "value", "hardware", "metric", "where", "to", "audio"),
    *("untested", *FLAWS),
)
_NEEDED = ("source", "text", "value", "hardware")
#: The metric that the time for an amount of audio is worked out from.
SPEED = "x_realtime"


def load_claims(
    name: str, metrics: Mapping[str, Metric], conf_dirs: Sequence[Path]
) -> Ledger:
    """Read and check a file of claims.

    Args:
        name: name of a file in ``claims/`` of a configuration folder, or a path that
            ends in ``.yaml``.
        metrics: every metric that a claim may name.
        conf_dirs: configuration folders, first match wins.

    Raises:
        ConfigError: no such file, or an unknown key, name, unit or value in it.
    """
    import yaml

    if name.endswith((".yaml", ".yml")):
        path = Path(name).expanduser()
        if not path.is_file():
            raise ConfigError(f"claims={name}: no such file")
    else:
        path = option_file("claims", name, conf_dirs)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        text = " ".join(str(error).split())
        raise ConfigError(f"claims {path.name}: cannot be read: {text}") from None
    return parse_claims(path.stem, content, metrics)


def parse_claims(name: str, content: Any, metrics: Mapping[str, Metric]) -> Ledger:
    """Check the content of a file of claims; raises :class:`ConfigError`."""
    where = f"claims {name}"
    if not isinstance(content, dict) or not isinstance(content.get("claims"), list):
        raise ConfigError(f"{where}: expected a mapping with a list of claims")
    known_keys(where, content, _HEAD)
    sources = _mapping(f"{where}: sources", content.get("sources", {}))
    stated = _mapping(f"{where}: hardware", content.get("hardware", {}))
    hardware = {
        key: _hardware(f"{where}: hardware.{key}", v) for key, v in stated.items()
    }
    read = _Reader(where, sources, {**hardware, "any": ANY}, metrics)
    claims = tuple(read.claim(entry) for entry in content["claims"])
    ids = [claim.id for claim in claims]
    for twice in sorted({i for i in ids if ids.count(i) > 1}):
        raise ConfigError(f"{where}: two claims have the id '{twice}'; rename one")
    if not claims:
        raise ConfigError(f"{where}: it has no claims and would judge nothing")
    tolerance = _tolerance(f"{where}: tolerance", content.get("tolerance"))
    return Ledger(name, _line(content.get("about", "")), claims, tolerance)


class _Reader:
    """Reads the claims of one file against the names that its head declares."""

    def __init__(
        self,
        place: str,
        sources: Mapping[str, Any],
        hardware: Mapping[str, Hardware],
        metrics: Mapping[str, Metric],
    ) -> None:
        self.place = place
        self.sources = sources
        self.hardware = hardware
        self.metrics = metrics

    def claim(self, entry: Any) -> Claim:
        """One entry of the list."""
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            raise ConfigError(
                f"{self.place}: every claim is a mapping with an 'id': {entry}"
            )
        where = f"{self.place}: claim {entry['id']}"
        known_keys(where, entry, _KEYS)
        for key in _NEEDED:
            if key not in entry:
                raise ConfigError(f"{where}: '{key}' is missing")
        source = one_of(f"{where}: source", entry["source"], tuple(self.sources))
        flaw = [key for key in FLAWS if key in entry]
        if len(flaw) > 1:
            raise ConfigError(f"{where}: either {' or '.join(flaw)}, not both")
        machine = one_of(f"{where}: hardware", entry["hardware"], tuple(self.hardware))
        claim = Claim(
            id=entry["id"],
            source=_line(self.sources[source]),
            text=_line(entry["text"]),
            figure=parse_figure(f"{where}: value", entry["value"]),
            hardware=self.hardware[machine],
            flaw=flaw[0] if flaw else "",
            flaw_reason=_line(entry[flaw[0]]) if flaw else "",
            **self._test(where, entry),
        )
        _check_unit(where, claim)
        return claim

    def _test(self, where: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        """What tests the claim, or why nothing does."""
        if ("metric" in entry) == ("untested" in entry):
            raise ConfigError(f"{where}: name one of 'metric' and 'untested'")
        if "untested" in entry:
            stray = [key for key in ("where", "to", "audio") if key in entry]
            if stray or not _line(entry["untested"]):
                text = f"remove '{stray[0]}'" if stray else "untested needs a reason"
                raise ConfigError(f"{where}: {text}")
            return {"untested": _line(entry["untested"])}
        name = one_of(f"{where}: metric", entry["metric"], tuple(self.metrics))
        found: dict[str, Any] = {"metric": self.metrics[name]}
        found["where"] = selector(f"{where}: where", entry.get("where", {}))
        if "to" in entry:
            found["to"] = selector(f"{where}: to", entry["to"])
        if "audio" in entry:
            if name != SPEED or "to" in entry:
                raise ConfigError(f"{where}: 'audio' needs metric: {SPEED} and no 'to'")
            found["audio_s"] = _seconds(f"{where}: audio", entry["audio"])
        return found


def parse_figure(where: str, value: Any) -> Figure:
    """Read ``1.76 ms``, ``63–100 x``, ``< 5 s`` or ``~3 s``.

    Raises:
        ConfigError: not such a figure, a range upside down, or an unknown unit.
    """
    text = " ".join(str(value).split())
    found = None if isinstance(value, bool) else _FIGURE.fullmatch(text)
    if found is None:
        raise ConfigError(f'{where}={value}: expected "1.76 ms", "63–100 x" or "< 5 s"')
    unit = found["unit"] or "1"
    valid = (*UNITS, *FOREIGN_UNITS)
    if unit not in valid:
        raise ConfigError(
            f"{where}={value}: unknown unit '{unit}'{nearest(unit, valid)}"
        )
    low = float(found["low"])
    high = float(found["high"]) if found["high"] else low
    sign = (found["sign"] or "")[:1]
    if high < low or (found["high"] and sign in ("<", ">")):
        raise ConfigError(f"{where}={value}: expected one bound, or low–high")
    if sign == "<":
        return Figure(-math.inf, high, unit, text)
    if sign == ">":
        return Figure(low, math.inf, unit, text)
    return Figure(low, high, unit, text)


def _check_unit(where: str, claim: Claim) -> None:
    """Refuse a figure in a unit that its measurement does not have."""
    if claim.metric is None:
        return
    fits = UNITS.get(claim.figure.unit, ("", 1.0))[0]
    if fits == claim.unit:
        return
    valid = [name for name, (own, _) in UNITS.items() if own == claim.unit]
    raise ConfigError(
        f"{where}: value={claim.figure.text}: {claim.tested_by} is not measured in "
        f"{claim.figure.unit}; use {' or '.join(valid)}"
    )


def _hardware(where: str, entry: Any) -> Hardware:
    if not isinstance(entry, dict):
        raise ConfigError(f"{where}={entry}: expected a mapping, e.g. {{gpu: GB10}}")
    known_keys(where, entry, ("text", "gpu", "cpu", "cores"))
    cores = entry.get("cores")
    if cores is not None and (isinstance(cores, bool) or not isinstance(cores, int)):
        raise ConfigError(f"{where}.cores={cores}: expected a whole number")
    gpu, cpu = (_line(entry.get(key, "")) for key in ("gpu", "cpu"))
    if not (gpu or cpu or cores):
        raise ConfigError(f"{where}: state gpu, cpu or cores; 'any' needs no entry")
    return Hardware(_line(entry.get("text", "")) or gpu or cpu, gpu, cpu, cores)


def _seconds(where: str, value: Any) -> float:
    figure = parse_figure(where, value)
    fits, factor = UNITS.get(figure.unit, ("", 1.0))
    if fits != "s" or figure.low != figure.high or figure.low <= 0:
        raise ConfigError(f"{where}={value}: expected an amount of audio, e.g. 42 min")
    return figure.low * factor


def _tolerance(where: str, value: Any) -> float:
    if value is None:
        return TOLERANCE
    figure = parse_figure(where, value)
    if figure.unit != "%" or figure.low != figure.high:
        raise ConfigError(f"{where}={value}: expected a share, e.g. 10 %")
    return figure.low / 100.0


def _mapping(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}={value}: expected a mapping of names")
    return value


def _line(value: Any) -> str:
    return " ".join(str(value or "").split())
