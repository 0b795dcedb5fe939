"""Files of pytest-benchmark are judged by the rules of a gate, without false alarms."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from statistics import median, quantiles

import pytest

from extractors.errors import ConfigError, UsageError
from harness import pytest_benchmark_files as files
from harness.confdir import search_dirs
from harness.junit import as_xml
from harness.pytest_benchmark import BETWEEN_PROCESSES, compare, judge_files
from harness.pytest_benchmark_files import Timing, benchmark_files, read_suite
from harness.pytest_benchmark_rules import load_rules, parse_rules
from harness.verdict import as_dict, render

MACHINE = {
    "node": "runner",
    "machine": "x86_64",
    "python_implementation": "CPython",
    "python_version": "3.11.7",
    "cpu": {"brand_raw": "Test CPU", "count": 2},
}
FASTER = {
    "id": "faster",
    "metric": "call_s",
    "ratio_max": 0.5,
    "where": {"benchmark": "test_ours"},
    "to": {"benchmark": "test_librosa"},
}


def bench(name="test_a", seconds=0.01, *, iqr=0.01, rounds=20, **more):
    """One benchmark; ``iqr`` is relative to the median."""
    data = [seconds * (1 + iqr * (i - rounds // 2) / rounds) for i in range(rounds)]
    stats = {"median": seconds, "iqr": seconds * iqr, "rounds": rounds, "data": data}
    return {
        "group": None,
        "name": name,
        "fullname": f"bench/test_x.py::{name}",
        "params": None,
        "options": {"timer": "perf_counter", "disable_gc": False},
        **more,
        "stats": stats | more.get("stats", {}),
    }


@pytest.fixture
def write(tmp_path):
    """``write(benchmarks…)`` writes the file of one process."""
    number = 0

    def file(*benchmarks, machine=MACHINE, name=None, when=None):
        nonlocal number
        number += 1
        path = tmp_path / (name or f"{number}.json")
        content = {
            "machine_info": machine,
            "commit_info": {"id": "0" * 40},
            "benchmarks": list(benchmarks),
            "datetime": when or f"2026-01-02T03:04:{number:02d}+00:00",
            "version": "5.1.0",
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return path

    return file


def words(result):
    return [rule.verdict for rule in result.rules]


def gate(*rules, **head):
    return parse_rules("test", {"rules": list(rules), **head})


# one process on each side


def test_one_process_each_decides_only_what_is_large(write):
    # 1.1 x 1.3 x 1.01 = 1.444 and 1.1 / (1.3 x 1.01) = 0.838
    old = write(bench(seconds=0.010))
    expected = {0.0083: "pass", 0.0084: "inconclusive", 0.010: "inconclusive"}
    expected |= {0.0144: "inconclusive", 0.0145: "fail"}
    for seconds, word in expected.items():
        result = judge_files([write(bench(seconds=seconds))], [old])
        assert words(result) == [word], seconds
        assert result.exit_code == (1 if word == "fail" else 0)


def test_interval_of_one_process_is_computed_by_hand(write):
    effect = compare([Timing(0.01, 0.0005, 9)], [Timing(0.02, 0.0002, 9)])
    factor = BETWEEN_PROCESSES * 1.05  # the larger spread of both: 5 %
    assert effect.value.value == 2.0
    assert effect.value.low == pytest.approx(2.0 / factor)
    assert effect.value.high == pytest.approx(2.0 * factor)
    assert effect.spread == pytest.approx(0.05)


def test_noisy_calls_hide_what_quiet_calls_show(write):
    old = write(bench(iqr=0.5))
    result = judge_files([write(bench(seconds=0.015, iqr=0.01))], [old])
    assert words(result) == ["inconclusive"]
    assert judge_files([write(bench(seconds=0.03))], [old]).exit_code == 1


def test_a_single_call_decides_nothing(write):
    old = write(bench(rounds=1, iqr=0.0))
    result = judge_files([write(bench(seconds=0.1))], [old])
    assert words(result) == ["inconclusive"]
    assert "single call" in result.rules[0].reason


def test_reason_and_notes_say_what_one_process_cannot(write):
    result = judge_files([write(bench())], [write(bench(seconds=0.011))])
    text = render(result, full=True)
    assert "1 and 1 processes: taken to differ by 30% among themselves" in text
    assert "fewer than 3 processes on a side" in text
    assert "limit 1.1× (threshold)" in text
    assert "test_a: call_s 0.9091 [" in text


# several processes


def test_several_processes_decide_what_one_cannot(write):
    old = [write(bench(seconds=s)) for s in (0.0100, 0.0101, 0.0102)]
    same = [write(bench(seconds=s)) for s in (0.0101, 0.0100, 0.0103)]
    slow = [write(bench(seconds=s)) for s in (0.0130, 0.0131, 0.0132)]
    assert words(judge_files(same, old)) == ["pass"]
    result = judge_files(slow, old)
    assert words(result) == ["fail"]
    (rule,) = result.rules
    assert rule.observed == pytest.approx(0.0131 / 0.0101)
    assert rule.code == "beyond"
    assert rule.evidence["old"] == [0.0100, 0.0101, 0.0102]
    # and with two on one side the 28 % are not enough
    assert words(judge_files(slow[:2], old)) == ["inconclusive"]


def test_spread_between_two_processes_counts(write):
    old = [write(bench(seconds=s)) for s in (0.010, 0.014)]
    result = judge_files([write(bench(seconds=0.020))], old)
    # spread 0.004/0.012: the ratio 1.67 over 1.3 x 1.33 is below 1.1
    assert words(result) == ["inconclusive"]


def test_tests_over_benchmarks_are_corrected_together(write):
    names = [f"test_{i}" for i in range(5)]
    old = [
        write(
            *(bench(n, 0.01 + 0.00001 * i) for n in names), when=f"2026-01-{i + 1:02}"
        )
        for i in range(12)
    ]
    new = [
        write(
            *(
                bench(n, (0.01 + 0.00001 * i) * (1.5 if n == "test_3" else 1.0))
                for n in names
            ),
            when=f"2026-01-{i + 1:02}T01",
        )
        for i in range(12)
    ]
    result = judge_files(new, old)
    assert words(result) == ["pass", "pass", "pass", "fail", "pass"]
    assert any("5 tests corrected together (Holm)" in note for note in result.notes)
    evidence = result.rules[3].evidence
    assert evidence["test"] == "Mann–Whitney U"
    assert evidence["p_corrected"] == pytest.approx(5 * evidence["p"])


def test_identical_code_raises_no_alarm(write):
    """Processes differ by 10 %, calls by 5 %: 40 comparisons, one process and three."""
    random.seed(7)

    def process():
        level = 0.01 * random.lognormvariate(0, 0.1)
        calls = [level * random.lognormvariate(0, 0.05) for _ in range(30)]
        low, middle, high = quantiles(calls, n=4)
        stats = {"median": middle, "iqr": high - low, "data": calls}
        return write(bench(seconds=median(calls), stats=stats))

    alarms = 0
    for count in [1] * 20 + [3] * 20:
        new, old = ([process() for _ in range(count)] for _ in range(2))
        alarms += judge_files(new, old).exit_code != 0
    assert alarms == 0


def test_sides_measured_one_after_the_other_are_noted(write):
    old = [write(bench(seconds=0.01 + i / 1e5)) for i in range(3)]
    new = [write(bench(seconds=0.01 + i / 1e5)) for i in range(3)]
    note = "one side was measured after the other"
    assert any(note in n for n in judge_files(new, old).notes)
    turns = [*old, *new]
    assert not any(note in n for n in judge_files(turns[::2], turns[1::2]).notes)


# what is not there


def test_gone_benchmark_is_incomplete(write):
    old = write(bench("test_a"), bench("test_b"))
    result = judge_files([write(bench("test_a", 0.005))], [old])
    assert words(result) == ["pass", "missing"]
    assert result.exit_code == 4
    assert result.rules[1].label == "test_b"


def test_gone_benchmark_matters_only_where_the_rule_looks(write):
    rule = {"id": "a", "metric": "call_s", "change_max": "10 %", "to": "baseline"}
    old = write(bench("test_a"), bench("test_b"))
    new = write(bench("test_a", 0.005))
    chosen = gate(rule | {"where": {"benchmark": "test_a"}})
    assert judge_files([new], [old], chosen).exit_code == 0
    chosen = gate(rule | {"where": {"benchmark": "test_b"}})
    result = judge_files([new], [old], chosen)
    assert words(result) == ["missing"]
    assert result.exit_code == 4


def test_failure_comes_before_incompleteness(write):
    old = write(bench("test_a"), bench("test_b"))
    assert judge_files([write(bench("test_a", 0.05))], [old]).exit_code == 1


def test_new_benchmark_asks_for_a_new_baseline(write):
    result = judge_files([write(bench("test_new"))], [write(bench("test_old", 0.02))])
    assert words(result) == ["missing", "missing"]
    assert result.exit_code == 4


def test_no_baseline_is_incomplete(write):
    result = judge_files([write(bench())])
    assert words(result) == ["missing"]
    assert result.exit_code == 4
    assert "--baseline" in result.reason


@pytest.mark.parametrize("text", ["", None])
def test_nothing_measured_is_never_a_pass(write, tmp_path, text):
    path = tmp_path / "empty.json"
    path.write_text("") if text == "" else write(name="empty.json")
    for rules in (None, gate(FASTER)):
        result = judge_files([path], [], rules)
        assert result.exit_code == 4
        assert "nothing was measured" in result.reason


def test_benchmark_that_failed_in_one_process_is_incomplete(write):
    new = [write(bench("test_a"), bench("test_b")), write(bench("test_a", 0.0101))]
    rule = {"id": "quick", "metric": "call_s", "abs": "x < 1 s"}
    result = judge_files(new, [], gate(rule))
    assert words(result) == ["pass", "pass"]
    assert result.exit_code == 4
    assert "test_b is in 1 of 2 files" in result.reason


# what cannot be compared


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cpu": {"brand_raw": "Other CPU", "count": 2}}, "cpu Test CPU, here Other"),
        ({"cpu": {"brand_raw": "Test CPU", "count": 8}}, "cores 2, here 8"),
        ({"python_implementation": "PyPy"}, "python CPython, here PyPy"),
        ({"cpu": {"count": 2}}, "cpu Test CPU, here not stated"),
        ({"machine": "aarch64"}, "architecture x86_64, here aarch64"),
    ],
)
def test_other_machine_is_incomparable(write, change, told):
    old = write(bench())
    result = judge_files([write(bench(seconds=1.0), machine=MACHINE | change)], [old])
    assert words(result) == ["incomparable"]
    assert result.exit_code == 0
    assert told in result.rules[0].reason


def test_doubt_blocks_where_the_gate_says_so(write):
    rule = {"id": "a", "metric": "call_s", "change_max": "10 %", "to": "baseline"}
    other = write(bench(), machine=MACHINE | {"machine": "arm64"})
    blocking = gate(rule, inconclusive="block")
    assert judge_files([other], [write(bench())], blocking).exit_code == 3
    assert (
        judge_files([write(bench(seconds=0.011))], [write(bench())], blocking).exit_code
        == 3
    )


def test_other_timer_is_incomparable(write):
    options = {"timer": "process_time", "disable_gc": False}
    result = judge_files([write(bench(options=options))], [write(bench(seconds=0.9))])
    assert words(result) == ["incomparable"]
    assert "timer perf_counter, here process_time" in result.rules[0].reason


def test_other_python_and_nameless_cpu_are_noted(write):
    machine = MACHINE | {"python_version": "3.13.0", "cpu": {}}
    old = write(bench(), machine=MACHINE | {"cpu": {}})
    result = judge_files([write(bench(seconds=0.001), machine=machine)], [old])
    assert words(result) == ["pass"]
    assert any("Python 3.11.7 and 3.13.0" in note for note in result.notes)
    assert any("CPU is not named" in note for note in result.notes)


# rules within the files


def test_ratio_between_benchmarks_of_one_file(write):
    librosa = bench("test_librosa", 0.1)
    for ours, word in ((0.01, "pass"), (0.045, "inconclusive"), (0.08, "fail")):
        result = judge_files(
            [write(librosa, bench("test_ours", ours))], [], gate(FASTER)
        )
        assert words(result) == [word], ours
    assert result.exit_code == 1
    assert result.rules[0].bound == "ratio_max 0.5 to test_librosa"


def test_ratio_is_paired_by_file(write):
    """A machine that is four times slower in one process changes no ratio."""
    new = [
        write(bench("test_librosa", 0.1 * k), bench("test_ours", 0.04 * k))
        for k in (1.0, 4.0, 1.1)
    ]
    (rule,) = judge_files(new, [], gate(FASTER)).rules
    assert rule.verdict == "pass"
    assert rule.observed == pytest.approx(0.4)
    assert rule.evidence["paired"]
    assert rule.n == 3


def test_benchmarks_are_held_against_equal_parameters_and_groups(write):
    def sized(name, n, seconds, group="g"):
        return bench(f"{name}[{n}]", seconds, params={"n": n}, group=group)

    path = write(
        *(sized("test_ours", n, 0.001 * n) for n in (1, 9)),
        *(sized("test_librosa", n, 0.01 * n) for n in (1, 9)),
        sized("test_librosa", 3, 0.01, group="other"),
    )
    result = judge_files([path], [], gate(FASTER))
    assert [rule.label for rule in result.rules] == ["test_ours[1]", "test_ours[9]"]
    assert [rule.observed for rule in result.rules] == pytest.approx([0.1, 0.1])
    scaling = FASTER | {"where": {"params.n": 1}, "to": {"params.n": 9}}
    found = judge_files([path], [], gate(scaling)).rules
    told = {rule.label: rule.observed for rule in found}
    assert told == pytest.approx({"test_ours[1]": 1 / 9, "test_librosa[1]": 1 / 9})


def test_other_group_is_incomparable(write):
    path = write(bench("test_ours", group="a"), bench("test_librosa", 9.0, group="b"))
    result = judge_files([path], [], gate(FASTER))
    assert words(result) == ["incomparable"]
    named = FASTER | {"to": {"group": "b"}}
    assert words(judge_files([path], [], gate(named))) == ["pass"]


def test_yardstick_is_not_judged_itself(write):
    def sized(name, n):
        return bench(f"{name}[{n}]", 0.01 / len(name), params={"n": n}, group="g")

    names = ("test_librosa", "test_quicker_than_that")
    path = write(*(sized(name, n) for name in names for n in (1, 9)))
    bare = {k: v for k, v in FASTER.items() if k != "where"} | {"ratio_max": 2}
    for rule in (bare, bare | {"where": {"group": "g"}}):
        found = judge_files([path], [], gate(rule)).rules
        assert [(r.label[-11:], r.verdict) for r in found] == [
            ("han_that[1]", "pass"),
            ("han_that[9]", "pass"),
        ]
    within = bare | {"where": {"benchmark": "test_librosa"}, "to": {"group": "g"}}
    assert len(judge_files([path], [], gate(within)).rules) == 2
    alone = write(bench("test_librosa"))
    result = judge_files([alone], [], gate(bare))
    assert (words(result), result.exit_code) == (["missing"], 1)


@pytest.mark.parametrize("side", ["where", "to"])
def test_selector_without_a_benchmark_fails_with_the_nearest_name(write, side):
    path = write(bench("test_ours"), bench("test_librosa"))
    rule = FASTER | {side: {"benchmark": "test_our"}}
    result = judge_files([path], [], gate(rule))
    assert words(result) == ["missing"]
    assert result.exit_code == 1
    assert "did you mean 'test_ours'?" in result.rules[0].reason


def test_absolute_bound_of_one_process_and_of_many(write):
    quick = {"id": "quick", "metric": "call_s", "abs": "x < 20 ms", "confident": True}
    one = judge_files([write(bench())], [], gate(quick)).rules[0]
    assert (one.verdict, one.n) == ("pass", 20)
    assert one.low < one.observed < one.high
    beyond = judge_files([write(bench(seconds=0.05))], [], gate(quick))
    assert words(beyond) == ["fail"]
    bare = write(bench(seconds=0.05, stats={"data": []}))
    (rule,) = judge_files([bare], [], gate(quick)).rules
    assert (rule.verdict, rule.reason) == (
        "inconclusive",
        "no interval: the calls are not stored",
    )
    many = [write(bench(seconds=s)) for s in (0.03, 0.01, 0.011)]
    (rule,) = judge_files(many, [], gate({**quick, "confident": False})).rules
    assert (rule.verdict, rule.observed, rule.n) == ("pass", 0.011, 3)


def test_at_least_keeps_small_calls_out(write):
    rule = {"id": "a", "metric": "call_s", "change_max": "10 %", "to": "baseline"}
    old, new = write(bench(seconds=1e-6)), write(bench(seconds=3e-6))
    assert judge_files([new], [old], gate(rule)).exit_code == 1
    patient = gate(rule | {"at_least": "1 ms"})
    result = judge_files([new], [old], patient)
    assert words(result) == ["pass"]
    assert "absolute floor" in result.rules[0].reason


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"metric": "cal_s"}, "did you mean 'call_s'?"),
        ({"ratio_max": None, "ratio_min": 2}, "use ratio_max"),
        ({"ratio_max": None, "abs": "x < 2 GiB", "to": None}, "not measured in GiB"),
        ({"ratio_max": None, "margin": "2 ms"}, "unknown key 'margin'"),
        ({"where": {"benchmrk": "x"}}, "did you mean 'benchmark'?"),
        ({"where": {"benchmark": []}}, "expected a name or several"),
        ({"where": "test_ours"}, "expected baseline (in 'to') or a mapping"),
        ({"to": "incumbent"}, "expected baseline (in 'to') or a mapping"),
        ({"to": {}}, "'to' names another benchmark"),
        ({"to": {"benchmark": "test_ours"}}, "'to' names another benchmark"),
        ({"to": None}, "'to' is missing"),
        ({"roles": ["peer"]}, "unknown key 'roles'"),
        ({"blocking": "yes"}, "expected true or false"),
    ],
)
def test_wrong_rules_are_refused(change, told):
    rule = {k: v for k, v in (FASTER | change).items() if v is not None}
    with pytest.raises(ConfigError) as error:
        gate(rule)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, {}, [], ["x"], [{"metric": "call_s"}]])
def test_gate_without_rules_is_refused(content):
    with pytest.raises(ConfigError, match="gate test"):
        parse_rules("test", content)


def test_shipped_gate_is_the_default(write, tmp_path):
    shipped = load_rules("pytest_benchmark", search_dirs())
    assert [rule.bound_text for rule in shipped.rules] == [
        "change_max 10 % to baseline"
    ]
    path = tmp_path / "mine.yaml"
    path.write_text("- {id: a, metric: call_s, abs: 'x < 1 s'}")
    assert load_rules(str(path), search_dirs()).name == "mine"
    path.write_text("- {id: a, : [")
    with pytest.raises(ConfigError, match=r"gate mine\.yaml: cannot be read"):
        load_rules(str(path), search_dirs())


# files


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not JSON"),
        ("[1]", "no machine_info"),
        ('{"context": {}, "benchmarks": []}', "no machine_info"),
        ('{"machine_info": {}, "benchmarks": {}}', "no benchmarks"),
        ('{"machine_info": {}, "benchmarks": [{"name": "x"}]}', "no fullname or stats"),
        (
            '{"machine_info": {}, "benchmarks": [{"fullname": "x", "stats":'
            ' {"median": NaN, "iqr": 0, "rounds": 3}}]}',
            "stats.median is nan, expected a number ≥ 0",
        ),
        ("\xff", "not JSON"),
    ],
)
def test_foreign_files_are_refused_in_one_line(tmp_path, text, told):
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("latin-1") if text == "\xff" else text.encode())
    with pytest.raises(ConfigError) as error:
        judge_files([path])
    assert told in str(error.value)
    assert "pytest --benchmark-json FILE" in str(error.value)
    assert "\n" not in str(error.value)


def test_one_process_is_no_second_opinion(write, tmp_path):
    path = write(bench())
    copy = tmp_path / "copy.json"
    copy.write_text(path.read_text())
    with pytest.raises(ConfigError, match=r"copy\.json is a copy of"):
        judge_files([path, copy])
    with pytest.raises(ConfigError, match="named twice"):
        judge_files([path, path])
    with pytest.raises(ConfigError, match="in it twice"):
        judge_files([write(bench(), bench())])


def test_files_by_path_list_and_saved_name(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.json", "b,c.json", ".benchmarks/Linux/0001_main.json"):
        write(bench(), name=name)
    write(bench(), name=".benchmarks/Linux/0002_main.json")
    assert [p.name for p in benchmark_files(["a.json"])] == ["a.json"]
    assert [p.name for p in benchmark_files(["b,c.json"])] == ["b,c.json"]
    found = [p.name for p in benchmark_files(["a.json, main"])]
    assert found == ["a.json", "0001_main.json", "0002_main.json"]
    with pytest.raises(UsageError, match=r"no file 'mian'; did you mean 'main'\?"):
        benchmark_files(["mian"])
    with pytest.raises(UsageError, match="unless no benchmark ran"):
        benchmark_files(["absent.json"], tmp_path / "nowhere")
    with pytest.raises(UsageError, match="needs a file"):
        benchmark_files([])
    assert files.STORAGE.name == ".benchmarks"


def test_real_file_of_pytest_benchmark(tmp_path, strict_json):
    """What the installed version writes can be read: fields, units, failed tests."""
    (tmp_path / "test_real.py").write_text(
        "import pytest, time\n"
        "@pytest.mark.parametrize('ms', [1, 4])\n"
        "def test_sleep(benchmark, ms):\n"
        "    benchmark.pedantic(time.sleep, (ms / 1000,), rounds=5)\n"
        "def test_broken(benchmark):\n"
        "    benchmark(lambda: 1 / 0)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--benchmark-json", "out.json", "test_real.py"]
    # A session of its own: pytest-benchmark is silent in a process of pytest-xdist.
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_XDIST")}
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, check=False
    )
    assert done.returncode == 1
    suite = read_suite([tmp_path / "out.json"])
    assert list(suite.benchmarks) == [
        "test_real.py::test_sleep[1]",
        "test_real.py::test_sleep[4]",
    ]
    timing = suite.benchmarks["test_real.py::test_sleep[4]"].timings[1]
    assert 0.004 <= timing.median_s < 0.1
    assert timing.rounds == len(timing.data) == 5
    assert suite.machines[0]["cores"] >= 1
    rule = {"id": "a", "metric": "call_s", "ratio_max": 0.9}
    rule |= {"where": {"params.ms": 1}, "to": {"params.ms": 4}}
    result = judge_files([tmp_path / "out.json"], [], gate(rule))
    assert words(result)[0] in ("pass", "inconclusive")
    assert (
        strict_json(json.dumps(as_dict(result)))["rules"][0]["label"] == "test_sleep[1]"
    )
    assert "test_sleep[1]" in as_xml(result)
