"""A request becomes cells: axes that do not apply collapse, the rest is explained."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import pytest

from extractors.base import F0Extractor
from extractors.errors import ConfigError, UnavailableError, UsageError
from extractors.registry import extractor_class
from harness.compose import Request
from harness.config import DatasetConfig, RunConfig, Settings, TaskConfig
from harness.plan import build, groups
from harness.preview import as_dict, lines

CPU = SimpleNamespace(devices=("cpu",), reasons={"cuda": "a CPU build of torch"})
GPU = SimpleNamespace(devices=("cpu", "cuda"), reasons={})
DECODERS = ("argmax", "weighted_argmax", "viterbi", "viterbi_weighted")


class Own(F0Extractor):
    name = "crepe"
    axes: ClassVar = {
        "model": ("full", "tiny"),
        "decoder": DECODERS,
        "device": ("cpu", "cuda"),
        "batch_size": None,
    }

    def __init__(
        self,
        *,
        model="full",
        decoder="viterbi_weighted",
        device="auto",
        batch_size=512,
        fmin=50.0,
        fmax=1100.0,
        hop_s=0.01,
        threshold=0.5,
    ):
        pass

    def extract(self, clips):
        return []


class Peer(Own):
    name = "torchcrepe"
    peer = True
    axes: ClassVar = {**Own.axes, "decoder": DECODERS[:3]}

    def __init__(
        self,
        *,
        model="full",
        decoder="viterbi",
        device="auto",
        batch_size=512,
        fmin=50.0,
        fmax=1100.0,
        hop_s=0.01,
        threshold=0.5,
    ):
        pass


class Pyin(F0Extractor):
    name = "librosa_pyin"
    peer = True

    def __init__(self, *, fmin=50.0, fmax=1100.0, hop_s=0.01, frame_length=None):
        pass

    def extract(self, clips):
        return []


class Extra(Pyin):
    name = "swiftf0"
    extra = "swiftf0"
    requires = ("json", "no_such_package_at_all")


class Tracks(F0Extractor):
    name = "tracks"
    accuracy_only = True

    def __init__(self, *, root):
        pass

    def extract(self, clips):
        return []


CLASSES = {cls.name: cls for cls in (Own, Peer, Pyin, Extra, Tracks)}


def plan_of(*configs, machine=CPU, **request):
    return build(Request(list(configs), **request), machine, CLASSES.__getitem__)


def cells_of(name, machine=CPU, **axes):
    return plan_of(RunConfig(name, axes=axes), machine=machine).cells


def sweep():
    return [
        RunConfig(
            name,
            axes={"model": m, "decoder": d, "batch_size": b, "device": v},
        )
        for name in ("crepe", "torchcrepe", "librosa_pyin")
        for m in ("full", "tiny")
        for d in DECODERS
        for b in (128, 512)
        for v in ("cpu", "cuda")
    ]


def test_unlike_extractors_sweep_together():
    plan = plan_of(*sweep())
    # crepe 2·4·2, torchcrepe 2·3·2, librosa_pyin 1 on the CPU
    assert len(plan.cells) == 16 + 12 + 1
    # the same again on CUDA but for pYIN, and torchcrepe's unknown decoder 2·2·2
    assert len(plan.skipped) == 16 + 12 + 8
    assert plan.merged == [
        "librosa_pyin: model, decoder, batch_size, device do not apply; 32 → 1 cell"
    ]


def test_labels_are_unique_and_short():
    plan = plan_of(*sweep())
    labels = [cell.label for cell in plan.cells]
    assert len(set(labels)) == len(labels)
    assert labels[0] == "crepe full argmax b128  cpu"
    assert labels[-1] == "librosa_pyin  cpu"
    everything = labels + [item.label for item in plan.skipped]
    assert len(set(everything)) == len(everything)


def test_a_label_names_only_what_differs():
    assert cells_of("crepe", model="tiny")[0].label == "crepe tiny  cpu"
    assert cells_of("crepe", decoder="argmax")[0].label == "crepe full argmax  cpu"
    assert cells_of("crepe", batch_size=7)[0].label == "crepe full  cpu"


def test_labels_tell_options_and_tasks_apart():
    low, high = (RunConfig("crepe", options={"threshold": t}) for t in (0.2, 0.4))
    assert [cell.label for cell in plan_of(low, high).cells] == [
        "crepe full threshold=0.2  cpu",
        "crepe full threshold=0.4  cpu",
    ]
    wide = replace(low, task=TaskConfig(fmin=60))
    assert "60–1100Hz/10ms" in plan_of(low, wide).cells[1].label


def test_params_hold_every_argument():
    task = TaskConfig(fmin=60.0, fmax=500.0, hop_s=0.005)
    (cell,) = plan_of(RunConfig("crepe", task=task, axes={"model": "tiny"})).cells
    assert cell.params == {
        "model": "tiny",
        "decoder": "viterbi_weighted",
        "device": "cpu",
        "batch_size": 512,
        "fmin": 60.0,
        "fmax": 500.0,
        "hop_s": 0.005,
        "threshold": 0.5,
    }
    assert cell.axes == {
        "model": "tiny",
        "decoder": "viterbi_weighted",
        "device": "cpu",
        "batch_size": 512,
    }


def test_a_stated_default_is_the_same_cell():
    assert cells_of("crepe", model="full")[0].key == cells_of("crepe")[0].key
    plan = plan_of(RunConfig("crepe"), RunConfig("crepe", axes={"model": "full"}))
    assert len(plan.cells) == 1
    assert plan.merged == ["crepe: equal choices; 2 → 1 cell"]


def test_device_auto_follows_the_machine():
    assert cells_of("crepe", device="auto")[0].device == "cpu"
    assert cells_of("crepe", machine=GPU, device="auto")[0].device == "cuda"
    plan = plan_of(RunConfig("librosa_pyin", axes={"device": "auto"}), machine=GPU)
    assert plan.cells[0].device == "cpu"
    assert plan.merged == []


def test_absent_device_is_skipped_with_the_reason():
    plan = plan_of(RunConfig("crepe", axes={"device": "cuda"}))
    assert plan.cells == []
    assert plan.skipped[0].reason == "no cuda: a CPU build of torch"
    assert plan.skipped[0].label == "crepe full  cuda"


def test_unknown_value_is_skipped_with_what_there_is():
    plan = plan_of(RunConfig("torchcrepe", axes={"decoder": "viterbi_weighted"}))
    assert "has argmax, weighted_argmax, viterbi" in plan.skipped[0].reason


def test_missing_package_is_skipped_with_the_pip_line():
    plan = plan_of(RunConfig("swiftf0"))
    assert plan.skipped[0].reason == (
        "no_such_package_at_all not installed; pip install 'f0bench[swiftf0]'"
    )


def test_fixed_voicing_sets_the_threshold():
    (cell,) = plan_of(RunConfig("crepe", voicing="fixed(0.3)")).cells
    assert cell.params["threshold"] == 0.3
    assert "fixed(0.3)" in cell.label
    plan = plan_of(RunConfig("librosa_pyin", voicing="fixed(0.3)"))
    assert "has no threshold" in plan.skipped[0].reason


def test_roles():
    assert cells_of("crepe")[0].role == "candidate"
    assert cells_of("torchcrepe")[0].role == "peer"
    (cell,) = plan_of(RunConfig("torchcrepe", role="incumbent")).cells
    assert cell.role == "incumbent"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (RunConfig("crepe", options={"treshold": 1}), "did you mean 'threshold'?"),
        (RunConfig("crepe", axes={"modle": "tiny"}), "did you mean 'model'?"),
        (RunConfig("tracks"), "add tracks.root=DIR"),
    ],
)
def test_choices_made_in_python_are_checked_too(config, expected):
    with pytest.raises(ConfigError, match=r".+") as caught:
        plan_of(config)
    assert expected in str(caught.value)


class Picky(F0Extractor):
    """Does at construction what its option says."""

    name = "picky"
    made: ClassVar[list] = []

    def __init__(self, *, error=None, seed=0):
        self.made.append(seed)
        print("constructing")
        if error is not None:
            raise error

    def extract(self, clips):
        return []


def picky(*errors):
    """A plan of one cell whose constructor raises each error, and of a sound one."""
    configs = [RunConfig("picky", options={"seed": i}) for i in range(len(errors))]

    class Failing(Picky):
        def __init__(self, *, seed=0):
            super().__init__(error=errors[seed], seed=seed)

    request = Request([*configs, RunConfig("crepe")])
    return build(request, CPU, lambda name: Failing if name == "picky" else Own)


def test_what_a_constructor_refuses_stops_the_command():
    with pytest.raises(ConfigError, match=r"^picky: seed=0 is odd$"):
        picky(ConfigError("seed=0 is odd"))
    with pytest.raises(ConfigError, match=r"^picky\.seed=0 is odd$"):
        picky(ConfigError("picky.seed=0 is odd"))


@pytest.mark.parametrize("kind", [ValueError, ImportError, SystemExit, OSError])
def test_a_broken_constructor_is_left_to_its_worker(kind, capsys):
    plan = picky(kind("broken"), None)
    assert [cell.extractor for cell in plan.cells] == ["picky", "picky", "crepe"]
    assert plan.skipped == []
    assert capsys.readouterr().out == ""


def test_an_unavailable_extractor_is_skipped_with_its_reason():
    plan = picky(None, UnavailableError("needs a licence; ask for one"))
    assert [skipped.reason for skipped in plan.skipped] == [
        "needs a licence; ask for one"
    ]
    assert len(plan.cells) == 2


def test_a_precision_that_the_device_lacks_is_skipped():
    configs = [RunConfig("crepe", axes={"precision": p}) for p in ("fp32", "fp16")]
    plan = build(Request(configs), CPU, extractor_class)
    assert [cell.axes["precision"] for cell in plan.cells] == ["fp32"]
    assert plan.skipped[0].reason.startswith("precision=fp16 needs a GPU")


def test_equal_cells_are_constructed_once():
    Picky.made.clear()
    configs = [RunConfig("picky", options={"seed": i}) for i in (7, 7, 8)]
    build(Request(configs), CPU, lambda name: Picky)
    assert Picky.made == [7, 8]


def test_skipped_cells_are_not_constructed():
    # the built-in constructor refuses its unknown decoder, which is a skip in a sweep
    config = RunConfig("torchcrepe", axes={"decoder": "viterbi_weighted"})
    plan = build(Request([config]), CPU)
    assert "has argmax, weighted_argmax, viterbi" in plan.skipped[0].reason


def test_names_stated_in_python_are_checked_too():
    config = RunConfig("crepe", settings=Settings(name="../x"))
    with pytest.raises(UsageError, match="one plain name"):
        plan_of(config)


@pytest.mark.parametrize("name", ["swiftf0", "praat", "tracks"])
def test_foreign_trackers_are_peers(name, tmp_path):
    cls = extractor_class(name)
    options = {"root": str(tmp_path)} if name == "tracks" else {}
    plan = build(Request([RunConfig(name, options=options)]), CPU)
    assert cls.peer
    assert all(cell.role == "peer" for cell in plan.cells)


def test_places_of_one_name_are_refused():
    def folder(root):
        return RunConfig("crepe", dataset=DatasetConfig(kind="folder", root=root))

    with pytest.raises(ConfigError, match="two data sets are called 'x'"):
        plan_of(folder("/a/x"), folder("/b/x"))
    assert len(plan_of(folder("/a/x"), folder("/b/y")).cells) == 2
    with pytest.raises(ConfigError, match="same name"):
        plan_of(*(RunConfig("tracks", options={"root": r}) for r in ("/a/x", "/b/x")))


def test_empty_request():
    with pytest.raises(ConfigError, match="nothing to measure"):
        plan_of()


def test_groups_share_task_data_and_device():
    configs = [
        RunConfig(
            "crepe",
            axes={"batch_size": b, "device": device},
            dataset=DatasetConfig(seed=seed, name=f"s{seed}"),
        )
        for b in range(1, 11)
        for device in ("cpu", "cuda")
        for seed in (0, 1)
    ]
    found = groups(plan_of(*configs, machine=GPU).cells)
    assert sorted(len(group) for group in found) == [2] * 4 + [8] * 4
    for group in found:
        assert len({(cell.device, cell.dataset.name) for cell in group}) == 1


def test_name_of_a_run():
    plan = plan_of(RunConfig("crepe"))
    assert plan.name == f"f0-{plan.hash}"
    assert len(plan.hash) == 8
    assert plan_of(RunConfig("crepe"), experiment="mine").name == f"mine-{plan.hash}"
    named = RunConfig("crepe", settings=Settings(name="release"))
    assert plan_of(named).name == "release"


def test_hash_of_a_plan():
    base = plan_of(RunConfig("crepe")).hash
    assert plan_of(RunConfig("crepe", axes={"model": "tiny"})).hash != base
    assert plan_of(RunConfig("crepe", settings=Settings(threads=1))).hash != base
    same = Settings(results_dir="elsewhere", fresh=True)
    assert plan_of(RunConfig("crepe", settings=same)).hash == base
    cuda = RunConfig("crepe", axes={"device": "cuda"})
    assert plan_of(cuda).hash == plan_of(cuda, machine=GPU).hash


def test_preview_text_and_json(monkeypatch):
    monkeypatch.setattr("extractors.registry.extractor_class", CLASSES.__getitem__)
    monkeypatch.setattr("harness.preview.expected_minutes", lambda plan: 2.0)
    plan = plan_of(*sweep())
    text = "\n".join(lines(plan))
    assert "29 to measure" in text
    assert "28: no cuda: a CPU build of torch" in text
    assert "about 2.0 min" in text
    document = json.loads(json.dumps(as_dict(plan), allow_nan=False))
    assert len(document["cells"]) == 29
    assert document["cells"][0]["key"] == plan.cells[0].key
    # one inventory; a probe, an accuracy pass and three rounds for each cell
    assert document["processes"] == 1 + 29 * 5


def test_preview_of_a_plan_without_cells():
    plan = plan_of(RunConfig("crepe", axes={"device": "cuda"}))
    text = "\n".join(lines(plan))
    assert "0 to measure" in text and "workers  0 processes" in text
    assert "about" not in text
    assert as_dict(plan)["processes"] == 0
