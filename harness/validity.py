"""Whether a record may be believed: valid, noisy, invalid, or not measured.

Read from ``record.json`` alone. *Invalid* is a cell whose clock is off, whose own
implementation depends on batch size, order or repetition, whose timed answer is not
the answer that was scored, or that failed. *Noisy* is a sound cell that was measured
on a disturbed machine. Peers are shown as they are: what would invalidate our own is a
note in their row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_OFFSET_S = 0.002
MAX_DRIFT_S_PER_MIN = 0.001
CONFIDENT = 1.96  # standard errors by which a clock must exceed its bound
CUDA_MAX_CENTS = 1.0  # atomics and kernel choice move a float32 result by less
CUDA_MAX_FLIPS = 0.001  # of all frames

VALID, NOISY, INVALID = "valid", "noisy", "invalid"
NOT_MEASURED = "not measured"

#: Sections of the probe that compare equal work, and what a difference means.
INVARIANCES: Mapping[str, str] = {
    "batch": "result depends on batch size",
    "order": "result depends on the order or company of clips",
    "repeat": "the same call gives another result",
}


def assess(record: Mapping[str, Any]) -> dict[str, Any]:
    """State of a record and the reasons for it.

    Args:
        record: the contents of ``record.json``, complete but for this entry.

    Returns:
        ``{"state": "valid" | "noisy" | "invalid" | "not measured", "reasons": [str]}``.
        A missing probe means that the clock is unknown, so the state is ``not
        measured`` even where time was; missing rounds leave a probed cell valid.
    """
    if record.get("status") == "skipped":
        return {"state": NOT_MEASURED, "reasons": [_error(record, "skipped")]}
    faults = [*_failed(record), *_clock_faults(record), *speed_faults(record)]
    if faults:
        return {"state": INVALID, "reasons": faults}
    missing = _missing(record)
    if missing:
        return {"state": NOT_MEASURED, "reasons": missing}
    noise = noise_of_rounds(record)
    if noise:
        return {"state": NOISY, "reasons": noise}
    rounds = record.get("rounds")
    return {"state": VALID, "reasons": [] if rounds else ["no timed round: no speed"]}


def _failed(record: Mapping[str, Any]) -> list[str]:
    return [_error(record, "error")] if record.get("status") == "error" else []


def _error(record: Mapping[str, Any], word: str) -> str:
    error = record.get("error")
    if not error:
        return f"{word}: no reason recorded"
    return f"{word}: {error.get('kind', 'unknown')}: {error.get('message', '')}"


def _missing(record: Mapping[str, Any]) -> list[str]:
    if record.get("accuracy_only"):
        return ["ready-made answers: nothing to probe or to time"]
    probe = record.get("probe")
    if not probe:
        return ["no probe: the clock is unknown"]
    if probe.get("offset_s") is None:
        notes = probe.get("notes", [])
        said = [note for note in notes if note.startswith("clock")]
        return [f"time offset unknown: {'; '.join(said) or 'not measured'}"]
    return []


def _clock_faults(record: Mapping[str, Any]) -> list[str]:
    probe = record.get("probe")
    if not probe:
        return []
    return probe_faults(probe, peer=bool(record.get("peer")), device=device_of(record))


def probe_faults(
    probe: Mapping[str, Any], *, peer: bool, device: str = "cpu"
) -> list[str]:
    """What in a probe invalidates its extractor, one line each with its bound.

    Args:
        probe: the ``probe`` entry of a record.
        peer: a foreign implementation; only its clock can invalidate it.
        device: on ``cpu`` equal means byte for byte, elsewhere within 1 cent and 0.1 %
            voicing flips.
    """
    faults = _clock(probe)
    if not peer:
        faults += [
            f"{meaning}: {_extent(probe[name])}"
            for name, meaning in INVARIANCES.items()
            if differs(probe.get(name), device)
        ]
    return faults


def _clock(probe: Mapping[str, Any]) -> list[str]:
    """A clock is off where its 95 % interval lies beyond the bound: random dither
    alone can move a point estimate across it.
    """
    checks = (
        ("time offset", "offset_s", "offset_se_s", MAX_OFFSET_S, "ms"),
        (
            "clock drift",
            "drift_s_per_min",
            "drift_se_s_per_min",
            MAX_DRIFT_S_PER_MIN,
            "ms/min",
        ),
    )
    faults = []
    for what, key, error_key, bound, unit in checks:
        value, error = probe.get(key), probe.get(error_key) or 0.0
        if value is not None and abs(value) - CONFIDENT * error > bound:
            faults.append(
                f"{what} {1e3 * value:+.2f} {unit} exceeds {1e3 * bound:.0f} {unit}"
            )
    return faults


def differs(entry: Mapping[str, Any] | None, device: str) -> bool:
    """Whether a comparison of equal work found an impermissible difference."""
    if entry is None or entry["identical"]:
        return False
    if device == "cpu":
        return True
    cents = entry.get("max_cents")
    flips = entry.get("flipped_ratio", entry["moved_ratio"])
    return bool((cents or 0.0) > CUDA_MAX_CENTS or flips > CUDA_MAX_FLIPS)


def _extent(entry: Mapping[str, Any]) -> str:
    moved, cents = entry["moved_ratio"], entry.get("max_cents")
    if moved:
        return f"{percent(moved)} of frames move > 50 cents"
    return "not identical" if cents is None else f"by at most {cents:.2g} cents"


def percent(ratio: float) -> str:
    """A ratio as a percentage that is never rounded to nothing: ``0.4 %``."""
    number = 100.0 * ratio
    return f"{number:.1f} %" if number >= 0.05 or number == 0 else f"{number:.1g} %"


def device_of(record: Mapping[str, Any]) -> str:
    """``cpu`` or ``cuda``, from the cell's axes."""
    return str(record.get("cell", {}).get("axes", {}).get("device", "cpu"))


def speed_faults(record: Mapping[str, Any]) -> list[str]:
    """Why the timed rounds say nothing about what was scored: empty or other answers.

    A peer that its probe shows to depend on company or repetition cannot be asked for
    equal answers; :func:`notes` tells of it instead.
    """
    faults = []
    for part in record.get("rounds") or []:
        found = part.get("consistency")
        if not found:
            continue
        number = part.get("n")
        if not found["clips"] or not found["frames"]:
            faults.append(f"speed: timed output of round {number} is empty")
        elif _too_many(record, found) and not _fickle_peer(record):
            faults.append(f"speed: in round {number} {_how_many(found)}")
    return faults


def _how_many(found: Mapping[str, Any]) -> str:
    if found["moved"]:
        what = f"{found['moved']:g} of {found['frames']:g} timed frames differ from"
        return f"{what} the accuracy pass"
    other = found["clips"] - found["identical"]
    what = f"{other:g} of {found['clips']:g} timed answers are not bit for bit"
    return f"{what} those of the accuracy pass"


def _too_many(record: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    if device_of(record) != "cpu":
        return bool(found["moved"] > CUDA_MAX_FLIPS * found["frames"])
    own = not record.get("peer")  # ours answer bit for bit alike on a CPU
    return bool(found["moved"] or (own and found["identical"] < found["clips"]))


def _fickle_peer(record: Mapping[str, Any]) -> bool:
    probe = record.get("probe") or {}
    sections = (probe.get(name) for name in ("order", "repeat"))
    return bool(record.get("peer")) and any(differs(entry, "cpu") for entry in sections)


def noise_of_rounds(record: Mapping[str, Any]) -> list[str]:
    """Disturbances of the machine during timed rounds, each said once."""
    from .meter.conditions import noise_reasons

    found: dict[str, None] = {}
    for part in record.get("rounds") or []:
        before, after = part.get("env_before"), part.get("env_after")
        if before and after:
            found.update(dict.fromkeys(noise_reasons(before, after)))
    return list(found)


def notes(record: Mapping[str, Any]) -> list[str]:
    """What a reader of the table should know about a cell that is no fault."""
    found = [*_peer_notes(record), *_missed(record), *_learnt(record)]
    seed = (record.get("probe") or {}).get("seed") or {}
    if seed.get("spread_cents"):
        found.append(
            f"result depends on the seed: {seed['spread_cents']:.1f} cents spread "
            f"over {seed.get('seeds', '?')} seeds"
        )
    return found + _seed_notes(record)


def _seed_notes(record: Mapping[str, Any]) -> list[str]:
    """Mean and extremes of the figure that dither moves most, over the seeds."""
    seeds = record.get("seeds") or {}
    values = [
        v for v in (seeds.get("metrics") or {}).get("rpa_10c", []) if v is not None
    ]
    if not values:
        return []
    low, mean, high = min(values), sum(values) / len(values), max(values)
    return [
        f"rpa_10c over {seeds['n']} seeds: mean {100 * mean:.1f} %, "
        f"{100 * low:.1f} to {100 * high:.1f} %"
    ]


def _peer_notes(record: Mapping[str, Any]) -> list[str]:
    if not record.get("peer"):
        return []
    probe = record.get("probe") or {}
    found = [
        f"{meaning} (peer): {_extent(probe[name])}"
        for name, meaning in INVARIANCES.items()
        if differs(probe.get(name), device_of(record))
    ]
    return found + _timed_notes(record)


def _timed_notes(record: Mapping[str, Any]) -> list[str]:
    parts = [part.get("consistency") for part in record.get("rounds") or []]
    shares = [p["moved"] / p["frames"] for p in parts if p and p["frames"]]
    worst = max(shares, default=0.0)
    if not worst or not _fickle_peer(record):
        return []
    return [f"timed answers differ from the scored ones (peer): {percent(worst)}"]


def _learnt(record: Mapping[str, Any]) -> list[str]:
    """Rows of one table that are scored on unlike clips must say so."""
    learnt = (record.get("voicing") or {}).get("learnt_on")
    if not learnt:
        return []
    where = f"{learnt['tag']} {learnt['value']}"
    clips = (record.get("data") or {}).get("clips") or 0
    return [f"{clips} clips are scored: θ was learnt on the others ({where})"]


def _missed(record: Mapping[str, Any]) -> list[str]:
    data = record.get("data") or {}
    missed, clips = data.get("clips_missed") or 0, data.get("clips") or 0
    if not missed:
        return []
    error = record.get("error") or {}
    why = f"; first: {error['message']}" if error.get("message") else ""
    return [f"{missed} of {clips} clips missed{why}"]
