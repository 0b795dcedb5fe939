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
from harness.report.document import document
from harness.report.figures import (
    accuracy_speed,
    curve,
    error_histogram,
    label,
    stage_shares,
)
from harness.report.html import html, script_json
from harness.report.markdown import markdown
from harness.report.page import Source, build_page, metrics_of
from harness.report.privacy import hashed
from harness.report.terminal import lines
from harness.report.threshold import clip_curves, threshold_curves, with_truth

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
    def rate(c):
        return c["hits"] / np.where(c["n"] > 0, c["n"], np.nan)

    metric = Metric("rate", "1", "higher", "", rate)
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


def curves_of(figure, name):
    """Traces of one kind of line, without its entry in the legend."""
    return [t for t in figure["data"] if t["legendgroup"] == name and t["x"] != [None]]


def test_threshold_figure_shows_precision_and_recall(demo):
    figure = threshold_curves(rows_of(demo))
    legend = [t["name"] for t in figure["data"] if t.get("showlegend", True)]
    assert legend[:2] == ["precision", "recall"]
    assert len(legend) == 2 + len(rows_of(demo)[:2])
    (precision, *_), (recall, *_) = (
        curves_of(figure, name) for name in ("precision", "recall")
    )
    # 160 of 200 frames are voiced in truth; all are above .1, these above .9 only.
    at = precision["x"].index(0.05)
    assert (precision["y"][at], recall["y"][at]) == (80.0, 100.0)
    assert (precision["y"][at + 45], recall["y"][at + 45]) == (100.0, 100.0)
    assert precision["x"][-1] == 0.9  # beyond, nothing is called voiced
    assert (recall["x"][-1], recall["y"][-1]) == (1.0, 0.0)
    assert {t["visible"] for t in (precision, recall)} == {True}


def test_many_rows_begin_without_precision_and_recall(demo, monkeypatch):
    from harness.report import threshold

    monkeypatch.setattr(threshold, "MANY", 1)
    figure = threshold_curves(rows_of(demo))
    sides = [t for t in figure["data"] if t["legendgroup"] in ("precision", "recall")]
    assert {t["visible"] for t in sides} == {"legendonly"}
    assert all(t.get("visible", True) is True for t in figure["data"] if t not in sides)


LEARNT = {
    "rule": "calibrated(speaker=<b>)",
    "threshold": 0.5,
    "source": "calibrated 0.5 (learnt on speaker <b>, 3 clips)",
    "learnt_on": {
        "tag": "speaker",
        "value": "<b>",
        "clips": 3,
        "curve": {
            "thresholds": [0.0, 0.5, 1.0],
            "hits": [6.0, 6.0, 0.0],
            "both_voiced": [8.0, 6.0, 0.0],
            "est_voiced": [12.0, 6.0, 0.0],
            "ref_voiced": 8.0,
        },
    },
}


@pytest.mark.parametrize(
    ("voicing", "hovers"),
    [
        ({"threshold": 0.5, "source": "default 0.5"}, ["(default)"]),
        ({"rule": "fixed(0.5)", "threshold": 0.5, "source": "stated"}, ["(fixed)"]),
        ({"rule": "native", "threshold": 0.5, "source": "stated"}, ["(fixed)"]),
        (LEARNT, ["3 clips: θ", "(learnt on speaker &lt;b&gt;, 3 clips)"]),
    ],
)
def test_markers_tell_where_a_threshold_comes_from(folder, summarise, voicing, hovers):
    run = folder().add("a" * 12, "crepe", voicing=voicing).load()
    figure = threshold_curves(rows_of((run, summarise(run))))
    markers = [t for t in figure["data"] if t["mode"] == "markers"]
    found = [marker["hovertemplate"] for marker in markers]
    assert len(found) == len(hovers)
    assert all(h in text for h, text in zip(hovers, found, strict=True))


def test_learning_curve_of_a_learnt_threshold(folder, summarise):
    run = folder().add("a" * 12, "crepe", voicing=LEARNT).load()
    figure = threshold_curves(rows_of((run, summarise(run))))
    (faint,) = (t for t in figure["data"] if t.get("opacity"))
    # 2H / (P + V): 12 / 20, 12 / 14, 0 / 8
    assert faint["y"] == [60.0, pytest.approx(85.714), 0.0]
    assert not faint["showlegend"]


def test_figure_texts_of_the_template_are_escaped_once(report):
    text, _ = report
    legend = re.search(r'class="legend">(.*?)</div>', text, re.S).group(1)
    assert "&lt;/script&gt;" in legend
    assert "&amp;lt;" not in legend


def every_text(begun, summarise):
    """What a run's report says, by the form it takes."""
    run = begun.load()
    summaries = summarise(run)
    sources = [Source(run, summaries)]
    page = build_page(sources)
    return {
        "html": html(page, sources),
        "md": markdown(page),
        "terminal": "\n".join(line for line, _ in lines(page, None)),
        "json": json.dumps(document(run, summaries, None)),
        "csv": write_all(run, summaries, None)[2].read_text(encoding="utf-8"),
    }


def test_private_runs_name_no_clip(folder, summarise):
    begun = folder("anna/call", "bert", "carl", "dora")
    begun.plan["settings"]["private"] = True
    begun.plan["groups"][0]["dataset"] |= {
        "dropped": [{"clip_id": "emil", "error": "/data/my/emil.wav: no audio"}],
        "unlabelled": [{"clip_id": "bert", "error": "bert.csv: empty"}],
    }
    begun.plan["notes"] = ["the first: frieda of anna/call"]
    error = {"kind": "E", "message": "broke on dora", "clip_id": "dora"}
    begun.add("a" * 12, "crepe", missed=(2,), notes=["2 clips, e.g. carl"])
    begun.add("b" * 12, "broken", error=error, timed_set=["anna/call", "gerd"])
    texts = every_text(begun, summarise)
    for name, text in texts.items():
        # plotly's own source may hold any of the names
        own = text.split("plotly.js v")[0] if name == "html" else text
        for clip in ("anna/call", "anna", "bert", "carl", "dora", "emil", "gerd"):
            assert not re.search(rf"\b{clip}\b", own), (name, clip)
    for clip in ("anna/call", "bert", "carl", "dora", "emil"):
        assert hashed(clip) in texts["html"], clip
    assert hashed("gerd") in texts["json"]
    assert "speaker=a" in texts["html"]
    assert f"(clip {hashed('dora')})" in texts["md"]


def test_clips_keep_their_names_unless_asked(folder, summarise):
    texts = every_text(folder("anna", "bert").add("a" * 12, "crepe"), summarise)
    assert "anna" in texts["html"].split("plotly.js v")[0]


def test_labels_name_no_path_anywhere(folder, summarise):
    begun = folder()
    begun.add("a" * 12, "crepe /mnt/kunde/w.pth", speed=3.0)
    place = {"name": "/mnt/kunde/y", "clips": 4, "clips_missed": 0}
    begun.add("b" * 12, "crepe  cpu", data=place)
    for name, text in every_text(begun, summarise).items():
        assert "/mnt/kunde" not in text, name


def test_a_missed_clip_lowers_every_threshold(folder, summarise):
    begun = folder("one", "two").add("a" * 12, "crepe", missed=(1,))
    run = begun.load()
    (row,) = rows_of((run, summarise(run)))
    curves = dict(clip_curves(row, with_truth(row.record.clips())))
    assert curves["two"].ref_voiced == 160
    assert not curves["two"].est_voiced.any()
    assert not curves["two"].hits.any()
    traces = threshold_curves([row])["data"]
    (marker,) = (trace for trace in traces if trace["mode"] == "markers")
    # H = P = 160 of V = 320: 2H / (P + V) = 320 / 480
    assert marker["y"] == [pytest.approx(66.667)]


def test_outputs_without_confidence_have_no_curve(folder, summarise):
    begun = folder("one", "two").add("a" * 12, "crepe", missed=(1,))
    place = begun.folder / "cells" / ("a" * 12) / "tracks.parquet"
    pd.read_parquet(place).drop(columns="confidence").to_parquet(place)
    run = begun.load()
    (row,) = rows_of((run, summarise(run)))
    assert list(clip_curves(row, with_truth(row.record.clips()))) == []


def test_curves_hold_one_batch_at_a_time(demo, monkeypatch):
    from harness.report import frames

    read = []
    tracks = frames.tracks

    def spy(record, ids, until_s=None):
        read.append(list(ids))
        return tracks(record, ids, until_s)

    row = rows_of(demo)[0]
    whole = dict(clip_curves(row, with_truth(row.record.clips())))
    monkeypatch.setattr(frames, "tracks", spy)
    monkeypatch.setattr(frames, "BATCH_S", 4.0)
    parts = dict(clip_curves(row, with_truth(row.record.clips())))
    assert read == [["one", "two"], ["three", "four"]]
    for clip, curve_ in whole.items():
        assert (parts[clip].hits == curve_.hits).all()


def test_threshold_figure_says_what_it_rests_on(demo, monkeypatch):
    from harness.report import threshold

    read = []
    monkeypatch.setattr(
        threshold, "clip_curves", lambda row, clips: iter(read.append(clips) or [])
    )
    monkeypatch.setattr(threshold, "SECONDS", 5.0)
    assert threshold_curves(rows_of(demo)) is None
    assert [list(clips["clip_id"]) for clips in read] == [["one", "two"]] * 2
    monkeypatch.setattr(threshold, "CLIPS", 1)
    assert threshold.threshold_scope().startswith("Of every cell at most the first 1 ")


def test_the_report_states_the_scope_of_the_thresholds(report):
    assert "Of every cell at most the first 200 clips or 2 h" in report[0]


def test_contours_read_the_drawn_span_only(demo, monkeypatch):
    from harness.report import contours

    spans = []
    read = contours.stored.tracks

    def spy(record, ids, until_s=None):
        found = read(record, ids, until_s)
        spans.append(float(found["time_s"].max()))
        return found

    monkeypatch.setattr(contours.stored, "tracks", spy)
    monkeypatch.setattr(contours, "SPAN_S", 0.5)
    rows = rows_of(demo)
    clips = worst_first(rows, metric_named("pitch_f1_50c"))
    drawn = contours.worst_contours(rows, clips)
    assert spans == pytest.approx([0.5, 0.5])
    assert max(drawn[0][1]["data"][0]["x"]) == pytest.approx(0.5)
