"""Plug-in of pytest: the fixture ``f0bench_gate`` and the option ``--f0bench-results``.

It lies beside the packages, not in one: pytest imports it in every session of an
environment, also in projects that have a package ``harness`` or ``extractors`` of their
own, and must not bring in ours there. Everything else is imported when the fixture is
used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.pytest_plugin import GateFixture


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the folder in which runs are kept between sessions."""
    parser.getgroup("f0bench").addoption(
        "--f0bench-results",
        metavar="DIR",
        help="keep what f0bench_gate measures in DIR, and measure only what is new; "
        "by default a temporary folder of each test",
    )


@pytest.fixture
def f0bench_gate(request: pytest.FixtureRequest) -> GateFixture:
    """Measure extractors, judge them by a gate, and fail the test where it fails.

    ``f0bench_gate("acf", gate="validity", limit=4)`` returns the result of the gate;
    see :class:`harness.pytest_plugin.GateFixture`.
    """
    from harness.pytest_plugin import GateFixture

    return GateFixture(request)
