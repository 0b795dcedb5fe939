"""The table of stages and what other forms of the report say of them."""

import csv
import io

from harness.metrics.base import Value
from harness.report.csvfile import summary_csv
from harness.report.document import document
from harness.report.html import html
from harness.report.page import Source, build_page
from harness.report.privacy import Scrubber
from harness.report.stages import stage_devices, stage_table

NONE = {"h2d_copies": 0, "h2d_bytes": 0, "d2h_copies": 0, "d2h_bytes": 0}
FACTS = {
    "resample": {**NONE, "calls": 3, "devices": ["cpu"]},
    "network": {**NONE, "calls": 2, "devices": ["cuda"]},
    "post": {**NONE, "calls": 2, "devices": [""]},
}
COPIES = {"h2d_copies": 2, "h2d_bytes": 3 * 2**20, "d2h_copies": 2, "d2h_bytes": 2**19}


def told(demo, facts=FACTS, copies=COPIES):
    run, summaries = demo
    first = run.records[0]
    first.data["rounds"] = [{"n": 1, "stages": facts}]
    summaries[first.key] |= {name: Value(float(n)) for name, n in copies.items()}
    return build_page([Source(run, summaries)], wide=True)


def test_stages_stand_below_their_device_with_their_share(demo):
    page = told(demo)
    table = page.tables[-1]
    assert table == stage_table(page.rows)
    assert [head.line for head in table.columns[2:]] == [
        *("on the CPU %", "on the GPU %", "device not stated %"),
        *("h2d copies", "h2d MiB", "d2h copies", "d2h MiB"),
    ]
    first, silent, failed = table.rows  # numbered as everywhere
    assert first.cells[2:] == (
        *("resample –", "network 75.0", "post –"),
        *("2", "3.0", "2", "0.5"),
    )
    assert silent.cells[2:] == ("–",) * 7
    assert (failed.cells[0], failed.message) == ("3", "see above")


def test_columns_that_nobody_needs_are_left_out(demo):
    table = told(demo, {"network": FACTS["resample"]}, {}).tables[-1]
    assert [head.line for head in table.columns[2:]] == ["on the CPU %"]


def test_without_stages_there_is_no_table(demo):
    run, summaries = demo
    for record in run.records:
        record.data["rounds"] = []
    page = build_page([Source(run, summaries)], wide=True)
    assert stage_table(page.rows) is None
    assert page.tables[-1].title == "Cost"


def test_a_chain_shows_its_stages_unasked(demo):
    """On a terminal below the costs, in HTML below its figure alone."""
    run, summaries = demo
    told(demo)
    assert "Stages" not in build_page([Source(run, summaries)]).tables[-1].title
    first = run.records[0].data["cell"]
    first["task"] = {**first["task"], "name": "pipeline"}
    page = build_page([Source(run, summaries)])
    assert page.tables[-1] == stage_table(page.rows)
    shown = html(page, [Source(run, summaries)])
    assert shown.count("Stages, % of the time") == 1
    assert shown.index("Stages, % of the time") > shown.index('class="stages"')


def test_csv_and_json_tell_of_them(demo):
    page = told(demo)
    run, summaries = demo
    (row, *_) = csv.DictReader(io.StringIO(summary_csv(page.rows, Scrubber(run))))
    expected = "cpu: resample; cuda: network; not stated: post"
    assert row["stage_devices"] == expected == stage_devices(FACTS)
    assert float(row["h2d_bytes"]) == COPIES["h2d_bytes"]
    assert document(run, summaries, None)["cells"][0]["stages"] == FACTS
    assert stage_devices(None) is None
