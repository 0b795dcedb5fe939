"""What a user types becomes typed choices, or one line that says what is wrong."""

from __future__ import annotations

from contextlib import contextmanager
from typing import ClassVar

import pytest

from extractors.base import F0Extractor
from extractors.errors import ConfigError
from harness import confdir
from harness.compose import compose, conf_dir
from harness.hydra_files import open_files
from harness.schema import GENERATED, KINDS


class Crepe(F0Extractor):
    """The declarations of a neural tracker, without its work."""

    name = "crepe"
    axes: ClassVar = {
        "model": ("full", "tiny"),
        "decoder": ("argmax", "viterbi", "viterbi_weighted"),
        "device": ("cpu", "cuda"),
        "batch_size": None,
    }

    def __init__(
        self,
        *,
        model: str = "full",
        decoder: str = "viterbi_weighted",
        device: str = "auto",
        batch_size: int = 512,
        fmin: float = 50.0,
        fmax: float = 1100.0,
        hop_s: float = 0.01,
        threshold: float = 0.5,
    ):
        pass

    def extract(self, clips):
        return []


class Pyin(F0Extractor):
    name = "librosa_pyin"
    peer = True

    def __init__(self, *, fmin=50.0, fmax=1100.0, hop_s=0.01, frame_length=None):
        pass

    def extract(self, clips):
        return []


class Tracks(F0Extractor):
    name = "tracks"

    def __init__(self, *, root: str, pattern: str = "{id}.csv"):
        pass

    def extract(self, clips):
        return []


CLASSES = {
    "crepe": Crepe,
    "torchcrepe": Crepe,
    "librosa_pyin": Pyin,
    "tracks": Tracks,
}


@pytest.fixture(scope="module")
def shipped():
    """The shipped files, opened once: Hydra takes tens of milliseconds a time."""
    with open_files((conf_dir(),)) as files:
        yield files


@pytest.fixture(autouse=True)
def _reuse(shipped, monkeypatch):
    @contextmanager
    def open_or_reuse(dirs):
        if tuple(dirs) == shipped.dirs:
            yield shipped
        else:
            with open_files(dirs) as files:
                yield files

    monkeypatch.setattr("harness.compose.open_files", open_or_reuse)


def configs(*words, **options):
    return compose(words, probe_class=CLASSES.__getitem__, **options).configs


def one(*words, **options):
    (config,) = configs(*words, **options)
    return config


def refusal(*words, **options):
    with pytest.raises(ConfigError) as caught:
        configs(*words, **options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_defaults():
    config = one()
    assert (config.extractor, config.axes) == (
        "crepe",
        {"model": "tiny", "device": "auto"},
    )
    assert config.dataset.kind == "synthetic"
    assert (config.task.fmin, config.task.fmax, config.task.hop_s) == (50, 1100, 0.01)
    assert config.settings.effort.name == "standard"
    assert config.settings.gate == "validity"


def test_no_words_are_the_default_experiment():
    request = compose(
        [], default_experiment="quickstart", probe_class=CLASSES.__getitem__
    )
    assert [config.extractor for config in request.configs] == [
        "librosa_pyin",
        "torchcrepe",
        "crepe",
        "crepe",
    ]
    assert request.experiment == "quickstart"
    assert request.configs[0].settings.effort.name == "smoke"
    assert "quickstart" in request.notes[0]


def test_with_words_there_is_no_experiment():
    request = compose(
        ["seed=1"], default_experiment="quickstart", probe_class=CLASSES.__getitem__
    )
    assert request.experiment is None
    assert len(request.configs) == 1


def test_words_replace_what_an_experiment_states():
    found = configs("experiment=quickstart", "effort=accuracy", "task.fmin=60")
    assert {config.settings.effort.rounds for config in found} == {0}
    assert {config.task.fmin for config in found} == {60.0}


def test_sweeps_multiply_the_grid():
    found = configs("experiment=quickstart", "batch_size=1,2", multirun=True)
    assert [config.axes.get("batch_size") for config in found] == [1, 2] * 4


def test_sweep_order_is_that_of_the_words():
    found = configs("extractor=crepe,librosa_pyin", "model=full,tiny", multirun=True)
    assert [(c.extractor, c.axes["model"]) for c in found] == [
        ("crepe", "full"),
        ("crepe", "tiny"),
        ("librosa_pyin", "full"),
        ("librosa_pyin", "tiny"),
    ]


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("batch_size=range(1,4)", [1, 2, 3]),
        ("batch_size=choice(7,3)", [7, 3]),
        ("decoder=argmax,viterbi", ["argmax", "viterbi"]),
    ],
)
def test_grammar_of_sweeps(word, values):
    key = word.partition("=")[0]
    assert [c.axes[key] for c in configs(word, multirun=True)] == values


def test_glob_takes_the_options_of_a_group():
    found = configs("extractor=glob(crepe*)", multirun=True)
    assert [config.axes.get("model") for config in found] == [None, "tiny"]


def test_voicing_rules_sweep():
    found = configs("voicing=native,fixed(0.50)", multirun=True)
    assert [config.voicing for config in found] == ["native", "fixed(0.5)"]


def test_voicing_rules_are_taken_as_typed():
    assert one("voicing='fixed(0.5)'").voicing == "fixed(0.5)"
    assert one("voicing=fixed( 0.5 )").voicing == "fixed(0.5)"
    assert one("voicing=null").voicing == "native"
    learnt = one("voicing='calibrated( speaker = \"Anna B, jr\" )'").voicing
    assert learnt == "calibrated(speaker=Anna B, jr)"


@pytest.mark.parametrize(
    "place",
    [
        "/data/녹음/통화 (1)",
        "/data/a=b/c",
        "/data/one, two",
        "C:/x/[y]{z}",
        "/data/it's",
        "a,b",
    ],
)
def test_paths_are_taken_as_typed(place):
    assert one("dataset=folder", f"dataset.root={place}").dataset.root == place


def test_home_is_expanded_in_folders_only(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    config = one(
        "dataset=folder",
        "dataset.root=~/calls",
        "dataset.truth=~{stem}_f0.csv",
        "results_dir=~/r",
    )
    assert config.dataset.root == "/home/somebody/calls"
    assert config.dataset.truth == "~{stem}_f0.csv"
    assert config.settings.results_dir == "/home/somebody/r"


def test_patterns_and_tags_are_taken_as_typed():
    config = one(
        "dataset=folder",
        "dataset.root=x",
        "dataset.truth={stem}_f0.csv",
        "dataset.tags.speaker=^(rl|sb), (a=1)",
        "dataset.separator=,",
    )
    assert config.dataset.truth == "{stem}_f0.csv"
    assert config.dataset.tags == {"speaker": "^(rl|sb), (a=1)"}
    assert config.dataset.separator == ","


def test_the_command_for_a_folder_of_recordings():
    config = one(
        "extractor=crepe_tiny",
        "dataset=folder",
        "dataset.root=/data/fda",
        "dataset.truth={stem}.f0ref",
        "dataset.labels=f0ref",
        "task.fmin=60",
        "task.fmax=500",
    )
    assert config.dataset.labels == "f0ref"
    assert isinstance(config.task.fmin, float)
    assert (config.task.fmin, config.task.fmax) == (60.0, 500.0)


def test_options_of_one_extractor_reach_it_alone():
    found = configs(
        "extractor=crepe,librosa_pyin",
        "crepe.threshold=0.7",
        "librosa_pyin.frame_length=1024",
        multirun=True,
    )
    assert [dict(config.options) for config in found] == [
        {"threshold": 0.7},
        {"frame_length": 1024},
    ]


def test_lists_and_names():
    config = one(
        "dataset=folder",
        "dataset.root=x",
        "dataset.name=녹음 1",
        "dataset.columns=[time,f0]",
        "dataset.channel=0",
        "scenarios=[cold]",
    )
    assert config.dataset.columns == ("time", "f0")
    assert (config.dataset.name, config.dataset.channel) == ("녹음 1", 0)
    assert config.settings.scenarios == ("cold",)


def test_a_registered_extractor_needs_no_file(monkeypatch):
    known = {name: "x:Y" for name in (*CLASSES, "mine")}
    monkeypatch.setattr("extractors.registry.targets", lambda: known)
    monkeypatch.setitem(CLASSES, "mine", Crepe)
    assert one("extractor=mine", "mine.threshold=0.9").options == {"threshold": 0.9}


def test_options_of_every_extractor():
    assert one("extractor.threshold=1").options == {"threshold": 1.0}


def test_own_axis_beats_the_top_level_which_beats_the_preset():
    assert one("extractor=crepe_tiny").axes["model"] == "tiny"
    assert one("extractor=crepe_tiny", "model=full").axes["model"] == "full"
    config = one("extractor=crepe_tiny", "model=full", "crepe.model=tiny")
    assert config.axes["model"] == "tiny"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("20m", 1200), ("1.5h", 5400)]
)
def test_budget_in_seconds(text, seconds):
    assert one(f"budget={text}").settings.budget_s == seconds


def test_fields_that_a_kind_does_not_read_leave_no_trace():
    first, second = configs(
        "dataset=folder,synthetic", "dataset.root=/x", multirun=True
    )
    assert (first.dataset.root, second.dataset.root) == ("/x", None)


def test_flags_reach_the_settings():
    config = one(stated={"name": "mine", "fresh": True, "private": True})
    settings = config.settings
    assert (settings.name, settings.fresh, settings.private) == ("mine", True, True)


def test_a_plus_sign_changes_nothing():
    assert one("+task.fmin=60") == one("task.fmin=60")
    assert "unknown key 'foo'" in refusal("+foo=1")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["task.fmin=abc"], "task.fmin=abc: expected a number (Hz)"),
        (["task.fmin=null"], "task.fmin=null: expected a number (Hz)"),
        (["task.fmni=60"], "did you mean 'task.fmin'?"),
        (["task.fmin=2000"], "must be below task.fmax=1100.0"),
        (["task.fmin=0"], "above 0 Hz"),
        (["task.hop_s=0"], "must be in (0, 1] s"),
        (["task.hop_s=1.1"], "must be in (0, 1] s"),
        (["batch_size=0"], "batch_size=0 (frames): must be ≥ 1"),
        (["batch_size=1.5"], "expected an integer"),
        (["threads=0"], "threads=0: must be ≥ 1"),
        (["timeout_s=0"], "above 0 s"),
        (["seed=-1"], "≥ 0"),
        (["extrctor=crepe"], "did you mean 'extractor'?"),
        (["extractor=crep"], "unknown extractor 'crep'; did you mean 'crepe'?"),
        (["extractor=null"], "extractor=null: expected one name"),
        (["extractor.name=crepe"], "state extractor=NAME"),
        (["experiment=quikstart"], "did you mean 'quickstart'?"),
        (["effort=quick"], "valid: ab, accuracy, engines, rigorous, smoke, standard"),
        (["effort.rounds=1.5"], "expected an integer"),
        (["dataset=foldr"], "did you mean 'folder'?"),
        (["dataset=folder"], "add dataset.root=DIR"),
        (["dataset=manifest"], "add dataset.manifest=FILE"),
        (["dataset.root="], "dataset.root is empty"),
        (["dataset.root=/x"], "has no effect with dataset=synthetic"),
        (["dataset.limit=true"], "expected an integer or null"),
        (["dataset.tags.x=("], "not a regular expression"),
        (["dataset=folder", "dataset.root=x", "dataset.labels=f0rf"], "'f0ref'"),
        (["dataset=folder", "dataset.root=x", "dataset.channel=meen"], "'mean'"),
        (["crepe.treshold=1"], "did you mean 'threshold'?"),
        (["crepe.threshold=abc"], "crepe.threshold=abc: expected a number"),
        (["crepe.fmin=3"], "state task.fmin"),
        (["crepe_tiny.threshold=1"], "did you mean 'crepe.threshold'?"),
        (["librosa_pyin.frame_length=512"], "no cell uses librosa_pyin"),
        (["extractor=librosa_pyin", "extractor.model=tiny"], "no option 'model'"),
        (["extractor=tracks"], "add tracks.root=DIR"),
        (["model=tinny"], "did you mean 'tiny'?"),
        (["decoder=viterbbi"], "did you mean 'viterbi'?"),
        (["device=gpu"], "did you mean 'cpu'?"),
        (["voicing=fixed(2)"], "θ in [0, 1]"),
        (["voicing=fixed(0.2,0.3)"], "voicing=fixed(0.2,0.3): expected native"),
        (["voicing=choice(native)"], "voicing=choice(native): expected native"),
        (["voicing=native,"], "a value is missing beside a comma"),
        (["voicing=native,fixed(0.5)"], "several values are a sweep; add -m"),
        (
            ["voicing=calibrated(speaker)"],
            "voicing=calibrated(speaker): expected calibrated(TAG=VALUE), e.g. "
            "calibrated(split=train); for thresholds learnt across all values of a "
            "tag: f0bench report RUN --calibrate TAG",
        ),
        (["voicing=calibrated(=rl)"], "expected calibrated(TAG=VALUE)"),
        (["voicing=calibrated(a=b)", "crepe.threshold=0.4"], "keep one of them"),
        (
            [
                "voicing=calibrated(split=train)",
                "dataset=manifest",
                "dataset.manifest=clips.csv",
                "dataset.split=test",
            ],
            "and dataset.split=test: the clips of one split teach",
        ),
        (["voicing=fixed(0.3)", "crepe.threshold=0.4"], "keep one of them"),
        (["role=boss"], "valid: candidate, incumbent, peer"),
        (["scenarios=[offlin]"], "did you mean 'offline'?"),
        (["scenarios=offline,cold"], "write scenarios=[offline,cold]"),
        (["gate=validty"], "did you mean 'validity'?"),
        (["budget=20x"], "such as 90s, 20m or 1h"),
        (["model=full,tiny"], "several values are a sweep; add -m"),
        (["task.fmin=1", "task.fmin=2"], "stated twice"),
        (["task.fmin=${oc.env:HOME}"], "interpolation is not accepted"),
        (["model=[a,b"], "quote the value"),
        (["~task"], "cannot be removed"),
        (["crepe"], "did you mean extractor=crepe?"),
        (["hydra.run.dir=x"], "unknown key 'hydra.run.dir'"),
        (["hydra/launcher=x"], "is not a key"),
        (["_target_=os.system"], "unknown key '_target_'"),
        (["extractor._target_=os.system"], "no option '_target_'"),
    ],
)
def test_refusals_are_one_line(words, expected):
    assert expected in refusal(*words)


def test_settings_cannot_be_swept():
    assert "cannot be swept" in refusal("seed=1,2", multirun=True)
    assert "cannot be swept" in refusal("effort=smoke,accuracy", multirun=True)


def test_a_sweep_is_bounded():
    assert "29999 cells" in refusal("batch_size=range(1,30000)", multirun=True)


@pytest.fixture
def own(tmp_path):
    """A folder of the user's own configuration, with a space in its name."""
    place = tmp_path / "my conf (1)"
    for group in ("extractor", "experiment"):
        (place / group).mkdir(parents=True)
    return place


def test_own_folder_adds_and_replaces(own):
    (own / "extractor/mine.yaml").write_text("name: crepe\nthreshold: 0.1\n")
    (own / "extractor/crepe.yaml").write_text("name: crepe\nthreshold: 0.2\n")
    assert one("extractor=mine", config_dir=own).options == {"threshold": 0.1}
    assert one("extractor=crepe", config_dir=own).options == {"threshold": 0.2}
    assert one("extractor=crepe_tiny", config_dir=own).axes["model"] == "tiny"


def test_own_files_follow_interpolations_of_final_values(own):
    (own / "extractor/mine.yaml").write_text("name: crepe\nthreshold: ${task.hop_s}\n")
    config = one("extractor=mine", "task.hop_s=0.02", config_dir=own)
    assert config.options == {"threshold": 0.02}
    (own / "extractor/mine.yaml").write_text("name: crepe\nthreshold: ${tsk.hop_s}\n")
    assert "tsk" in refusal("extractor=mine", config_dir=own)


def test_own_file_that_is_not_utf_8_is_named(own):
    (own / "extractor/mine.yaml").write_bytes(b"name: caf\xe9\n")
    assert "mine.yaml: not UTF-8" in refusal("extractor=mine", config_dir=own)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: crepe\nthreshhold: 1\n", "did you mean 'threshold'?"),
        ("name: crepe\n_target_: os.system\n", "no option '_target_'"),
        ("name: krepe\n", "extractor.name=krepe is not registered"),
        ("name: [crepe\n", "configuration: "),
        ("name: !!python/name:os.system\n", "configuration: "),
    ],
)
def test_own_files_are_checked_too(own, text, expected):
    (own / "extractor/mine.yaml").write_text(text)
    assert expected in refusal("extractor=mine", config_dir=own)


def test_a_grid_is_checked_too(own):
    path = own / "experiment/e.yaml"
    path.write_text("# @package _global_\ngrid:\n  - {extractor: crepe, modle: tiny}\n")
    assert "did you mean 'model'?" in refusal("experiment=e", config_dir=own)
    path.write_text("# @package _global_\ngrid:\n  - crepe\n")
    assert "list of mappings" in refusal("experiment=e", config_dir=own)
    path.write_text("# @package _global_\nmodle: tiny\n")
    assert "did you mean 'model'?" in refusal("experiment=e", config_dir=own)


def test_missing_own_folder(tmp_path):
    assert "no such folder" in refusal(config_dir=tmp_path / "none")


def test_hydra_of_a_caller_is_put_back():
    from hydra.core.global_hydra import GlobalHydra

    before = GlobalHydra.instance().hydra
    with open_files((conf_dir(),)) as files:
        assert GlobalHydra.instance().hydra is not before
        assert files.compose({})["task"]["name"] == "f0"
    assert GlobalHydra.instance().hydra is before


def test_a_composition_is_a_fresh_dictionary(shipped):
    shipped.compose({})["task"]["name"] = "changed"
    assert shipped.compose({})["task"]["name"] == "f0"


def test_every_shipped_dataset_and_effort_composes():
    dirs = (conf_dir(),)
    for effort in confdir.options("effort", dirs):
        assert one(f"effort={effort}").settings.effort.name == effort
    datasets = confdir.options("dataset", dirs)
    assert len(datasets) >= 5
    for name in datasets:
        need = {kind: [] for kind in GENERATED}
        need["manifest"] = ["dataset.manifest=m.csv"]
        config = one(f"dataset={name}", *need.get(name, ["dataset.root=x"]))
        assert config.dataset.kind in KINDS


def test_every_key_of_the_schema_is_shipped_or_optional():
    """The dataclass defaults and the shipped files state the same numbers."""
    from harness.config import EffortConfig, TaskConfig

    config = one()
    assert config.task == TaskConfig()
    assert config.settings.effort == EffortConfig()
