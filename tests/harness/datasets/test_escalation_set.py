"""Generated recordings: known rises, exact truth, constant memory."""

import itertools

import numpy as np
import pytest

from extractors.errors import ConfigError
from harness.config import DatasetConfig
from harness.datasets.escalation import Recording, Windows, ZonedTruth, render, truth
from harness.datasets.registry import open_dataset, scan


def level_db(samples, sr, start, stop):
    part = samples[round(start * sr) : round(stop * sr)]
    return 10 * np.log10(np.mean(np.square(part, dtype=np.float64)))


@pytest.fixture(scope="module")
def recording():
    return Recording(seed=0, number=0, seconds=60.0)


@pytest.fixture(scope="module")
def audio(recording):
    return render(recording)


def test_a_zone_is_louder_and_higher_than_before(recording, audio):
    found = truth(recording)
    assert isinstance(found, ZonedTruth)
    ((start, stop),) = found.zones
    rise = level_db(audio.samples, audio.sr, start + 0.5, stop - 0.5) - level_db(
        audio.samples, audio.sr, start - 8, start - 0.5
    )
    assert rise == pytest.approx(recording.events[0].db, abs=2.0)
    inside = (found.times > start + 0.5) & (found.times < stop - 0.5)
    before = (found.times > start - 8) & (found.times < start - 0.5)
    ratio = np.nanmedian(found.f0[inside]) / np.nanmedian(found.f0[before])
    assert np.log2(ratio) == pytest.approx(recording.events[0].octaves, abs=0.05)


def test_not_every_rise_is_a_zone():
    events = Recording(seed=1, number=0, seconds=400.0).events
    kinds = [(event.octaves > 0, event.db > 0) for event in events[:4]]
    assert kinds == [(True, True), (False, True), (True, True), (True, False)]
    gaps = [b.start - a.stop for a, b in itertools.pairwise(events)]
    assert min(gaps) >= 15.0


def test_the_truth_is_what_sounds(recording, audio):
    """Autocorrelation of 50 ms of the sound peaks at the period of the truth."""
    found = truth(recording)
    sure = [i for i in range(100, 5900, 97) if found.voiced[i - 4 : i + 5].all()]
    assert len(sure) > 20
    for index in sure:
        centre, half = round(found.times[index] * audio.sr), round(0.025 * audio.sr)
        x = audio.samples[centre - half : centre + half].astype(np.float64)
        lags = np.arange(audio.sr // 400, audio.sr // 70)
        heard = [np.dot(x[:-lag], x[lag:]) / (len(x) - lag) for lag in lags]
        period = audio.sr / found.f0[index]
        best = lags[
            int(np.argmax(np.where(np.abs(lags / period - 1) < 0.3, heard, -1)))
        ]
        assert best == pytest.approx(period, rel=0.04, abs=1.5)


def test_a_recording_depends_on_seed_and_number_alone(audio):
    again = render(Recording(0, 0, 60.0))
    assert np.array_equal(again.samples, audio.samples)
    assert not np.array_equal(render(Recording(1, 0, 60.0)).samples, audio.samples)
    assert not np.array_equal(render(Recording(0, 1, 60.0)).samples, audio.samples)


def test_windows_are_voices_of_their_own_whatever_the_clip():
    both, second = render(Windows(0, 0, 2)), render(Windows(0, 1, 2))
    found, alone = truth(Windows(0, 0, 2)), truth(Windows(0, 1, 2))
    assert len(both.samples) == 2 * both.sr
    assert np.array_equal(found.f0[100:], alone.f0, equal_nan=True)
    # the room's noise differs, 40 dB below
    assert np.abs(both.samples[both.sr :] - second.samples).max() < 0.01
    assert not isinstance(found, ZonedTruth)
    first, last = np.nanmedian(found.f0[:100]), np.nanmedian(found.f0[100:])
    assert abs(np.log2(first / last)) > 0.05
    assert 0.7 < found.voiced.mean() < 0.97


def test_sets_count_clips_and_stream():
    bulk = open_dataset(DatasetConfig(kind="windows", seconds=74446.0))
    clips = list(itertools.islice(bulk.clips(), 3))
    assert [clip.id for clip in clips] == [
        "000000-000119",
        "000120-000239",
        "000240-000359",
    ]
    *_, last = bulk.clips()
    assert (last.id, last.seconds) == ("074400-074445", 46.0)
    part = open_dataset(DatasetConfig(kind="windows", seconds=74446.0, limit=2))
    assert sum(clip.seconds for clip in part.clips()) == 240.0
    one = open_dataset(DatasetConfig(kind="escalation", seconds=30.0))
    two = open_dataset(DatasetConfig(kind="escalation", seconds=30.0, limit=2))
    assert [len(list(s.clips())) for s in (one, two)] == [1, 2]


def test_a_scan_renders_nothing(monkeypatch):
    from harness.datasets import escalation

    monkeypatch.setattr(escalation, "render", None)
    config = DatasetConfig(kind="windows", seconds=240.0)
    infos = scan(open_dataset(config))
    assert [info.seconds for info in infos] == [120.0, 120.0]
    assert all(info.truth_kind == "exact" and info.has_voiced for info in infos)


@pytest.mark.parametrize("kind", ["escalation", "windows"])
def test_bounds(kind):
    with pytest.raises(ConfigError, match=r"seconds=0\.5 must be at least 1"):
        open_dataset(DatasetConfig(kind=kind, seconds=0.5))
    with pytest.raises(ConfigError, match="seed=-1"):
        open_dataset(DatasetConfig(kind=kind, seed=-1))
