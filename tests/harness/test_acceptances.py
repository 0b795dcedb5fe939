"""What an acknowledgement covers: one rule on one cell, so far and so long."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from extractors.errors import UsageError
from harness.acceptances import Acceptance, accept, read_acceptances
from harness.baselines import Baseline
from harness.records import Run
from harness.verdict import RuleVerdict, as_dict, conclude

DAY = date(2026, 5, 1)
FELL = RuleVerdict(
    id="rpa",
    key="abc",
    label="crepe tiny  cpu",
    metric="rpa_50c",
    unit="points",
    bound="margin 0.5 points to baseline",
    observed=-0.03,
    low=-0.05,
    high=-0.01,
    n=24,
    verdict="fail",
    reason="beyond",
    blocking=True,
)
CLIP = replace(
    FELL,
    id="worst_clip",
    bound="clip_margin 20 points to baseline",
    observed=-0.4,
    low=None,
    high=None,
)
SLOWER = replace(
    FELL,
    id="latency",
    metric="latency_1s_p50_s",
    unit="x",
    bound="change_max 5 % to baseline",
    observed=1.2,
    low=1.1,
    high=1.3,
)


def written(folder, *rules, cell="abc", metric="rpa_50c", lower=False, until=None):
    gate = as_dict(conclude("test", rules, "", False))
    return accept(
        folder,
        gate,
        cell,
        metric,
        reason="a cheaper window",
        until=until,
        today=DAY,
        lower_is_better=lower,
    )


def accepted(folder, verdict, today=DAY):
    """The verdict as a gate gives it that reads the acceptances of ``folder``."""
    run = Run(folder, {"name": "main", "cells": []})
    return Baseline("main", run, accepted=read_acceptances(folder)).accepting(
        verdict, today
    )


def test_the_same_fall_is_covered(tmp_path):
    (entry,) = written(tmp_path, FELL)
    assert (entry.rule, entry.worst, entry.low_is_bad) == ("rpa", -0.05, True)
    found = accepted(tmp_path, FELL)
    assert found.accepted == "a cheaper window" and not found.fails
    assert found.verdict == "fail" and FELL.fails


@pytest.mark.parametrize(
    ("observed", "covered"), [(-0.049, True), (-0.05, True), (-0.051, False)]
)
def test_a_fall_within_the_accepted_interval_is_covered(tmp_path, observed, covered):
    written(tmp_path, FELL)
    found = accepted(tmp_path, replace(FELL, observed=observed, low=observed - 0.1))
    assert bool(found.accepted) == covered and found.fails == (not covered)
    assert covered or found.reason == "beyond; worse than the accepted -5 points"


@pytest.mark.parametrize(("observed", "covered"), [(1.29, True), (1.31, False)])
def test_a_rise_is_bad_where_lower_is_better(tmp_path, observed, covered):
    (entry,) = written(tmp_path, SLOWER, metric=SLOWER.metric, lower=True)
    assert (entry.worst, entry.low_is_bad) == (1.3, False)
    found = accepted(tmp_path, replace(SLOWER, observed=observed))
    assert bool(found.accepted) == covered
    assert covered or "worse than the accepted 1.3×" in found.reason


def test_another_cell_metric_or_rule_is_not_covered(tmp_path):
    written(tmp_path, FELL)
    for change in ({"key": "def"}, {"metric": "vde"}, {"id": "rpa_strict"}):
        assert not accepted(tmp_path, replace(FELL, **change)).accepted
    assert not accepted(tmp_path, CLIP).accepted
    assert accepted(tmp_path, replace(FELL, label="renamed", bound="other")).accepted


def test_every_failed_rule_on_the_metric_gets_its_entry(tmp_path):
    entries = written(tmp_path, FELL, CLIP, replace(FELL, id="fine", verdict="pass"))
    assert [(e.rule, e.worst) for e in entries] == [
        ("rpa", -0.05),
        ("worst_clip", -0.4),
    ]
    assert accepted(tmp_path, FELL).accepted and accepted(tmp_path, CLIP).accepted
    # the worst clip's fall says nothing of all clips together
    assert not accepted(tmp_path, replace(FELL, observed=-0.3)).accepted


def test_a_day_ends_it(tmp_path):
    written(tmp_path, FELL, until=date(2026, 5, 9))
    on_time = accepted(tmp_path, FELL, date(2026, 5, 9))
    assert on_time.accepted == "a cheaper window, until 2026-05-09"
    late = accepted(tmp_path, FELL, date(2026, 5, 10))
    assert late.fails and not late.accepted
    assert late.reason == (
        "beyond; its acceptance (a cheaper window) expired on 2026-05-09"
    )


def test_today_may_be_the_last_day_and_yesterday_may_not(tmp_path):
    written(tmp_path, FELL, until=DAY)
    with pytest.raises(UsageError, match="2026-04-30 has passed"):
        written(tmp_path, FELL, until=date(2026, 4, 30))
    assert read_acceptances(tmp_path)[0].until == "2026-05-01"


def test_only_a_failure_is_accepted(tmp_path):
    written(tmp_path, FELL)
    for word in ("pass", "inconclusive", "missing", "incomparable"):
        assert not accepted(tmp_path, replace(FELL, verdict=word)).accepted


def test_a_state_against_the_baseline_can_be_accepted(tmp_path):
    differs = replace(
        FELL,
        id="same_outputs",
        metric="outputs",
        unit="",
        bound="outputs identical to baseline",
        observed="differs",
        low=None,
        high=None,
    )
    (entry,) = written(tmp_path, differs, metric="outputs")
    assert entry.worst is None
    assert accepted(tmp_path, differs).accepted


def test_accepting_again_replaces_the_entry(tmp_path):
    written(tmp_path, FELL)
    written(tmp_path, replace(FELL, key="def"), cell="def")
    written(tmp_path, replace(FELL, low=-0.07))
    found = {entry.key: entry.worst for entry in read_acceptances(tmp_path)}
    assert found == {"def": -0.05, "abc": -0.07}
    content = json.loads((tmp_path / "accepted.json").read_text(encoding="utf-8"))
    assert content["schema"] == 1
    assert [Acceptance(**e) for e in content["accepted"]] == read_acceptances(tmp_path)


@pytest.mark.parametrize(
    ("rules", "cell", "metric", "words"),
    [
        ((FELL,), "crepe tny  cpu", "rpa_50c", "did you mean 'crepe tiny  cpu'"),
        ((FELL,), "abc", "rpa_5c", "did not fail for abc; did you mean 'rpa_50c'"),
        ((replace(FELL, verdict="pass"),), "abc", "rpa_50c", "nothing to accept"),
        (
            (replace(FELL, bound="x >= 85 %"),),
            "abc",
            "rpa_50c",
            "no rule against the baseline failed",
        ),
    ],
)
def test_what_did_not_fail_cannot_be_accepted(tmp_path, rules, cell, metric, words):
    with pytest.raises(UsageError, match=words) as caught:
        written(tmp_path, *rules, cell=cell, metric=metric)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "accepted.json").exists()


def test_a_cell_is_named_by_key_or_label(tmp_path):
    for cell in ("abc", "crepe tiny  cpu"):
        (entry,) = written(tmp_path, FELL, cell=cell)
        assert (entry.key, entry.label) == ("abc", "crepe tiny  cpu")
        assert entry.accepted == "2026-05-01"
