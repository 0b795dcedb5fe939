"""The command ``f0bench``: reads the line, calls the command, maps errors to codes.

Exit codes: 0 passed, 1 a blocking rule failed, 2 could not run, 3 inconclusive,
4 incomplete, 130 interrupted, 141 the reader of stdout left. Commands are imported
when they are called.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from extractors.errors import F0BenchError, UsageError

from .flags import FORMATS, Flags, parse
from .helptext import help_text

COULD_NOT_RUN = 2
INTERRUPTED = 130
READER_LEFT = 141  # as a shell reports SIGPIPE; 0 could hide a failed gate

#: ``module:function`` of the commands that take (flags, words).
TARGETS: Mapping[str, str] = {
    "check": "harness.check_command:main",
    "probe": "harness.probe_command:main",
    "ab": "harness.ab_command:main",
    "calibrate": "harness.calibrate_command:main",
    "gate": "harness.gate_command:main",
    "baseline": "harness.baseline_command:main",
    "report": "harness.report.command:report",
    "compare": "harness.report.command:compare",
    "export": "harness.report.command:export",
    "list": "harness.listing:main",
    "doctor": "harness.doctor:main",
    "claims": "harness.claims.command:main",
    "tune": "harness.tune.command:main",
}

#: What helps against errors of the system that more than one path can have.
REMEDIES: Mapping[int, str] = {
    errno.ENOSPC: "make room and run again",
    errno.EDQUOT: "make room and run again",
    errno.EACCES: "state a folder that you may use",
    errno.EPERM: "state a folder that you may use",
    errno.EROFS: "state a folder that you may write to",
    errno.EMFILE: "allow more open files (ulimit -n)",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        argv: words after the program's name; those of the process by default.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _dispatch(words)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("f0bench: interrupted; finished cells are kept", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except SystemExit as stop:
        # rich answers a closed pipe by SystemExit(1), the code of a failed gate
        if isinstance(stop.__context__, BrokenPipeError):
            return _reader_left()
        raise
    except (F0BenchError, OSError) as error:
        if "--debug" in words:
            traceback.print_exc()
        print(f"f0bench: error: {_told(error)}", file=sys.stderr)
        return COULD_NOT_RUN
    except Exception:
        # a defect: shown whole, and never with the code of a failed gate
        traceback.print_exc()
        return COULD_NOT_RUN


def _reader_left() -> int:
    # closing stdout at exit would raise once more
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return READER_LEFT


def _told(error: F0BenchError | OSError) -> str:
    """The message on one line; of the system's errors with path and remedy."""
    text = str(error)
    if isinstance(error, OSError):
        where = "" if error.filename is None else f"{error.filename}: "
        remedy = REMEDIES.get(error.errno or 0, "state another path")
        text = f"{where}{error.strerror or text}; {remedy}, or see where with --debug"
    return " ".join(text.split())


def _dispatch(argv: list[str]) -> int:
    command, flags, words = parse(argv)
    if flags.version:
        return _version()
    if flags.help or command is None:
        print(help_text(command), end="")
        return 0 if flags.help else COULD_NOT_RUN
    _check_words(command, flags, words)
    if flags.cfg:
        return _print_choices(command, flags, words)
    if command == "run":
        return _run(flags, words)
    return int(_load(TARGETS[command])(flags, words))


def _load(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def _version() -> int:
    from importlib import metadata

    print(f"f0bench {metadata.version('f0bench')}")
    return 0


def _check_words(command: str, flags: Flags, words: Sequence[str]) -> None:
    """Refuse what the command cannot use before it is imported."""
    if command == "doctor" and words:
        raise UsageError(f"doctor takes no words, but got '{words[0]}'")
    if command == "compare" and len(words) != 2:
        raise UsageError(f"compare takes two runs, A and B; got {len(words)}")
    judged = command == "gate" and not flags.pytest_benchmark
    if (judged or command in ("export", "claims")) and not words:
        raise UsageError(f"{command} needs a run: a name, a folder or latest")
    if command == "export" and flags.format is None:
        raise UsageError(f"export needs --format, one of {', '.join(FORMATS)}")


def _request(flags: Flags, words: Sequence[str], default: str | None) -> Any:
    from .compose import compose, stated_by

    return compose(
        words,
        multirun=flags.multirun,
        config_dir=flags.config_dir,
        default_experiment=default,
        stated=stated_by(flags),
    )


def _print_choices(command: str, flags: Flags, words: Sequence[str]) -> int:
    from .preview import choices_yaml

    default = "quickstart" if command == "run" else None
    print(choices_yaml(_request(flags, words, default)), end="")
    return 0


def _run(flags: Flags, words: Sequence[str]) -> int:
    request = _request(flags, words, "quickstart")
    if not flags.dry_run:
        return int(_load("harness.api:run_command")(request, flags))
    from .environment import available
    from .plan import build
    from .preview import print_plan

    settings = request.configs[0].settings
    print_plan(build(request, available(settings.threads)), as_json=flags.json)
    return 0
