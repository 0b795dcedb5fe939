"""The HTML report and its figures."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from harness.metrics.base import Metric, Value
from harness.report import FILES, write_all
from harness.report.clips import clip_metric, per_clip, worst_first
from harness.report.contours import worst_contours
from harness.report.figures import (
    accuracy_speed,
    curve,
    error_histogram,
    label,
    stage_shares,
)
from harness.report.html import html, script_json
from harness.report.page import Source, build_page, metrics_of
from harness.report.threshold import threshold_curves

EVIL = "</script><img src=x onerror=alert(1)>{{ 7*7 }} &amp;"


def rows_of(demo):
    return build_page([Source(*demo)]).rows


def metric_named(name):
    from harness.metrics.f0 import ACCURACY

    return next(metric for metric in ACCURACY if metric.name == name)


class Elements(HTMLParser):
    """Every start tag, and the text of the element ``figures``."""

    def __init__(self):
        super().__init__()
        self.tags, self.figures, self._inside = [], "", False

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = ("id", "figures") in attrs

    def handle_data(self, data):
        if self._inside:
            self.figures += data

    def handle_endtag(self, tag):
        self._inside = False


@pytest.fixture(scope="module")
def report(run_folder, summarise, tmp_path_factory):
    """Parsed report of a run whose clip and cell have hostile names."""
    begun = run_folder(tmp_path_factory.mktemp("evil"), (EVIL, "two", "three"))
    begun.add("a" * 12, f"crepe {EVIL}", octaves=8, speed=4.0, notes=[EVIL])
    begun.plan["skipped"] = [{"label": EVIL, "reason": EVIL}]
    run = begun.load()
    sources = [Source(run, summarise(run))]
    text = html(build_page(sources), sources)
    parser = Elements()
    parser.feed(text)
    return text, parser


def test_report_is_self_contained(report):
    text, parser = report
    assert text.startswith("<!doctype html>")
    assert not [a for _, a in parser.tags if "src" in a or "href" in a]
    assert "default-src 'none'" in text
    assert text.count("plotly.js v") == 1


def test_hostile_names_stay_text(report):
    text, parser = report
    assert not [tag for tag, _ in parser.tags if tag == "img"]
    assert [tag for tag, _ in parser.tags].count("script") == 3
    assert (
        "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;{{ 7*7 }} &amp;amp;" in text
    )


def test_figures_are_valid_plotly_and_every_place_has_one(report):
    _, parser = report
    figures = json.loads(parser.figures)
    places = [a["data-figure"] for _, a in parser.tags if "data-figure" in a]
    assert places == list(figures)
    assert places[:4] == ["speed", "errors", "stages", "voicing"]
    assert len([place for place in places if place.startswith("contour-")]) == 3
    for figure in figures.values():
        go.Figure(figure)  # refuses unknown properties


def test_write_all_writes_three_files_without_private_paths(demo):
    run, summaries = demo
    paths = write_all(run, summaries, None)
    assert [path.name for path in paths] == list(FILES)
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert "/home/someone" not in text
        assert str(run.path.parent) not in text


def test_run_without_any_result_still_has_a_report(folder):
    begun = folder()
    begun.add("a" * 12, "broken  cpu", error={"kind": "E", "message": "m"})
    run = begun.load()
    sources = [Source(run, {"a" * 12: {}})]
    text = html(build_page(sources), sources)
    assert "error: E: m" in text
    assert 'data-figure="' not in text


def test_script_json_cannot_close_its_element():
    text = script_json({"name": "</script>&<!--"})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"name": "</script>&<!--"}
    with pytest.raises(ValueError, match="JSON"):
        script_json(float("nan"))


def test_plotly_markup_is_escaped():
    assert label("<a href='x'>b</a>") == "&lt;a href='x'&gt;b&lt;/a&gt;"


def test_speed_figure_has_both_intervals(demo):
    figure = accuracy_speed(rows_of(demo), metric_named("pitch_f1_50c"))
    assert figure["layout"]["xaxis"]["type"] == "log"
    assert [trace["text"] for trace in figure["data"]] == [["1"], ["2"]]
    second = figure["data"][1]
    assert second["x"] == pytest.approx([5.0])
    assert second["y"] == pytest.approx([90.0])
    assert second["error_x"]["array"][0] > 0


def test_histogram_is_the_share_of_frames_per_bin(demo):
    traces = error_histogram(rows_of(demo))["data"]
    shares = dict(zip(traces[1]["x"], traces[1]["y"], strict=True))
    # 30 cents as float32 may fall on either side of the bin's edge.
    assert (shares[25.0] or 0) + (shares[35.0] or 0) == pytest.approx(90.0)
    assert shares[-5.0] is None
    assert "10.0 %" in traces[1]["name"]  # the octave errors, beyond the axis


def test_stage_bars_sum_to_the_whole(demo):
    bars = stage_shares(rows_of(demo))["data"]
    assert [bar["name"] for bar in bars] == ["network", "other"]
    assert [sum(shares) for shares in zip(*(b["x"] for b in bars), strict=True)] == [
        100.0,
        100.0,
    ]


def test_contour_has_gaps_where_unvoiced_and_where_time_jumps():
    frames = pd.DataFrame(
        {
            "time_s": [0.0, 0.01, 0.02, 0.03, 0.13, 0.14],
            "f0_hz": [100.0, 101.0, np.nan, 103.0, 104.0, 105.0],
            "voiced": [True, False, False, True, True, True],
        }
    )
    found = curve(frames, "x", {})
    assert found["y"] == [100.0, None, None, 103.0, None, 104.0, 105.0]
    assert found["x"] == [0.0, 0.01, 0.02, 0.03, 0.03, 0.13, 0.14]
    assert found["connectgaps"] is False


def test_clips_are_sorted_worst_first(folder, summarise):
    begun = folder("good", "missed", "fine")
    begun.add("a" * 12, "crepe  cpu", missed=(1,)).add("b" * 12, "other  cpu")
    run = begun.load()
    rows = rows_of((run, summarise(run)))
    clips = worst_first(rows, metric_named("pitch_f1_50c"))
    assert [clip.clip_id for clip in clips] == ["missed", "fine", "good"]
    assert clips[0].scores == (0.0, 1.0)
    assert clips[0].missed == (True, False)
    assert clips[0].mean == 0.5
    assert clips[0].tags == "speaker=b"
    drawn = worst_contours(rows, clips)
    names = [trace["name"] for trace in drawn[0][1]["data"]]
    assert names == ["truth", "2  other  cpu"]


def test_undefined_score_of_a_clip_is_none():
    formula = lambda c: c["hits"] / np.where(c["n"] > 0, c["n"], np.nan)  # noqa: E731
    metric = Metric("rate", "1", "higher", "", formula)
    clips = pd.DataFrame({"clip_id": ["a", "b"], "hits": [1.0, 0.0], "n": [2.0, 0.0]})
    assert per_clip(clips, metric) == [0.5, None]
    assert per_clip(clips.drop(columns="n"), metric) == [None, None]


def test_clip_metric_falls_back_to_agreement(demo):
    rows = rows_of(demo)
    scored, _ = metrics_of(rows)
    assert clip_metric(scored, rows).name == "pitch_f1_50c"
    only = [
        type(row)(row.record, {"agreement_rpa_50c": Value(0.5)}, row.label)
        for row in rows
    ]
    assert clip_metric(scored, only).name == "agreement_rpa_50c"


def test_threshold_curve_passes_through_the_measured_score(demo):
    figure = threshold_curves(rows_of(demo))
    markers = [trace for trace in figure["data"] if trace["mode"] == "markers"]
    assert [marker["x"] for marker in markers] == [[0.5], [0.5]]
    # Confidence is .9 in voiced and .1 in unvoiced frames: at .5 voicing is exact.
    assert [marker["y"][0] for marker in markers] == pytest.approx([100.0, 90.0])


def test_figure_texts_of_the_template_are_escaped_once(report):
    text, _ = report
    legend = re.search(r'class="legend">(.*?)</div>', text, re.S).group(1)
    assert "&lt;/script&gt;" in legend
    assert "&amp;lt;" not in legend
