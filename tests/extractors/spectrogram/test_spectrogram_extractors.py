"""Three libraries told one definition give one spectrogram."""

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.errors import ConfigError, InputError, TrackError
from extractors.registry import build
from extractors.spectrogram.definition import Definition, Spectrogram

NAMES = ("librosa_spectrogram", "nnaudio_spectrogram", "torch_spectrogram")
# nnAudio's constant-Q kernels are shorter than librosa's, librosa's are approximated.
BOUNDS = {"stft": 2e-6, "mel": 2e-6, "cqt": 0.06}

pytestmark = pytest.mark.filterwarnings("ignore:n_fft=.*is too large:UserWarning")


@pytest.fixture(scope="module")
def clip():
    rng = np.random.default_rng(1)
    t = np.arange(3 * 16000 + 77) / 16000
    sound = 0.3 * np.sin(2 * np.pi * 220 * t) + 0.05 * rng.standard_normal(len(t))
    return Audio(sound.astype(np.float32), 16000)


def one(name, clip, **options):
    return build(name, options).extract([clip])[0]


@pytest.mark.parametrize("pad", ["constant", "reflect"])
@pytest.mark.parametrize("transform", ["stft", "mel", "cqt"])
def test_libraries_agree(transform, pad, clip):
    first, *others = (one(n, clip, transform=transform, pad=pad).values for n in NAMES)
    assert first.shape == (Definition(transform=transform).bins, 1 + 48077 // 512)
    for other in others:
        assert other.shape == first.shape
        error = np.linalg.norm(other - first) / np.linalg.norm(first)
        assert error < BOUNDS[transform]


def test_padding_matters_at_the_ends_only(clip):
    zeros, mirrored = (
        one("torch_spectrogram", clip, pad=pad).values
        for pad in ("constant", "reflect")
    )
    assert not np.allclose(zeros[:, 0], mirrored[:, 0], rtol=1e-2)
    # 1024 samples on either side: the frames from 2 · 512 on see no padding
    assert np.array_equal(zeros[:, 2:90], mirrored[:, 2:90])


@pytest.mark.parametrize("transform", ["stft", "cqt"])
def test_blocks_of_frames_leave_no_seam(transform, clip, monkeypatch):
    from extractors.spectrogram import torch_module

    whole = one("torch_spectrogram", clip, transform=transform).values
    monkeypatch.setattr(torch_module, "BLOCK_FRAMES", 7)
    parts = one("torch_spectrogram", clip, transform=transform).values
    assert np.allclose(parts, whole, rtol=1e-5, atol=1e-5 * whole.max())


@pytest.mark.parametrize("transform", ["stft", "mel"])
def test_threads_do_not_show(transform, clip):
    """Bit for bit: a dense product of the mel filters differs with their number."""
    import torch

    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            found.append(
                one("torch_spectrogram", clip, transform=transform, device="cpu")
            )
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].values, other.values)


def test_a_tone_lies_in_its_bin(clip):
    found = one("torch_spectrogram", clip, transform="cqt", fmin=55.0)
    # two octaves above 55 Hz, in the middle of the clip
    assert found.values[:, 40].argmax() == 24
    stft = one("torch_spectrogram", clip)
    assert stft.values[:, 40].argmax() == round(220 * 2048 / 16000)


def test_another_rate_is_resampled(clip):
    t = np.arange(3 * 22050) / 22050
    tone = Audio((0.5 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32), 22050)
    found = one("torch_spectrogram", tone)
    assert found.values.shape == (1025, 1 + 48000 // 512)
    assert found.values[:, 50].argmax() == 128
    assert found.times[50] == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transform": "stfft"}, "did you mean 'stft'"),
        ({"hop_s": 0.0101}, r"hop_s=0.0101 is 161\.6 samples"),
        ({"n_fft": 255}, "must be even"),
        ({"n_mels": 0}, "at least 1"),
        ({"fmax": 9000.0}, "half the rate"),
        ({"transform": "cqt", "fmin": 5000.0}, "less than an octave"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        build("librosa_spectrogram", options)


def test_too_short_to_be_mirrored_says_so():
    short = Audio(np.ones(500, np.float32), 16000)
    with pytest.raises(InputError, match="500 samples cannot be mirrored over 1024"):
        one("torch_spectrogram", short, pad="reflect")
    assert one("torch_spectrogram", short).values.shape == (1025, 1)


@pytest.mark.parametrize(
    "values", [np.zeros((3, 4)), np.full((1025, 2), np.nan), np.full((1025, 2), -1.0)]
)
def test_a_malformed_spectrogram_is_refused(values):
    with pytest.raises(TrackError):
        Spectrogram(values, Definition())
