"""The threshold says where it comes from."""

import pytest

from extractors.errors import ConfigError
from extractors.voicing import threshold_or_default


def test_default_and_stated():
    assert threshold_or_default(None, 0.5) == (0.5, "default 0.5")
    assert threshold_or_default(0.0, 0.5) == (0.0, "stated")


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_outside_is_refused(value):
    with pytest.raises(ConfigError, match=r"must lie in \[0, 1\]"):
        threshold_or_default(value, 0.5)
