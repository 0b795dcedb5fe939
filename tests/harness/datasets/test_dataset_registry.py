"""Opening, scanning and fingerprinting: bad clips are named and never stop the scan."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from extractors.audio import Audio
from extractors.errors import ConfigError, DatasetError, InputError
from harness.config import DatasetConfig
from harness.datasets.base import Clip
from harness.datasets.recording import load_recording
from harness.datasets.registry import fingerprint, open_dataset, scan


def tone(n=8000):
    return 0.5 * np.sin(2 * np.pi * 200 * np.arange(n) / 16000)


def folder(root, **config):
    return open_dataset(DatasetConfig(kind="folder", root=str(root), **config))


class Listed:
    """A data set of given clips."""

    name = "listed"

    def __init__(self, *clips):
        self._clips = clips

    def clips(self):
        return iter(self._clips)

    def identity(self):
        return {}


def test_every_kind_of_bad_audio_is_named_and_the_rest_is_read(tmp_path):
    soundfile.write(tmp_path / "good.wav", tone(), 16000)
    soundfile.write(tmp_path / "stereo.wav", np.stack([tone(), tone()], 1), 16000)
    soundfile.write(tmp_path / "seven_khz.wav", tone(), 7000)
    soundfile.write(tmp_path / "zero.wav", np.zeros(0), 16000)
    soundfile.write(tmp_path / "nan.wav", np.full(99, np.nan), 16000, subtype="FLOAT")
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("this is no audio")
    whole = (tmp_path / "good.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    expected = {
        "stereo": "2 channels; choose",
        "seven_khz": "7000 Hz is below 8000 Hz",
        "zero": "0 samples",
        "nan": "NaN or Inf",
        "empty": "not readable as audio",
        "text": "not readable as audio",
        "cut": "truncated, the header promises 8000 frames and the file holds 3989",
    }
    infos = {info.id: info for info in scan(folder(tmp_path))}
    assert {id for id, info in infos.items() if info.error} == set(expected)
    for id, message in expected.items():
        assert message in infos[id].error
        assert infos[id].error.startswith(f"{id}.wav: ")
        assert infos[id].seconds is None
    assert (infos["good"].seconds, infos["good"].sr) == (0.5, 16000)


def test_a_missing_file_is_an_input_error(tmp_path):
    text = "id,audio_path\na,gone.wav\n"
    (tmp_path / "set.csv").write_text(text)
    data = open_dataset(
        DatasetConfig(kind="manifest", manifest=str(tmp_path / "set.csv"))
    )
    (info,) = scan(data)
    assert "gone.wav: no such file" in info.error
    assert info.sha256 == ""


@pytest.mark.parametrize("suffix", ["wav", "aiff", "au", "w64", "flac", "ogg"])
def test_truncated_files_of_every_format_are_refused(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, tone(32000), 16000)
    assert len(load_recording(path).samples) == 32000
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * 0.7)])
    with pytest.raises(InputError, match=r"truncated|not readable"):
        load_recording(path)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF - 44])
def test_headers_of_streamed_files_promise_nothing(tmp_path, size):
    """Programs that write WAV to a pipe cannot know its length."""
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(), 16000)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"data") + 4
    raw[at : at + 4] = size.to_bytes(4, "little")
    path.write_bytes(raw)
    assert len(load_recording(path).samples) == 8000


def test_bad_labels_keep_the_clip_and_are_listed(tmp_path):
    for stem in ("a", "b", "c"):
        soundfile.write(tmp_path / f"{stem}.wav", tone(), 16000)
    (tmp_path / "a.csv").write_text("0.0,100\n0.01,100\n")
    (tmp_path / "b.csv").write_text("0.0,100\n0.0,100\n")
    infos = {i.id: i for i in scan(folder(tmp_path, truth="{stem}.csv"))}
    assert (infos["a"].has_truth, infos["a"].truth_kind) == (True, "annotation")
    assert infos["b"].truth_error.startswith("b.csv:2: time")
    assert not infos["b"].has_truth and infos["b"].error is None
    assert infos["b"].seconds == 0.5
    assert infos["c"].truth_error is None and not infos["c"].has_truth


def test_fingerprint_follows_content_not_place_or_order(tmp_path):
    root = tmp_path / "one"
    root.mkdir()
    for stem, scale in (("a", 1.0), ("b", 0.5)):
        soundfile.write(root / f"{stem}.wav", scale * tone(), 16000)
        (root / f"{stem}.csv").write_text("0.0,100\n0.01,100\n")
    shutil.copytree(root, tmp_path / "two")
    data = [folder(tmp_path / name, truth="{stem}.csv") for name in ("one", "two")]
    first, second = (scan(d) for d in data)
    assert fingerprint(first, data[0]) == fingerprint(second[::-1], data[1])
    (tmp_path / "two" / "a.csv").write_text("0.0,100\n0.01,101\n")
    changed = scan(data[1])
    assert fingerprint(changed, data[1]) != fingerprint(first, data[0])
    assert fingerprint(first[:1], data[0]) != fingerprint(first, data[0])


def test_bytes_cannot_move_between_audio_and_label_unseen(tmp_path):
    (tmp_path / "x").write_bytes(b"12")
    (tmp_path / "y").write_bytes(b"3")
    (tmp_path / "u").write_bytes(b"1")
    (tmp_path / "v").write_bytes(b"23")

    def load():
        return Audio(tone(), 16000)

    hashes = [
        scan(Listed(Clip("a", load, sources=tuple(str(tmp_path / n) for n in pair))))
        for pair in ("xy", "uv")
    ]
    assert hashes[0][0].sha256 != hashes[1][0].sha256


def test_synthetic_is_fingerprinted_by_its_identity():
    def of(**config):
        data = open_dataset(DatasetConfig(seconds=2, **config))
        infos = scan(data)
        assert [(i.truth_kind, i.has_truth) for i in infos] == [("exact", True)]
        return fingerprint(infos, data)

    assert of(seed=1) == of(seed=1)
    assert of(seed=1) != of(seed=2)


def test_duplicate_ids_and_empty_sets_are_refused():
    clip = Clip("same", lambda: Audio(tone(), 16000))
    with pytest.raises(DatasetError, match="two clips have the id 'same'"):
        scan(Listed(clip, clip))
    with pytest.raises(DatasetError, match="no clips"):
        scan(Listed())


def test_unknown_kinds_and_limits_are_refused():
    with pytest.raises(ConfigError, match="did you mean 'synthetic'"):
        open_dataset(DatasetConfig(kind="syntetic"))
    with pytest.raises(ConfigError, match="at least 1"):
        open_dataset(DatasetConfig(limit=0))


def test_importing_and_opening_a_set_loads_no_heavy_package():
    code = (
        "import sys; from harness.config import DatasetConfig;"
        "from harness.datasets import check, manifest, registry;"
        "list(registry.open_dataset(DatasetConfig()).clips());"
        "heavy = {'torch', 'librosa', 'scipy', 'pandas', 'plotly', 'pyarrow'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.stdout.strip() == "[]", out.stderr
