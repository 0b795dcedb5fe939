"""The probe against oracles: trackers that know the contour and err as told."""

from __future__ import annotations

import itertools
import json
from typing import ClassVar

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.base import F0Extractor
from extractors.errors import UnavailableError
from extractors.track import F0Track, FrameGrid
from harness import probe_checks as checks
from harness import probe_signals as signals
from harness.probe import contract_broken, probe, render

FMIN, FMAX, HOP_S, SEED = 50.0, 1100.0, 0.01, 0
RANGE = {"fmin": FMIN, "fmax": FMAX, "hop_s": HOP_S, "seed": SEED}


def answers():
    """Contour and period of every pitched signal of the quick probe, by its bytes."""
    sr, dose = checks.SAMPLE_RATE, checks.QUICK
    contour = signals.zigzag(FMIN, FMAX)
    chirp = signals.repeated(signals.harmonic(contour, sr), dose.periods)
    found = {chirp.samples.tobytes(): contour}
    for hz in np.geomspace(*checks.TONES_HZ, dose.tones):
        tone = signals.steady(float(hz), dose.tone_s)
        found[signals.harmonic(tone, sr).samples.tobytes()] = tone
    return found


@pytest.fixture(scope="module", autouse=True)
def synthesised_once():
    """The signals of every probe here are the same: make each only once."""
    original, made = signals.harmonic, {}

    def remembered(contour, sr, peak=signals.PEAK):
        parts = (contour.times, contour.starts, contour.slopes)
        key = (sr, peak, *(part.tobytes() for part in parts))
        if key not in made:
            made[key] = original(contour, sr, peak)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signals, "harmonic", remembered)
        yield


@pytest.fixture(scope="module")
def known(synthesised_once):
    return answers()


class Oracle(F0Extractor):
    """Answers the contour itself, shifted, biased or drifting as told."""

    name = "oracle"
    known: ClassVar[dict] = {}

    def __init__(
        self, *, offset_s=0.0, bias_cents=0.0, drift_s_per_min=0.0, hop_s=HOP_S
    ):
        self.offset_s = offset_s
        self.bias_cents = bias_cents
        self.drift_s_per_min = drift_s_per_min
        self.grid = FrameGrid(hop_s)
        self.heard_s = 0.0

    def extract(self, clips):
        self.heard_s += sum(clip.seconds for clip in clips)
        return [self.track(clip) for clip in clips]

    def track(self, clip: Audio) -> F0Track:
        times = self.grid.times(self.grid.n_frames(len(clip.samples), clip.sr))
        cents = self.cents(clip, times) + self.bias_cents
        voiced = np.full(len(times), bool(np.abs(clip.samples).max() > 1e-3))
        return F0Track(times, 2 ** (cents / 1200), voiced, voiced.astype(np.float32))

    def cents(self, clip, times):
        contour = self.known.get(clip.samples.tobytes())
        if contour is None:
            return np.full(len(times), signals.to_cents(200.0))
        drift = self.drift_s_per_min / 60 * (times - clip.seconds / 2)
        return contour.at(np.mod(times - self.offset_s - drift, contour.seconds))


@pytest.fixture
def build(known):
    def builder(kind=Oracle, **params):
        def construct(**overrides):
            system = kind(**params, **overrides)
            system.known = known
            return system

        return construct

    return builder


def quick(construct):
    return probe(construct, **RANGE, quick=True)


@pytest.mark.parametrize(
    ("offset_s", "bias_cents", "drift_s_per_min"),
    [
        (0.0, 0.0, 0.0),
        (0.008, 10.0, 0.0),
        (-0.008, -10.0, 0.0),
        (0.032, 0.0, 0.0),
        (0.0, 3.0, 0.0015),
        (-0.001, 0.0, -0.24),  # a hop of 220 instead of 220.5 samples drifts so
    ],
)
def test_clock_is_measured(build, offset_s, bias_cents, drift_s_per_min):
    found = quick(
        build(offset_s=offset_s, bias_cents=bias_cents, drift_s_per_min=drift_s_per_min)
    )
    assert found["offset_s"] == pytest.approx(offset_s, abs=1e-4)
    assert found["bias_cents"] == pytest.approx(bias_cents, abs=0.2)
    assert found["drift_s_per_min"] == pytest.approx(drift_s_per_min, abs=1e-5)
    assert found["offset_se_s"] < 1e-5
    assert found["frames"] > 1000


def test_hop_need_not_divide_the_period(known):
    def construct(**overrides):
        system = Oracle(offset_s=0.004, hop_s=0.0116, **overrides)
        system.known = known
        return system

    found = probe(construct, **{**RANGE, "hop_s": 0.0116}, quick=True)
    assert found["offset_s"] == pytest.approx(0.004, abs=1e-4)
    assert found["drift_s_per_min"] == pytest.approx(0.0, abs=1e-5)


class Noisy(Oracle):
    """Errs by ± 20 cents at random, and by an octave in one frame of ten."""

    def cents(self, clip, times):
        rng = np.random.default_rng(len(times))
        error = rng.triangular(-20, 0, 20, len(times))
        return (
            super().cents(clip, times) + error - 1200 * (rng.random(len(times)) < 0.1)
        )


def test_octave_errors_and_dither_leave_the_offset(build):
    found = quick(build(Noisy, offset_s=0.008))
    error = found["offset_s"] - 0.008
    assert abs(error) < 4 * found["offset_se_s"] < 0.003
    assert abs(found["drift_s_per_min"]) < 4 * found["drift_se_s_per_min"]


class Deaf(Oracle):
    def cents(self, clip, times):
        return np.full(len(times), signals.to_cents(60.0))


def test_an_untracked_chirp_is_null_with_the_reason(build):
    found = quick(build(Deaf))
    assert found["offset_s"] is None and found["drift_s_per_min"] is None
    assert "too few" in next(n for n in found["notes"] if n.startswith("clock"))


def test_oracle_keeps_the_contract(build):
    found = quick(build())
    assert contract_broken(found, peer=False) == []
    assert found["range"]["tracked_ratio"] == 1.0
    assert found["range"]["octave_ratio"] == 0.0
    assert found["range"]["lowest_hz"] == pytest.approx(40.0)
    assert found["range"]["highest_hz"] == pytest.approx(2000.0)
    assert found["batch"] is None and found["seed"] is None
    assert found["order"]["identical"] and found["repeat"]["identical"]
    assert found["silence"]["zero"] == 0.0
    assert found["silence"]["dc"] == 1.0  # the oracle's voicing is a peak detector
    assert found["silence_voiced_ratio"] == pytest.approx(1 / 3)
    assert found["notes"] == []
    json.dumps(found, allow_nan=False)


def test_late_oracle_breaks_it(build):
    broken = contract_broken(quick(build(offset_s=0.008)), peer=True)
    assert broken == ["time offset +8.00 ms exceeds 2 ms"]


class Folding(Oracle):
    """Folds what lies above 1100 Hz an octave down, as a masked pitch table does."""

    def cents(self, clip, times):
        cents = super().cents(clip, times)
        return np.where(cents > signals.to_cents(1100.0), cents - 1200.0, cents)


def test_folding_is_seen(build):
    found = quick(build(Folding))["range"]
    assert found["fold_ratio"] == pytest.approx(0.5)  # 2000 Hz, not 40 Hz
    assert found["highest_hz"] < 1100.0


class Batchy(Oracle):
    """Decodes each batch by itself and loses the last frame of every batch."""

    axes: ClassVar[dict] = {"batch_size": None}

    def __init__(self, *, batch_size=512, **params):
        super().__init__(**params)
        self.batch_size = batch_size

    def cents(self, clip, times):
        last = np.arange(len(times)) % self.batch_size == self.batch_size - 1
        return super().cents(clip, times) + 1200.0 * last


class Sound(Batchy):
    def cents(self, clip, times):
        return Oracle.cents(self, clip, times)


def test_batch_dependence(build):
    found = quick(build(Batchy))
    assert found["batch"]["sizes"] == [1, 7, 512]
    assert found["batch"]["moved_ratio"] == 1.0  # size 1 moves every frame
    assert not found["batch"]["identical"]
    assert found["batch"]["max_cents"] == pytest.approx(1200.0, abs=0.01)
    assert "batch size" in contract_broken(found, peer=False)[0]
    assert contract_broken(found, peer=True) == []
    assert quick(build(Sound))["batch"]["identical"]


class Sociable(Oracle):
    """Its pitch depends on how many clips came along."""

    def extract(self, clips):
        self.bias_cents = 100.0 * (len(clips) - 1)
        return super().extract(clips)


def test_company_dependence(build):
    found = quick(build(Sociable))
    assert found["order"]["moved_ratio"] == 1.0
    assert found["order"]["max_cents"] == pytest.approx(100.0, abs=0.01)
    assert found["repeat"]["identical"]


class Flaky(Oracle):
    """The same call never gives the same answer twice: 0.01 cents more each time."""

    calls = itertools.count()

    def cents(self, clip, times):
        return super().cents(clip, times) + 0.01 * next(self.calls)


def test_repetition(build):
    found = quick(build(Flaky))
    assert not found["repeat"]["identical"]
    assert found["repeat"]["moved_ratio"] == 0.0
    assert "same call" in " ".join(contract_broken(found, peer=False))


class Dithering(Oracle):
    """Gaussian dither of 12 cents from a source that can be re-seeded."""

    def reseed(self, seed):
        self.rng = np.random.default_rng(seed)

    def cents(self, clip, times):
        return super().cents(clip, times) + self.rng.normal(0, 12, len(times))


def test_seed_spread(build):
    found = quick(build(Dithering))
    assert found["repeat"]["identical"]
    assert found["seed"]["spread_cents"] == pytest.approx(12.0, rel=0.25)


class Quiet(Oracle):
    """Hears nothing below −30 dB of full scale."""

    def track(self, clip):
        track = super().track(clip)
        heard = bool(np.abs(clip.samples).max() > 10 ** (-30 / 20))
        return F0Track(track.times, track.f0, track.voiced & heard, track.confidence)


def test_level_dependence(build):
    found = quick(build(Quiet))
    assert found["level_moved_ratio"] == 1.0
    assert found["level"]["clipped_moved_ratio"] == 0.0
    assert quick(build())["level_moved_ratio"] == 0.0


class Breaking(Oracle):
    def track(self, clip):
        if clip.seconds > 10:
            raise ValueError("no memory for so long a clip")
        return super().track(clip)


def test_a_failing_section_leaves_the_others(build):
    found = quick(build(Breaking))
    assert found["offset_s"] is None
    assert found["repeat"]["identical"]
    assert found["notes"] == [
        "clock: not measured, ValueError: no memory for so long a clip"
    ]
    assert contract_broken(found, peer=True) == found["notes"]


def test_an_absent_device_passes_through():
    def construct(**overrides):
        raise UnavailableError("no CUDA device")

    with pytest.raises(UnavailableError):
        quick(construct)


@pytest.mark.parametrize(("brief", "most_s"), [(True, 28.0), (False, 66.0)])
def test_little_audio(known, brief, most_s):
    built = []

    def construct(**overrides):
        built.append(Sound(**overrides))
        built[-1].known = known
        return built[-1]

    probe(construct, **RANGE, quick=brief)
    assert sum(system.heard_s for system in built) < most_s


def test_render_shows_what_was_found(build):
    text = render(quick(build(Batchy, offset_s=0.008, bias_cents=10.0)))
    assert "time offset  +8.000 ±" in text
    assert "+10.00 cents" in text
    assert "differs: 100.0 % of frames move" in text
    broken = render(quick(build(Breaking)))
    assert "time offset  –" in broken and "note: clock" in broken


def test_render_shows_the_probe_of_another_task():
    """A spectrogram has a clock, and answers that repeat or do not; no pitch."""
    clock = {"offset_s": 0.001, "offset_se_s": 1e-4}
    clock |= {"drift_s_per_min": 0.0, "drift_se_s_per_min": 1e-4}
    order = {"identical": False, "moved_ratio": 0.25, "max_cents": None}
    sections = {"order": order, "repeat": {**order, "identical": True}}
    found = {**clock, "frames": 40, "bias_cents": None, **sections, "notes": []}
    names = [line.split("  ")[0] for line in render(found).splitlines()]
    assert names == ["time offset", "clock drift", "order", "repeat"]
    assert "time offset  +1.000 ± 0.100 ms" in render(found)
    assert "differs: 25.0 % of frames move" in render(found)


# signals


def test_phase_is_the_integral_of_the_pitch():
    contour = signals.zigzag(FMIN, FMAX)
    times = np.arange(0.0, contour.seconds, 1e-4)
    inside = contour.from_knot(times + 5e-5) > 1e-4
    slope = np.diff(contour.phase(times)) / 1e-4
    middle = 2 ** (contour.at(times[:-1] + 5e-5) / 1200)
    error = 1200 * np.log2(slope / middle)
    assert np.abs(error[inside[:-1]]).max() < 1e-3
    steady = signals.steady(100.0, 1.0)
    assert steady.phase(np.array([0.5]))[0] == pytest.approx(50.0)


@pytest.mark.parametrize(("fmin", "fmax"), [(50, 1100), (60, 500), (200, 240)])
def test_zigzag_is_balanced_and_inside_the_range(fmin, fmax):
    contour = signals.zigzag(fmin, fmax)
    ends = contour.starts + contour.slopes * np.diff(contour.times)
    hz = 2 ** (np.concatenate([contour.starts, ends]) / 1200)
    assert fmin < hz.min() and hz.max() < fmax
    assert contour.slopes.sum() == pytest.approx(0.0)
    # every rise is met by a fall over the same pitches
    np.testing.assert_allclose(contour.starts[::2], ends[1::2])


def test_harmonics_stay_below_nyquist():
    sr = 8000
    audio = signals.harmonic(signals.steady(500.0, 1.0), sr)
    power = np.abs(np.fft.rfft(audio.samples)) ** 2
    assert power[round(0.9 * sr / 2) + 20 :].sum() < 1e-6 * power.sum()
    assert np.argmax(power) == 500  # 1 Hz per bin
    assert power[1000] / power[500] == pytest.approx(0.25, rel=0.02)
    assert np.abs(audio.samples).max() == pytest.approx(0.9, abs=1e-3)


def test_levels_and_silences():
    voice = signals.voice(200.0, 0.5, 16_000, seed=1)
    assert np.abs(voice.samples).max() == pytest.approx(0.9, abs=1e-6)
    again = signals.voice(200.0, 0.5, 16_000, seed=1)
    assert again.samples.tobytes() == voice.samples.tobytes()
    loud = signals.scaled(voice, 20.0)
    assert loud.samples.max() == 1.0
    low = signals.scaled(voice, -40.0)
    np.testing.assert_allclose(low.samples, voice.samples / 100, atol=1e-8)
    quiet = signals.silences(1.0, 16_000, seed=1)
    assert not quiet["zero"].samples.any()
    level = 20 * np.log10(quiet["noise_minus_90db"].samples.std())
    assert level == pytest.approx(-90.0, abs=0.5)


# comparison of answers


def track(f0, voiced):
    times = np.arange(len(f0)) * 0.01
    return F0Track(times, np.array(f0), np.array(voiced, bool), np.ones(len(f0)))


def test_compare_by_hand():
    a = track([100, 100, 100, 100], [1, 1, 1, 0])
    b = track([100, 100 * 2 ** (51 / 1200), 100, 200], [1, 1, 0, 0])
    found = checks.compare([a], [b])
    assert found["moved_ratio"] == 0.5  # one jump, one flip; unvoiced pitch is free
    assert found["flipped_ratio"] == 0.25
    assert found["max_cents"] == pytest.approx(51.0, abs=0.01)
    assert not found["identical"]
    assert checks.compare([a], [a]) == {
        "moved_ratio": 0.0,
        "flipped_ratio": 0.0,
        "max_cents": 0.0,
        "identical": True,
    }
    short = track([100, 100], [1, 1])
    assert checks.compare([a], [short])["moved_ratio"] == 1.0
