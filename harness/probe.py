"""What an extractor does to signals whose answer is known: its contract, measured.

Runs inside a worker, on an extractor that the caller builds. The quick probe gives it
less than 30 s of audio, the full one about a minute; every section stands alone, and
one that fails leaves its reason in ``notes`` and its values null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from extractors.audio import Audio
from extractors.errors import UnavailableError
from extractors.track import F0Track

from . import probe_checks as checks
from . import probe_signals as signals
from .probe_checks import FULL, QUICK, SAMPLE_RATE, Build, Dose, Subject
from .probe_clock import Clock, measure
from .validity import probe_faults

VOICE_HZ = 200.0


def probe(
    build: Build,
    *,
    fmin: float,
    fmax: float,
    hop_s: float,
    seed: int,
    batch_sizes: Sequence[int] = (1, 7, 512),
    quick: bool = False,
) -> dict[str, Any]:
    """Measure clock, range, silence, level, batch, order, repeat and seed behaviour.

    Args:
        build: ``build(**overrides)`` constructs and loads the extractor; called with
            ``batch_size=…`` only where the class declares that axis.
        fmin, fmax: range in Hz that the extractor was asked for.
        hop_s: hop in seconds that it was asked for.
        seed: seed of the signals' noise and of every call.
        batch_sizes: sizes that must not change the result.
        quick: less than 30 s of audio in all instead of about a minute.

    Returns:
        Plain JSON: ``offset_s`` (track time minus true time, positive is late),
        ``offset_se_s, drift_s_per_min, drift_se_s_per_min, bias_cents, frames``, the
        sections ``range, silence, level, batch, order, repeat, seed`` (``None`` where
        they do not apply or failed), the ratios ``silence_voiced_ratio`` and
        ``level_moved_ratio``, and ``notes``.

    Raises:
        UnavailableError: device or package absent; other errors of the first ``build``
            pass through too, later ones become notes.
    """
    dose, subject = (QUICK if quick else FULL), Subject(build(), seed)
    voices = _voices(dose, seed)
    notes: list[str] = []
    together = _section("voices", notes, lambda: subject.run(voices))
    result: dict[str, Any] = _clock(subject, dose, notes, fmin, fmax, hop_s)
    tones = _section(
        "range", notes, lambda: checks.tone_range(subject, dose, fmin, fmax)
    )
    silence = _section("silence", notes, lambda: checks.silence_voiced(subject, dose))
    voiced = None if silence is None else silence["voiced_ratio"]
    result |= {"range": tones, "silence": silence, "silence_voiced_ratio": voiced}
    result |= _comparisons(subject, build, voices, together, dose, batch_sizes, notes)
    return {**result, "notes": notes}


def _voices(dose: Dose, seed: int) -> list[Audio]:
    return [
        signals.voice(VOICE_HZ * 1.3**i, seconds, SAMPLE_RATE, seed + i)
        for i, seconds in enumerate(dose.voices_s)
    ]


def _section(name: str, notes: list[str], work: Callable[[], Any]) -> Any:
    """The outcome of one section, or ``None`` and a note where it fails."""
    try:
        return work()
    except UnavailableError:
        raise
    except Exception as error:  # whatever a foreign extractor raises is a finding
        text = " ".join(str(error).split())[:200] or "no message"
        notes.append(f"{name}: not measured, {type(error).__name__}: {text}")
        return None


def _clock(
    subject: Subject,
    dose: Dose,
    notes: list[str],
    fmin: float,
    fmax: float,
    hop_s: float,
) -> dict[str, Any]:
    contour = signals.zigzag(fmin, fmax)
    chirp = signals.repeated(signals.harmonic(contour, SAMPLE_RATE), dose.periods)
    clock = _section(
        "clock",
        notes,
        lambda: measure(subject.one(chirp), contour, dose.periods, hop_s),
    )
    values = asdict(clock or Clock())
    reason = values.pop("reason")
    if reason:
        notes.append(f"clock: {reason}")
    return values


def _comparisons(
    subject: Subject,
    build: Build,
    voices: Sequence[Audio],
    together: list[F0Track] | None,
    dose: Dose,
    batch_sizes: Sequence[int],
    notes: list[str],
) -> dict[str, Any]:
    """Sections that compare a call with the call on the same voices, together."""
    names = ("level", "batch", "order", "repeat", "seed")
    if together is None:
        return dict.fromkeys((*names, "level_moved_ratio"))
    work: dict[str, Callable[[], Any]] = {
        "level": lambda: checks.levels(subject, voices[0], dose.levels_db),
        "batch": lambda: checks.batch_sizes_agree(subject, build, voices, batch_sizes),
        "order": lambda: checks.order(subject, voices, together),
        "repeat": lambda: checks.compare(together, subject.run(voices)),
        "seed": lambda: checks.seed_spread(subject, voices, together, dose.seeds),
    }
    found: dict[str, Any] = {n: _section(n, notes, work[n]) for n in names}
    found["level_moved_ratio"] = found["level"] and found["level"]["moved_ratio"]
    return found


def contract_broken(
    result: Mapping[str, Any], peer: bool, device: str = "cpu"
) -> list[str]:
    """What of the contract this probe found broken, one line each.

    Args:
        result: what :func:`probe` returned.
        peer: a foreign implementation, whose dependence on batch, order or repetition
            is no fault.
        device: where it ran; on ``cpu`` equal means byte for byte.
    """
    unmeasured = [note for note in result["notes"] if "not measured" in note]
    return [*probe_faults(result, peer=peer, device=device), *unmeasured]


def render(result: Mapping[str, Any]) -> str:
    """The result as aligned lines of plain text, undefined values as a dash.

    Another task's probe has the clock, ``order`` and ``repeat`` alone; rows of what it
    does not ask are left out.
    """
    rows = [*_clock_rows(result), *_check_rows(result)]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {text}" for name, text in rows]
    return "\n".join([*lines, *(f"note: {note}" for note in result["notes"])])


def _clock_rows(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    offset, drift = _ms(result["offset_s"]), _ms(result["drift_s_per_min"])
    rows = [
        (
            "time offset",
            f"{offset} ± {_plain(_ms(result['offset_se_s']))} ms "
            "(stamps late if positive; standard error)",
        ),
        (
            "clock drift",
            f"{drift} ± {_plain(_ms(result['drift_se_s_per_min']))} ms per minute",
        ),
    ]
    if "usable" not in result:  # no chirp: clicks, or a ramp of loudness
        return rows
    return [
        *rows,
        ("pitch bias", f"{_signed(result['bias_cents'])} cents"),
        ("frames", f"{result['frames']} of {result['usable']} tracked on the chirp"),
    ]


def _check_rows(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "range" in result:
        tones = result["range"] or {}
        yield (
            "range",
            f"{_hertz(tones.get('lowest_hz'))}–{_hertz(tones.get('highest_hz'))} Hz, "
            f"octave errors {_percent(tones.get('octave_ratio'))}; out of range "
            f"{_percent(tones.get('fold_ratio'))} voiced at a wrong pitch",
        )
    if "silence" in result:
        yield "silence", f"{_percent(result['silence_voiced_ratio'])} called voiced"
    if "level" in result:
        level = result["level"] or {}
        yield (
            "level",
            f"{_percent(result['level_moved_ratio'])} of frames move; clipped "
            f"{_percent(level.get('clipped_moved_ratio'))}",
        )
    for name in ("batch", "order", "repeat"):
        if name in result:
            yield {"batch": "batch size"}.get(name, name), _same(result[name])
    if "seed" in result:
        seed = result["seed"] or {}
        known = seed.get("spread_cents") is not None
        yield "seed", _spread(seed) if known else "–"


def _spread(seed: Mapping[str, Any]) -> str:
    return f"{seed['spread_cents']:.2f} cents spread over {seed['seeds']} seeds"


def _same(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return "–"
    if entry["identical"]:
        return "identical"
    cents = entry["max_cents"]
    apart = "" if cents is None else f", {cents:.3g} cents at most"
    return f"differs: {_percent(entry['moved_ratio'])} of frames move{apart}"


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1e3 * seconds:+.3f}"


def _plain(text: str) -> str:
    return text.removeprefix("+")


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _hertz(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _percent(ratio: float | None) -> str:
    return "–" if ratio is None else f"{100.0 * ratio:.1f} %"
