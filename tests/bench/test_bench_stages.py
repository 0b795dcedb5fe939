"""What a mark of a stage costs where nothing listens."""

from __future__ import annotations

from extractors.stages import stage


def test_stage_unheard(benchmark):
    benchmark.group = "stage() without a listener"

    def mark():
        with stage("network"):
            pass

    benchmark(mark)
