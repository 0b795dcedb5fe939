"""Where the stages of a timed call ran, and what was copied between host and GPU.

Both are what the extractor says of its stages (:mod:`extractors.stages`) in one pass
over the timed set, the last of a round. A cell that runs on the CPU has none of these
values; nor has one on a GPU that tells of no copy at all, since audio begins in host
memory and answers end there: it does not count them, which is not the same as none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from extractors.stages import DIRECTIONS, STAGES

from .base import Metric, Value

Facts = Mapping[str, Mapping[str, Any]]
#: Stages that are no operation on the audio: reading a file, and the copies themselves.
NO_OPERATION = ("load", *DIRECTIONS)
NOT_STATED = "not stated"


def _metrics() -> Iterator[Metric]:
    for direction, way in zip(
        DIRECTIONS, ("from host to GPU", "from GPU to host"), strict=True
    ):
        told = f"{way} in one pass over the timed set, as the extractor counts them."
        yield Metric(
            f"{direction}_copies",
            "copies",
            "none",
            f"Copies {told}",
            label=f"{direction} copies",
        )
        yield Metric(
            f"{direction}_bytes",
            "bytes",
            "none",
            f"Bytes copied {told}",
            label=f"{direction} GiB",
        )
    yield Metric(
        "copies_per_batch",
        "copies/batch",
        "lower",
        "Copies from host to GPU, or back, whichever are more, over the calls of stage "
        "network: 1 where every batch goes there once and comes back once.",
        label="copies per batch",
    )
    yield Metric(
        "stages_off_gpu",
        "stages",
        "lower",
        "Stages of a cell on a GPU that did not run there, or do not say where; "
        "reading files and copies are no such stages.",
        label="stages off GPU",
    )


PLACEMENT: tuple[Metric, ...] = tuple(_metrics())


def stage_facts(record: Mapping[str, Any]) -> Facts | None:
    """What the extractor said of its stages, by stage in the order of a call.

    ``None`` where no pass over the timed set was heard.
    """
    for part in reversed(record.get("rounds") or ()):
        found: Facts | None = part.get("stages")
        if found is not None:
            return {name: found[name] for name in STAGES if name in found}
    return None


def stages_by_device(facts: Facts) -> dict[str, list[str]]:
    """Stages that worked, by device; :data:`NOT_STATED` is the last one."""
    found: dict[str, list[str]] = {}
    for name, said in facts.items():
        for device in said["devices"] if name not in DIRECTIONS else ():
            found.setdefault(device or NOT_STATED, []).append(name)
    return dict(sorted(found.items(), key=lambda entry: entry[0] == NOT_STATED))


def placement_values(
    record: Mapping[str, Any], device: str, no_speed: str
) -> dict[str, Value]:
    """Every metric of :data:`PLACEMENT` for one record.

    Args:
        record: contents of ``record.json``.
        device: that the cell runs on.
        no_speed: why nothing was timed, or an empty string.
    """
    facts = stage_facts(record)
    reason = ""
    if not device.startswith("cuda"):
        reason = "not on a GPU"
    elif facts is None:
        reason = no_speed or "scenario offline was not measured"
    elif not facts:
        reason = "the extractor marks no stage"
    if reason or facts is None:
        return {metric.name: Value(None, reason=reason) for metric in PLACEMENT}
    return {**_copies(facts), "stages_off_gpu": _off_gpu(facts)}


def _copies(facts: Facts) -> dict[str, Value]:
    names = [f"{way}_{what}" for way in DIRECTIONS for what in ("copies", "bytes")]
    total = {name: sum(said[name] for said in facts.values()) for name in names}
    most = max(total[f"{way}_copies"] for way in DIRECTIONS)
    if not most:
        reason = "the extractor does not count its copies"
        missing = Value(None, reason=reason)
        return {**dict.fromkeys(names, missing), "copies_per_batch": missing}
    batches = facts["network"]["calls"] if "network" in facts else 0
    return {
        **{name: Value(float(count), n=1) for name, count in total.items()},
        "copies_per_batch": Value(most / batches, n=batches)
        if batches
        else Value(None, reason="stage network did not occur"),
    }


def _off_gpu(facts: Facts) -> Value:
    working = {n: said for n, said in facts.items() if n not in NO_OPERATION}
    off = [n for n, said in working.items() if set(said["devices"]) != {"cuda"}]
    return Value(float(len(off)), n=len(working), reason=", ".join(off))
