"""The task pipeline: storage, scores, clock, extrapolation, and a whole run."""

import json
from dataclasses import replace

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.base import Extractor
from extractors.errors import TrackError
from extractors.pipeline import Pipeline, PipelineResult, Recorded, Zone
from harness.compose import compose
from harness.config import DatasetConfig, PipelineConfig
from harness.datasets.base import Truth
from harness.datasets.escalation import ZonedTruth
from harness.datasets.registry import open_dataset
from harness.metrics.concat import concat_values
from harness.probe_pipeline import probe
from harness.tasks import make_task
from harness.tasks.base import Item

TIMES = np.arange(1000) / 100


@pytest.fixture
def task():
    return make_task(PipelineConfig(window_hop_s=1.0))


ONE = (Zone(2.0, 5.0, 8.0, 30.0),)


def result(zones=ONE, **changes):
    n = 10
    f0 = np.full(n, 150.0)
    f0[9] = np.nan
    whole = PipelineResult(
        np.arange(n) + 0.5, np.full(n, -30.0), f0, np.ones(n), np.ones(n), tuple(zones)
    )
    return replace(whole, **changes)


def item(zones=((2.1, 5.2),)):
    f0 = np.full(1000, 150.0)
    voiced = np.ones(1000, bool)
    truth = ZonedTruth(TIMES, f0, voiced, 0.01, "exact", tuple(zones))
    return Item("a", Audio(np.zeros(160000, np.float32), 16000), truth)


def test_a_clip_is_handed_over_as_a_file(task):
    config = DatasetConfig(kind="windows", seconds=2.0)
    (clip,) = task.inputs(open_dataset(config))
    audio = clip.load()
    assert isinstance(audio, Recorded)
    assert audio.file[:4] == b"RIFF"
    assert clip.seconds == 2.0


def test_storage_keeps_windows_and_zones(task):
    first = result([Zone(2.0, 5.0, 8.0, 30.0), Zone(7.0, 9.0, 5.0, 12.5)])
    back = task.restore(task.columns(first))
    assert back.zones == first.zones
    assert task.difference(first, back) == {
        "frames": 10.0,
        "moved": 0.0,
        "identical": 1.0,
    }
    assert task.restore(task.columns(result([]))).zones == ()


@pytest.mark.parametrize(
    ("changes", "moved"),
    [
        ({"f0_hz": np.full(10, 150.0)}, 1),  # the last one has no F0 else
        ({"f0_hz": np.append(np.full(9, 156.0), np.nan)}, 9),
        ({"f0_hz": np.append(np.full(9, 150.001), np.nan)}, 0),
        ({"level_db": np.full(10, -30.02)}, 10),
        ({"zones": ()}, 3),
    ],
)
def test_differences_are_seen(task, changes, moved):
    found = task.difference(result(), result(**changes))
    assert (found["moved"], found["identical"]) == (moved, 0.0)


def test_scores(task):
    counts = task.score(item(), result())
    assert (counts["ref_windows"], counts["est_windows"]) == (10, 9)
    assert (counts["zones_true"], counts["zones_matched"]) == (1, 1)
    assert counts["sum_boundary_s"] == pytest.approx(0.3)
    missed = task.score(item(), None)
    assert (missed["hits_50c"], missed["zones_found"]) == (0, 0)
    plain = Truth(TIMES, np.full(1000, 150.0), np.ones(1000, bool), 0.01)
    assert "zones_true" not in task.score(replace(item(), truth=plain), result())
    assert task.score(replace(item(), truth=None), result()) == {}
    assert len(task.truth_columns(item().truth)["time_s"]) == 10


def test_outputs_are_held_against_the_clip(task):
    task.check([item()], [result()])
    with pytest.raises(TrackError, match="0 results"):
        task.check([item()], [])
    late = result(time_s=np.arange(10) + 0.6)
    with pytest.raises(TrackError, match="misplaced"):
        task.check([item()], [late])
    names = ("time_s", "level_db", "f0_hz", "coverage", "confidence")
    short = result(zones=(), **{name: getattr(result(), name)[:5] for name in names})
    with pytest.raises(TrackError, match="5 windows"):
        task.check([item()], [short])


class Levels(Extractor):
    """Levels of windows alone, stamped ``late`` seconds late."""

    def __init__(self, late=0.0):
        self.late = late

    def extract(self, clips):
        from extractors.escalation import levels_db
        from extractors.windows import plan_windows

        found = []
        for clip in clips:
            plan = plan_windows(len(clip.samples), clip.sr, 1.0, 0.5)
            centres = (plan.starts + plan.length / 2) / clip.sr + self.late
            ones = np.ones(len(centres))
            level = levels_db(plan.cut(clip.samples))
            found.append(PipelineResult(centres, level, 150 * ones, ones, ones, ()))
        return found


@pytest.mark.parametrize("late", [0.0, 0.01])
def test_the_clock_is_measured(task, late):
    found = probe(Levels(late), task, seed=0, quick=True)
    assert found["offset_s"] == pytest.approx(late, abs=1e-4)
    assert found["drift_s_per_min"] == pytest.approx(0.0, abs=1e-3)
    assert found["order"]["identical"] and found["repeat"]["identical"]


def test_what_joining_windows_does_is_measured(task):
    """Only where it was asked for: ``batching=concat``."""
    joining = Pipeline(model="tiny", device="cpu", batching="concat")
    found = probe(joining, task, seed=0, quick=True)
    concat = found["concat"]
    assert (concat["windows"], concat["offset_per_window"]) == (12, 1.0)
    assert concat["edge_error_cents"] > 10 * concat["inner_error_cents"]
    values = concat_values({"probe": found})
    assert values["concat_window_offset_frames"].value == 1.0
    assert values["concat_edge_error_cents"].value == concat["edge_error_cents"]
    assert values["concat_value_error_cents"].n == 12
    assert "concat" not in probe(Levels(), task, seed=0, quick=True)
    alone = concat_values({"probe": {"offset_s": 0.0}})
    assert {v.reason for v in alone.values()} == {"its windows are not concatenated"}
    concat["edge_error_cents"] = None
    undefined = concat_values({"probe": found})["concat_edge_error_cents"]
    assert (undefined.value, undefined.reason) == (None, "no frame is voiced in both")


def test_a_part_of_the_windows_is_extrapolated_and_says_so(task):
    record = {
        "cell": {"dataset": {"kind": "windows", "seconds": 74446.0}},
        "data": {"seconds": 1200.0},
        "accuracy_pass_s": 120.0,
    }
    (note,) = task.notes(record)
    assert note.startswith(
        "extrapolated, not measured: 74446 windows would take 7445 s"
    )
    assert task.notes({**record, "data": {"seconds": 74446.0}}) == []
    other = {"cell": {"dataset": {"kind": "escalation", "seconds": 60.0}}}
    assert task.notes(other) == []


def test_halved_batches_are_told(task):
    record = {"cell": {"dataset": {"kind": "escalation", "seconds": 60.0}}}
    whole = {"batch_size": "2048 frames, 0 halvings"}
    assert task.notes({**record, "describe": whole}) == []
    halved = {"batch_size": "2048 → 1024 frames, 1 halvings"}
    (note,) = task.notes({**record, "describe": halved})
    assert note.startswith("memory ran out: batches of 2048 → 1024 frames")


@pytest.mark.parametrize(
    ("name", "kind", "seconds"),
    [
        ("pipeline_42min", "escalation", 2520.0),
        ("pipeline_smoke", "escalation", 60.0),
        ("bulk_74446", "windows", 74446.0),
        ("bulk_smoke", "windows", 24.0),
    ],
)
def test_experiments_compose(name, kind, seconds):
    (config,) = compose([f"experiment={name}"]).configs
    assert (config.task.name, config.extractor) == ("pipeline", "pipeline")
    assert (config.dataset.kind, config.dataset.seconds) == (kind, seconds)


def test_a_run_from_composition_to_report(console, tmp_path):
    words = ["experiment=bulk_smoke", "dataset.seconds=4", "effort=accuracy"]
    words += ["pipeline.algorithm=crepe", "--name=bulk"]
    done = console("run", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "50c %" in done.stdout
    (place,) = (tmp_path / "results" / "bulk").glob("cells/*/record.json")
    record = json.loads(place.read_text())
    assert record["status"] == "ok"
    assert abs(record["probe"]["offset_s"]) < 0.002
