"""The torchcrepe peer: the package's own answer, seeded and correctly stamped."""

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.base import TwoStage, check_output
from extractors.errors import ConfigError
from extractors.peers.torchcrepe import DECODERS, TorchCrepe, hop_for
from extractors.track import FrameGrid


def glide(sr, seconds=0.6):
    t = np.arange(int(seconds * sr)) / sr
    phase = 2 * np.pi * (150 * t + 100 * t**2)
    wave = sum(np.sin(k * phase) / k for k in range(1, 5))
    return Audio(0.2 * wave, sr)


def tiny(**options):
    return TorchCrepe(**{"model": "tiny", "device": "cpu", "fmax": 600, **options})


@pytest.mark.parametrize(
    ("sr", "asked", "used"),
    [
        (16000, 160, 160),
        (44100, 441, 160),
        (22050, 221, 160),  # 220 would become int(159.6) = 159
        (20000, 200, 160),
        (8000, 80, 160),
        (11025, 110, 159),  # 111 would become 161: 160 cannot be had
    ],
)
def test_hop(sr, asked, used):
    assert hop_for(0.01, sr) == (asked, used)
    assert sr == 16000 or int(asked * 16000 / sr) == used


def test_times_use_the_hop_that_was_used():
    clip = glide(11025)
    (track,) = tiny(decoder="argmax").extract([clip])
    check_output([track], [clip])
    np.testing.assert_allclose(track.times, np.arange(len(track)) * 159 / 16000)


@pytest.mark.parametrize("decoder", DECODERS)
def test_answer_is_the_packages_own(decoder):
    import torch

    subject, clip = tiny(decoder=decoder), glide(16000)
    subject.reseed(7)
    (track,) = subject.extract([clip])
    package = subject._loaded()
    subject.reseed(7)
    pitch, periodicity = package.predict(
        torch.tensor(clip.samples)[None],
        16000,
        160,
        50.0,
        600,
        "tiny",
        decoder=getattr(package.decode, decoder),
        return_periodicity=True,
        batch_size=512,
    )
    np.testing.assert_array_equal(track.f0, pitch[0].numpy())
    np.testing.assert_array_equal(track.confidence, periodicity[0].numpy())


@pytest.mark.parametrize("decoder", DECODERS)
def test_two_stages_equal_predict_for_equal_seed(decoder):
    subject = tiny(decoder=decoder, batch_size=20)
    assert isinstance(subject, TwoStage)
    clips = [glide(16000), glide(22050, 0.3)]
    posteriors = list(subject.infer(clips))
    for seed in (3, 4):  # the second decoding dithers the bins of the first
        subject.reseed(seed)
        whole = subject.extract(clips)
        subject.reseed(seed)
        for track, found in zip(whole, map(subject.decode, posteriors), strict=True):
            np.testing.assert_array_equal(track.times, found.times)
            np.testing.assert_array_equal(track.f0, found.f0)
            np.testing.assert_array_equal(track.confidence, found.confidence)
            np.testing.assert_array_equal(track.voiced, found.voiced)


def test_seed_decides_the_dither():
    subject, clip = tiny(), glide(16000)
    found = []
    for seed in (1, 1, 2):
        subject.reseed(seed)
        found.append(subject.extract([clip])[0].f0)
    np.testing.assert_array_equal(found[0], found[1])
    moved = abs(1200 * np.log2(found[2] / found[0]))
    assert 0 < moved.max() <= 40


def test_pitch_and_clock():
    """The glide's slope turns 1 ms of delay into about 1 cent: 10 ms would show."""
    (track,) = tiny(decoder="weighted_argmax").extract([glide(22050)])
    true = 150 + 200 * track.times
    cents = 1200 * np.log2(track.f0 / true)[6:-6]
    assert abs(np.median(cents)) < 10


def test_range_below_the_lowest_bin_is_raised():
    assert tiny(fmin=20).fmin == pytest.approx(31.71)
    (track,) = tiny(fmin=20).extract([glide(16000)])
    assert np.median(track.f0) < 400


def test_describe_names_hop_and_torchaudio():
    facts = tiny(hop_s=0.0058).describe()
    assert facts["hop"].startswith("93 samples at 16 kHz, rounded from 92.8")
    assert facts["torchaudio"].startswith(("real ", "stand-in ("))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder": "viterbi_weighted"}, "did you mean"),
        ({"model": "ful"}, "did you mean 'full'"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"threshold": -1}, "threshold=-1"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ConfigError, match=message):
        TorchCrepe(**options)


def test_grid_reads_the_decimal():
    assert FrameGrid(0.01).hop_length(16000) == 160
