"""Normalisation over channels, and convolutions that hear nothing of what comes."""

from __future__ import annotations

import torch

from untold.contract import Stream
from untold.frontends._frontend import sound_grid
from untold.layers.convolution import Convolution
from untold.layers.rectified import ChannelNorm, Rectified


def test_channels_are_normalised_by_their_unbiased_variance():
    torch.manual_seed(0)
    norm, x = ChannelNorm(6), torch.randn(2, 5, 6) * 0.01
    norm.scale.data, norm.shift.data = torch.rand(6), torch.rand(6)
    expected = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=True, keepdim=True) + 1e-5).sqrt() * norm.scale + norm.shift
    torch.testing.assert_close(norm(x), expected)


def test_what_comes_is_not_heard():
    torch.manual_seed(0)
    layer = Rectified(3, 8, 6, 2)
    x = torch.randn(1, 20, 3)
    changed = x.clone()
    changed[:, 12:] += 1
    one, two = (layer(Stream(v, torch.tensor([20]), torch.ones(1, 20, dtype=torch.bool), sound_grid(160))).values for v in (x, changed))
    assert torch.equal(one[:, :6], two[:, :6])
    assert not torch.equal(one[:, 6], two[:, 6])


def test_a_convolution_begins_where_it_is_told_to():
    layer = Convolution(1, 1, 4, 2, left=1)
    layer.weights.weight.data, layer.weights.bias.data = torch.tensor([[[1.0, 10.0, 100.0, 1000.0]]]), torch.zeros(1)
    x = Stream(torch.arange(1.0, 6.0).view(1, 5, 1), torch.tensor([5]), torch.ones(1, 5, dtype=torch.bool), sound_grid(160))
    assert layer(x).values[0, :, 0].tolist() == [3210.0, 5432.0, 54.0]
    assert (layer.left, layer.reach) == (1, 1)
