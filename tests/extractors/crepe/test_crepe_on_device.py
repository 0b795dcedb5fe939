"""CREPE all on the device, on CPU tensors: the spectral engine's tracks, two copies."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.crepe import Crepe
from extractors.crepe.frames import Framer, Part
from extractors.decoders.pitch import DECODERS
from extractors.errors import UnavailableError
from extractors.spill import SpilledRows
from extractors.stages import listening
from extractors.track import FrameGrid

torch = pytest.importorskip("torch")

from extractors.crepe import (  # noqa: E402 - it needs torch
    device_batch,
    engines,
    extractor,
    network,
    on_device,
    resample_torch,
)
from extractors.crepe.graphs import Graphed  # noqa: E402 - the same

EDGE = 6  # frames whose windows reach over an end of the clip
CENTS = 1e-3
CONFIDENCE = 5e-6


def tone(hz, seconds=0.3, sr=16000, seed=0):
    """A harmonic tone that rises by a semitone, in faint noise."""
    t = np.arange(int(seconds * sr)) / sr
    phase = 2 * np.pi * np.cumsum(hz * 2 ** (t / seconds / 12)) / sr
    wave = sum(np.sin(phase * k) / k for k in range(1, 6) if hz * k < sr / 3)
    noise = np.random.default_rng(seed).standard_normal(len(t))
    return Audio((0.1 * wave + 0.001 * noise).astype(np.float32), sr)


def zeros(n, sr=16000):
    return Audio(np.zeros(n, np.float32), sr)


@pytest.fixture(scope="module")
def clips():
    """At 16 kHz, where both paths see the same samples."""
    square = np.where(tone(200, 0.1).samples > 0, np.float32(1), np.float32(-1))
    faint = 1e-6 * tone(150, 0.1, seed=2).samples
    return [
        tone(110, 0.41),
        zeros(1),
        tone(330, 0.02),
        zeros(1200),
        Audio(np.full(1500, 0.25, np.float32), 16000),
        Audio(square, 16000),
        Audio(faint, 16000),
        tone(700, 0.2, seed=3),
    ]


@pytest.fixture(scope="module")
def mixed():
    return [
        tone(110, 0.21),
        tone(220, 0.2, 22050),
        tone(330, 0.07, 44100),
        zeros(1, 8000),
        tone(440, 0.15, 44100, seed=3),
        zeros(1, 48000),
        tone(150, 0.1, 8000),
    ]


def there(**options):
    return Crepe(model="tiny", device="cpu", engine="device", **options)


def bits(tracks):
    return [
        tuple(a.tobytes() for a in (t.times, t.f0, t.voiced, t.confidence))
        for t in tracks
    ]


def cents(found, expected):
    return np.abs(1200 * np.log2(found.f0.astype(float) / expected.f0))


@pytest.mark.parametrize(
    ("decoder", "hop_s"),
    [*((decoder, 0.01) for decoder in sorted(DECODERS)), ("argmax", 0.0032)],
)
def test_the_tracks_of_the_spectral_engine(clips, decoder, hop_s):
    options = {"decoder": decoder, "hop_s": hop_s}
    expected = Crepe(model="tiny", device="cpu", **options).extract(clips)
    for found, track in zip(there(**options).extract(clips), expected, strict=True):
        np.testing.assert_array_equal(found.times, track.times)
        assert cents(found, track).max() <= CENTS
        assert np.abs(found.confidence - track.confidence).max() <= CONFIDENCE


def test_the_bins_of_the_host(clips):
    subject = there(decoder="viterbi")
    subject.load()
    contours = subject._whole.tracks(
        clips, subject.grid, "viterbi", subject.allowed, 512
    )
    for found, posteriors in zip(contours, subject.infer(clips), strict=True):
        expected = DECODERS["viterbi"](posteriors.probabilities, subject.allowed)
        np.testing.assert_array_equal(found.bins, expected.bins)
        own = posteriors.probabilities[np.arange(len(found.bins)), found.bins]
        np.testing.assert_array_equal(found.confidence, own)


def test_other_rates_differ_by_the_resamplers_only(mixed):
    """soxr's band edge differs by 0.01 dB; the ends of a clip ring otherwise."""
    expected = Crepe(model="tiny", device="cpu").extract(mixed)
    for found, track in zip(there().extract(mixed), expected, strict=True):
        np.testing.assert_array_equal(found.times, track.times)
        inside = slice(EDGE, len(track) - EDGE)
        assert cents(found, track)[inside].max(initial=0) < 0.05
        moved = np.abs(found.confidence - track.confidence)
        assert moved[inside].max(initial=0) < 2e-4


def test_speech_at_its_own_rate(data_dir):
    files = sorted((data_dir / "fda").glob("*.wav"))[:2]
    assert len(files) == 2
    whole = [Audio.from_file(path) for path in files]
    speech = [Audio(clip.samples[: clip.sr], clip.sr) for clip in whole]
    expected = Crepe(model="tiny", device="cpu").extract(speech)
    for found, track in zip(there().extract(speech), expected, strict=True):
        sure = track.voiced & found.voiced
        assert sure.any()
        assert (cents(found, track)[sure] < 1).mean() > 0.99
        assert (found.voiced == track.voiced).mean() > 0.99


def test_batch_size_does_not_show(mixed):
    subject, found = there(), []
    for subject.batch_size in (1, 64, 4096):
        found.append(bits(subject.extract(mixed)))
    assert found[0] == found[1] == found[2]


def test_order_company_and_batches_do_not_show(mixed, monkeypatch):
    subject = there()
    reference = bits(subject.extract(mixed))
    assert bits(subject.extract(mixed[::-1])) == reference[::-1]
    assert [bits(subject.extract([clip]))[0] for clip in mixed] == reference
    monkeypatch.setattr(on_device, "HELD_FRAMES", 40)
    assert bits(subject.extract(mixed)) == reference


def test_threads_do_not_show(mixed, torch_threads):
    subject, found = there(decoder="weighted_argmax"), []
    for threads in (1, 2):
        torch_threads(threads)
        found.append(bits(subject.extract(mixed)))
    assert found[0] == found[1]


def test_infer_and_decode_give_the_track(mixed):
    subject = there()
    posteriors = list(subject.infer(mixed))
    assert [p.probabilities.shape for p in posteriors] == [
        (len(p.times), 360) for p in posteriors
    ]
    found = map(subject.decode, posteriors)
    for host, track in zip(found, subject.extract(mixed), strict=True):
        np.testing.assert_allclose(host.f0, track.f0, rtol=1e-6)
        np.testing.assert_array_equal(host.confidence, track.confidence)


def test_rows_are_the_networks_own_bit_by_bit(clips):
    """The same frames, normalised alike, in the same micro-batches."""
    subject = there()
    found = next(iter(subject.infer(clips[:1]))).probabilities
    grid = FrameGrid(0.01)
    layout = device_batch.Layout(clips[:1], grid)
    batch = device_batch.DeviceBatch(layout, layout.buffer(pinned=False), grid)
    rows = device_batch.normalise(batch.frames(0, layout.frames)).numpy()
    np.testing.assert_array_equal(network.Network("tiny", "cpu")(rows), found)


def test_frames_are_those_of_the_host(clips):
    grid = FrameGrid("1/300")  # 53.33 samples: centres are rounded
    layout = device_batch.Layout(clips, grid)
    batch = device_batch.DeviceBatch(layout, layout.buffer(pinned=False), grid)
    framer = Framer(clips, grid)
    parts = [Part(clip, 0, count) for clip, count in enumerate(framer.counts)]
    found = device_batch.normalise(batch.frames(0, layout.frames + 3)).numpy()
    np.testing.assert_allclose(
        found[: layout.frames], framer.rows(parts), rtol=1e-6, atol=1e-6
    )


def test_one_copy_there_and_one_back_per_batch(mixed):
    subject = there()
    subject.load()
    before = subject._whole.transfers
    subject._whole.transfers = device_batch.Transfers()
    frames = sum(len(track) for track in subject.extract(mixed))
    seen = subject._whole.transfers
    assert before.batches == 1  # the run that loading ends with
    assert (seen.batches, seen.to_device, seen.to_host) == (1, 1, 1)
    samples = sum(len(clip.samples) for clip in mixed)
    assert seen.bytes_to_device == 4 * samples + 7 * 8 * len(mixed)
    assert seen.bytes_to_host == 3 * 4 * frames
    assert subject.describe()["copies"].startswith("1 batches: 1 copies to the device")


def test_posteriors_come_back_in_rounds(mixed):
    subject = there(batch_size=32)
    subject.load()
    subject._whole.transfers = device_batch.Transfers()
    long = tone(200, 1.0)  # 101 frames: rounds of 32, 32, 32 and 5
    assert len(list(subject.infer([long]))) == 1
    seen = subject._whole.transfers
    assert (seen.to_device, seen.to_host) == (1, 4)
    assert seen.bytes_to_host == 101 * 360 * 4


def test_posteriors_of_long_clips_wait_on_disk(mixed, monkeypatch):
    subject = there(batch_size=32)
    expected = list(subject.infer(mixed))
    monkeypatch.setattr(extractor, "LONG", 20)
    found = list(subject.infer(mixed))
    assert isinstance(found[0].probabilities, SpilledRows)  # of 22 frames
    for ours, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.probabilities[0:], other.probabilities)
    assert bits([subject.decode(found[0])]) == bits([subject.decode(expected[0])])


def test_a_batch_is_not_prepared_before_it_is_needed():
    asked = []

    class Lazy:
        def __len__(self):
            return 5

        def __getitem__(self, index):
            asked.append(index)
            return tone(200, 0.1)

    found = device_batch.batches(Lazy(), FrameGrid(0.01), 25)
    assert len(next(found)) == 2
    assert asked == [0, 1, 2]
    assert [len(batch) for batch in found] == [2, 1]


def test_a_batch_is_bounded_in_samples_too(monkeypatch):
    monkeypatch.setattr(device_batch, "HELD_SAMPLES", 5000)
    found = device_batch.batches([zeros(3000)] * 2 + [zeros(9)], FrameGrid(1), 100)
    assert [len(batch) for batch in found] == [1, 2]


def test_nothing_is_asked_of_the_device_on_the_way(mixed, monkeypatch):
    """Tensors without memory refuse every copy, and to meet tensors of the host."""
    monkeypatch.setitem(network.MICRO_BATCH, "meta", 512)
    monkeypatch.setattr(
        device_batch.Transfers,
        "download",
        lambda self, found: torch.zeros(found.shape),
    )
    whole = on_device.OnDevice(network.Network("tiny", "meta"))
    whole._graph = Graphed(whole._step, lambda function, x: lambda: function(x))
    for decoder in DECODERS:
        found = whole.tracks(mixed, FrameGrid(0.05), decoder, slice(20, 300), 64)
        assert len(list(found)) == len(mixed)


def test_stages_are_named(mixed):
    heard = []

    class Listener:
        def enter(self, name, device):
            heard.append(name)
            assert device == "cpu"

        def exit(self, name):
            pass

        def copied(self, direction, n_bytes):
            raise AssertionError("a CPU's tensors are not copied")

    subject = there()
    subject.load()
    with listening(Listener()):
        subject.extract(mixed[:2])
    assert heard == ["h2d", "resample", "frontend", "network", "decode", "d2h"]


def test_the_record_tells_what_ran():
    subject = there()
    assert subject.identity() == {"engine": "torch, all on the device"}
    subject.load()
    facts = subject.describe()
    assert facts["engine"] == "torch, all on the device"
    assert facts["resampler"].startswith("Kaiser")


def test_bf16_runs_here_on_either_path(clips):
    plain = there().extract(clips[:1])[0]
    subject = there(precision="bf16")
    whole = subject.extract(clips[:1])[0]
    apart = Crepe(model="tiny", device="cpu", precision="bf16").extract(clips[:1])[0]
    assert 1e-5 < np.abs(whole.confidence - plain.confidence).max() < 0.1
    assert cents(apart, whole).max() < 10
    assert "bf16 by plain convolutions" in subject.describe()["engine"]


@pytest.mark.parametrize("engine", ["auto", "device"])
@pytest.mark.parametrize("precision", ["tf32", "fp16"])
def test_precisions_of_a_gpu_are_skipped_on_a_cpu(precision, engine):
    with pytest.raises(UnavailableError, match=f"precision={precision} needs a GPU"):
        Crepe(model="tiny", device="cpu", engine=engine, precision=precision)


def test_tf32_keeps_the_spectral_convolutions(monkeypatch):
    made = []
    monkeypatch.setattr(engines, "check_precision", lambda *asked: None)
    monkeypatch.setattr(engines, "Network", lambda *a, **k: made.append((a, k)))
    _, phrase = engines.open_network("tiny", "cuda", "auto", "tf32")
    assert made == [(("tiny", "cuda"), {"tf32": True})]
    assert phrase == "torch, all on the device, products in tf32"


def test_the_spectral_engine_has_one_precision():
    subject = Crepe(model="tiny", device="cpu", engine="spectral", precision="bf16")
    with pytest.raises(UnavailableError, match="use engine=auto"):
        subject.load()


@pytest.mark.parametrize(("tf32", "setting"), [(False, "highest"), (True, "high")])
def test_products_are_as_asked_and_the_callers_setting_comes_back(tf32, setting):
    before = torch.get_float32_matmul_precision()
    seen = []
    subject = network.Network("tiny", "cpu", tf32=tf32)

    def step(frames):
        seen.append(torch.get_float32_matmul_precision())
        return subject.forward(frames)

    try:
        torch.set_float32_matmul_precision("medium")
        with torch.inference_mode():
            subject.compute(torch.zeros(32, 1024), step)
        assert seen == [setting]
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_the_resamplers_products_are_exact_too(mixed, monkeypatch):
    before, seen = torch.get_float32_matmul_precision(), []
    original = resample_torch.Resampler._product

    def product(self, *given):
        seen.append(torch.get_float32_matmul_precision())
        return original(self, *given)

    monkeypatch.setattr(resample_torch.Resampler, "_product", product)
    try:
        torch.set_float32_matmul_precision("high")
        there().extract(mixed[1:2])
        assert set(seen) == {"highest"}
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)


def test_threads_take_turns_with_the_static_memory_of_a_graph():
    def capture(function, source):
        target = function(source).clone()
        return lambda: target.copy_(function(source))

    subject = there()
    subject.load()
    subject._whole._graph = Graphed(subject._whole._step, capture)
    both = [tone(hz, 0.3) for hz in (120, 500)]  # one micro-batch each
    expected = [bits(subject.extract([clip])) for clip in both]
    with ThreadPoolExecutor(2) as pool:
        found = list(
            pool.map(lambda i: bits(subject.extract([both[i % 2]])), range(40))
        )
    assert found == expected * 20


@pytest.mark.gpu
def test_on_the_gpu(mixed, clips):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    subject = Crepe(model="tiny", device="cuda")
    both = [*clips, *mixed]
    expected = there().extract(both)
    for found, track in zip(subject.extract(both), expected, strict=True):
        assert (cents(found, track) < 0.01).mean() > 0.99
        assert np.abs(found.confidence - track.confidence).max() < 2e-5
    assert subject.describe()["cuda_graphs"] == "used"
    reference = bits(subject.extract(both))
    assert bits(subject.extract(both[::-1])) == reference[::-1]
