"""The chain: stages in order, files in memory, no influence of company or order."""

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.errors import ConfigError, InputError
from extractors.pipeline import Pipeline, recorded
from extractors.stages import STAGES, listening

SR = 22050


def voice(seconds, hz=140.0, rise_at=None, sr=SR):
    """Eight harmonics; from ``rise_at`` on 8 dB louder and 40 % higher."""
    t = np.arange(round(seconds * sr)) / sr
    late = np.zeros_like(t) if rise_at is None else (t >= rise_at).astype(float)
    phase = 2 * np.pi * np.cumsum(hz * (1 + 0.4 * late)) / sr
    sound = sum(np.sin(k * phase) / k for k in range(1, 9))
    gain = 0.05 * 10 ** (8 * late / 20)
    return Audio((gain * sound).astype(np.float32), sr)


@pytest.fixture(scope="module")
def chain():
    system = Pipeline(model="tiny", device="cpu", window_hop_s=1.0)
    system.load()
    return system


class Names:
    def __init__(self):
        self.entered = []
        self.devices = {}

    def enter(self, name, device):
        self.entered.append(name)
        self.devices[name] = device

    def exit(self, name):
        pass

    def copied(self, direction, n_bytes):
        raise AssertionError("nothing is copied on the CPU")


def test_a_rise_is_found_where_it_is(chain):
    clip = voice(10.0, rise_at=6.0)
    (found,) = chain.extract([recorded(clip)])
    assert len(found) == 10
    assert found.time_s[0] == 0.5
    assert np.allclose(found.f0_hz[:6], 140, rtol=0.01)
    assert np.allclose(found.f0_hz[6:], 196, rtol=0.01)
    (zone,) = found.zones
    assert (zone.start_s, zone.end_s) == (6.0, 10.0)
    assert zone.rise_db == pytest.approx(8.0, abs=0.3)
    assert zone.rise_percent == pytest.approx(40, abs=2)
    assert found.mel.shape[0] == 128


def test_every_stage_is_marked_once_and_in_order(chain):
    heard = Names()
    with listening(heard):
        chain.extract([recorded(voice(2.0))])
    order = list(dict.fromkeys(heard.entered))
    assert set(order) <= set(STAGES)
    outer = [name for name in order if name in OUTER]
    assert outer == list(OUTER)
    inner = order.index("summary"), order.index("escalation")
    assert {"network", "decode"} <= set(order[inner[0] : inner[1]])
    assert set(heard.devices.values()) == {"cpu"}


OUTER = ("load", "resample", "spectrogram", "summary", "escalation")


def test_neither_company_nor_order_matters(chain):
    clips = [recorded(voice(s, hz)) for s, hz in ((2.0, 120.0), (3.3, 210.0))]
    together, turned = chain.extract(clips), chain.extract(clips[::-1])[::-1]
    alone = [chain.extract([clip])[0] for clip in clips]
    for first, *others in zip(together, turned, alone, strict=True):
        for other in others:
            assert np.array_equal(first.f0_hz, other.f0_hz, equal_nan=True)
            assert np.array_equal(first.confidence, other.confidence)
            assert first.zones == other.zones


def test_a_file_in_memory_holds_16_bits_of_the_samples():
    clip = voice(1.0)
    file = recorded(clip)
    assert file.file[:4] == b"RIFF"
    assert np.abs(file.samples - clip.samples).max() < 1 / 32768 + 1e-7
    assert file.sr == clip.sr


def test_shorter_than_a_window_says_so(chain):
    with pytest.raises(InputError, match="shorter than one window"):
        chain.extract([voice(0.5)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"algorithm": "pyyin"}, "did you mean 'pyin'"),
        ({"hop_s": 0.02}, r"use 0\.01"),
        ({"algorithm": "pyin", "device": "cuda"}, "runs on the CPU"),
        ({"window_hop_s": 2.0}, "at most window_s=1.0 s"),
        ({"min_rise_db": 0.0}, "must be above 0"),
        ({"spectrogram": "torch_spectogram"}, "did you mean 'torch_spectrogram'"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Pipeline(**options)


def test_what_the_memory_manager_did_is_described(monkeypatch):
    """The call whose batch became smallest counts, also after others."""
    import torch

    from extractors.crepe import Crepe

    system = Pipeline(model="tiny", device="cpu", window_hop_s=1.0)
    clip = voice(2.0)
    (expected,) = system.extract([clip])
    assert system.describe()["batch_size"] == "2048 frames, 0 halvings"
    assert "GiB free on cpu, " in system.describe()["memory"]
    original = Crepe.infer

    def infer(self, clips):
        if self.batch_size > 512:
            raise torch.OutOfMemoryError("CUDA out of memory")
        yield from original(self, clips)

    with monkeypatch.context() as patched:
        patched.setattr(Crepe, "infer", infer)
        (found,) = system.extract([clip])
    np.testing.assert_array_equal(found.f0_hz, expected.f0_hz)
    system.extract([clip])
    told = "2048 → 1024 → 512 frames, 2 halvings"
    assert system.describe()["batch_size"] == told
