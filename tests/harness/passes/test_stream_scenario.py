"""The scenario stream: chunks, deadlines, agreement, and who it applies to."""

import math
import time

import numpy as np
import pandas as pd
import pytest

from extractors.audio import Audio
from extractors.base import Streaming
from extractors.errors import UnavailableError
from extractors.track import F0Track
from harness.metrics.stream import STREAM, stream_values
from harness.passes.streaming import chunks, stream_clips
from harness.tasks.base import Item

SR = 16000


class Hundred:
    """A stream that says 100 Hz every 10 ms, a frame after it has heard it."""

    def __init__(self, sr, busy_s=0.0, off=1.0, delay_s=0.02):
        self.sr, self.busy_s, self.off, self.delay_s = sr, busy_s, off, delay_s
        self.heard, self.said, self.loaded = 0, 0, False

    def load(self):
        self.loaded = True

    def push(self, chunk):
        assert self.loaded
        time.sleep(self.busy_s)
        self.heard += len(chunk)
        return self._say(int(self.heard / self.sr * 100))

    def flush(self):
        return self._say(1 + int(self.heard / self.sr * 100))

    def _say(self, upto):
        index = np.arange(self.said, max(upto, self.said))
        self.said = max(upto, self.said)
        n = len(index)
        return F0Track(index / 100, np.full(n, 100 * self.off), np.ones(n), np.ones(n))


class System:
    name = "hundred"

    def __init__(self, **options):
        self.options = options

    def stream(self, sr):
        if self.options.get("refuses"):
            raise UnavailableError("not by argmax")
        return Hundred(sr, **self.options)


def item(seconds=0.5, sr=SR, id="a"):
    return Item(id, Audio(np.zeros(round(seconds * sr), np.float32), sr))


def track(n=51, f0=100.0, voiced=True):
    return F0Track(np.arange(n) / 100, np.full(n, f0), np.full(n, voiced), np.ones(n))


@pytest.mark.parametrize("sr", [16000, 22050, 44100])
def test_chunks_hold_all_samples_and_last_10_ms(sr):
    samples = np.arange(sr * 3 // 7, dtype=np.float32)
    parts = list(chunks(samples, sr))
    assert np.array_equal(np.concatenate(parts), samples)
    assert all(abs(len(part) - sr / 100) <= 1 for part in parts[:-1])
    assert 0 < len(parts[-1]) <= sr / 100 + 1


def test_a_stream_that_agrees():
    found = stream_clips(System(), [item(), item(id="b")], {"a": track(), "b": track()})
    assert isinstance(System(), Streaming)
    assert (found.alike, found.frames) == (102, 102)
    assert found.delay_s == 0.02
    assert len(found.rows) == 100
    assert {row["scenario"] for row in found.rows} == {"stream"}
    assert all(row["audio_s"] == 0.01 and row["wall_s"] > 0 for row in found.rows)


@pytest.mark.parametrize(
    ("offline", "alike"),
    [
        (track(f0=103.0), 0),  # 51 cents
        (track(f0=102.0), 51),  # 34 cents
        (track(voiced=False), 0),
    ],
)
def test_agreement_is_within_50_cents_and_equal_voicing(offline, alike):
    found = stream_clips(System(), [item()], {"a": offline})
    assert (found.alike, found.frames) == (alike, 51)


def test_a_hop_of_its_own_is_read_at_the_nearest_frame():
    n = 24
    offline = F0Track(np.arange(n) * 0.021, np.full(n, 100.0), np.ones(n), np.ones(n))
    assert stream_clips(System(), [item()], {"a": offline}).alike == n


def test_without_a_stored_track_nothing_is_compared():
    assert stream_clips(System(), [item()], {}).frames == 0


def test_who_it_does_not_apply_to():
    class Offline:
        name = "offline"

    found = stream_clips(Offline(), [item()], {})
    assert found.reason == "not applicable: offline offers no streaming"
    refused = stream_clips(System(refuses=True), [item()], {})
    assert refused.reason == "not applicable: not by argmax"
    assert not refused.rows


def values(found, no_speed=""):
    record = {"rounds": [{"n": 1, "stream": found.as_dict()}]}
    return stream_values(record, pd.DataFrame(found.rows), no_speed)


def test_values_of_a_slow_stream():
    slow = stream_clips(System(busy_s=0.012), [item(0.3)], {"a": track(31)})
    got = values(slow)
    assert set(got) == {metric.name for metric in STREAM}
    assert got["stream_deadline_miss_ratio"].value == 1.0
    assert 0.012 <= got["stream_chunk_p50_s"].value < 0.1
    assert got["stream_agreement_ratio"].value == 1.0
    assert got["stream_delay_s"].value == 0.02
    quick = values(stream_clips(System(), [item(5.0)], {}))
    assert quick["stream_deadline_miss_ratio"].value < 0.5
    assert quick["stream_agreement_ratio"].value is None
    assert quick["stream_chunk_p95_s"].value >= quick["stream_chunk_p50_s"].value


def test_values_say_why_they_are_missing():
    found = stream_clips(object.__new__(type("Plain", (), {"name": "x"})), [item()], {})
    assert values(found)["stream_chunk_p50_s"].reason.startswith("not applicable: x")
    table = pd.DataFrame({"scenario": [], "wall_s": [], "audio_s": []})
    bare = stream_values({"rounds": [{"n": 1}]}, table, "")
    assert bare["stream_delay_s"].reason == "scenario stream was not measured"
    barred = stream_values({"rounds": []}, None, "ready-made answers have no speed")
    assert barred["stream_delay_s"].reason == "ready-made answers have no speed"
    endless = stream_clips(System(delay_s=math.inf), [item()], {})
    assert (
        values(endless)["stream_delay_s"].reason == "everything is decided at the end"
    )
