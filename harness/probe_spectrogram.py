"""What the probe asks of a spectrogram: when, and whether it always says the same.

The clock is heard by clicks at known times. A window is symmetric about the centre of
its frame, so the energy of a click has its centre of mass, over the frames that see it,
at the click. Sampled at the hop that centre is off by a part of a hop that depends on
where in the hop the click lies; the clicks lie everywhere, so it averages out. A line
through what is left over time gives offset and drift with their standard errors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.audio import Audio
from extractors.base import Extractor
from extractors.spectrogram.definition import Definition, Spectrogram

from .probe_line import clock_line

CLICKS, QUICK_CLICKS = 40, 20
SILENT_S = 0.3  # between what one click reaches and what the next one does

_Floats = NDArray[np.float64]


def probe(
    system: Extractor, definition: Definition, *, seed: int, quick: bool
) -> dict[str, Any]:
    """Measure the clock and the invariances of a loaded spectrogram extractor.

    Args:
        system: answers with :class:`Spectrogram`.
        definition: what it was asked for.
        seed: of the noise and of where the clicks lie.
        quick: half as many clicks.

    Returns:
        ``offset_s, offset_se_s, drift_s_per_min, drift_se_s_per_min, frames``, the
        sections ``order`` and ``repeat`` and ``notes``, as :func:`harness.probe.probe`
        has them.
    """
    rng = np.random.default_rng(seed)
    audio, times = _clicks(definition, QUICK_CLICKS if quick else CLICKS, rng)
    errors = _centres(system.extract([audio])[0], times, definition) - times
    return {
        **clock_line(times, errors),
        "frames": len(times),
        "bias_cents": None,
        **_invariances(system, definition, rng),
        "notes": [],
    }


def _clicks(
    definition: Definition, count: int, rng: np.random.Generator
) -> tuple[Audio, _Floats]:
    """Clicks further apart than any window reaches; their times in s."""
    sr = definition.sample_rate
    step = 2 * definition.reach + definition.hop_length + round(SILENT_S * sr)
    places = (np.arange(count) + 1) * step
    places += rng.integers(0, definition.hop_length, count)
    samples = np.zeros(places[-1] + step, np.float32)
    samples[places] = 0.5
    return Audio(samples, sr), places / sr


def _centres(found: Spectrogram, times: _Floats, definition: Definition) -> _Floats:
    """Centre of mass in s of what every click leaves in the frames around it."""
    values = found.values.astype(np.float64)
    energy = (values if definition.transform == "mel" else values**2).sum(axis=0)
    reach_s = definition.reach / definition.sample_rate + definition.hop_s
    centres = []
    for time in times:
        near = np.abs(found.times - time) <= reach_s
        weight = float(energy[near].sum())
        mass = float((energy[near] * found.times[near]).sum())
        centres.append(mass / weight if weight else np.nan)
    return np.array(centres)


def _invariances(
    system: Extractor, definition: Definition, rng: np.random.Generator
) -> dict[str, Any]:
    """Noises of unlike length in two orders, alone, and twice."""
    sr = definition.sample_rate
    clips = [
        Audio(0.1 * rng.standard_normal(n).astype(np.float32), sr)
        for n in (sr, 2 * sr + 7, sr + sr // 2)
    ]
    first = system.extract(clips)
    turned = system.extract(clips[::-1])[::-1]
    alone = [system.extract([clip])[0] for clip in clips]
    again = system.extract(clips)
    order = [*zip(first, turned, strict=True), *zip(first, alone, strict=True)]
    return {
        "order": _compared(order),
        "repeat": _compared(list(zip(first, again, strict=True))),
    }


def _compared(pairs: list[tuple[Spectrogram, Spectrogram]]) -> dict[str, Any]:
    same = all(
        a.values.shape == b.values.shape and np.array_equal(a.values, b.values)
        for a, b in pairs
    )
    moved = [_moved(a.values, b.values) for a, b in pairs]
    return {"identical": same, "moved_ratio": max(moved), "max_cents": None}


def _moved(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Share of values that differ by more than 1e-4 of the largest."""
    if a.shape != b.shape:
        return 1.0
    return float((np.abs(a - b) > 1e-4 * a.max()).mean())
