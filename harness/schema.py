"""Types and bounds: plain values become the dataclasses of :mod:`harness.config`.

Every refusal is a :class:`~extractors.errors.ConfigError` of one line that names the
key as the user types it, the value, what was expected and its unit.
"""

from __future__ import annotations

import inspect
import math
import re
import types
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, Literal, TypeVar

from extractors import registry
from extractors.base import Extractor
from extractors.errors import ConfigError, nearest

from .config import TASK_CONFIGS, DatasetConfig, EffortConfig, TaskConfig

T = TypeVar("T")

SCENARIOS = ("offline", "single_stream", "cold", "stream")
KINDS = ("synthetic", "escalation", "windows", "folder", "manifest")
GENERATED = ("synthetic", "escalation", "windows")
ROLES = ("candidate", "incumbent", "peer")
DEVICES = ("auto", "cpu", "cuda")
UNITS = {
    "fmin": "Hz",
    "fmax": "Hz",
    "hop": "s",
    "offset": "s",
    "seconds": "s",
    "batch_size": "frames",
    "frame_length": "samples",
}
_WORDS: Mapping[Any, str] = {
    float: "a number",
    int: "an integer",
    str: "text",
    bool: "true or false",
    type(None): "null",
    tuple: "a list such as [a, b]",
    dict: "a mapping such as {name: value}",
}


def unit_of(key: str) -> str:
    """Unit of a key in brackets, with a leading space, or nothing."""
    name = key.rpartition(".")[2]
    unit = UNITS.get(name) or ("s" if name.endswith("_s") else "")
    return f" ({unit})" if unit else ""


def field_names(cls: type[Any]) -> list[str]:
    """Keys that a configuration dataclass accepts, for ``TaskConfig`` of any task."""
    kinds = [cls, *(TASK_CONFIGS.values() if cls is TaskConfig else ())]
    return list(dict.fromkeys(field.name for kind in kinds for field in fields(kind)))


def build(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Make a frozen dataclass of plain values, each checked against its annotation.

    Args:
        cls: a dataclass of :mod:`harness.config`.
        values: keys and plain values.
        where: prefix of the keys in messages, e.g. ``"task"``.
    """
    hints = field_hints(typing.cast(Any, cls))
    valid = [field.name for field in fields(typing.cast(Any, cls))]
    checked = {}
    for key, value in values.items():
        if key not in valid:
            raise unknown_key(f"{where}.{key}", [f"{where}.{name}" for name in valid])
        checked[key] = coerce(value, hints[key], f"{where}.{key}")
    return cls(**checked)


@lru_cache(maxsize=16)
def field_hints(cls: type[Any]) -> Mapping[str, Any]:
    """Resolved annotations of a configuration dataclass."""
    return typing.get_type_hints(cls)


def unknown_key(key: str, valid: Iterable[str]) -> ConfigError:
    """The error for a key that does not exist, with the nearest valid one."""
    return ConfigError(f"unknown key '{key}'{nearest(key, valid)}")


def coerce(value: Any, hint: Any, key: str) -> Any:
    """Return ``value`` as ``hint`` wants it, or raise with the type and the unit.

    Integers become floats where a float is asked for, so that ``60`` and ``60.0`` are
    one choice; numbers become text where text is asked for.
    """
    for candidate in _alternatives(hint, value):
        accepted, result = _convert(value, candidate, key)
        if accepted:
            return result
    names = [_describe(kind) for kind in _members(hint)]
    raise ConfigError(
        f"{key}={_show(value)}: expected {' or '.join(names)}{unit_of(key)}"
    )


def _members(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _alternatives(hint: Any, value: Any) -> list[Any]:
    # the value's own type first: 0 for `str | int` is the integer, not the text "0"
    return sorted(_members(hint), key=lambda kind: kind is not type(value))


def _describe(kind: Any) -> str:
    if typing.get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(kind)))
    return _WORDS.get(_container(kind), getattr(kind, "__name__", str(kind)))


def _container(kind: Any) -> Any:
    origin = typing.get_origin(kind) or kind
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return dict
    if inspect.isclass(origin) and issubclass(origin, Sequence) and origin is not str:
        return tuple
    return origin


def _convert(value: Any, kind: Any, key: str) -> tuple[bool, Any]:
    target = _container(kind)
    if target is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        finite = number and math.isfinite(value)
        return finite, float(value) if finite else value
    if target is int:
        return isinstance(value, int) and not isinstance(value, bool), value
    if target is str:
        return _as_text(value)
    if target is Literal:
        return value in typing.get_args(kind), value
    if target is tuple:
        return _as_tuple(value, kind, key)
    if target is dict:
        return _as_mapping(value, kind, key)
    if target in (bool, type(None)):
        return isinstance(value, target), value
    return target is Any or target is inspect.Parameter.empty, value


def _as_text(value: Any) -> tuple[bool, Any]:
    if isinstance(value, bool):
        return True, str(value).lower()
    return isinstance(value, (str, int, float)), str(value)


def _as_tuple(value: Any, kind: Any, key: str) -> tuple[bool, Any]:
    if not isinstance(value, (list, tuple)):
        return False, value
    inner = (typing.get_args(kind) or (Any,))[0]
    return True, tuple(coerce(item, inner, key) for item in value)


def _as_mapping(value: Any, kind: Any, key: str) -> tuple[bool, Any]:
    if not isinstance(value, Mapping):
        return False, value
    inner = (*typing.get_args(kind), Any, Any)[1]
    return True, {str(k): coerce(v, inner, f"{key}.{k}") for k, v in value.items()}


def _show(value: Any) -> str:
    """A value as a user would type it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


@lru_cache(maxsize=64)
def option_hints(cls: type[Extractor]) -> Mapping[str, Any]:
    """Type of each constructor argument: its annotation, else that of its default."""
    try:
        stated = typing.get_type_hints(cls.__init__)
    except (NameError, TypeError, AttributeError):
        stated = {}  # annotations of a plug-in that exist only for its type checker
    found = {}
    for name, parameter in registry.options(cls).items():
        default = parameter.default
        plain = isinstance(default, (bool, int, float, str))
        found[name] = stated.get(name, type(default) if plain else Any)
    return found


def check_names(
    name: str, cls: type[Extractor], stated: Collection[str], asked: Collection[str]
) -> None:
    """Refuse options that a constructor lacks, and required ones not stated.

    ``asked`` are the arguments that the task states for every extractor alike.
    """
    valid = registry.options(cls)
    for key in stated:
        if key not in valid:
            raise ConfigError(f"{name} has no option '{key}'{nearest(key, valid)}")
    given = {*stated, *asked, *cls.axes}
    for option, parameter in valid.items():
        if parameter.default is inspect.Parameter.empty and option not in given:
            what = "DIR" if option == "root" else "VALUE"
            raise ConfigError(f"{name}.{option} is not set; add {name}.{option}={what}")


def check_option(
    name: str, cls: type[Extractor], key: str, value: Any, asked: Collection[str]
) -> Any:
    """Check one constructor argument of the extractor ``name``; return it typed.

    ``asked`` are the arguments that no extractor may state for itself.
    """
    hints = option_hints(cls)
    if key in asked and key in hints:
        raise ConfigError(
            f"{name}.{key}={_show(value)}: every extractor gets the task's value; "
            f"state task.{key}"
        )
    if key not in hints:
        valid = [option for option in hints if option not in asked]
        raise ConfigError(f"{name} has no option '{key}'{nearest(key, valid)}")
    return coerce(value, hints[key], f"{name}.{key}")


def member(value: str, valid: Sequence[str], key: str) -> None:
    """Refuse a name that is not in ``valid``, with the nearest one."""
    if value not in valid:
        raise ConfigError(f"{key}={value}{nearest(value, valid)}")


def bound(holds: bool, key: str, value: Any, rule: str) -> None:
    """Refuse a value outside its bounds; ``rule`` says what must hold."""
    if not holds:
        raise ConfigError(f"{key}={_show(value)}{unit_of(key)}: must be {rule}")


def check_task(task: TaskConfig) -> None:
    """Bounds of the task."""
    bound(task.fmin > 0, "task.fmin", task.fmin, "above 0 Hz")
    bound(task.fmin < task.fmax, "task.fmin", task.fmin, f"below task.fmax={task.fmax}")
    bound(0 < task.hop_s <= 1, "task.hop_s", task.hop_s, "in (0, 1] s")
    member(task.resample, ("f0bench", "mir_eval"), "task.resample")


def applies(kind: str) -> frozenset[str]:
    """Fields of the data set that its kind reads; others are reset before hashing."""
    common = {"kind", "name", "limit", "tags"}
    labels = set(["truth", "labels", "columns", "unit", "hop", "offset"])
    labels |= set(["separator", "skip", "unvoiced", "gaps", "channel"])
    own = {
        **{kind: {"seed", "seconds"} for kind in GENERATED},
        "folder": {"root", "audio", *labels},
        "manifest": {"root", "manifest", "split", *labels},
    }
    return frozenset(common | own[kind])


def fitted(data: DatasetConfig) -> DatasetConfig:
    """The data set with every field that its kind does not read at its default."""
    member(data.kind, KINDS, "dataset.kind")
    kept = {name: getattr(data, name) for name in applies(data.kind)}
    return DatasetConfig(**kept)


def check_dataset(data: DatasetConfig) -> None:
    """Bounds of the data set, and the places that its kind needs."""
    needed = {"folder": "root", "manifest": "manifest"}.get(data.kind)
    if needed and getattr(data, needed) is None:
        what = "DIR" if needed == "root" else "FILE"
        raise ConfigError(f"dataset.{needed} is not set; add dataset.{needed}={what}")
    bound(data.limit is None or data.limit >= 1, "dataset.limit", data.limit, "≥ 1")
    bound(data.seconds > 0, "dataset.seconds", data.seconds, "above 0")
    bound(data.seed >= 0, "dataset.seed", data.seed, "≥ 0")
    bound(data.hop is None or data.hop > 0, "dataset.hop", data.hop, "above 0 s")
    if isinstance(data.channel, str):
        member(data.channel, ("mean",), "dataset.channel")
    for name, pattern in data.tags.items():
        _check_pattern(f"dataset.tags.{name}", pattern)
    _check_labels(data)


def _check_pattern(key: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"{key}={pattern}: not a regular expression ({error})"
        ) from None


def _check_labels(data: DatasetConfig) -> None:
    if data.labels is None:
        return
    from .datasets.label_format import label_format  # imports numpy

    label_format(data)


def check_effort(effort: EffortConfig) -> None:
    """Bounds of the effort."""
    for name in ("rounds", "warmup_s", "min_passes", "min_s", "cap_s"):
        value = getattr(effort, name)
        bound(value >= 0, f"effort.{name}", value, "≥ 0")
    for name in ("timed_s", "noise"):
        value = getattr(effort, name)
        bound(value is None or value >= 0, f"effort.{name}", value, "≥ 0 or null")


def seconds(value: Any, key: str) -> float | None:
    """Read a duration: ``90``, ``90s``, ``20m``, ``1h`` or null; seconds."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", str(value))
    if found is None or float(found[1]) == 0:
        raise ConfigError(f"{key}={value}: expected a duration such as 90s, 20m or 1h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]
