"""``f0bench tune``: one extractor looked at closely, in processes of its own.

:mod:`.batch` searches a batch size by measured peaks and throughput, :mod:`.leak` tells
whether memory grows with every call, :mod:`.profile` shows what takes the time. What
runs inside the worker is :mod:`harness.passes.tuning`; here its samples are judged and
shown.
"""
