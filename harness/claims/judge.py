"""Claims held against the records of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.gate_facts import Summaries, matches, value_of, why_missing
from harness.gate_rules import CONTEXT_KEYS, SUBJECT_KEYS, Selector
from harness.gate_sides import ratio
from harness.metrics.base import Value
from harness.pairing import HARDWARE
from harness.records import Record, Run
from harness.validity import device_of

from .model import (
    BETTER,
    NOT_MEASURED,
    NOT_REPRODUCED,
    OTHER_HARDWARE,
    REPRODUCED,
    STATUSES,
    Claim,
    Finding,
    Ledger,
)

_WORDS = {
    REPRODUCED: "as stated",
    BETTER: "better than stated",
    NOT_REPRODUCED: "not as stated",
}


def check(ledger: Ledger, run: Run, summaries: Summaries) -> list[Finding]:
    """Hold every claim against every cell that tests it.

    Args:
        ledger: from :func:`harness.claims.reader.load_claims`.
        run: the measured cells.
        summaries: metric values by cell key.

    Returns:
        At least one finding per claim, in the order of the file; a claim that several
        cells test has one for each.
    """
    return [
        finding
        for claim in ledger.claims
        for finding in _findings(claim, run, summaries, ledger.tolerance)
    ]


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """How often each status occurs, without those that do not."""
    found = [finding.status for finding in findings]
    return {name: found.count(name) for name in STATUSES if name in found}


def _findings(
    claim: Claim, run: Run, summaries: Summaries, tolerance: float
) -> Iterator[Finding]:
    if claim.metric is None:
        yield _settled(claim, NOT_MEASURED, claim.untested)
        return
    records = _chosen(run, claim.where)
    if not records:
        text = f"no cell of this run tests it; needs {claim.tested_by}"
        yield _settled(claim, NOT_MEASURED, text)
    for record in records:
        value = _measured(claim, record, run, summaries)
        if value.value is None:
            yield _settled(claim, NOT_MEASURED, why_missing(record, value), record)
            continue
        status, reason = _judged(claim, value, _machine(run, record), record, tolerance)
        yield _settled(claim, status, reason, record, value)


def _settled(
    claim: Claim,
    status: str,
    reason: str,
    record: Record | None = None,
    value: Value | None = None,
) -> Finding:
    """A finding; what is wrong with the figure itself outweighs any measurement."""
    found = value or Value(None)
    if claim.flaw:
        more = f"; measured: {reason}" if found.value is not None else ""
        return Finding(claim, claim.flaw, claim.flaw_reason + more, found, record)
    return Finding(claim, status, reason, found, record)


def _chosen(run: Run, selector: Selector) -> list[Record]:
    keys = (*SUBJECT_KEYS, *CONTEXT_KEYS)
    return [record for record in run.records if matches(record, selector, keys)]


def _machine(run: Run, record: Record) -> Mapping[str, object]:
    """Hardware of a record; that of its run where it has none of its own."""
    own = record.data.get("environment") or {}
    return {
        **(run.plan.get("machine") or {}),
        **{k: own[k] for k in HARDWARE if k in own},
    }


def _measured(claim: Claim, record: Record, run: Run, summaries: Summaries) -> Value:
    """What the claim's figure is held against, in SI units."""
    assert claim.metric is not None
    own = value_of(summaries.get(record.key, {}), claim.metric.name)
    if own.value is None:
        return own
    if claim.audio_s is not None:
        return _time_of(claim.audio_s, own)
    if claim.to is None:
        return own
    return _against(claim, record, own, run, summaries)


def _time_of(audio_s: float, speed: Value) -> Value:
    """Seconds for ``audio_s`` of audio at a measured speed, interval turned over."""
    assert speed.value is not None
    if speed.value <= 0:
        return Value(None, reason=f"a speed of {speed.value} × real time gives no time")
    whole = Value(audio_s, audio_s, audio_s, speed.n)
    return ratio(whole, speed)


def _against(
    claim: Claim, record: Record, own: Value, run: Run, summaries: Summaries
) -> Value:
    """The ratio to the cell that ``to`` names, given so that more is better."""
    assert claim.metric is not None and claim.to is not None
    work = ("task", "dataset")
    others = [
        other
        for other in _chosen(run, claim.to)
        if other.key != record.key
        and all(other.data["cell"][k] == record.data["cell"][k] for k in work)
    ]
    if len(others) != 1:
        count = "no cell" if not others else f"{len(others)} cells"
        return Value(None, reason=f"{count} to compare with; needs {claim.tested_by}")
    other = value_of(summaries.get(others[0].key, {}), claim.metric.name)
    sides = (other, own) if claim.metric.direction == "lower" else (own, other)
    if other.value is None:
        return Value(None, reason=why_missing(others[0], other))
    return ratio(*sides)


def _judged(
    claim: Claim,
    value: Value,
    machine: Mapping[str, object],
    record: Record,
    tolerance: float,
) -> tuple[str, str]:
    validity = record.data["validity"]
    if validity["state"] == "invalid":
        return NOT_MEASURED, f"the record is invalid: {'; '.join(validity['reasons'])}"
    status, reason = compare(claim, value, tolerance)
    reason += "; the record is noisy" if validity["state"] == "noisy" else ""
    if claim.audio_s is not None:
        seconds = (record.data.get("data") or {}).get("seconds") or 0.0
        if seconds < claim.audio_s:
            reason += f"; extrapolated from {seconds:.3g} s of audio"
    other = claim.hardware.differs(machine, device_of(record.data))
    if not other:
        return status, reason
    stated = f"stated for {claim.hardware.text}, measured on {other}"
    return OTHER_HARDWARE, f"{stated}: {_WORDS[status]}; {reason}"


def compare(claim: Claim, value: Value, tolerance: float) -> tuple[str, str]:
    """Status and reason of a measured value, whatever it was measured on.

    A figure stated as a plain number or range is met where the interval of the
    measurement, or its point without one, touches it ± ``tolerance``; a bound is met
    where the point lies within.
    """
    assert value.value is not None
    low, high = claim.figure.within(tolerance)
    if claim.figure.is_bound:
        return _bounded(claim, value, low, high)
    ends = (value.value, value.value) if None in (value.low, value.high) else None
    bottom, top = ends or (value.low, value.high)
    assert bottom is not None and top is not None
    text = f"{claim.figure.text.lstrip('~')} ± {100 * tolerance:g} %"
    if bottom <= high and top >= low:
        return REPRODUCED, f"within {text}"
    above = bottom > high
    good = {"higher": above, "lower": not above}.get(claim.direction, False)
    side = "above" if above else "below"
    return (BETTER if good else NOT_REPRODUCED), f"{side} {text}"


def _bounded(claim: Claim, value: Value, low: float, high: float) -> tuple[str, str]:
    """A bound is met or not, by the point."""
    assert value.value is not None
    if low < value.value < high:
        return REPRODUCED, f"within {claim.figure.text}"
    return NOT_REPRODUCED, f"beyond {claim.figure.text}"
