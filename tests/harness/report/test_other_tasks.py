"""Tables and figures of tasks other than F0: units, digits, and what is compared."""

import pytest

from harness.gate_facts import verdict
from harness.gate_file import parse_gate
from harness.metrics import all_metrics
from harness.metrics.base import Value
from harness.report.columns import HEADLINE_COST, accuracy_columns, generic
from harness.report.html import _better
from harness.report.page import Source, build_page
from harness.verdict import number

KNOWN = all_metrics()
SPECTRUM = (
    "spectrum_error_db",
    "spectrum_relative_error",
    "spectrum_level_error_db",
)
TASK = {
    "name": "spectrogram",
    "fmin": 32.7,
    "fmax": 8000.0,
    "hop_s": 0.032,
    "sample_rate": 16000,
    "pad": "constant",
}


def test_spectrogram_columns_carry_units_and_fitting_digits():
    columns = accuracy_columns([KNOWN[name] for name in SPECTRUM], SPECTRUM, False)
    heads = [" ".join(column.head) for column in columns]
    assert heads == ["error dB", "relative error", "level dB"]
    values = {
        "spectrum_error_db": Value(-123.6363),
        "spectrum_relative_error": Value(6.5831e-7),
        "spectrum_level_error_db": Value(0.0000687),
    }
    assert [c.show(values, {}) for c in columns] == ["-123.6", "6.6e-7", "0.0"]
    coarse = {"spectrum_relative_error": Value(0.02421)}
    assert columns[1].show(coarse, {}) == "0.0242"


@pytest.mark.parametrize("name", ["rtf", "spectrum_relative_error"])
def test_a_plain_ratio_has_no_unit_anywhere(name):
    assert generic(KNOWN[name]).head == (name, "")
    assert generic(KNOWN["rpa_50c"]).head[1] == "%"
    rule = {"id": "r", "metric": name, "abs": "x < 0.1"}
    (parsed,) = parse_gate("g", {"rules": [rule]}, KNOWN).rules
    found = verdict(parsed, None, "pass", "", Value(0.02))
    assert found.unit == "" and number(found.observed, found.unit) == "0.02"


def test_counts_have_no_decimals():
    assert generic(KNOWN["h2d_copies"]).show({"h2d_copies": Value(3.0)}, {}) == "3"


def test_a_short_first_call_is_not_shown_as_none():
    (column,) = (c for c in HEADLINE_COST if c.metric == "first_call_s")
    shown = [column.show({"first_call_s": Value(s)}, {}) for s in (1.234, 0.002, 0.0)]
    assert shown == ["1.23", "<0.01", "0.00"]
    assert column.show({"first_call_s": Value(None)}, {}) == "–"


def test_error_metrics_are_better_below():
    assert _better(KNOWN["spectrum_error_db"]) == "down and to the right"
    assert _better(KNOWN["pitch_f1_50c"]) == "up and to the right"


@pytest.fixture
def swept(folder):
    """Two libraries at two transforms, labelled by them."""
    begun = folder()
    cells = ("stft", 1), ("mel", 2), ("stft", 4)
    for index, (transform, speed) in enumerate(cells):
        label = f"lib{index} {transform}  cpu"
        begun.add(f"{index:012d}", label, speed=float(speed))
    begun.plan["groups"] = [
        {**begun.plan["groups"][0], "task": {**TASK, "transform": name}}
        for name in ("stft", "mel")
    ]
    run = begun.load()
    for record, (transform, _) in zip(run.records, cells, strict=True):
        record.data["cell"]["task"] = {**TASK, "transform": transform}
    return run


def test_speeds_of_other_work_are_not_compared(swept):
    values = {
        record.key: {"x_realtime": Value(speed)}
        for record, speed in zip(swept.records, (1.0, 2.0, 4.0), strict=True)
    }
    (_, cost) = build_page([Source(swept, values)]).tables
    column = [head.line for head in cost.columns].index("vs 1 ratio")
    assert [row.cells[column] for row in cost.rows] == ["–", "–", "4.00"]


def test_what_a_label_says_is_not_said_twice(swept):
    page = build_page([Source(swept, {})])
    assert {row.context for row in page.rows} == {""}
    setting = dict(page.head)["setting"]
    assert "pad constant; transform stft | mel, effort smoke" in setting
    for record in swept.records:
        record.data["label"] = "lib  cpu"
    contexts = [row.context for row in build_page([Source(swept, {})]).rows]
    assert contexts == ["transform stft", "transform mel", "transform stft"]
