"""Naming an extractor loads neither torch nor numba."""

import subprocess
import sys

import pytest

MODULES = [
    "extractors",
    "extractors.crepe",
    "extractors.decoders.pitch",
    "extractors.pyin",
    "extractors.peers.torchcrepe",
    "extractors.peers.librosa_pyin",
    "extractors.peers.librosa_yin",
    "extractors.peers.tracks",
    "extractors.peers.swiftf0",
    "extractors.peers.praat",
    "extractors.pipeline",
    "extractors.spectrogram.by_librosa",
    "extractors.spectrogram.by_nnaudio",
    "extractors.spectrogram.by_torch",
]
HEAVY = "torch numba librosa torchcrepe onnxruntime parselmouth pandas scipy"


@pytest.mark.parametrize("modules", [MODULES[:1], MODULES])
def test_no_heavy_import(modules):
    code = (
        "import sys, importlib\n"
        f"for name in {modules}: importlib.import_module(name)\n"
        f"print([m for m in '{HEAVY}'.split() if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
