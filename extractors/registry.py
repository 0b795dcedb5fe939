"""Names of extractors, resolved lazily: built-in ones and installed plug-ins.

A plug-in registers a class under the entry-point group ``f0bench.extractors``::

    [project.entry-points."f0bench.extractors"]
    mytracker = "my_package:MyTracker"
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from typing import Any

from .base import Extractor, F0Extractor
from .errors import ConfigError, ExtractorError, nearest

GROUP = "f0bench.extractors"

BUILT_IN: Mapping[str, str] = {
    "crepe": "extractors.crepe:Crepe",
    "librosa_pyin": "extractors.peers.librosa_pyin:LibrosaPyin",
    "librosa_yin": "extractors.peers.librosa_yin:LibrosaYin",
    "torchcrepe": "extractors.peers.torchcrepe:TorchCrepe",
    "tracks": "extractors.peers.tracks:Tracks",
    "swiftf0": "extractors.peers.swiftf0:SwiftF0",
    "praat": "extractors.peers.praat:Praat",
    "pyin": "extractors.pyin:Pyin",
    "pipeline": "extractors.pipeline:Pipeline",
    "librosa_spectrogram": "extractors.spectrogram.by_librosa:LibrosaSpectrogram",
    "nnaudio_spectrogram": "extractors.spectrogram.by_nnaudio:NnAudioSpectrogram",
    "torch_spectrogram": "extractors.spectrogram.by_torch:TorchSpectrogram",
}


@lru_cache(maxsize=1)
def targets() -> dict[str, str]:
    """Every known name and where its class lives, ``module:attribute``.

    A plug-in may not take the name of a built-in extractor: results of one name must
    mean one algorithm.
    """
    found = dict(BUILT_IN)
    for point in metadata.entry_points(group=GROUP):
        if point.name in BUILT_IN:
            raise ConfigError(
                f"plug-in '{point.name}' ({point.value}) takes the name of a built-in "
                "extractor; register it under another name"
            )
        found.setdefault(point.name, point.value)  # the first on the path, as modules
    return found


def extractor_class(name: str) -> type[Extractor]:
    """Import and return the class registered as ``name``.

    Raises:
        ConfigError: unknown name (with the nearest valid one).
        ExtractorError: the registered module cannot be imported.
    """
    known = targets()
    if name not in known:
        raise ConfigError(f"unknown extractor '{name}'{nearest(name, known)}")
    module, _, attribute = known[name].partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a plug-in's module may raise anything
        kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
        raise ExtractorError(
            f"extractor '{name}' ({known[name]}) cannot be imported: {kind}{error}"
        ) from error
    if not (inspect.isclass(found) and issubclass(found, Extractor)):
        raise ExtractorError(f"{known[name]} is not a subclass of Extractor")
    return found


def options(cls: type[Extractor]) -> dict[str, inspect.Parameter]:
    """Constructor arguments of an extractor: the keys its configuration may hold."""
    found = dict(inspect.signature(cls).parameters)
    return {
        name: parameter
        for name, parameter in found.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }


def build(name: str, params: Mapping[str, Any]) -> Extractor:
    """Construct the extractor ``name``; an unknown argument names the nearest one."""
    cls = extractor_class(name)
    valid = options(cls)
    for key in params:
        if key not in valid:
            raise ConfigError(f"{name} has no option '{key}'{nearest(key, valid)}")
    return cls(**params)


def build_f0(name: str, params: Mapping[str, Any]) -> F0Extractor:
    """As :func:`build`, for a name that must be an F0 extractor.

    Raises:
        ConfigError: it is another kind of extractor.
    """
    found = build(name, params)
    if not isinstance(found, F0Extractor):
        raise ConfigError(f"{name} extracts no F0; use an F0 extractor such as crepe")
    return found
