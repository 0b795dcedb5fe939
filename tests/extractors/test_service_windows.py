"""Windows are framed alone: neighbours, batches and their order never show."""

import numpy as np
import pytest

from extractors.crepe import Crepe
from extractors.errors import ConfigError, InputError
from extractors.gpu_backend import GPUAudioBackend
from extractors.service_audio import Windows, as_audio, service_grid
from extractors.torch_crepe_extractor import TorchCrepeExtractor
from extractors.track import F0Track
from extractors.windows import mean_hz, median_cents, plan_windows, summarise

FIELDS = ("times", "f0", "voiced", "confidence")


def tone(hz, seconds=0.3, sr=16000, gain=0.1, seed=0):
    t = np.arange(round(seconds * sr)) / sr
    wave = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 6))
    noise = np.random.default_rng(seed).standard_normal(len(t))
    return (gain * (wave + 0.01 * noise)).astype(np.float32)


def bits(track):
    return tuple(getattr(track, name).tobytes() for name in FIELDS)


@pytest.fixture(scope="module")
def crepe():
    return TorchCrepeExtractor("tiny", "cpu", batch_size=64)


@pytest.fixture(scope="module")
def backend():
    return GPUAudioBackend(use_gpu=False, model="tiny")


SHAPES = [
    (3, 1600, 16000, None),
    (1, 6000, 16000, None),
    (5, 777, 16000, 160),
    (4, 1, 16000, None),
    (2, 511, 8000, 37),
    (3, 4410, 44100, None),
    (2, 5000, 22050, 220),
    (2, 3000, 11025, 1000),
    (0, 1600, 16000, None),
]


@pytest.mark.parametrize(("count", "samples", "sr", "hop"), SHAPES)
def test_frames_of_a_window_are_those_of_the_window_alone(
    crepe, count, samples, sr, hop
):
    rng = np.random.default_rng(samples + count)
    windows = rng.standard_normal((count, samples)).astype(np.float32) * 0.1
    if samples > 100:
        windows += tone(180, samples / sr, sr)
    together = list(crepe.window_tracks(windows, sr, hop_length=hop))
    assert len(together) == count
    step = hop or sr // 100
    for window, track in zip(windows, together, strict=True):
        assert len(track) == 1 + samples // step
        alone = crepe.track(window, sr, hop_length=hop)
        assert bits(alone) == bits(track)


@pytest.mark.parametrize("sr", [16000, 22050])
def test_a_variant_of_the_loaded_model_is_a_model_built_for_it(crepe, sr):
    clip = as_audio(tone(210, 0.2, sr), sr)
    found = crepe.track(clip.samples, sr, 120.0, 400.0)
    fresh = Crepe(
        model="tiny",
        device="cpu",
        fmin=120.0,
        fmax=400.0,
        hop_s=service_grid(sr).hop_s,
    )
    (expected,) = fresh.extract([clip])
    assert bits(found) == bits(expected)


def test_float64_and_float32_give_the_same(crepe):
    samples = tone(150)
    single, _ = crepe.extract_f0(samples, 16000)
    double, _ = crepe.extract_f0(samples.astype(np.float64), 16000)
    np.testing.assert_array_equal(single, double)


def test_one_value_per_window_with_coverage(backend):
    windows = np.stack([tone(110), tone(220), np.zeros(4800, np.float32)])
    found = backend.summarise(windows, 16000)
    cents = 1200 * np.log2(found.f0[:2] / [110, 220])
    assert np.abs(cents).max() < 20
    assert np.isnan(found.f0[2])
    assert found.coverage[2] == 0
    assert (found.coverage[:2] > 0.8).all()
    assert 0 < found.confidence[2] < 0.5  # not conditional on being voiced
    f0, confidence = backend.extract_f0_batch(windows, 16000)
    np.testing.assert_array_equal(f0, found.f0)
    np.testing.assert_array_equal(confidence, found.confidence)
    assert f0.dtype == confidence.dtype == np.float32
    assert f0.shape == confidence.shape == (3,)


def track_of(f0, voiced, confidence):
    return F0Track(np.arange(len(f0)) / 100, f0, voiced, confidence)


def test_median_in_cents_shrugs_off_an_octave_error():
    f0 = np.array([100, 100, 100, 200, 100], np.float32)
    track = track_of(f0, [True] * 5, [0.9, 0.8, 0.7, 0.6, 0.5])
    assert summarise([track]).f0[0] == pytest.approx(100)
    assert summarise([track], "mean_hz").f0[0] == pytest.approx(120)
    assert summarise([track]).confidence[0] == pytest.approx(0.7)


def test_median_of_an_even_number_lies_between_in_cents():
    assert median_cents(np.array([100.0, 400.0])) == pytest.approx(200.0)
    assert mean_hz(np.array([100.0, 400.0])) == 250.0


def test_unvoiced_frames_count_for_confidence_and_coverage_only():
    track = track_of([100, 300, 300], [True, False, False], [0.9, 0.3, 0.0])
    found = summarise([track])
    assert found.f0[0] == pytest.approx(100)
    assert found.confidence[0] == pytest.approx(0.4)
    assert found.coverage[0] == pytest.approx(1 / 3)


def test_a_block_of_windows_is_one_call(crepe):
    windows = np.tile(tone(130, 0.05), (40, 1))
    crepe.extract_f0_batch(windows, 16000)
    assert crepe.record.infer_calls == 1
    assert crepe.record.clips == 40
    assert crepe.record.frames == 40 * 6


def test_windows_are_made_one_at_a_time():
    made = []

    class Watched(Windows):
        def __getitem__(self, index):
            made.append(index)
            return super().__getitem__(index)

    watched = Watched(np.ones((10, 100), np.float32), 16000)
    assert next(iter(watched)).samples.shape == (100,)
    assert made == [0]
    with pytest.raises(IndexError):
        watched[10]


def test_a_stream_of_windows_equals_one_array(backend):
    windows = [tone(hz, 0.05) for hz in (100, 150, 200, 250, 300)]
    whole = backend.summarise(np.stack(windows), 16000)
    parts = list(backend.summarise_stream(iter(windows), 16000, block=2))
    assert [len(part) for part in parts] == [2, 2, 1]
    joined = np.concatenate([part.f0 for part in parts])
    np.testing.assert_array_equal(joined, whole.f0)


def test_the_last_full_window_counts():
    assert plan_windows(32000, 16000, 1.0, 1.0).count == 2
    assert plan_windows(31999, 16000, 1.0, 1.0).count == 1
    plan = plan_windows(40000, 16000, 1.0, 0.5)
    assert plan.starts.tolist() == [0, 8000, 16000, 24000]
    cut = plan.cut(np.arange(40000, dtype=np.float32))
    assert cut[:, 0].tolist() == [0, 8000, 16000, 24000]
    assert cut.shape == (4, 16000)


def test_too_short_for_a_window():
    with pytest.raises(InputError, match=r"shorter than one window of 1\.0 s"):
        plan_windows(15999, 16000, 1.0, 0.5)
    with pytest.raises(ConfigError, match="hop_s=0"):
        plan_windows(16000, 16000, 1.0, 0.0)
    for window_s, hop_s in [(np.nan, 0.5), (1.0, np.nan), (np.inf, 0.5), (1.0, np.inf)]:
        with pytest.raises(ConfigError, match="must be finite"):
            plan_windows(16000, 16000, window_s, hop_s)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reduce": "mean"}, "did you mean 'mean_hz'"),
        ({"batching": "concatenate"}, "did you mean 'concat'"),
    ],
)
def test_unknown_options_name_the_nearest(backend, options, message):
    with pytest.raises(ConfigError, match=message):
        backend.extract_f0_batch(np.zeros((1, 1600)), 16000, **options)
