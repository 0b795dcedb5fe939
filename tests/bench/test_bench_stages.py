"""What a mark of a stage costs where nothing listens."""

from __future__ import annotations

from extractors.stages import copied, stage


def test_stage_unheard(benchmark):
    benchmark.group = "stage() without a listener"

    def mark():
        with stage("network", "cpu"):
            pass

    benchmark(mark)


def test_copy_unheard(benchmark):
    benchmark.group = "copied() without a listener"
    benchmark(copied, "h2d", 1024)
