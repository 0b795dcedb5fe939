"""Streams: with enough lag the offline track bit for bit, and frames in time."""

import numpy as np
import pytest

from extractors.crepe import Crepe
from extractors.decoders.fixed_lag import FixedLagViterbi
from extractors.decoders.viterbi import triangular_band, viterbi_path
from extractors.errors import ConfigError, InputError
from extractors.streaming import StreamingCrepe, resampler_delay_s, triangular
from extractors.torch_crepe_extractor import TorchCrepeExtractor

FIELDS = ("times", "f0", "voiced", "confidence")


@pytest.fixture(scope="module")
def engine():
    crepe = Crepe(model="tiny", device="cpu")
    crepe.load()
    return crepe


@pytest.fixture(scope="module")
def offline():
    return TorchCrepeExtractor("tiny", "cpu")


def sound(seconds, sr):
    rng = np.random.default_rng(5)
    t = np.arange(round(seconds * sr)) / sr
    hz = 150 + 80 * np.sin(2 * np.pi * 1.3 * t)
    phase = 2 * np.pi * np.cumsum(hz) / sr
    wave = np.sin(phase) + 0.5 * np.sin(2 * phase)
    wave[len(t) // 2 : len(t) // 2 + sr // 20] = 0
    return (0.1 * wave + 0.003 * rng.standard_normal(len(t))).astype(np.float32)


def streamed(stream, samples, chunk):
    parts = [stream.push(samples[i : i + chunk]) for i in range(0, len(samples), chunk)]
    return [*parts, stream.flush()]


def joined(parts):
    return {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS
    }


@pytest.mark.parametrize(
    ("sr", "seconds", "chunk", "lag"),
    [
        (16000, 0.6, 160, None),
        (16000, 0.303, 37, 31),
        (16000, 0.2, 3200, None),
        (8000, 0.3, 80, 31),
        (22050, 0.3, 220, None),
        (44100, 0.3, 441, 31),
        (16000, 0.002, 160, 1),
    ],
)
def test_with_enough_lag_equal_to_offline(engine, offline, sr, seconds, chunk, lag):
    samples = sound(seconds, sr)
    stream = StreamingCrepe(sr, engine=engine, lag=lag)
    found = joined(streamed(stream, samples, chunk))
    expected = offline.track(samples, sr)
    for name in FIELDS:
        np.testing.assert_array_equal(found[name], getattr(expected, name), name)


@pytest.mark.parametrize("sr", [16000, 44100])
def test_a_frame_comes_by_its_stated_delay(engine, sr):
    samples, chunk, lag = sound(0.4, sr), sr // 100, 3
    stream = StreamingCrepe(sr, engine=engine, lag=lag)
    frames = 0
    waits = []
    for start in range(0, len(samples), chunk):
        part = stream.push(samples[start : start + chunk])
        now = (start + chunk) / sr
        waits += [now - time for time in part.times]
        frames += len(part)
        np.testing.assert_allclose(
            part.times, np.arange(frames - len(part), frames) / 100, atol=1e-12
        )
    assert frames > 20
    assert max(waits) <= stream.delay_s + 0.01 + 1e-9  # and the chunk that it ends in
    assert min(waits) >= 0.032 + lag * 0.01 - 1e-9


def test_stated_delay():
    assert StreamingCrepe(lag=20).delay_s == pytest.approx(0.232)
    assert StreamingCrepe(lag=0).delay_s == pytest.approx(0.032)
    assert StreamingCrepe(lag=None).delay_s == float("inf")
    assert resampler_delay_s(16000) == 0
    assert 0.001 < resampler_delay_s(44100) < 0.2


def test_confidence_and_lag(engine, offline):
    samples = sound(0.6, 16000)
    expected = offline.track(samples, 16000)
    stream = StreamingCrepe(engine=engine, lag=10)
    found = joined(streamed(stream, samples, 160))
    assert len(found["f0"]) == len(expected)
    both = found["voiced"] & expected.voiced
    cents = np.abs(1200 * np.log2(found["f0"][both] / expected.f0[both]))
    assert both.sum() > 0.7 * expected.voiced.sum()
    assert np.median(cents) < 5


def test_a_stream_can_be_followed_by_another(engine):
    samples = sound(0.1, 16000)
    stream = StreamingCrepe(engine=engine, lag=5)
    first = joined(streamed(stream, samples, 160))
    second = joined(streamed(stream, samples, 160))
    for name in FIELDS:
        np.testing.assert_array_equal(first[name], second[name])
    assert len(stream.flush()) == 0


def test_memory_does_not_grow_with_the_stream(engine):
    stream = StreamingCrepe(engine=engine, lag=4)
    sizes = []
    for _ in range(12):
        stream.push(np.zeros(480, np.float32))
        held = len(stream._buffer), len(stream._open), len(stream._viterbi._values)
        sizes.append(held)
    assert sizes[4] == sizes[-1]
    assert sizes[-1][0] < 1024 + 480


def test_bad_chunks_and_options(engine):
    stream = StreamingCrepe(engine=engine)
    with pytest.raises(InputError, match=r"\(2, 160\)"):
        stream.push(np.zeros((2, 160)))
    with pytest.raises(InputError, match="0 samples"):
        stream.push(np.zeros(0))
    with pytest.raises(ConfigError, match="lag=-1"):
        StreamingCrepe(engine=engine, lag=-1)


# -- the decoder by itself


def test_decoder_equals_the_offline_one_ties_included():
    rng = np.random.default_rng(2)
    rows = rng.choice([0.0, 0.25, 1.0], (150, 60)).astype(np.float32)
    expected = viterbi_path(rows, triangular_band(60, 12))
    for lag in (None, 150, 149):
        decoder = FixedLagViterbi(triangular(60, 12), lag)
        found = [state for row in rows if (state := decoder.push(row)) is not None]
        assert len(found) == (0 if lag in (None, 150) else 1)
        np.testing.assert_array_equal(found + decoder.flush(), expected)


def test_decoder_with_lag_0_takes_the_best_state_now():
    rows = np.eye(4, dtype=np.float32)[[0, 1, 3]] + np.float32(1e-3)
    decoder = FixedLagViterbi(triangular(4, 3), 0)
    assert [decoder.push(row) for row in rows] == [0, 1, 3]
    assert decoder.flush() == []
