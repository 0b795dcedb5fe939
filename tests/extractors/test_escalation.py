"""Zones in generated recordings: where they are known to be, and nowhere else."""

import numpy as np
import pytest

from extractors.errors import ConfigError, InputError
from extractors.escalation import (
    EscalationRule,
    WindowEvidence,
    find_zones,
    levels_db,
)
from extractors.service import AudioFeatureService

SR = 16000
HOP = 0.5
QUICK = {"window_s": 0.3, "hop_s": 0.15}


def recording(*parts):
    """Parts ``(seconds, F0 in Hz, level in dB)``, in one phase; 0 Hz is silence."""
    seconds, hz, level = np.array(parts, float).T
    counts = (seconds * SR).astype(int)
    f0, gain = np.repeat(hz, counts), np.repeat(10 ** (level / 20), counts)
    phase = 2 * np.pi * np.cumsum(f0) / SR
    wave = sum(np.sin(k * phase) / k for k in range(1, 6))
    noise = np.random.default_rng(0).standard_normal(len(wave))
    voiced = gain * (f0 > 0)
    return (0.05 * (voiced * wave + 0.003 * noise)).astype(np.float32)


@pytest.fixture(scope="module")
def service():
    return AudioFeatureService(use_gpu=False, model="tiny")


def test_a_known_zone_is_found_where_it_is(service):
    audio = recording((4, 150, 0), (2, 200, 8), (2, 150, 0))
    (zone,) = service.detect_emotional_escalation(audio, SR)
    assert zone.start_s == pytest.approx(4, abs=HOP)
    assert zone.end_s == pytest.approx(6, abs=HOP)
    assert zone.rise_db == pytest.approx(8, abs=0.5)
    assert zone.rise_percent == pytest.approx(100 / 3, abs=1.5)
    assert zone.baseline_hz == pytest.approx(150, rel=0.01)
    assert zone.f0_hz == pytest.approx(200, rel=0.01)
    assert zone.level_db - zone.baseline_db == pytest.approx(zone.rise_db)
    assert zone.coverage > 0.9
    assert 0.5 < zone.confidence <= 1
    assert service.gpu_backend.record.infer_calls == 1


@pytest.mark.parametrize(
    "middle", [(1, 150, 8), (1, 200, 0), (1, 200, -8), (1, 100, 8), (1, 160, 8)]
)
def test_one_of_the_two_alone_is_no_zone(service, middle):
    audio = recording((1.5, 150, 0), middle, (0.5, 150, 0))
    assert service.detect_emotional_escalation(audio, SR, **QUICK) == []


def test_two_zones_and_shared_frames(service):
    audio = recording(
        (1.5, 120, 0), (1, 170, 6), (1, 120, 0), (1, 180, 9), (1, 0, 0), (1, 120, 0)
    )
    zones = service.detect_emotional_escalation(audio, SR, **QUICK)
    starts = [zone.start_s for zone in zones]
    assert starts == pytest.approx([1.5, 3.5], abs=0.15)
    assert [zone.end_s for zone in zones] == pytest.approx([2.5, 4.5], abs=0.15)
    shared = service.detect_emotional_escalation(audio, SR, share_frames=True, **QUICK)
    assert zones == shared


def test_shorter_than_a_window(service):
    with pytest.raises(InputError, match="shorter than one window"):
        service.detect_emotional_escalation(np.zeros(SR // 2), SR)


# -- the rule by itself, on windows half a second apart


def zones_of(levels, f0, rule=None, coverage=None):
    n = len(levels)
    evidence = WindowEvidence(
        centre_s=np.arange(n) * HOP + 0.5,
        level_db=np.array(levels, float),
        f0_hz=np.array(f0, float),
        coverage=np.ones(n) if coverage is None else np.array(coverage, float),
        confidence=np.full(n, 0.9),
    )
    return find_zones(evidence, HOP, rule or EscalationRule())


NAN = float("nan")


def test_thresholds_are_inclusive():
    calm = [-30.0] * 4, [100.0] * 4
    assert zones_of([*calm[0], -27.0], [*calm[1], 110.01])
    assert not zones_of([*calm[0], -27.1], [*calm[1], 110.01])
    assert not zones_of([*calm[0], -27.0], [*calm[1], 109.9])


def test_edges_are_half_a_hop_around_the_centres():
    (zone,) = zones_of([-30] * 4 + [-20] * 2 + [-30], [100] * 4 + [150] * 2 + [100])
    assert zone.start_s == 4 * HOP + 0.5 - HOP / 2
    assert zone.end_s == 5 * HOP + 0.5 + HOP / 2
    assert zone.windows == 2


def test_nothing_is_raised_without_a_baseline():
    assert zones_of([-30, -30, -10], [100, 100, 200]) == []
    assert len(zones_of([-30, -30, -30, -10], [100, 100, 100, 200])) == 1


def test_the_baseline_stands_still_in_a_zone():
    (zone,) = zones_of([-30] * 4 + [-20] * 40, [100] * 4 + [150] * 40)
    assert zone.windows == 40
    assert zone.baseline_hz == pytest.approx(100)


def test_a_slow_rise_is_no_zone():
    levels, f0 = np.linspace(-30, -10, 200), np.geomspace(100, 200, 200)
    assert zones_of(levels, f0, EscalationRule(baseline_s=2)) == []
    assert zones_of(levels, f0, EscalationRule(baseline_s=np.inf))  # all that was


def test_short_gaps_are_bridged_and_long_ones_end_a_zone():
    def found(gap):
        levels = [-30] * 4 + [-20] * 2 + [-90] * gap + [-20] * 2
        return zones_of(levels, [100] * 4 + [150] * 2 + [NAN] * gap + [150] * 2)

    assert [zone.windows for zone in found(2)] == [4]
    assert [zone.windows for zone in found(3)] == [2, 2]


def test_unvoiced_windows_are_no_baseline():
    levels = [-30] * 4 + [-80] * 10 + [-30] * 2
    assert zones_of(levels, [100] * 4 + [NAN] * 10 + [120] * 2) == []


def test_windows_of_little_coverage_are_unknown():
    levels, f0 = [-30] * 4 + [-20], [100] * 4 + [150]
    assert zones_of(levels, f0, coverage=[1] * 4 + [0.1]) == []
    assert len(zones_of(levels, f0, coverage=[1] * 4 + [0.2])) == 1


def test_level_of_full_scale_and_of_silence():
    windows = np.stack([np.ones(100, np.float32), np.zeros(100, np.float32)])
    assert levels_db(windows) == pytest.approx([0, -200])


@pytest.mark.parametrize(
    "options",
    [
        {"min_rise_db": 0},
        {"min_rise_percent": -1},
        {"baseline_s": 0},
        {"max_gap_s": -1},
        {"min_coverage": 0},
    ],
)
def test_wrong_rules(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        EscalationRule(**options)
