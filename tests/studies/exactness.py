"""How far the engines are from torchcrepe and librosa on hours of their work.

    python tests/studies/exactness.py crepe --model tiny --data recordings
    python tests/studies/exactness.py crepe --model full --data recordings
    python tests/studies/exactness.py pyin --data recordings

Every ``*.wav`` below the folder is tracked, and generated signals: noise, silence, a
constant, impulses, clipped speech, speech at 1e-6 of its level. *crepe* gives frames to
torchcrepe's network and to the engine, compares probabilities, their first maxima and
the paths of ``torchcrepe.decode.viterbi`` with the engine's; torchcrepe's full network
takes about ten seconds for one of audio on two cores. torchcrepe's path rests on a
softmax in float32 whose last bits depend on how many frames torch is given at once, so
that ties within these bits are not torchcrepe's either: where paths differ, their log
likelihoods are compared in float64, and less than one rounding a frame is a *tie*.
*pyin* compares with ``librosa.pyin`` under seven sets of parameters. The exit code is 1
where an answer differs by more than f0bench promises.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.audio import Audio

PROBABILITY = 5e-6  # largest difference that the engine may have
VOICED_PROB = 1e-12
ROUNDING = 2.0**-23  # of a logarithm near 1, in float32
F0_RANGE = (50.0, 1100.0)  # Hz, of the paths
ROWS = 256  # frames that torchcrepe is given at once

#: parameters of librosa.pyin; where a frame is too short for fmin it is doubled
SETS: Sequence[dict[str, Any]] = (
    {"fmin": 65, "fmax": 2093, "frame_length": 2048},
    {"fmin": 60, "fmax": 500, "frame_length": 1024},
    {"fmin": 50, "fmax": 1100, "frame_length": 1024},
    {"fmin": 65, "fmax": 1000, "resolution": 0.2, "switch_prob": 0.05},
    {
        "fmin": 80,
        "fmax": 800,
        "frame_length": 1500,
        "n_thresholds": 50,
        "beta_parameters": (2, 34 / 3),
        "boltzmann_parameter": 1.0,
        "no_trough_prob": 0.1,
    },
    {
        "fmin": 100,
        "fmax": 400,
        "frame_length": 700,
        "resolution": 0.05,
        "max_transition_rate": 20.0,
        "center": False,
    },
    {"fmin": 65, "fmax": 600, "pad_mode": "reflect", "max_transition_rate": 80.0},
)


def main(words: Sequence[str] | None = None) -> int:
    """Compare, print what came of it, and say whether the promises hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("engine", choices=("crepe", "pyin"))
    parser.add_argument("--model", choices=("tiny", "full"), default="tiny")
    parser.add_argument("--data", type=Path, required=True, help="folder of WAV files")
    parser.add_argument("--limit", type=int, help="at most so many of the recordings")
    options = parser.parse_args(words)
    clips = list(material(options.data, options.limit))
    if options.engine == "crepe":
        return int(not crepe(clips, options.model))
    # not all(map(…)): every set is printed, whatever came of those before
    return int(not all([pyin(clips, parameters) for parameters in SETS]))


def material(folder: Path, limit: int | None) -> Iterator[tuple[str, Audio]]:
    """Named recordings below a folder, and what is generated."""
    paths = sorted(folder.rglob("*.wav"))[:limit]
    if not paths:
        raise SystemExit(f"{folder} holds no *.wav file; name another folder")
    for path in paths:
        yield path.stem, Audio.from_file(path)
    yield from generated(Audio.from_file(paths[0]))


def generated(speech: Audio) -> Iterator[tuple[str, Audio]]:
    """Signals on which trackers differ if they differ at all, at 16 kHz."""
    random, sr = np.random.default_rng(0), 16000
    impulses = (np.arange(4 * sr) % 211 == 0).astype(np.float32)
    for name, samples in {
        "noise": 0.1 * random.standard_normal(4 * sr),
        "silence": np.zeros(2 * sr),
        "constant": np.full(2 * sr, 0.3),
        "impulses": impulses,
        "one impulse": np.eye(1, 2 * sr, sr)[0],
        "square": np.sign(np.sin(np.arange(4 * sr) * 0.05)),
    }.items():
        yield name, Audio(samples.astype(np.float32), sr)
    yield "clipped", Audio(np.clip(40 * speech.samples, -1, 1), speech.sr)
    yield "1e-6", Audio(speech.samples * np.float32(1e-6), speech.sr)


@dataclass
class Found:
    """What was compared so far."""

    frames: int = 0
    apart: float = 0.0
    maxima: int = 0
    bins: int = 0
    ties: int = 0
    voiced: int = 0


def crepe(clips: Sequence[tuple[str, Audio]], model: str) -> bool:
    """Whether the engine keeps its promise on these clips."""
    from extractors.registry import build

    low, high = F0_RANGE
    options = {"model": model, "decoder": "viterbi", "fmin": low, "fmax": high}
    engine: Any = build("crepe", {**options, "device": "cpu"})
    found, began = Found(), time.perf_counter()
    for name, clip in clips:
        (ours,) = engine.infer([clip])
        theirs = torchcrepe_probabilities(engine, clip, model)
        paths = engine.decode(ours).f0, torchcrepe_path(theirs)
        bins, expected = (bins_of(f0) for f0 in paths)
        moved = int((bins != expected).sum())
        apart = float(np.abs(ours.probabilities - theirs).max())
        maxima = ours.probabilities.argmax(axis=1) != theirs.argmax(axis=1)
        if apart > PROBABILITY or maxima.any() or moved:
            lost = likelihood(theirs, expected) - likelihood(theirs, bins)
            found.ties += moved * (abs(lost) <= len(bins) * ROUNDING)
            print(
                f"  {name}: {apart:.2g}, {maxima.sum()} maxima, {moved} bins, log "
                f"likelihood {lost:+.2g} in {len(bins)} frames"
            )
        found.frames += len(theirs)
        found.apart = max(found.apart, apart)
        found.maxima += int(maxima.sum())
        found.bins += moved
        progress(name, found.frames, began)
    print(
        f"crepe {model} ({engine.describe()['engine']}): {found.frames} frames of "
        f"{len(clips)} clips, probabilities within {found.apart:.3g}, "
        f"{found.maxima} maxima and {found.bins} bins of paths differ, {found.ties} of "
        "them by a tie"
    )
    kept = not found.maxima and found.bins == found.ties
    return kept and found.apart <= PROBABILITY


def torchcrepe_probabilities(engine: Any, clip: Audio, model: str) -> NDArray[Any]:
    """Probabilities of torchcrepe's network on the engine's frames of a clip."""
    import torch

    from extractors.crepe.frames import Framer, Part
    from extractors.peers.torchaudio_stand_in import import_torchcrepe

    package = import_torchcrepe()
    framer = Framer([clip], engine.grid)
    parts = []
    with torch.inference_mode():
        for start in range(0, framer.counts[0], ROWS):
            stop = min(start + ROWS, framer.counts[0])
            rows = torch.from_numpy(framer.rows([Part(0, start, stop)]))
            parts.append(package.infer(rows, model).numpy())
    return np.concatenate(parts)


def torchcrepe_path(probabilities: NDArray[Any]) -> NDArray[Any]:
    """F0 of torchcrepe's path in Hz, without the dither of its conversion."""
    import torch

    from extractors.decoders.bins import bins_to_cents, cents_to_hz
    from extractors.peers.torchaudio_stand_in import import_torchcrepe

    package, (low, high) = import_torchcrepe(), F0_RANGE
    convert = package.convert.frequency_to_bins
    rows = torch.from_numpy(probabilities.T.copy())[None]
    rows[:, : int(convert(torch.tensor(low)))] = -torch.inf
    rows[:, int(convert(torch.tensor(high), torch.ceil)) :] = -torch.inf
    bins, _ = package.decode.viterbi(rows)
    return np.asarray(cents_to_hz(bins_to_cents(bins[0].numpy())))


def bins_of(f0: NDArray[Any]) -> NDArray[Any]:
    """Bins of which these are the centres, in Hz."""
    from extractors.decoders.bins import CENTS_PER_BIN, bins_to_cents, cents_to_hz

    lowest = float(cents_to_hz(bins_to_cents(np.zeros(1)))[0])
    return np.rint(1200 * np.log2(f0 / lowest) / CENTS_PER_BIN).astype(int)


def likelihood(probabilities: NDArray[Any], bins: NDArray[Any]) -> float:
    """Log likelihood of a path under torchcrepe's model, in float64."""
    from extractors.decoders.bins import allowed_bins
    from extractors.decoders.pitch import TRANSITION_WIDTH

    inside = allowed_bins(*F0_RANGE)
    rows = np.exp(probabilities[:, inside].astype(np.float64))
    rows /= rows.sum(axis=1, keepdims=True)
    index = np.arange(probabilities.shape[1])
    near = np.maximum(TRANSITION_WIDTH - np.abs(index[:, None] - index), 0.0)
    near /= near.sum(axis=1, keepdims=True)
    seen = rows[np.arange(len(bins)), bins - inside.start]
    # librosa adds the smallest normal float32 to what it takes logarithms of
    moves = near[bins[:-1], bins[1:]] + np.finfo(np.float32).tiny
    return float(np.log(seen).sum() + np.log(moves).sum())


def pyin(clips: Sequence[tuple[str, Audio]], parameters: dict[str, Any]) -> bool:
    """Whether f0 and voiced flags are equal bit for bit under one set."""
    import librosa

    from extractors.pyin import pyin as ours

    found, differ, began = Found(), 0, time.perf_counter()
    for name, clip in clips:
        asked = {**parameters, "sr": clip.sr, "hop_length": clip.sr // 100}
        while asked.setdefault("frame_length", 2048) * asked["fmin"] <= 2.1 * clip.sr:
            asked["frame_length"] *= 2
        a = tracked(librosa.pyin, clip, asked)
        b = tracked(ours, clip, asked)
        wrong = (a[0] != b[0]) | (a[1] != b[1])
        apart = float(np.abs(a[2] - b[2]).max())
        if wrong.any() or apart > VOICED_PROB:
            print(f"  {name}: {wrong.sum()} frames, voiced_prob {apart:.2g}")
        differ += int(wrong.sum())
        found.frames += len(wrong)
        found.apart = max(found.apart, apart)
        found.voiced += int(a[1].sum())
        progress(name, found.frames, began)
    print(
        f"pyin {parameters}: {found.frames} frames, {found.voiced} voiced, {differ} "
        f"differ in f0 or voicing, voiced_prob within {found.apart:.3g}"
    )
    return not differ and found.apart <= VOICED_PROB


def tracked(function: Any, clip: Audio, asked: dict[str, Any]) -> Any:
    """f0 (also of unvoiced frames), voiced flag and probability."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # librosa's, of fmin near a frame's length
        return function(clip.samples, fill_na=None, **asked)


def progress(name: str, frames: int, began: float) -> None:
    """Say on stderr how far it is."""
    line = f"\r{time.perf_counter() - began:6.0f} s  {frames} frames  {name:20}"
    print(line, end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
