"""pYIN is librosa's, bit for bit; what is compared holds for librosa 0.11."""

import inspect

import librosa
import numpy as np
import pytest
import soundfile

from extractors.errors import ConfigError, InputError
from extractors.pyin import pyin
from extractors.pyin.function import track
from extractors.pyin.parameters import Options, Parameters

pytestmark = pytest.mark.skipif(
    not librosa.__version__.startswith("0.11."),
    reason=f"the arithmetic is that of librosa 0.11, not {librosa.__version__}",
)

SR = 16000
#: the first is the range of the benchmark; the others move every argument
SETTINGS = {
    "wide range": dict(fmin=65, fmax=2093, frame_length=1024, hop_length=160),
    "speech, hop by default": dict(fmin=60, fmax=500, frame_length=1024),
    "coarse bins, odd width": dict(fmin=80, fmax=800, resolution=0.2),
    "even width": dict(
        fmin=80,
        fmax=800,
        frame_length=800,
        hop_length=224,
        resolution=0.34,
        max_transition_rate=18.0,
    ),
    "fine bins": dict(
        fmin=100,
        fmax=300,
        frame_length=512,
        hop_length=128,
        resolution=0.05,
        max_transition_rate=10.0,
    ),
    "other priors": dict(
        fmin=70,
        fmax=600,
        frame_length=1024,
        n_thresholds=37,
        beta_parameters=(1, 8),
        boltzmann_parameter=0.7,
        switch_prob=0.2,
        no_trough_prob=0.3,
    ),
    "no padding": dict(
        fmin=70, fmax=600, frame_length=1024, hop_length=333, center=False
    ),
    "reflected ends": dict(fmin=70, fmax=600, frame_length=1000, pad_mode="reflect"),
    "pitch that stays": dict(
        fmin=70, fmax=600, frame_length=1024, hop_length=40, max_transition_rate=5.0
    ),
}


def voice(seconds=0.4):
    """A glide with vibrato over an octave, then noise."""
    rng = np.random.default_rng(0)
    t = np.arange(int(seconds * SR)) / SR
    phase = 2 * np.pi * np.cumsum(120 * 2 ** (t / seconds)) / SR
    wave = sum(np.sin(k * phase) / k for k in range(1, 9)) * (t < 0.7 * seconds)
    return (0.1 * wave + 0.01 * rng.standard_normal(len(t))).astype(np.float32)


def signals():
    rng = np.random.default_rng(1)
    count = 5000
    return {
        "voice": voice(),
        "noise": 0.1 * rng.standard_normal(count),
        "silence": np.zeros(count),
        "one direct level": np.full(count, 0.3),
        "impulses": (np.arange(count) % 127 == 0).astype(float),
        "one impulse": (np.arange(count) == 2500).astype(float),
        "clipped": np.clip(30 * voice(), -1, 1),
        "faint": 1e-6 * voice(),
        "tone between lags": np.sin(2 * np.pi * 333.3 * np.arange(count) / SR),
        "shorter than a frame": voice()[2000:2300],
    }


def assert_equal(samples, **setting):
    """Both answers, compared; returns librosa's voicing."""
    setting = {"sr": SR, "fill_na": None, **setting}
    f0, voiced, probability = librosa.pyin(samples, **setting)
    found = pyin(samples, **setting)
    np.testing.assert_array_equal(found[0], f0)
    np.testing.assert_array_equal(found[1], voiced)
    np.testing.assert_allclose(found[2], probability, rtol=0, atol=1e-12)
    assert found[0].dtype == f0.dtype
    return voiced


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_argument(name):
    voiced = assert_equal(voice(), **SETTINGS[name])
    assert voiced.any()
    assert not voiced.all()


@pytest.mark.parametrize("name", sorted(signals()))
def test_every_kind_of_signal(name):
    samples = signals()[name].astype(np.float32)
    assert_equal(samples, fmin=70, fmax=600, frame_length=1024, hop_length=160)


def test_float64_is_computed_in_float64():
    samples = voice(0.2).astype(np.float64) + 1e-9
    assert_equal(samples, fmin=70, fmax=600, frame_length=1024)


def test_equal_also_where_the_two_blas_differ(monkeypatch):
    from extractors.pyin import analysis

    monkeypatch.setattr(analysis, "products_agree", lambda length: False)
    assert_equal(voice(), **SETTINGS["other priors"])


def test_products_that_differ_in_one_bit_are_noticed(monkeypatch):
    from extractors.pyin import analysis, kernels

    def other(prior, offsets, mass, weights):
        analysis.weigh_in_numpy(prior, offsets, mass, weights)
        weights[70] = np.nextafter(weights[70], 2)

    monkeypatch.setattr(kernels, "weigh", analysis.weigh_in_numpy)
    assert analysis.products_agree.__wrapped__(50)
    monkeypatch.setattr(kernels, "weigh", other)
    assert not analysis.products_agree.__wrapped__(50)


@pytest.mark.parametrize("name", ["fda", "vocadito"])
def test_real_recordings(data_dir, name):
    files = sorted((data_dir / name).rglob("*.wav"))
    assert files
    samples, sr = soundfile.read(files[0], dtype="float32")
    part = np.ascontiguousarray(samples[sr // 2 : sr])
    assert assert_equal(part, sr=sr, fmin=65, fmax=1000, frame_length=2048).any()


def test_arguments_and_defaults_are_librosas():
    theirs = inspect.signature(librosa.pyin).parameters
    ours = inspect.signature(pyin).parameters
    assert set(theirs) - set(ours) == {"win_length"}  # deprecated
    assert set(ours) <= set(theirs)
    for name, parameter in ours.items():
        expected = theirs[name].default
        assert parameter.default is expected or parameter.default == expected, name


def test_unvoiced_frames_are_filled():
    setting = {"fmin": 70, "fmax": 600, "sr": SR, "frame_length": 1024}
    f0, voiced, _ = pyin(voice(), **setting)
    assert (np.isnan(f0) == ~voiced).all()
    assert (~voiced).any()
    zeros, _, _ = pyin(voice(), fill_na=0.0, **setting)
    np.testing.assert_array_equal(zeros, np.nan_to_num(f0))


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("share", [1, 7, 512])
def test_company_threads_and_shares_do_not_show(width, share, monkeypatch):
    from extractors import compiled
    from extractors.pyin import analysis

    rng = np.random.default_rng(width)
    clips = [voice(), voice()[:100], rng.standard_normal(4000).astype(np.float32)]
    parameters = Parameters(SR, 70, 600, 1024, 160)
    expected = [track([clip], parameters)[0] for clip in clips]
    monkeypatch.setattr(compiled, "threads", lambda: width)
    monkeypatch.setattr(analysis, "SHARE", share)
    for found, alone in zip(track(clips, parameters), expected, strict=True):
        np.testing.assert_array_equal(found.f0, alone.f0)
        np.testing.assert_array_equal(found.voiced, alone.voiced)
        np.testing.assert_array_equal(found.voiced_prob, alone.voiced_prob)


def test_kernels_are_compiled_for_one_type_of_samples_once():
    """A read-only or strided view would compile everything again."""
    from extractors.pyin import kernels

    held = voice()
    held.flags.writeable = False
    setting = {"fmin": 70, "fmax": 600, "sr": SR, "frame_length": 1024}
    pyin(held, **setting)
    pyin(voice()[::2], **setting)
    types = [str(args[0]) for args in kernels.find_troughs.signatures]
    assert types.count("array(float32, 1d, C)") == 1
    assert len(types) <= 2  # and float64


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fmax": 9000}, "fmax=9000 Hz is above half the sampling rate, 8000.0 Hz"),
        ({"fmin": 600}, "need 0 < fmin < fmax"),
        ({"fmin": 0}, "need 0 < fmin < fmax"),
        ({"frame_length": 200}, "holds no period of fmin=70 Hz at 16000 Hz; use at "),
        ({"hop_length": 0}, "hop_length=0 must be at least 1 sample"),
        ({"hop_length": 16000}, "reaches over 4311 pitch bins in one hop"),
        ({"n_thresholds": 0}, "n_thresholds=0 must be at least 1"),
        ({"beta_parameters": (2, 0)}, "must be two numbers above 0"),
        ({"boltzmann_parameter": 0}, "boltzmann_parameter=0 must be above 0"),
        ({"resolution": 1.0}, r"resolution=1.0 must lie in \(0, 1\)"),
    ],
)
def test_arguments_out_of_bounds(changed, message):
    setting = {"fmin": 70, "fmax": 500, "sr": SR, "frame_length": 1024, **changed}
    with pytest.raises(ConfigError, match=message):
        pyin(voice(), **setting)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(2000, np.int16), "type int16; convert"),
        (np.zeros((2, 2000)), "not mono"),
        (np.full(2000, np.nan), "NaN or Inf"),
        (np.zeros(0), "0 samples are less than one frame"),
    ],
)
def test_signals_that_cannot_be_tracked(samples, message):
    with pytest.raises(InputError, match=message):
        pyin(samples, fmin=70, fmax=500, sr=SR, frame_length=1024)


def test_too_short_without_padding():
    with pytest.raises(InputError, match="1000 samples are less than one frame"):
        pyin(np.zeros(1000), fmin=70, fmax=500, sr=SR, center=False)


def test_a_frame_of_less_than_two_periods_is_warned_of():
    with pytest.warns(UserWarning, match="less than two periods of fmin=70"):
        pyin(voice(0.1), fmin=70, fmax=500, sr=SR, frame_length=400)


def test_options_are_values():
    assert Options(beta_parameters=[2, 18]) == Options()
    assert hash(Options()) == hash(Options(n_thresholds=100))
