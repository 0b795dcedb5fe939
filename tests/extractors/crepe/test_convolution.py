"""Products of spectra equal the zero-padded sum, at every length that occurs."""

import numpy as np
import pytest
import torch

from extractors.crepe.convolution import first_layer, phases, spectral


@pytest.mark.parametrize(
    ("length", "size"), [(128, 160), (64, 96), (32, 64), (16, 32), (8, 16)]
)
def test_equals_the_direct_sum(length, size):
    generator = torch.Generator().manual_seed(length)
    weight = torch.randn((3, 2, 64), generator=generator)
    bias = torch.randn(3, generator=generator)
    x = torch.randn((4, 2, length), generator=generator)
    prepared = spectral(weight, bias, length)
    padded = torch.nn.functional.pad(x, (31, 32)).double()
    exact = torch.nn.functional.conv1d(padded, weight.double(), bias.double())
    assert prepared.size == size
    np.testing.assert_allclose(prepared(x).numpy(), exact.numpy(), atol=2e-5)


def test_the_stride_of_the_first_layer_as_four_channels():
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn((3, 1, 512), generator=generator)
    bias = torch.randn(3, generator=generator)
    x = torch.randn((4, 1024), generator=generator)
    prepared = first_layer(weight, bias, 256)
    padded = torch.nn.functional.pad(x[:, None], (254, 254)).double()
    exact = torch.nn.functional.conv1d(padded, weight.double(), bias.double(), stride=4)
    assert (prepared.size, prepared.spectrum.shape) == (320, (161, 4, 3))
    np.testing.assert_allclose(prepared(phases(x)).numpy(), exact.numpy(), atol=1e-4)


def test_one_tap_by_hand():
    """Tap 31 is the sample itself, tap 32 the next one."""
    weight = torch.zeros(1, 1, 64)
    weight[..., 31], weight[..., 32] = 1, 10
    x = torch.tensor([[[1.0, 2, 3, 4, 5, 6, 7, 8]]])
    found = spectral(weight, torch.tensor([100.0]), 8)(x)[0, 0]
    expected = [121, 132, 143, 154, 165, 176, 187, 108]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)
