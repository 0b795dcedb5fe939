"""Rules of voicing: how they are read, and which data they cannot serve."""

import pytest

from extractors.errors import ConfigError, DatasetError
from harness.datasets.registry import ClipInfo
from harness.voicing import (
    Calibration,
    check_calibrations,
    fixed_threshold,
    voicing_rule,
)


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("native", "native"),
        (" fixed( .50 ) ", "fixed(0.5)"),
        ("calibrated(split=train)", "calibrated(split=train)"),
        ("calibrated ( split = 'train' )", "calibrated(split=train)"),
        ("calibrated(room=a = b (2))", "calibrated(room=a = b (2))"),
    ],
)
def test_rules_have_one_form(typed, normal):
    assert voicing_rule(typed) == normal
    assert voicing_rule(normal) == normal


def test_parts_of_a_rule():
    assert Calibration.of("calibrated(room=a=b)") == Calibration("room", "a=b")
    assert Calibration.of("fixed(0.5)") is None
    assert Calibration.of("native") is None
    assert fixed_threshold("calibrated(a=b)") is None
    assert fixed_threshold("fixed(0.25)") == 0.25


@pytest.mark.parametrize(
    "typed",
    ["calibrated", "calibrated(train)", "calibrated(split=)", "calibrated(=a)x"],
)
def test_half_a_rule_is_refused(typed):
    with pytest.raises(ConfigError, match=r"expected calibrated\(TAG=VALUE\)"):
        voicing_rule(typed)


def clip(id, voiced=True, truth=True, **tags):
    return ClipInfo(id, 1.0, 16000, has_truth=truth, has_voiced=voiced, tags=tags)


RL, SB = clip("rl1", speaker="rl"), clip("sb1", speaker="sb")


@pytest.mark.parametrize(
    ("rule", "clips", "kind", "text"),
    [
        (
            "speakr=rl",
            [RL, SB],
            ConfigError,
            "no clip of toy has the tag speakr; did you mean 'speaker'?",
        ),
        ("speaker=rl", [clip("a"), clip("b")], ConfigError, "add dataset.tags.speaker"),
        (
            "speaker=rm",
            [RL, SB],
            ConfigError,
            "no clip of toy has speaker rm; valid: rl, sb",
        ),
        ("speaker=rl", [RL, RL], ConfigError, "all 2 clips of toy have speaker rl"),
        (
            "speaker=rl",
            [clip("rl1", False, False, speaker="rl"), SB],
            DatasetError,
            "no clip of toy with speaker rl has a truth to learn on; give labels",
        ),
        (
            "speaker=rl",
            [clip("rl1", False, speaker="rl"), SB],
            DatasetError,
            "no truth of toy with speaker rl has a voiced frame",
        ),
    ],
)
def test_data_that_a_rule_cannot_learn_on(rule, clips, kind, text):
    with pytest.raises(kind) as caught:
        check_calibrations([pair(f"calibrated({rule})", clips)])
    assert text in str(caught.value)
    assert str(caught.value).startswith(f"voicing=calibrated({rule}): ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rule", ["native", "fixed(0.5)", "calibrated(speaker=rl)"])
def test_data_that_serve_a_rule(rule):
    silent = clip("rl2", False, speaker="rl")
    unlabelled = clip("sb2", False, False, speaker="sb")
    check_calibrations([pair(rule, [RL, silent, SB, unlabelled])])


def pair(rule, clips):
    """A cell and its data set, as far as the check reads them."""
    from harness.cell import Cell
    from harness.config import DatasetConfig, TaskConfig
    from harness.data import Data

    cell = Cell(TaskConfig(), DatasetConfig(), "acf", {}, voicing=rule)
    return cell, Data(DatasetConfig(), "toy", tuple(clips), (), (), "0")
