"""A gate file that cannot mean anything is refused before anything is measured."""

from __future__ import annotations

import pytest
import yaml

from extractors.errors import ConfigError
from harness.cli import main
from harness.confdir import conf_dir
from harness.gate_file import load_gate, parse_absolute, parse_gate
from harness.gate_rules import STATES, UNITS
from harness.metrics import all_metrics
from harness.pytest_benchmark_rules import load_rules

METRICS = all_metrics()
TO = {"to": "baseline"}


def gate(rule, **head):
    return parse_gate("mine", {"rules": [{"id": "r", **rule}], **head}, METRICS)


def refused(rule):
    """The message, which is one line and names gate and rule."""
    with pytest.raises(ConfigError) as caught:
        gate(rule)
    text = str(caught.value)
    assert "\n" not in text and text.startswith("gate mine: rule r: ")
    return text.removeprefix("gate mine: rule r: ")


def rule_of(**entry):
    return gate(entry).rules[0]


# names


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (
            {"metric": "rpa_50", "abs": "x > 0"},
            "metric: unknown 'rpa_50'; did you mean 'rpa_50c'?",
        ),
        (
            {"metric": ["rpa_50c"], "abs": "x > 0"},
            "metric: unknown '['rpa_50c']'",
        ),
        (
            {"metric": "vde", "margn": "1 points", **TO},
            "unknown key 'margn'; did you mean 'margin'?",
        ),
        ({"state": "validty", "is": "valid"}, "did you mean 'validity'?"),
        ({"state": "validity", "is": "vald"}, "did you mean 'valid'?"),
        ({"state": "validity", "not": "noisey"}, "did you mean 'noisy'?"),
        ({"state": "batch", "is": "ok"}, "is: unknown 'ok'"),
        ({"metric": "vde", "margin": "1 points", "to": "incumbant"}, "'incumbent'"),
        (
            {"metric": "vde", "abs": "x < 1", "roles": ["canddate"]},
            "roles: unknown 'canddate'; did you mean 'candidate'?",
        ),
        (
            {"metric": "vde", "abs": "x < 1", "requires": ["truht"]},
            "requires: unknown 'truht'; did you mean 'truth'?",
        ),
    ],
)
def test_an_unknown_name_brings_the_nearest(rule, told):
    assert told in refused(rule)


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ({"extractr": "crepe"}, "unknown key 'extractr'; did you mean 'extractor'?"),
        ({"extractor": "crep"}, ".extractor: unknown 'crep'; did you mean 'crepe'?"),
        (
            {"extractor": "crepe", "model": "tny"},
            ".model: unknown 'tny'; did you mean 'tiny'?",
        ),
        ({"model": "tny"}, ".model: unknown 'tny'; did you mean 'tiny'?"),
        (
            {"extractor": "crepe", "decoder": ["viterbi", "viterby"]},
            ".decoder: unknown 'viterby'; did you mean 'viterbi'?",
        ),
        ({"decoder": "argmx"}, ".decoder: unknown 'argmx'; did you mean 'argmax'?"),
        ({"device": "gpu"}, ".device: unknown 'gpu'"),
        ({"extractor": "librosa_pyin", "model": "tiny"}, "librosa_pyin: no model"),
        ({"extractor": "librosa_pyin", "device": "cuda"}, "librosa_pyin: no device"),
        ({"task": "f00"}, ".task: unknown 'f00'"),
        ({"kind": "synthetc"}, ".kind: unknown 'synthetc'; did you mean 'synthetic'?"),
        ({"extractor": None}, "expected a name or a list of names"),
        ({"extractor": []}, "expected a name or a list of names"),
        ("crepe", "expected a mapping"),
    ],
)
@pytest.mark.parametrize("place", ["where", "to"])
def test_a_selector_that_nothing_matches(place, where, told):
    bound = {"margin": "1 points"} if place == "to" else {"abs": "x < 50 %"}
    if where == "crepe" and place == "to":
        told = "to: unknown 'crepe'"
    text = refused({"metric": "vde", **bound, place: where})
    assert text.startswith(place) and told in text


def test_selectors_that_something_matches():
    found = rule_of(
        metric="vde",
        abs="x < 50 %",
        where={
            "extractor": ["crepe", "librosa_pyin"],
            "model": "tiny",
            "device": "cpu",
            "batch_size": 512,
            "dataset": "my calls",
        },
    )
    assert found.where["extractor"] == ("crepe", "librosa_pyin")
    assert found.where["batch_size"] == ("512",)
    alone = rule_of(
        metric="vde", abs="x < 1", where={"extractor": "praat", "device": "cpu"}
    )
    assert alone.where["device"] == ("cpu",)


# what contradicts itself


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"requires": ["cpu", "cuda"]}, "requires cpu and cuda: never both"),
        (
            {"requires": ["same_job", "other_job"]},
            "requires same_job and other_job: never both",
        ),
        (
            {"requires": ["cuda"], "where": {"device": "cpu"}},
            "requires cuda, but where says cpu",
        ),
        (
            {"requires": ["cpu"], "where": {"device": ["cuda"]}},
            "requires cpu, but where says cuda",
        ),
        ({"requires": "same_hardware"}, "same_hardware needs 'to'"),
        ({"requires": "same_job"}, "same_job needs 'to'"),
        ({"confident": True, "margin": 1, "abs": None}, "not abs and margin"),
        ({"to": "incumbent"}, "an absolute bound has no 'to'"),
        ({"is": "ok"}, "'is' belongs to a state rule"),
        ({"at_least": 1}, "at_least belongs to change_min and change_max"),
    ],
)
def test_contradictions_of_absolute_rules(rule, told):
    assert told in refused({"metric": "vde", "abs": "x < 50 %", **rule})


MARGIN = {"metric": "vde", "margin": "1 points"}


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (MARGIN, "'to' is missing: baseline, incumbent, or a cell of the run"),
        ({**MARGIN, "to": {}}, "'to' names no cell"),
        (
            {**MARGIN, "to": "incumbent", "roles": ["candidate", "incumbent"]},
            "the incumbent cannot be compared with itself",
        ),
        (
            {**MARGIN, "to": {"model": "tiny"}, "where": {"model": ["tiny"]}},
            "'where' and 'to' select the same cells",
        ),
        (
            {**MARGIN, "to": "incumbent", "requires": ["same_job"]},
            "same_job needs 'to: baseline'",
        ),
        (
            {**MARGIN, "to": {"model": "tiny"}, "requires": ["other_job"]},
            "other_job needs 'to: baseline'",
        ),
        ({**MARGIN, **TO, "confident": True}, "'confident' belongs to 'abs'"),
        ({"state": "outputs", "is": "identical"}, "state outputs needs 'to'"),
        ({"state": "status", "is": "ok", **TO}, "state status has no 'to'"),
        ({"state": "status", "is": "ok", "not": "error"}, "one of 'is' and 'not'"),
        ({"state": "status", "is": "ok", "metric": "vde"}, "not metric and state"),
        ({}, "name one of metric, state, test, not_measured"),
        ({"state": "status", "is": "ok", "confident": True}, "remove 'confident'"),
    ],
)
def test_contradictions_of_comparisons(rule, told):
    assert told in refused(rule)


@pytest.mark.parametrize(
    "rule",
    [
        {**MARGIN, "to": "incumbent"},
        {**MARGIN, "to": "incumbent", "where": {"extractor": "crepe"}},
        {**MARGIN, **TO, "roles": ["candidate", "incumbent", "peer"]},
        {**MARGIN, **TO, "requires": ["other_job", "same_hardware", "truth"]},
        {**MARGIN, "to": {"model": "full"}, "where": {"model": "tiny"}},
        {**MARGIN, "to": {"model": "full"}, "requires": ["same_hardware"]},
        {"state": "outputs", "is": "identical", "to": "incumbent"},
        {
            "metric": "vde",
            "abs": "x < 1",
            "requires": "cuda",
            "where": {"device": "cuda"},
        },
    ],
)
def test_combinations_that_make_sense(rule):
    assert gate(rule).rules[0].to == rule.get("to") or isinstance(rule["to"], dict)


# bounds


@pytest.mark.parametrize(
    ("metric", "bound", "told"),
    [
        ("offset_s", "|x| <= 2 %", "offset_s is not measured in %; use us or ms or s"),
        ("offset_s", "|x| <= 2 msec", "unknown unit 'msec'; did you mean 'ms'?"),
        ("offset_s", "|x| <= -2 ms", "|x| is never negative"),
        ("peak_host_bytes", "x < 6 ms", "use GiB or MiB or KiB or GB or MB or bytes"),
        ("x_realtime", "x > 10 frames/s", "not measured in frames/s; use x"),
        ("bias_cents", "|x| < 5 Hz", "not measured in Hz; use cents"),
        ("rpa_50c", "x >= 85 ms", "not measured in ms; use % or points"),
        ("rpa_50c", "x >= 85", "lies between 0 and 1; state the unit, e.g. 85 %"),
        ("rpa_50c", "x >= 850 %", "lies between 0 and 1"),
        ("rpa_50c", "85 %", "expected"),
        ("rpa_50c", "x => 85 %", "expected"),
        ("rpa_50c", 0.85, "expected"),
    ],
)
def test_an_absolute_bound_in_the_wrong_unit(metric, bound, told):
    assert told in refused({"metric": metric, "abs": bound})


def test_every_metric_takes_its_own_units():
    for metric in METRICS.values():
        for unit, (own, factor) in UNITS.items():
            text = f"x < 0.5 {unit}"
            if own == metric.unit:
                limit = parse_absolute("rule", text, metric).limit
                assert limit == pytest.approx(0.5 * factor)
            else:
                with pytest.raises(ConfigError, match="is not measured in"):
                    parse_absolute("rule", text, metric)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"metric": "rpa_50c", "margin": "5 cents"}, "not measured in cents"),
        ({"metric": "rpa_50c", "margin": "5"}, "lies between 0 and 1"),
        ({"metric": "rpa_50c", "margin": "-1 points"}, "a margin is not negative"),
        ({"metric": "offset_s", "margin": "1 ms"}, "has no better side"),
        ({"metric": "voiced_ratio", "margin": "1 %"}, "has no better side"),
        ({"metric": "rpa_50c", "clip_margin": "-1 %"}, "a margin is not negative"),
        ({"metric": "x_realtime", "clip_margin": "1 x"}, "it has no clips"),
        ({"metric": "peak_host_bytes", "clip_margin": "1 MiB"}, "it has no clips"),
        ({"metric": "offset_s", "clip_margin": "1 ms"}, "has no better side"),
        ({"metric": "x_realtime", "change_min": "-5 x"}, "a change is given in %"),
        ({"metric": "x_realtime", "change_min": -5}, "a change is given in %"),
        ({"metric": "x_realtime", "change_min": "5 %"}, "change_min is a fall"),
        ({"metric": "x_realtime", "change_min": "-100 %"}, "above -100 %"),
        ({"metric": "first_call_s", "change_max": "-5 %"}, "change_max a rise"),
        ({"metric": "x_realtime", "ratio_min": "2 x"}, "a ratio is a positive number"),
        ({"metric": "x_realtime", "ratio_min": 0}, "a ratio is a positive number"),
        ({"metric": "x_realtime", "ratio_min": True}, "expected a number"),
        ({"metric": "x_realtime", "ratio_max": 2}, "better when higher; use ratio_min"),
        (
            {"metric": "first_call_s", "ratio_min": 2},
            "better when lower; use ratio_max",
        ),
        ({"metric": "x_realtime", "change_max": "5 %"}, "higher; use change_min"),
        ({"metric": "peak_host_bytes", "change_min": "-5 %"}, "lower; use change_max"),
        (
            {"metric": "offset_s", "change_max": "5 %"},
            "may be 0 or negative; use 'abs'",
        ),
        ({"metric": "fpe_bias_cents", "ratio_min": 1}, "may be 0 or negative"),
    ],
)
def test_a_comparison_in_the_wrong_unit_or_on_the_wrong_side(rule, told):
    assert told in refused({**rule, **TO})


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (
            {"change_max": "30 %", "at_least": "50 MiB"},
            "first_call_s is not measured in",
        ),
        ({"change_max": "30 %", "at_least": "50 mss"}, "unknown unit 'mss'"),
        ({"change_max": "30 %", "at_least": 0}, "expected a positive number"),
        ({"change_max": "30 %", "at_least": "much"}, "expected a number and its unit"),
        ({"ratio_max": 2, "at_least": "50 ms"}, "belongs to change_min and change_max"),
        ({"margin": "50 ms", "at_least": "50 ms"}, "belongs to change_min and"),
    ],
)
def test_at_least(rule, told):
    text = refused({"metric": "first_call_s", **rule, **TO})
    assert text.startswith("at_least") and told in text


def test_limits_by_hand():
    margin = rule_of(metric="vde", margin="0.5 points", **TO).bound
    assert (margin.kind, margin.op, margin.limit) == ("margin", ">=", -0.005)
    clip = rule_of(metric="rpa_50c", clip_margin="20 %", **TO).bound
    assert (clip.kind, clip.limit) == ("clip_margin", -0.2)
    fall = rule_of(metric="x_realtime", change_min="-5 %", **TO).bound
    assert (fall.kind, fall.op, fall.limit) == ("change", ">=", 0.95)
    rise = rule_of(metric="first_call_s", change_max="+30 %", at_least="50 ms", **TO)
    assert (rise.bound.op, rise.bound.limit) == ("<=", 1.3)
    assert rise.bound.at_least == pytest.approx(0.05)
    ratio = rule_of(metric="x_realtime", ratio_min=10, to="incumbent")
    assert (ratio.bound.kind, ratio.bound.op, ratio.bound.limit) == (
        "ratio",
        ">=",
        10.0,
    )
    assert ratio.bound_text == "ratio_min 10 to incumbent"


def test_not_allows_everything_else():
    found = rule_of(state="validity", **{"not": ["invalid", "noisy"]})
    assert set(found.allowed) == set(STATES["validity"]) - {"invalid", "noisy"}
    outputs = rule_of(state="outputs", **{"is": "identical"}, **TO)
    assert outputs.bound_text == "outputs identical to baseline"


# shipped files, and the command


def shipped():
    return sorted((conf_dir() / "gate").glob("*.yaml"))


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_shipped_gates_parse(path):
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.stem == "pytest_benchmark":
        found = load_rules(path.stem, [conf_dir()])
    else:
        found = load_gate(path.stem, METRICS, conf_dir())
    assert [r.id for r in found.rules] == [entry["id"] for entry in content["rules"]]
    assert len(found.rules) >= 1 and not found.block_inconclusive


def test_there_are_shipped_gates():
    assert {"ci", "regression", "replace", "validity"} <= {p.stem for p in shipped()}


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("{id: r, metric: rpa_50, abs: x > 0}", "did you mean 'rpa_50c'"),
        ("{id: r, metric: offset_s, abs: '|x| < 2 %'}", "use us or ms or s"),
        (
            "{id: r, state: status, is: ok, requires: [cpu, cuda]}",
            "requires cpu and cuda: never both",
        ),
        (
            "{id: r, metric: vde, margin: 1 points, to: incumbent}",
            "none is named; add gate.incumbent=EXTRACTOR",
        ),
        ("[", "cannot be read"),
    ],
)
def test_nothing_is_measured_under_a_wrong_gate(
    tmp_path, monkeypatch, capsys, rule, told
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text(f"- {rule}\n", encoding="utf-8")
    called = []
    monkeypatch.setattr("harness.api.measure", lambda *a, **k: called.append(a))
    words = ("extractor=librosa_yin", "dataset.limit=1", "effort=accuracy")
    assert main(["run", *words, "gate=bad.yaml"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and told in err and err.count("\n") == 1
    assert not called and not (tmp_path / "results").exists()


def test_the_console_script_measures_nothing_under_a_wrong_gate(console, tmp_path):
    rule = "- {id: r, metric: rpa_50, abs: x > 0}\n"
    (tmp_path / "bad.yaml").write_text(rule, encoding="utf-8")
    done = console("run", "extractor=acf", "gate=bad.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'rpa_50c'" in done.stderr and done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]
