"""A report before it has a form: head, tables, notes, what was left out, the gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.metrics.base import Metric, Value
from harness.pairing import HARDWARE
from harness.verdict import NOT_APPLICABLE, QUIET, as_dict

from . import text
from .privacy import Scrubber
from .requirements import requirement_block
from .stages import stage_table
from .table import Block, Row, Table, TableRow, result_tables

if TYPE_CHECKING:
    from harness.disagreements import Replacement
    from harness.records import Record, Run

#: Between the parts of one line of the head.
SPACE = "    "
Summaries = Mapping[str, Mapping[str, Value]]


@dataclass(frozen=True, eq=False)
class Source:
    """A run and the metric values of its cells, by key."""

    run: Run
    summaries: Summaries


@dataclass(frozen=True)
class Page:
    """Everything that the terminal and Markdown show, as text.

    Attributes:
        title: name of the run, or of the runs.
        head: lines of the head, each a word and a text.
        tables: see :func:`harness.report.table.result_tables`.
        left_out: one line per reason: skipped, merged and dropped.
        gate: verdict line first, then rules; empty without a gate.
        verdict: verdict of the gate, empty without one.
        changes: parts below the gate: what changes where a candidate replaces the
            incumbent, published figures.
    """

    title: str
    head: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    left_out: tuple[str, ...] = ()
    gate: tuple[str, ...] = ()
    verdict: str = ""
    changes: tuple[Block, ...] = ()
    rows: tuple[Row, ...] = field(default=(), compare=False)

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """The head below a title that names the run already."""
        return tuple(
            ("cells" if word == self.title else word, line.replace(SPACE, " · "))
            for word, line in self.head
        )


def build_page(
    sources: Sequence[Source],
    gate: Any = None,
    *,
    wide: bool = False,
    by: Sequence[str] = (),
    calibrate: str | None = None,
    replacements: Sequence[Replacement] = (),
    blocks: Sequence[Block] = (),
) -> Page:
    """Lay out one run, or several runs as one table.

    Args:
        sources: at least one run.
        gate: verdicts on a single run: content of ``gate.json``, or a gate's result.
        wide: show every metric.
        by: tags that split the accuracy table.
        calibrate: tag across whose values voicing thresholds are learnt.
        replacements: what candidates change against the incumbent.
        blocks: further parts, below everything else.

    Raises:
        UsageError: no clip carries a tag of ``by`` or ``calibrate``.
    """
    from .calibrated import calibrated_table
    from .replacement import block
    from .split import split_table

    rows = [row for source in sources for row in rows_of(source, len(sources) > 1)]
    scored, cost = metrics_of(rows)
    tables = result_tables(rows, scored, cost, wide)
    stages = stage_table(rows) if wide or chained(rows) else None
    tables += [stages] if stages else []
    if by:
        tables[0] = split_table(rows, scored, tuple(by), wide)
    if calibrate:
        tables.insert(1, calibrated_table(rows, calibrate))
    runs = [source.run for source in sources]
    if not rows:
        tables = []  # everything was skipped: the reasons stand below
    scrub = Scrubber(*runs)
    required = requirement_block(gate_data(gate))
    page = Page(
        " + ".join(run.name for run in runs),
        tuple(line for run in runs for line in head_of(run)),
        tuple(tables),
        tuple(text.unique(line for run in runs for line in left_out(run))),
        gate_lines(gate_data(gate)),
        str(gate_data(gate).get("verdict", "")),
        (
            *([required] if required else ()),
            *(block(found, scrub) for found in replacements),
            *blocks,
        ),
        tuple(rows),
    )
    return scrubbed(page, scrub)


def chained(rows: Sequence[Row]) -> bool:
    """Whether a chain was measured, of which the stages are the result."""
    return any(row.record.data["cell"]["task"]["name"] == "pipeline" for row in rows)


def scrubbed(page: Page, scrub: Scrubber) -> Page:
    """The page without absolute paths and without ids of private clips."""
    clean = scrub.text
    return Page(
        page.title,
        tuple((word, scrub.path(line)) for word, line in page.head),
        tuple(_scrubbed_table(table, scrub) for table in page.tables),
        tuple(map(clean, page.left_out)),
        tuple(map(clean, page.gate)),
        page.verdict,
        tuple(_scrubbed_block(block, scrub) for block in page.changes),
        page.rows,
    )


def _scrubbed_block(block: Block, scrub: Scrubber) -> Block:
    tables = tuple(_scrubbed_table(table, scrub) for table in block.tables)
    return Block(tuple(map(scrub.text, block.lines)), tables)


def _scrubbed_table(table: Table, scrub: Scrubber) -> Table:
    # Cells hold numbers, labels and tags: an id like "1" must not be sought in them.
    rows = tuple(
        TableRow(tuple(map(scrub.path, row.cells)), scrub.text(row.message))
        for row in table.rows
    )
    return Table(table.title, table.columns, rows, tuple(map(scrub.text, table.notes)))


def metrics_of(rows: Iterable[Row]) -> tuple[list[Metric], list[Metric]]:
    """Metrics of what the cells of ``rows`` answered, and metrics of cost."""
    from harness.metrics.cost import COST
    from harness.metrics.precision import PRECISION
    from harness.tasks import task_metrics

    names = text.unique(row.record.data["cell"]["task"]["name"] for row in rows)
    scored = {m.name: m for name in names for m in task_metrics(name)}
    answered = [*scored.values(), *PRECISION]
    return answered, [m for m in COST if m.name not in scored]


def rows_of(source: Source, labelled: bool = False) -> list[Row]:
    """Rows of a run in the order of the request; ``labelled`` names the run too."""
    run = source.run
    settings = _untold(run.records)
    places = [str(r.data["data"]["name"]) for r in run.records]
    prefix = f"{run.name}: " if labelled else ""
    clean = Scrubber(run).path
    found = []
    for record, setting, place in zip(run.records, settings, places, strict=True):
        context = [place] if len(set(places)) > 1 else []
        context += [setting] if len(set(settings)) > 1 else []
        values = source.summaries.get(record.key, {})
        where = clean(", ".join(context))
        label = clean(prefix + record.label)
        found.append(Row(record, values, label, where, hardware_of(run), _groups(run)))
    return found


def _groups(run: Run) -> str:
    return str(run.plan.get("settings", {}).get("bootstrap") or "")


def hardware_of(run: Run) -> str:
    """What must be equal before two speeds are compared."""
    machine = run.plan.get("machine", {})
    threads = run.plan.get("settings", {}).get("threads")
    parts = [machine.get(name) for name in HARDWARE]
    return " | ".join(str(part) for part in [*parts, threads])


def head_of(run: Run) -> list[tuple[str, str]]:
    """Lines of the head of one run: constants once, above the tables."""
    plan = run.plan
    parts = [_counts(run), text.duration(plan.get("wall_s"))]
    lines = [(run.name, SPACE.join([*parts, _machine(plan.get("machine", {}))]))]
    lines += [("data", _data(group["dataset"])) for group in plan.get("groups", ())]
    tasks = _together([setting_parts(g["task"]) for g in plan.get("groups", ())])
    effort = _effort(plan.get("settings", {}))
    lines.append(("setting", "; ".join(tasks) + effort if tasks else effort[2:]))
    voicing = text.unique(_voicing(r) for r in run.records if _voiced(r))
    lines += [("voicing", "; ".join(voicing))] if voicing else []
    clean = [(word, text.plain(line)) for word, line in lines]
    return list(dict.fromkeys(clean))


def _counts(run: Run) -> str:
    status = [record.status for record in run.records]
    total = len(run.plan["cells"])
    reused = (run.plan.get("counts") or {}).get("reused", 0)
    whole = status.count("ok")
    words = [("measured", max(whole - reused, 0)), ("reused", min(reused, whole))]
    words.append(("partial", status.count("partial")))
    words += [("failed", status.count("error")), ("missing", total - len(status))]
    words.append(
        ("skipped", status.count("skipped") + len(run.plan.get("skipped", ())))
    )
    parts = [f"{count} {word}" for word, count in words if count]
    return f"{text.plural(total, 'cell')}: {', '.join(parts) or 'none measured'}"


def _machine(machine: Mapping[str, Any]) -> str:
    cores = machine.get("cores")
    parts = [text.plural(cores, "core")] if isinstance(cores, int) else []
    parts += [str(machine["cpu"])] if machine.get("cpu") else []
    return ", ".join([*parts, str(machine.get("gpu") or "no GPU")])


def _data(data: Mapping[str, Any]) -> str:
    clips = text.plural(int(data["clips"]), "clip")
    parts = [clips, text.duration(data.get("seconds"))]
    truth = str(data.get("truth") or "no truth")
    parts.append("exact truth" if truth == "exact" else truth)
    scored = data.get("seconds_scored")
    if scored is not None and scored < 0.995 * (data.get("seconds") or 0.0):
        parts.append(f"{text.duration(scored)} of it scored")
    return f"{data['name']}: {', '.join(parts)}"


#: Fields that every task has; any other is shown under its name.
_COMMON = ("name", "fmin", "fmax", "hop_s", "resample", "agreement")


def setting_parts(task: Mapping[str, Any]) -> list[str]:
    """``f0 50–1100 Hz``, ``hop 10 ms``, then what is not the usual or is its own."""
    parts = [str(task["name"])]
    if task.get("fmin") is not None and task.get("fmax") is not None:
        parts[0] += f" {task['fmin']:g}–{task['fmax']:g} Hz"
    if task.get("hop_s") is not None:
        parts.append(f"hop {task['hop_s'] * 1000:g} ms")
    if task.get("resample", "f0bench") != "f0bench":
        parts.append(f"estimates read by the rule of {task['resample']}")
    own = [name for name in task if name not in _COMMON]
    return parts + [f"{name} {task[name]}" for name in own]


def _shared(settings: Sequence[Sequence[str]]) -> list[str]:
    """Parts that all settings of one kind of task have; none where kinds differ."""
    first = list(settings[0]) if settings else []
    common = [part for part in first if all(part in other for other in settings)]
    return common if common[:1] == first[:1] else []


def _own(settings: Sequence[Sequence[str]]) -> list[list[str]]:
    """The parts of each setting that not all of them have."""
    common = _shared(settings)
    return [[part for part in one if part not in common] for one in settings]


def _apart(settings: Sequence[Sequence[str]]) -> list[str]:
    """What tells settings apart, one text for each of them."""
    return [", ".join(own) for own in _own(settings)]


def _untold(records: Sequence[Record]) -> list[str]:
    """What tells the settings of records apart and their labels do not say."""
    parts = _own([setting_parts(record.data["cell"]["task"]) for record in records])
    words = [record.label.split() for record in records]
    return [
        ", ".join(part for part in own if part.split()[-1] not in said)
        for own, said in zip(parts, words, strict=True)
    ]


def _together(settings: Sequence[Sequence[str]]) -> list[str]:
    """Settings as texts: first what they share, then what each has of its own."""
    own = _own(settings)
    names = {part.rpartition(" ")[0] for parts in own for part in parts}
    apart = [", ".join(parts) for parts in own]
    if len(names) == 1 and all(len(parts) == 1 for parts in own):  # one name is swept
        values = text.unique(part.rpartition(" ")[2] for (part,) in own)
        apart = [f"{names.pop()} {' | '.join(values)}"]
    found = [", ".join(_shared(settings)), *apart]
    return text.unique(part for part in found if part)


def _effort(settings: Mapping[str, Any]) -> str:
    effort = settings.get("effort") or {}
    found = f", effort {effort.get('name', 'unknown')}"
    if settings.get("threads"):
        found += f", {text.plural(settings['threads'], 'thread')}"
    if settings.get("bootstrap"):
        found += f", intervals over {settings['bootstrap']}s"
    return found


def _voiced(record: Record) -> bool:
    """Whether something decides on a voicing: extractors of spectrograms do not."""
    return bool((record.data.get("voicing") or {}).get("source"))


def _voicing(record: Record) -> str:
    voicing = record.data["voicing"]
    threshold, source = voicing.get("threshold"), str(voicing.get("source", ""))
    # The source may name the number already, as in "default 0.5".
    stated = threshold is None or f"{threshold:g}" in source.split()
    parts = [] if stated else [f"{threshold:.2f}"]
    return " ".join([str(record.data["cell"]["extractor"]), *parts, source]).strip()


def left_out(run: Run) -> list[str]:
    """What was asked for and is not in the tables, with the reason."""
    skipped: dict[str, list[str]] = {}
    for cell in run.plan.get("skipped", ()):
        skipped.setdefault(str(cell["reason"]), []).append(str(cell["label"]))
    lines = [f"skipped  {', '.join(who)}: {why}" for why, who in skipped.items()]
    lines += [f"merged  {line}" for line in run.plan.get("merged", ())]
    for group in run.plan.get("groups", ()):
        lines += [
            f"dropped  {group['dataset']['name']}: {clip['clip_id']}: {clip['error']}"
            for clip in group["dataset"].get("dropped", ())
        ]
        lines += [
            f"unscored  {group['dataset']['name']}: {clip['clip_id']}: {clip['error']}"
            for clip in group["dataset"].get("unlabelled", ())
        ]
    measured = {record.key for record in run.records}
    lines += [
        f"missing  {cell['label']}: not measured yet; the same command continues"
        for cell in run.plan["cells"]
        if cell["key"] not in measured
    ]
    lines += [f"note  {line}" for line in run.plan.get("notes", ())]
    return text.unique(text.plain(line) for line in lines)


def gate_data(gate: Any) -> Mapping[str, Any]:
    """A gate's result as plain data, from ``gate.json`` or from the result itself."""
    if gate is None:
        return {}
    if isinstance(gate, Mapping):
        return gate
    found: Mapping[str, Any] = as_dict(gate)
    return found


def gate_lines(gate: Mapping[str, Any]) -> tuple[str, ...]:
    """One line with the verdict; then notes, rules that did not pass, comparisons.

    A rule that compares with something tells what it found also where it passed; one
    that states a requirement stands in a table of its own.
    """
    if not gate:
        return ()
    lines = [f"Gate {gate.get('gate') or ''}".strip(), *gate.get("notes", ())]
    lines += [f"{gate['verdict']}  {gate['reason']}"] if gate.get("reason") else []
    for rule in gate.get("rules", ()):
        if rule.get("requirement"):
            continue
        quiet = rule["verdict"] in QUIET
        compared = " to " in str(rule.get("bound"))
        if not quiet or (compared and rule["verdict"] != NOT_APPLICABLE):
            lines.append(_rule_line(rule))
    return tuple(text.plain(line) for line in lines)


def _rule_line(rule: Mapping[str, Any]) -> str:
    """One rule; a ``gate.json`` of version 0.1.0 holds no line of its own."""
    what = f"{rule.get('id')}  {rule.get('label', '')}".strip()
    return str(rule.get("line") or f"{rule['verdict']}  {what}: {rule.get('reason')}")
