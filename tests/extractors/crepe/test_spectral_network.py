"""The spectral network: one answer, whatever the vectors, the batch or the threads."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.crepe import Crepe, engines, host
from extractors.crepe.engines import read_weights
from extractors.crepe.frames import normalise
from extractors.crepe.host import AVX2, AVX512, HOSTS, NEON
from extractors.crepe.network import Network
from extractors.errors import UnavailableError

REGISTERS = {AVX512: "zmm", AVX2: "ymm", NEON: "xmm"}
WIDTHS = [pytest.param(h, id=h.name) for h in HOSTS]


def usable(wanted):
    """Skip where this processor lacks the vectors; narrower ones run on wider."""
    try:
        here = host.host()
    except UnavailableError as error:
        pytest.skip(str(error))
    if here.name == "neon" or wanted.width > here.width:
        pytest.skip(f"this processor has {here.name}")
    return wanted


def network_of(vectors, model="tiny"):
    from extractors.crepe.spectral_network import SpectralNetwork
    from extractors.crepe.spectral_weights import packed

    return SpectralNetwork(packed(read_weights(model), vectors.width), vectors)


def signals():
    """Noise, silence, a constant, an impulse, clipped and faint tones; 16 kHz."""
    random, t = np.random.default_rng(0), np.arange(8000) / 16000
    tone = np.sin(2 * np.pi * 220 * t)
    made = [
        0.1 * random.standard_normal(8000),
        np.zeros(8000),
        np.full(8000, 0.5),
        np.eye(1, 8000, 3000)[0],
        np.clip(3 * tone, -1, 1),
        1e-6 * tone,
        tone[:300],
    ]
    return [Audio(samples.astype(np.float32), 16000) for samples in made]


def rows_of(count):
    random = np.random.default_rng(1)
    return normalise(random.standard_normal((count, 1024), dtype=np.float32))


@pytest.fixture(scope="module")
def here():
    try:
        return host.host()
    except UnavailableError as error:
        pytest.skip(str(error))


# exactness


@pytest.mark.parametrize(("model", "count"), [("tiny", 150), ("full", 12)])
def test_probabilities_of_the_network_in_torch(here, model, count):
    rows = rows_of(count)
    ours, reference = network_of(here, model)(rows), Network(model, "cpu")(rows)
    assert ours.dtype == np.float32 and ours.shape == (count, 360)
    np.testing.assert_allclose(ours, reference, rtol=0, atol=5e-6)
    assert np.array_equal(ours.argmax(axis=1), reference.argmax(axis=1))


def test_unusual_signals_have_the_same_bins(here):
    spectral, torch = Crepe(model="tiny"), Crepe(model="tiny", engine="torch")
    for clip in signals():
        (ours,), (theirs,) = list(spectral.infer([clip])), list(torch.infer([clip]))
        a, b = ours.probabilities, theirs.probabilities
        np.testing.assert_allclose(a, b, rtol=0, atol=5e-6)
        assert np.array_equal(a.argmax(axis=1), b.argmax(axis=1))


def test_speech_has_the_same_path(here, data_dir):
    clip = Audio.from_file(data_dir / "fda" / "sb010.wav")
    tracks = [
        Crepe(model="tiny", decoder="viterbi", engine=name).extract([clip])[0]
        for name in ("spectral", "torch")
    ]
    assert np.array_equal(tracks[0].f0, tracks[1].f0)
    assert np.array_equal(tracks[0].voiced, tracks[1].voiced)


# vectors


@pytest.mark.parametrize("vectors", WIDTHS)
def test_every_width_gives_the_answer_in_its_own_machine_code(vectors):
    network = network_of(usable(vectors))
    rows = rows_of(21)
    reference = Network("tiny", "cpu")(rows)
    np.testing.assert_allclose(network(rows), reference, rtol=0, atol=5e-6)
    registers = used_registers(vectors)
    assert REGISTERS[vectors] in registers
    wider = [REGISTERS[h] for h in HOSTS if h.width > vectors.width]
    assert not set(wider) & registers


def used_registers(vectors):
    """Kinds of vector registers in the products' multiply–adds."""
    import numba

    from extractors.crepe import spectral_compile as module
    from extractors.crepe.spectral_kernels import multiply

    (wanted,) = (s for name, _, s in module._wanted(vectors) if name == "multiply")
    anew = numba.njit(nogil=True)(multiply.py_func)  # inspects no cached code
    anew.compile(wanted)
    code = anew.inspect_asm(wanted.args)
    lines = [line for line in code.splitlines() if "vfmadd" in line and "ps" in line]
    assert lines, "no fused multiply-add"
    return {kind for kind in REGISTERS.values() if any(kind in x for x in lines)}


# independence


def test_neither_batch_nor_order_nor_threads_change_a_bit(here):
    import torch

    clips = signals()
    before = torch.get_num_threads()
    expected = [p.probabilities.copy() for p in Crepe(model="tiny").infer(clips)]
    try:
        torch.set_num_threads(1)
        alone = Crepe(model="tiny", batch_size=7)
        for clip, answer in zip(clips, expected, strict=True):
            (found,) = list(alone.infer([clip]))
            assert np.array_equal(found.probabilities, answer)
    finally:
        torch.set_num_threads(before)
    backwards = [p.probabilities for p in Crepe(model="tiny").infer(clips[::-1])][::-1]
    assert all(map(np.array_equal, backwards, expected))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 97, 193])
def test_any_number_of_rows(here, count):
    network, rows = network_of(here), rows_of(193)
    assert np.array_equal(network(rows[:count]), network(rows)[:count])


# choosing, falling back, keeping


def test_the_engine_is_named_where_it_is_used(here):
    crepe = Crepe(model="tiny")
    crepe.load()
    assert crepe.describe()["engine"].startswith(here.identity)
    other = Crepe(model="tiny", engine="torch")
    other.load()
    assert other.describe()["engine"] == "torch"


def test_extractors_share_the_weights_while_one_lives(here):
    before = len(engines._IN_USE)
    one, two = Crepe(model="tiny"), Crepe(model="tiny", batch_size=64)
    one.load()
    two.load()
    assert len(engines._IN_USE) == 1 + before
    assert one._network._weights is two._network._weights
    del one
    gc.collect()
    assert len(engines._IN_USE) == 1 + before
    del two
    gc.collect()
    assert len(engines._IN_USE) == before


def test_identity_without_loading(monkeypatch):
    assert engines.identity("torch", "cpu") == "torch"
    assert engines.identity("auto", "cuda") == "torch, all on the device"
    assert engines.identity("torch", "cuda") == "torch"
    assert engines.identity("auto", "cpu", "bf16") == "torch"
    monkeypatch.setattr(engines, "host", lambda: AVX2)
    assert engines.identity("auto", "cpu") == "spectral avx2 x8"


def test_an_unknown_processor_falls_back_with_one_warning(monkeypatch):
    from extractors.compiled import warn_once

    def unknown():
        raise UnavailableError("no vectors with fused multiply-add on this processor")

    warn_once.cache_clear()
    monkeypatch.setattr(engines, "host", unknown)
    with pytest.warns(RuntimeWarning, match="crepe computes in torch, several times"):
        network, phrase = engines.open_network("tiny", "cpu", "auto")
    assert isinstance(network, Network)
    assert phrase.startswith("torch, because spectral failed: no vectors")
    with pytest.raises(UnavailableError, match="engine=spectral: no vectors"):
        engines.open_network("tiny", "cpu", "spectral")


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"avx512f", "avx512vl", "avx2", "fma"}, AVX512),
        ({"avx512f", "avx2", "fma"}, AVX2),
        ({"avx2", "fma"}, AVX2),
    ],
)
def test_the_widest_vectors_are_taken(monkeypatch, features, expected):
    monkeypatch.setattr(host.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(host, "_features", lambda: features)
    assert host.host() == expected


def test_hosts_without_such_vectors_are_named(monkeypatch):
    monkeypatch.setattr(host.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(host, "_features", lambda: {"avx2"})
    with pytest.raises(UnavailableError, match=r"x86_64.*engine=torch"):
        host.host()
    monkeypatch.setattr(host.platform, "machine", lambda: "aarch64")
    assert host.host() == NEON


COUNT = """
from extractors.crepe.host import host
from extractors.crepe.spectral_compile import compiled, on_disk
print(int(on_disk(host())), compiled(host()).compiled, int(on_disk(host())))
"""


@pytest.mark.slow
def test_a_second_process_compiles_nothing(here, tmp_path):
    def run():
        done = subprocess.run(
            [sys.executable, "-c", COUNT],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return [int(word) for word in done.stdout.split()]

    before, compiled, after = run()
    assert before == 0 and compiled > 0 and after == 1
    assert run() == [1, 0, 1]


def test_channels_that_are_no_vectors_are_refused_by_name():
    with pytest.raises(UnavailableError):
        engines.open_network("none", "cpu", "spectral")
