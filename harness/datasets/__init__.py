"""Data sets: recordings or synthesis, their references, and what can be said of them.

A new label format is a preset in :mod:`.label_format`, a new kind of data set a class
with ``name``, ``clips`` and ``identity`` that :mod:`.registry` names.
"""
