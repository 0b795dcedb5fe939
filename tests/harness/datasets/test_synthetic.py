"""The embedded set: exact truth, exact reproducibility, constant memory."""

import subprocess
import sys
import tracemalloc
from hashlib import sha256
from itertools import islice

import numpy as np
import pytest

from extractors.errors import ConfigError
from harness.config import DatasetConfig
from harness.datasets.synthetic import KINDS, Synthetic, perform, render, truth
from harness.datasets.voice import Contour, Segment, envelope, periodic, phase_of


def clips(**config):
    return list(Synthetic(DatasetConfig(**config)).clips())


@pytest.fixture(scope="module")
def minute():
    """The default set: clip, audio and truth of each clip."""
    return [(clip, clip.load(), clip.truth()) for clip in clips()]


def named(kind_name, **config):
    return next(c for c in clips(**config) if c.id.endswith(kind_name))


def test_one_minute_in_24_clips(minute):
    assert len(minute) == 24
    assert len({clip.id for clip, _, _ in minute}) == 24
    assert sum(audio.seconds for _, audio, _ in minute) == pytest.approx(60.0)


def test_kinds_rates_and_tags_are_covered():
    tags = [clip.tags for clip in clips()]
    kinds = {"voice", "tone", "glide", "vibrato", "singing", "silence"}
    assert {t["kind"] for t in tags} == kinds
    assert {t["register"] for t in tags} == {"low", "mid", "high", "none"}
    noisy = {(t["noise"], t["snr"]) for t in tags if t["noise"] != "none"}
    assert noisy == {(n, f"{s} dB") for n in ("white", "babble") for s in (20, 10, 0)}
    assert {kind.sr for kind in KINDS} == {16000, 22050, 44100}


def test_pitch_spans_what_is_promised():
    """Every seed stays in range; ten seeds together come near its ends."""
    lows, highs = [], []
    for seed in range(10):
        for index, kind in enumerate(KINDS):
            f0 = truth(kind, seed, index).f0
            if kind.kind != "silence":
                lows.append(np.nanmin(f0))
                highs.append(np.nanmax(f0))
    assert 49.9 < min(lows) < 55
    assert 1000 < max(highs) < 1100


def test_the_same_seed_gives_the_same_bits_in_another_process():
    code = (
        "from hashlib import sha256; from harness.config import DatasetConfig;"
        "from harness.datasets.synthetic import Synthetic;"
        "clips = list(Synthetic(DatasetConfig(seed=3, limit=7)).clips());"
        "print(*[sha256(c.load().samples).hexdigest() for c in reversed(clips)])"
    )
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    here = [sha256(c.load().samples).hexdigest() for c in clips(seed=3, limit=7)]
    assert out.split() == here[::-1]


def test_another_seed_gives_another_voice():
    first, second = clips(seed=1, limit=1)[0], clips(seed=2, limit=1)[0]
    assert not np.array_equal(first.load().samples, second.load().samples)


def test_longer_sets_begin_with_shorter_ones_and_repeat_kinds_anew():
    long, short = clips(seconds=120), clips()
    assert [c.id for c in long[:24]] == [c.id for c in short]
    assert len(long) == 48
    assert long[24].id == "00024-voice_low"
    assert not np.array_equal(long[24].load().samples, long[0].load().samples)


def test_an_hour_is_listed_and_streamed_in_constant_memory():
    stream = Synthetic(DatasetConfig(seconds=3600)).clips()
    next(stream).load()
    tracemalloc.start()
    try:
        for clip in islice(stream, 120):
            assert clip.id
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1e6
    assert 121 + sum(1 for _ in stream) == 60 * 24


def test_truth_lies_on_its_grid_inside_the_audio(minute):
    for _, audio, reference in minute:
        assert reference.kind == "exact"
        assert reference.seconds == pytest.approx(audio.seconds)
        np.testing.assert_allclose(
            reference.times, np.arange(len(reference.times)) * 0.01, atol=1e-12
        )
        assert np.array_equal(np.isnan(reference.f0), ~reference.voiced)


def test_silence_is_digital_silence_without_voice():
    clip = named("silence")
    assert not clip.load().samples.any()
    assert not clip.truth().voiced.any()


def test_levels_leave_headroom(minute):
    for _, audio, _ in minute:
        peak = np.abs(audio.samples).max()
        assert peak == 0 or peak == pytest.approx(0.7, rel=1e-6)


def test_exponential_chirp_follows_its_closed_form():
    """φ(t) = 2π f₀ (rᵗ − 1) / ln r for f = f₀ rᵗ."""
    sr, ratio = 16000, 4.0
    contour = Contour(np.array([0.0, 1.0]), np.log2([100.0, 400.0]), smooth=False)
    times = np.arange(sr) / sr
    np.testing.assert_allclose(contour(times), 100 * ratio**times, rtol=1e-12)
    exact = 2 * np.pi * 100 * (ratio**times - 1) / np.log(ratio)
    np.testing.assert_allclose(phase_of(contour(times), sr), exact, atol=1e-4)


def test_harmonics_are_exact_multiples_of_the_phase():
    """A pitch-synchronous resampling of a gliding voice has period one exactly.

    At equal phases of successive periods a signal of locked harmonics with slowly
    varying amplitudes repeats; a filter delay would break that at a fast glide.
    """
    sr = 44100
    contour = Contour(np.array([0.0, 1.0]), np.log2([100.0, 200.0]), smooth=False)
    signal = periodic(contour, sr, sr, np.array([0, 0]))
    phase = phase_of(contour(np.arange(sr) / sr), sr) / (2 * np.pi)
    grid = np.arange(10, 100, 1 / 64)
    from scipy.interpolate import CubicSpline

    periods = CubicSpline(phase, signal)(grid).reshape(-1, 64)
    step = np.sqrt(np.mean(np.diff(periods, axis=0) ** 2) / np.mean(periods**2))
    assert step < 0.06  # formants pass through; unlocked harmonics give about 1
    tilt = np.arange(1, 9)
    tract = np.abs(np.fft.rfft(periods[0]))[1:9] * tilt  # F0 is 107 Hz here
    assert tract.argmax() + 1 in (6, 7)  # F1 of the vowel lies at 730 Hz


def test_no_energy_above_the_band_at_16_khz():
    contour = Contour(np.array([0.0, 1.0]), np.log2([500.0, 530.0]), smooth=False)
    signal = periodic(contour, 16000, 16000, np.array([1, 3]))
    power = np.abs(np.fft.rfft(signal * np.hanning(16000))) ** 2
    assert power[7500:].sum() < 1e-6 * power.sum()


def test_the_source_is_on_exactly_inside_its_segment():
    gate = envelope([Segment(0.1, 0.3)], 8000, 16000, voiced=True)
    times = np.arange(8000) / 16000
    assert not gate[(times <= 0.1) | (times >= 0.3)].any()
    assert (gate[(times > 0.1) & (times < 0.3)] > 0).all()
    np.testing.assert_allclose(gate[(times > 0.1051) & (times < 0.2949)], 1.0)
    assert gate[int(0.1025 * 16000)] == pytest.approx(0.5, abs=0.01)


def test_signal_to_noise_ratio_is_as_stated():
    """Noise is what remains outside the segments, where nothing else sounds."""
    for name, snr_db in (("voice_white_20db", 20), ("voice_white_0db", 0)):
        index = next(i for i, kind in enumerate(KINDS) if kind.name == name)
        samples = render(KINDS[index], 0, index).samples.astype(float)
        rng = np.random.Generator(
            np.random.PCG64(np.random.SeedSequence([0, index, 0]))
        )
        segments = perform(KINDS[index], rng).segments
        times = np.arange(len(samples)) / 16000
        sounding = np.zeros(len(samples), bool)
        voiced = np.zeros(len(samples), bool)
        for segment in segments:
            inside = (times > segment.start) & (times < segment.stop)
            sounding |= inside
            voiced |= inside & segment.voiced
        noise = np.mean(samples[~sounding] ** 2)
        voice = np.mean(samples[voiced] ** 2) - noise
        assert 10 * np.log10(voice / noise) == pytest.approx(snr_db, abs=0.5)


def autocorrelation_pitch(samples, sr, centre, fmin, fmax):
    """Parabolic peak of the normalised cross-correlation of two windows at a lag."""
    width, top = int(0.03 * sr), int(np.ceil(sr / fmin)) + 2
    lags = np.arange(int(sr / fmax) - 1, top)
    scores = []
    for lag in lags:
        start = centre - (width + lag) // 2
        a, b = samples[start : start + width], samples[start + lag :][:width]
        scores.append(a @ b / np.sqrt((a @ a) * (b @ b)))
    best = int(np.argmax(scores[1:-1])) + 1
    below, top_score, above = scores[best - 1 : best + 2]
    shift = 0.5 * (below - above) / (below - 2 * top_score + above)
    return sr / (lags[best] + shift)


@pytest.mark.parametrize("name", ["tone_mid", "vibrato_mid", "glide_up", "voice_high"])
def test_an_independent_measurement_finds_the_stated_pitch(name):
    clip = named(name)
    audio, reference = clip.load(), clip.truth()
    samples = audio.samples.astype(float)
    inner = reference.voiced.copy()
    for shift in (-3, -2, -1, 1, 2, 3):
        inner &= np.roll(reference.voiced, shift)
    errors = []
    for i in np.flatnonzero(inner)[::7]:
        f0 = reference.f0[i]
        centre = round(reference.times[i] * audio.sr)
        found = autocorrelation_pitch(samples, audio.sr, centre, f0 / 1.2, f0 * 1.2)
        errors.append(1200 * np.log2(found / f0))
    assert len(errors) >= 12
    assert abs(np.median(errors)) < 3
    assert np.percentile(np.abs(errors), 80) < 15


def test_identity_names_all_that_clips_depend_on():
    identity = Synthetic(DatasetConfig(seed=4, seconds=120)).identity()
    assert (identity["seed"], identity["seconds"]) == (4, 120.0)
    assert identity["generator"] == "synthetic" and identity["version"] >= 1


def test_user_tags_apply_to_ids():
    clip = clips(limit=1, tags={"who": r"-(\w+?)_"})[0]
    assert clip.tags["who"] == "voice"


@pytest.mark.parametrize("config", [{"seed": -1}, {"seconds": 0}, {"seconds": np.nan}])
def test_bad_parameters_are_refused(config):
    with pytest.raises(ConfigError):
        Synthetic(DatasetConfig(**config))
