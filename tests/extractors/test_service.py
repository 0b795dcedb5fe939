"""The service: names and signatures, the documented examples, errors, fallbacks."""

import inspect
import logging
import subprocess
import sys

import numpy as np
import pytest
import soundfile

import f0bench
from extractors import service
from extractors.errors import (
    ConfigError,
    DeviceMemoryError,
    F0BenchError,
    InputError,
    UnavailableError,
)
from extractors.service import (
    AudioFeatureService,
    CPUFallbackBackend,
    GPUAudioBackend,
    TorchCrepeExtractor,
)

NO_GPU = "torch finds no usable CUDA device"
WINDOW_S = 0.25  # of the examples here, where the documents have one second


@pytest.fixture
def no_gpu(monkeypatch):
    for module in ("device", "gpu_backend", "torch_crepe_extractor"):
        monkeypatch.setattr(f"extractors.{module}.cuda_missing", lambda: NO_GPU)


def tone(hz, seconds=0.3, sr=16000, gain=0.1, seed=0):
    t = np.arange(round(seconds * sr)) / sr
    wave = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 6))
    noise = np.random.default_rng(seed).standard_normal(len(t))
    return (gain * (wave + 0.01 * noise)).astype(np.float32)


def positional(function):
    """Arguments that may be given by position, with their defaults."""
    found = inspect.signature(function).parameters.values()
    empty = inspect.Parameter.empty
    return [
        p.name if p.default is empty else (p.name, p.default)
        for p in found
        if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"
    ]


RANGE = [("fmin", 50.0), ("fmax", 550.0)]
FROZEN = {
    "AudioFeatureService": [("use_gpu", True)],
    "AudioFeatureService.extract_f0": ["audio", "sr", *RANGE],
    "AudioFeatureService.detect_emotional_escalation": ["audio", "sr"],
    "GPUAudioBackend": [("use_gpu", True)],
    "GPUAudioBackend.extract_f0": ["audio", "sr", *RANGE],
    "GPUAudioBackend.extract_f0_batch": ["audio_windows", "sr", *RANGE],
    "GPUAudioBackend.compute_stft": ["audio"],
    "GPUAudioBackend.compute_mel_spectrogram": ["audio", ("sr", 16000)],
    "CPUFallbackBackend": [],
    "CPUFallbackBackend.extract_f0_batch": ["audio_windows", "sr", *RANGE],
    "TorchCrepeExtractor": [
        ("model", "full"),
        ("device", "cuda"),
        ("batch_size", 2048),
    ],
    "TorchCrepeExtractor.extract_f0": ["audio", "sr", *RANGE],
    "TorchCrepeExtractor.extract_f0_batch": ["audio_windows", "sr", *RANGE],
    "NNAudioProcessor": [
        ("n_fft", 2048),
        ("hop_length", 512),
        ("n_mels", 128),
        ("device", "cuda"),
    ],
    "NNAudioProcessor.compute_stft": ["audio"],
    "NNAudioProcessor.compute_mel_spectrogram": ["audio"],
    "NNAudioProcessor.compute_cqt": ["audio"],
    "MemoryManager": [("device", "cuda")],
}
PROPERTIES = {
    "AudioFeatureService": ["gpu_backend", "_use_gpu"],
    "GPUAudioBackend": [
        "is_gpu_available",
        "device",
        "crepe_extractor",
        "nnaudio_processor",
    ],
    "TorchCrepeExtractor": ["is_gpu_available"],
}


@pytest.mark.parametrize("name", FROZEN)
def test_signatures_are_frozen(name):
    found = service
    for part in name.split("."):
        found = getattr(found, part)
    assert positional(found) == FROZEN[name]


@pytest.mark.parametrize("name", PROPERTIES)
def test_properties_are_frozen(name):
    cls = getattr(service, name)
    for attribute in PROPERTIES[name]:
        assert isinstance(inspect.getattr_static(cls, attribute), property), attribute


def test_names_stand_in_both_places():
    for name in {name.partition(".")[0] for name in FROZEN}:
        assert getattr(f0bench, name) is getattr(service, name)


def test_nothing_heavy_is_imported_or_loaded_before_the_first_call():
    code = (
        "import sys; from extractors.service import AudioFeatureService, "
        "NNAudioProcessor; import extractors.streaming\n"
        "service = AudioFeatureService(use_gpu=True); NNAudioProcessor()\n"
        "heavy = 'torch numba librosa scipy nnAudio soxr torchcrepe pandas'\n"
        "print([m for m in heavy.split() if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# -- the documented examples, apart from the import paths and the length of a window


@pytest.fixture
def speech(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    soundfile.write("speech.wav", tone(180, 3 * WINDOW_S), 16000)


# librosa.load imports audioread, and that the standard library's aifc (Python < 3.13)
AIFC = pytest.mark.filterwarnings(
    "ignore:.*is deprecated and slated:DeprecationWarning"
)


@AIFC
def test_example_of_one_recording(speech, capsys):
    import librosa

    service = AudioFeatureService(use_gpu=True)
    audio, sr = librosa.load("speech.wav", sr=16000)
    f0, confidence = service.extract_f0(audio, sr)

    print(f"F0 frames: {len(f0)}")
    print(f"valid F0: {len(f0[~np.isnan(f0)])}")
    print(f"mean frequency: {np.nanmean(f0):.2f} Hz")

    assert "F0 frames: 76" in capsys.readouterr().out
    assert f0.dtype == confidence.dtype == np.float32
    assert f0.shape == confidence.shape == (76,)
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert np.nanmean(f0) == pytest.approx(180, rel=0.02)


@AIFC
def test_example_of_a_batch(speech, capsys):
    import librosa

    audio, sr = librosa.load("speech.wav", sr=16000)
    window_size = int(WINDOW_S * sr)
    windows = []
    for i in range(0, len(audio) - window_size, window_size):
        windows.append(audio[i : i + window_size])
    audio_windows = np.array(windows)

    backend = GPUAudioBackend(use_gpu=True)
    f0_batch, _conf_batch = backend.extract_f0_batch(audio_windows, sr)

    print(f"windows: {len(f0_batch)}")
    print(f"valid F0: {len(f0_batch[~np.isnan(f0_batch)])}")
    assert capsys.readouterr().out.split() == ["windows:", "2", "valid", "F0:", "2"]


def test_example_of_a_wrong_shape(capsys):
    service = AudioFeatureService(use_gpu=True, model="tiny")
    audio = tone(180)
    try:
        f0, conf = service.extract_f0(
            audio.reshape(-1, 1),
            sr=16000,
        )
    except ValueError as e:
        print(f"wrong shape: {e}")
        f0, conf = service.extract_f0(audio, sr=16000)
    assert "(4800, 1)" in capsys.readouterr().out
    assert len(f0) == len(conf) == 31


def test_example_of_running_out_of_memory(monkeypatch):
    sr = 16000
    large_batch = np.tile(tone(180, 0.1), (4, 1))
    backend = GPUAudioBackend(use_gpu=True, model="tiny")
    monkeypatch.setattr(
        TorchCrepeExtractor, "window_tracks", raising_first(DeviceMemoryError("full"))
    )
    handled = []
    try:
        f0_batch, _ = backend.extract_f0_batch(large_batch, sr)
    except RuntimeError as e:
        handled.append(e)
        f0_batch, _ = backend.extract_f0_batch(large_batch[:100], sr)
        service_cpu = AudioFeatureService(use_gpu=False, model="tiny")
        f0, _ = service_cpu.extract_f0(large_batch[0], sr)
        assert len(f0) == 11
    assert len(f0_batch) == 4
    assert len(handled) == (backend.device == "cpu")


def raising_first(error):
    original = TorchCrepeExtractor.window_tracks
    left = [error]

    def window_tracks(self, *args, **options):
        if left:
            raise left.pop()
        return original(self, *args, **options)

    return window_tracks


def test_example_of_retries():
    logger = logging.getLogger(__name__)

    def safe_extract_f0(audio, sr, max_retries=2):
        service = AudioFeatureService(use_gpu=True)
        for attempt in range(max_retries):
            try:
                f0, conf = service.extract_f0(audio, sr)
                if f0 is None or len(f0) == 0:
                    raise ValueError("no F0")
                return f0, conf
            except RuntimeError as e:
                if attempt < max_retries - 1:
                    logger.warning(f"try {attempt + 1} failed: {e}")
                    continue
                service = AudioFeatureService(use_gpu=False)
                return service.extract_f0(audio, sr)
            except ValueError as e:
                logger.error(f"value: {e}")
                raise
        return None, None

    f0, conf = safe_extract_f0(tone(180, 0.1), 16000)
    assert len(f0) == len(conf) == 11
    with pytest.raises(ValueError, match="0 samples"):
        safe_extract_f0(np.zeros(0), 16000)


@pytest.mark.gpu
def test_example_of_memory_monitoring():
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    service = AudioFeatureService(use_gpu=True)
    torch.cuda.reset_peak_memory_stats()
    service.gpu_backend.extract_f0_batch(np.tile(tone(180), (8, 1)), 16000)
    assert torch.cuda.max_memory_allocated() > 0


# -- lengths, silence, errors


@pytest.fixture(scope="module")
def tiny():
    return AudioFeatureService(use_gpu=False, model="tiny")


@pytest.mark.parametrize("n", [1, 159, 160, 511, 512, 1023, 1024])
def test_short_clips_have_librosas_number_of_frames(tiny, n):
    f0, confidence = tiny.extract_f0(np.full(n, 0.1, np.float32), 16000)
    assert len(f0) == len(confidence) == 1 + n // 160


def test_the_hop_is_a_whole_number_of_samples(tiny):
    f0, _ = tiny.extract_f0(tone(200, 0.2, 22050), 22050)
    assert len(f0) == 1 + 4410 // 220


def test_silence_is_nan(tiny):
    f0, confidence = tiny.extract_f0(np.zeros(1600), 16000)
    assert np.isnan(f0).all()
    assert (confidence < 0.5).all()


HOLED = np.ones(100)
HOLED[7] = np.nan


@pytest.mark.parametrize(
    ("audio", "sr", "words"),
    [
        (np.zeros((160, 2)), 16000, ["(160, 2)", "audio[:, 0]"]),
        (np.zeros((2, 3, 4)), 16000, ["(2, 3, 4)", "one channel"]),
        (np.float32(1), 16000, ["()", "one channel"]),
        (np.zeros(0), 16000, ["(0,)", "0 samples", "at least one"]),
        (HOLED, 16000, ["(100,)", "nan", "[7]", "nan_to_num"]),
        (np.full(3, np.inf), 16000, ["(3,)", "inf", "[0]"]),
        (np.zeros(100), 7000, ["(100,)", "7000", "8000", "16000"]),
        (np.zeros(100), 22050.5, ["(100,)", "22050.5", "whole number", "16000"]),
        (np.zeros(100), float("nan"), ["(100,)", "nan", "whole number"]),
        (np.zeros(100), float("inf"), ["(100,)", "inf", "whole number"]),
        (np.zeros(100), "16000", ["(100,)", "'16000'", "whole number"]),
        (np.zeros(100), None, ["(100,)", "None", "whole number"]),
        (np.zeros(100, np.int16), 16000, ["(100,)", "int16", "32768"]),
    ],
)
def test_bad_audio_names_shape_value_and_remedy(tiny, audio, sr, words):
    with pytest.raises(ValueError) as caught:
        tiny.extract_f0(audio, sr)
    assert isinstance(caught.value, InputError)
    assert isinstance(caught.value, F0BenchError)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("windows", "sr", "words"),
    [
        (np.zeros(160), 16000, ["(160,)", "audio[None, :]"]),
        (np.array([]), 16000, ["(0,)"]),
        (np.zeros((3, 0)), 16000, ["(3, 0)", "at least one"]),
        (np.stack([np.zeros(100), HOLED]), 16000, ["(2, 100)", "[1, 7]"]),
        (np.zeros((2, 100)), 7000, ["7000"]),
    ],
)
def test_bad_windows_name_shape_value_and_remedy(tiny, windows, sr, words):
    with pytest.raises(ValueError) as caught:
        tiny.gpu_backend.extract_f0_batch(windows, sr)
    for word in words:
        assert word in str(caught.value)


def test_bad_range(tiny):
    with pytest.raises(ConfigError, match="fmin=600"):
        tiny.extract_f0(np.zeros(100), 16000, fmin=600.0)


# -- devices


def test_without_a_gpu_the_same_algorithm_runs_and_says_so(no_gpu, caplog):
    service = AudioFeatureService(use_gpu=True, model="tiny")
    with caplog.at_level(logging.WARNING, "f0bench.service"):
        found = service.extract_f0(tone(200, 0.1), 16000)
    assert caplog.text.count(NO_GPU) == 1
    record = service.gpu_backend.record
    assert (record.requested_device, record.device) == ("cuda", "cpu")
    assert record.fallback == NO_GPU
    assert record.algorithm == "crepe tiny, viterbi_weighted"
    assert not service.gpu_backend.is_gpu_available
    assert service.gpu_backend.device == "cpu"
    plain = AudioFeatureService(use_gpu=False, model="tiny")
    for one, other in zip(found, plain.extract_f0(tone(200, 0.1), 16000), strict=True):
        np.testing.assert_array_equal(one, other)
    assert plain.gpu_backend.record.fallback is None


def test_fallback_can_be_forbidden(no_gpu):
    service = AudioFeatureService(use_gpu=True, model="tiny", fallback="forbid")
    with pytest.raises(UnavailableError, match=r"no usable CUDA.*use_gpu=False"):
        service.extract_f0(tone(200, 0.1), 16000)


def test_an_extractor_asked_for_cuda_does_not_run_elsewhere(no_gpu):
    with pytest.raises(UnavailableError, match="device=cuda"):
        TorchCrepeExtractor("tiny").extract_f0(tone(200, 0.1), 16000)
    assert not TorchCrepeExtractor("tiny").is_gpu_available


def test_a_gpu_that_may_not_be_used_is_not_available(monkeypatch):
    monkeypatch.setattr("extractors.gpu_backend.cuda_missing", lambda: None)
    assert GPUAudioBackend(use_gpu=True).is_gpu_available
    assert not GPUAudioBackend(use_gpu=False).is_gpu_available


class Full(TorchCrepeExtractor):
    """On a GPU without any memory; on the CPU as it is."""

    def window_tracks(self, *args, **options):
        if self.device == "cuda":
            raise DeviceMemoryError("cuda has no memory for a batch of 1 frames")
        return super().window_tracks(*args, **options)


@pytest.mark.parametrize("fallback", ["record", "forbid"])
def test_a_gpu_without_memory_falls_back_as_allowed(monkeypatch, fallback):
    monkeypatch.setattr("extractors.gpu_backend.cuda_missing", lambda: None)
    monkeypatch.setattr("extractors.gpu_backend.TorchCrepeExtractor", Full)
    backend = GPUAudioBackend(use_gpu=True, model="tiny", fallback=fallback)
    windows = np.tile(tone(200, 0.1), (2, 1))
    if fallback == "forbid":
        with pytest.raises(DeviceMemoryError):
            backend.extract_f0_batch(windows, 16000)
        return
    f0, _ = backend.extract_f0_batch(windows, 16000)
    assert f0 == pytest.approx([200, 200], rel=0.02)
    assert "no memory for a batch" in backend.record.fallback
    assert backend.record.device == "cpu"


def test_several_gpus_share_the_windows_out(monkeypatch):
    built = []

    class OnTheCpu(TorchCrepeExtractor):
        def __init__(self, model, device, **options):
            built.append(device)
            super().__init__(model, "cpu" if ":" in device else device, **options)

    monkeypatch.setattr("extractors.gpu_backend.cuda_missing", lambda: None)
    monkeypatch.setattr("extractors.gpu_backend.TorchCrepeExtractor", OnTheCpu)
    windows = np.stack([tone(hz, 0.05) for hz in (100, 140, 180, 220, 260)])
    several = GPUAudioBackend(model="tiny", devices=("cuda:0", "cuda:1"))
    found = several.summarise(windows, 16000)
    assert {"cuda:0", "cuda:1"} <= set(built)
    assert several.record.clips == 5
    assert several.record.infer_calls == 2
    expected = GPUAudioBackend(use_gpu=False, model="tiny").summarise(windows, 16000)
    np.testing.assert_array_equal(found.f0, expected.f0)
    np.testing.assert_array_equal(found.confidence, expected.confidence)


@pytest.mark.parametrize("device", ["gpu", "cpu:0", "cuda:", "cuda:one", "cuda:-1"])
def test_unknown_devices(device):
    with pytest.raises(ConfigError, match=r"device="):
        TorchCrepeExtractor("tiny", device)


# -- the backend on the CPU


def test_cpu_backend_keeps_the_algorithm():
    windows = np.tile(tone(200, 0.1), (2, 1))
    ours = CPUFallbackBackend(model="tiny")
    assert ours.device == "cpu"
    found = ours.extract_f0_batch(windows, 16000)
    expected = GPUAudioBackend(use_gpu=False, model="tiny").extract_f0_batch(
        windows, 16000
    )
    np.testing.assert_array_equal(found[0], expected[0])
    assert ours.record.algorithm.startswith("crepe")


def test_another_algorithm_only_when_asked_for():
    backend = CPUFallbackBackend(algorithm="pyin")
    assert backend.device == "cpu"
    f0, confidence = backend.extract_f0(tone(200, 0.4), 16000)
    assert np.nanmedian(f0) == pytest.approx(200, rel=0.01)
    assert len(f0) == len(confidence) == 41
    f0, _ = backend.extract_f0_batch(tone(200, 0.4)[None], 16000)
    assert f0 == pytest.approx([200], rel=0.01)
    assert backend.record.algorithm == "librosa pyin"
    assert backend.record.clips == 1
    with pytest.raises(ConfigError, match="valid: crepe, pyin"):
        CPUFallbackBackend(algorithm="x")


def test_spectrograms_agree_between_backends():
    samples = tone(300, 0.3)
    pairs = [
        (gpu.compute_stft(samples), gpu.compute_mel_spectrogram(samples, n_mels=40))
        for gpu in (GPUAudioBackend(use_gpu=False), CPUFallbackBackend())
    ]
    for one, other in zip(*pairs, strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        assert np.abs(one - other).max() < 1e-5 * np.abs(other).max()


def test_the_shared_processor_is_never_replaced():
    backend = GPUAudioBackend(use_gpu=False)
    before = backend.nnaudio_processor
    backend.compute_stft(tone(300, 0.1), n_fft=512, hop_length=128)
    assert backend.nnaudio_processor is before
    assert (before.n_fft, before.hop_length, before.n_mels) == (2048, 512, 128)
