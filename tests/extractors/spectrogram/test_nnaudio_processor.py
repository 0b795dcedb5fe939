"""nnAudio under librosa's conventions: same frames, same edges, phase kept."""

import librosa
import numpy as np
import pytest

from extractors.errors import ConfigError, InputError, UnavailableError
from extractors.spectrogram.nnaudio_processor import NNAudioProcessor

SR = 16000


def signal(seconds=0.5):
    rng = np.random.default_rng(0)
    t = np.arange(round(seconds * SR)) / SR
    wave = np.sin(2 * np.pi * 440 * t) + 0.1 * rng.standard_normal(len(t))
    return wave.astype(np.float32)


@pytest.fixture(scope="module")
def processor():
    return NNAudioProcessor(n_fft=1024, hop_length=256, n_mels=64, device="cpu", sr=SR)


def relative(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


def test_stft_is_librosas_phase_and_edges_included(processor, capfd):
    found = processor.compute_stft(signal()).numpy()
    expected = librosa.stft(signal(), n_fft=1024, hop_length=256)
    assert found.dtype == np.complex64
    assert found.shape == expected.shape == (513, 1 + 8000 // 256)
    assert relative(found, expected) < 1e-5
    assert relative(found[:, [0, -1]], expected[:, [0, -1]]) < 1e-5
    out, err = capfd.readouterr()
    assert out == err == ""


def test_mel_is_librosas(processor):
    found = processor.compute_mel_spectrogram(signal()).numpy()
    expected = librosa.feature.melspectrogram(
        y=signal(), sr=SR, n_fft=1024, hop_length=256, n_mels=64
    )
    assert found.shape == expected.shape
    assert relative(found, expected) < 1e-5


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_power_is_that_of_the_magnitude_under_the_bands(power):
    processor = NNAudioProcessor(512, 128, 40, "cpu", sr=SR, power=power)
    expected = librosa.feature.melspectrogram(
        y=signal(), sr=SR, n_fft=512, hop_length=128, n_mels=40, power=power
    )
    found = processor.compute_mel_spectrogram(signal()).numpy()
    assert relative(found, expected) < 1e-5


def test_cqt_is_near_librosas(processor):
    t = np.arange(SR) / SR
    tone = np.sin(2 * np.pi * 440 * t).astype(np.float32)
    options = {"fmin": 110.0, "n_bins": 48}
    found = processor.compute_cqt(tone, **options).numpy()
    expected = np.abs(librosa.cqt(tone, sr=SR, hop_length=256, **options))
    assert found.shape == expected.shape
    middle = slice(20, -20)
    assert (found[:, middle].argmax(axis=0) == 24).all()  # two octaves above 110 Hz
    assert relative(found[:, middle], expected[:, middle]) < 0.05


def test_batches_and_tensors(processor):
    import torch

    one = processor.compute_stft(signal())
    two = processor.compute_stft(torch.from_numpy(np.stack([signal(), signal()])))
    assert two.shape == (2, *one.shape)
    assert relative(two[1].numpy(), one.numpy()) < 1e-5


def test_read_only_samples_and_float64_are_taken(processor):
    frozen = signal()
    frozen.flags.writeable = False
    double = processor.compute_stft(signal().astype(np.float64))
    np.testing.assert_array_equal(processor.compute_stft(frozen), double)


def test_reflect_mirrors_the_ends():
    ours = NNAudioProcessor(512, 128, 40, "cpu", sr=SR, pad_mode="reflect")
    expected = librosa.stft(signal(), n_fft=512, hop_length=128, pad_mode="reflect")
    assert relative(ours.compute_stft(signal()).numpy(), expected) < 1e-5
    with pytest.raises(InputError, match="256 samples cannot be mirrored over 256"):
        ours.compute_stft(np.zeros(256, np.float32))


@pytest.mark.parametrize("shape", [(0,), (2, 3, 4), ()])
def test_bad_shapes(processor, shape):
    with pytest.raises(InputError, match="audio of shape"):
        processor.compute_stft(np.zeros(shape, np.float32))


def test_absent_cuda_is_unavailable(monkeypatch):
    monkeypatch.setattr("extractors.device.cuda_missing", lambda: "no driver")
    with pytest.raises(UnavailableError, match="no driver"):
        NNAudioProcessor().compute_stft(signal())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_fft": 0}, "n_fft=0"),
        ({"hop_length": 0}, "hop_length=0"),
        ({"n_mels": 0}, "n_mels=0"),
        ({"power": 0.0}, "power=0"),
        ({"pad_mode": "edge"}, "pad_mode=edge"),
        ({"device": "gpu"}, "device=gpu"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ConfigError, match=message):
        NNAudioProcessor(**options)
