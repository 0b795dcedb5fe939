"""Audio: what is kept, what is copied, what is refused."""

import numpy as np
import pytest

from extractors.audio import Audio
from extractors.errors import InputError


def test_samples_are_copied_unless_nobody_can_write_them():
    owned = np.zeros(1000, np.float32)
    view = owned[:500]
    view.flags.writeable = False
    assert not np.shares_memory(Audio(owned, 16000).samples, owned)
    assert not np.shares_memory(Audio(view, 16000).samples, owned)
    owned.flags.writeable = False
    assert np.shares_memory(Audio(owned, 16000).samples, owned)
    assert np.shares_memory(Audio(owned[:500], 16000).samples, owned)
    double, strided = owned.astype(float), owned[::2]
    double.flags.writeable = False
    for other in (double, strided):
        assert not np.shares_memory(Audio(other, 16000).samples, other)


def test_place_of_nan_in_a_long_signal():
    samples = np.zeros((1 << 20) + 10, np.float32)
    samples[-3] = np.nan
    with pytest.raises(InputError, match=rf"first at sample {len(samples) - 3}\)"):
        Audio(samples, 16000)
