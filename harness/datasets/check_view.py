"""The findings of a data set check as text for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .check import CheckReport
from .clock import ClockResult


def render(report: CheckReport) -> RenderableType:
    """Findings, then the first label rows, then problems and warnings.

    Names and label rows are shown literally: brackets in them are no markup.
    """
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts(report):
        table.add_row(name, Text(value))
    notes = [Text(f"problem: {text}", "red") for text in report.problems]
    notes += [Text(f"note: {text}", "yellow") for text in report.warnings]
    return Group(table, *notes, Text(f"check {report.name}: {_fit(report)}", "bold"))


def _fit(report: CheckReport) -> str:
    if report.problems:
        return "not fit as configured"
    return "fit" if report.with_truth else "fit (no truth)"


def _facts(report: CheckReport) -> list[tuple[str, str]]:
    rates = ", ".join(f"{rate} Hz × {count}" for rate, count in report.rates.items())
    facts = [
        ("data", f"{report.name}: {report.clips} clips, {report.seconds:.1f} s"),
        ("rates", rates or "–"),
        ("truth", _truth(report)),
    ]
    facts += [("first rows" if i == 0 else "", row) for i, row in _rows(report)]
    return facts + _extent(report) + _range(report) + _clock(report.clock)


def _truth(report: CheckReport) -> str:
    kinds = ", ".join(f"{kind} × {n}" for kind, n in report.truth_kinds.items())
    return (
        f"{report.with_truth} paired ({kinds or 'none'}), "
        f"{len(report.unpaired.audio)} clips without labels, "
        f"{len(report.unpaired.labels)} label files without audio"
    )


def _rows(report: CheckReport) -> list[tuple[int, str]]:
    if not report.rows:
        return []
    return list(enumerate([f"of {report.rows_of}:", *report.rows]))


def _extent(report: CheckReport) -> list[tuple[str, str]]:
    extent = report.extent
    if extent is None:
        return []
    share = "–" if report.voiced_share is None else f"{100 * report.voiced_share:.1f} %"
    return [
        (
            "extent",
            f"{extent.labelled_s:.1f} s labelled of {extent.audio_s:.1f} s; at most "
            f"{extent.longest_gap_s:.3f} s unlabelled at an end "
            f"({extent.longest_gap_id})",
        ),
        ("voiced", f"{share} of labelled frames"),
    ]


def _range(report: CheckReport) -> list[tuple[str, str]]:
    found = report.range
    if found is None:
        return []
    return [
        (
            "pitch",
            f"{found.low_hz:.1f}–{found.high_hz:.1f} Hz (1st–99th percentile), "
            f"median {found.median_hz:.1f} Hz",
        ),
        (
            f"in {report.fmin:g}–{report.fmax:g} Hz",
            f"{100 * found.below:.1f} % of voiced frames below, "
            f"{100 * found.above:.1f} % above; best rpa_50c {found.best_rpa_50c:.3f}",
        ),
    ]


def _clock(clock: ClockResult | None) -> list[tuple[str, str]]:
    if clock is None:
        return []
    if clock.offset_s is None or clock.share_at_zero is None:
        return [("label clock", f"inconclusive: {clock.reason}")]
    side = "late" if clock.offset_s > 0 else "early"
    return [
        (
            "label clock",
            f"{1e3 * abs(clock.offset_s):.1f} ms {side} by the tracker "
            f"({clock.n_frames} moving frames; within 50 cents "
            f"{clock.share_at_zero:.3f}, at best {clock.share_at_best:.3f})",
        )
    ]
