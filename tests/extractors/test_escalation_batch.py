"""All windows of an escalation go into one batch call, as many as a long recording has.

The windows here are short and the network computes nothing: what is looked at is how
often it is asked, which depends on neither.
"""

import numpy as np
import pytest

from extractors.service import AudioFeatureService

WINDOWS = 2520  # of a recording of 42 minutes, one a second
WINDOW_S = 0.05
FRAMES = 6  # of a window: 1 + 0.05 s / 10 ms
BATCH = 2048  # frames of a network round, the service's own choice


@pytest.fixture
def heard(made_network, monkeypatch):
    service = AudioFeatureService(use_gpu=False)
    calls = []
    backend = service.gpu_backend
    taken = backend.crepe_extractor.window_tracks

    def watched(windows, *args, **options):
        calls.append(len(windows))
        return taken(windows, *args, **options)

    monkeypatch.setattr(backend.crepe_extractor, "window_tracks", watched)
    rng = np.random.default_rng(0)
    samples = round(WINDOWS * WINDOW_S * 16000)
    audio = 0.1 * rng.standard_normal(samples).astype(np.float32)
    backend.crepe_extractor.load()
    made_network.rounds.clear()
    service.detect_emotional_escalation(audio, 16000, window_s=WINDOW_S, hop_s=WINDOW_S)
    return calls, backend.record, made_network.rounds


def test_2520_windows_are_one_call(heard):
    calls, record, _ = heard
    assert calls == [WINDOWS]
    assert record.infer_calls == 1
    assert (record.clips, record.frames) == (WINDOWS, WINDOWS * FRAMES)
    assert record.batching == "frames"


def test_windows_share_network_rounds(heard):
    _, _, rounds = heard
    full, rest = divmod(WINDOWS * FRAMES, BATCH)
    assert rounds == [BATCH] * full + [rest]
