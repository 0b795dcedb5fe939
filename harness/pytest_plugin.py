"""The fixture ``f0bench_gate``: a release gate as a test of the user's own suite.

::

    def test_release(f0bench_gate):
        f0bench_gate("acf", gate="validity", limit=8, task={"fmin": 60})

    def test_replaces_pyin(f0bench_gate):
        f0bench_gate("acf", incumbent="librosa_pyin", gate="replace", effort="standard")

What is measured is what ``f0bench run`` measures: the arguments become the words of a
command line, and are checked as such. :mod:`f0bench_pytest` registers the fixture.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from extractors.errors import ConfigError, F0BenchError

from .verdict import GateResult, headline

if TYPE_CHECKING:
    from extractors.base import F0Extractor

    from .judging import Judged
    from .plan import Plan

#: Exit codes of a gate that fail the test: failed, undecided where that blocks,
#: incomplete.
FAILING = (1, 3, 4)
RESULTS = "results"


class GateFixture:
    """What the fixture returns: call it to measure extractors and judge them.

    Args:
        extractors: registered names or presets, or registered classes.
        gate: name of a gate, or the path of its file.
        dataset: a data set of the configuration, or its keys: ``{"kind":
            "folder", "root": "calls"}``.
        limit: measure only the first so many clips.
        task: keys of the task, e.g. ``{"fmin": 60}`` in Hz.
        options: options of the first extractor's constructor.
        effort: ``accuracy`` (no timing), ``smoke``, ``standard``, ``rigorous``,
            or its keys: ``{"name": "standard", "rounds": 10}``.
        incumbent: extractor that the others are to replace; measured with them.
        baseline: name of a baseline in the results folder or in ``results/`` of
            the project, or the path of its folder.
        config_dir: folder with further configuration.
        words: further words as on the command line, e.g. ``["seed=1"]``.
        fail_on: exit codes of the gate that fail the test.
        axes: ``model, decoder, device, precision, batch_size``, ``voicing`` and
            other keys at the top of the configuration.

    Returns:
        The result of the gate, where the test does not fail.

    A mistake in the arguments, a name that is unknown, or a gate that fails, is a
    failure of the test, told without a traceback.
    """

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request

    def __call__(
        self,
        *extractors: str | type[F0Extractor],
        gate: str | Path = "validity",
        dataset: str | Mapping[str, Any] = "synthetic",
        limit: int | None = None,
        task: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        effort: str | Mapping[str, Any] = "accuracy",
        incumbent: str | None = None,
        baseline: str | Path | None = None,
        config_dir: str | Path | None = None,
        words: Sequence[str] = (),
        fail_on: Collection[int] = FAILING,
        **axes: Any,
    ) -> GateResult:
        """Measure the extractors and judge them; see the class."""
        __tracebackhide__ = True
        wrong = ""
        try:
            stated = {
                **_names(extractors, incumbent, options or {}),
                **_nested("dataset", dataset, kind="kind"),
                **({} if limit is None else {"dataset.limit": limit}),
                **_nested("task", task or {}),
                **_nested("effort", effort, kind="name"),
                "gate": gate,
                "gate.incumbent": incumbent,
                "gate.baseline": self._baseline(baseline),
                "results_dir": self._results(),
                **axes,
            }
            plan, judged = self._judged([*_words(stated), *words], config_dir)
        except F0BenchError as error:
            wrong = " ".join(str(error).split())
        if wrong:  # outside of the handler: pytest shows what an error came from
            pytest.fail(f"f0bench_gate: {wrong}", pytrace=False)
        return self._concluded(plan, judged, fail_on)

    def _judged(
        self, words: Sequence[str], config_dir: str | Path | None
    ) -> tuple[Plan, Judged]:
        """Measure and judge, as the command ``run`` does."""
        from .api import measure_and_judge
        from .compose import compose
        from .gate_command import write_gate

        request = compose(words, multirun=True, config_dir=config_dir)
        command = f"pytest {self._request.node.nodeid}"
        plan, judged = measure_and_judge(request, command)
        write_gate(judged)
        return plan, judged

    def _concluded(
        self, plan: Plan, judged: Judged, fail_on: Collection[int]
    ) -> GateResult:
        """Tell pytest what the gate said."""
        from .gate_command import told

        __tracebackhide__ = True
        result, node = judged.result, self._request.node
        skipped = [f"  skipped  {s.label}: {s.reason}" for s in plan.skipped]
        text = "\n".join([told(judged), *skipped, f"exit {result.exit_code}"])
        node.user_properties.append(("f0bench", headline(result)))
        if result.exit_code in fail_on:
            pytest.fail(text, pytrace=False)
        node.add_report_section("call", "f0bench", text)
        return result

    def _results(self) -> Path:
        """Folder of the runs; a temporary one of the test without the option."""
        config = self._request.config
        stated = config.getoption("f0bench_results", default=None)
        if stated:
            return Path(config.invocation_params.dir, Path(stated).expanduser())
        folder: Path = self._request.getfixturevalue("tmp_path")
        return folder / RESULTS

    def _baseline(self, name: str | Path | None) -> str | None:
        """A baseline by name also where the project keeps its own ones."""
        from .baselines import HEAD, folder_of

        if name is None:
            return None
        own = folder_of(self._request.config.rootpath / RESULTS, str(name))
        named = folder_of(self._results(), str(name)) / HEAD
        return str(own if (own / HEAD).is_file() and not named.is_file() else name)


def _names(
    extractors: Sequence[Any], incumbent: str | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Words for the extractors and for the options of the first one."""
    names = [_name(extractor) for extractor in extractors]
    if not names:
        raise ConfigError("name an extractor: f0bench_gate('crepe', …)")
    if incumbent is not None and incumbent not in names:
        names.append(incumbent)
    head = "extractor" if len(names) == 1 else names[0]
    return {"extractor": _Sweep(names), **_nested(head, options)}


def _name(extractor: Any) -> str:
    from extractors.registry import extractor_class, targets

    if isinstance(extractor, str):
        return extractor
    name = getattr(extractor, "name", None)
    if not isinstance(extractor, type) or not isinstance(name, str):
        raise ConfigError(f"{extractor!r} is neither a registered name nor a class")
    if name in targets() and extractor_class(name) is not extractor:
        raise ConfigError(
            f"{extractor.__qualname__} has the name '{name}', under which another "
            "class is registered; workers would measure that one"
        )
    return name


class _Sweep(tuple[Any, ...]):
    """Several values of one key, each a combination of its own."""


def _nested(key: str, value: Any, kind: str = "") -> dict[str, Any]:
    """Keys below ``key``; the one called ``kind`` is the value of ``key`` itself."""
    if not isinstance(value, Mapping):
        return {key: value}
    found: dict[str, Any] = {}
    for name, inner in value.items():
        if kind and name == kind:
            found[key] = inner
        else:
            found |= _nested(f"{key}.{name}", inner)
    return found


def _words(stated: Mapping[str, Any]) -> Iterator[str]:
    """``key=value`` as typed on a command line; ``None`` is not stated."""
    from .words import is_verbatim

    for key, value in stated.items():
        if value is None:
            continue
        plain = str(value) if is_verbatim(key) else _text(value)
        yield f"{key}={plain}"


def _text(value: Any) -> str:
    """A value in Hydra's override grammar."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, _Sweep):
        return ",".join(map(_text, value))
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(_text, value))}]"
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
