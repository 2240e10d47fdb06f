"""The encoder of lines: its rate, what a latent sees, and pictures of any height and width."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from untold.contract import Grid, Stream
from untold.encoders.columns import ColumnEncoder, Settings, build
from untold.layers.convolution import inside

SMALL = Settings(channels=4, width=16, layers=2, dense=1)
GRID = Grid("pixel", Fraction(1, 2), Fraction(1))


def stream(values: torch.Tensor, lengths: list[int]) -> Stream:
    counts = torch.tensor(lengths)
    return Stream(values, counts, inside(counts, values.shape[1]), GRID)


def encoder(height: int = 32, **changed: int) -> ColumnEncoder:
    torch.manual_seed(0)
    return build(SMALL.changed(changed), height)


@pytest.mark.parametrize("halvings", [0, 1, 2, 3])
def test_a_latent_sees_its_columns_and_as_many_on_either_side_as_it_says(halvings: int) -> None:
    net = encoder(halvings=halvings)
    with torch.no_grad():  # every ReLU is open, so no edge of the view can be hidden by a closed one
        for parameter in net.parameters():
            parameter.abs_()
    x = torch.rand(1, 160, 32).requires_grad_()
    out = net(stream(x, [160]))
    assert net.stride == 2**halvings
    assert out.grid.rate == Fraction(1, 2) / net.stride
    assert out.values.shape == (1, 160 // net.stride, 16)
    middle = out.values.shape[1] // 2
    out.values[0, middle].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(1).nonzero()[:, 0]
    assert (int(seen[0]), int(seen[-1])) == (middle * net.stride - net.reach, (middle + 1) * net.stride - 1 + net.reach)
    assert bool(x.grad[0].abs().sum(0).gt(0).all())  # all rows


@pytest.mark.parametrize("height", [16, 32, 64])
def test_lines_in_a_padded_batch_are_what_they_are_alone(height: int) -> None:
    net, lengths = encoder(height), [57, 80, 3, 0]
    x = torch.randn(4, 80, height)
    with torch.no_grad():
        together = net(stream(x, lengths))
        assert together.lengths.tolist() == [15, 20, 1, 0]
        for row in (0, 2):
            alone = net(stream(x[row : row + 1, : lengths[row]], [lengths[row]])).values[0]
            torch.testing.assert_close(together.values[row, : len(alone)], alone, atol=1e-5, rtol=1e-5)
    assert together.counted.sum(1).tolist() == [15, 20, 1, 0]


def test_half_precision_stays_near() -> None:
    net, x = encoder(), torch.rand(2, 64, 32)
    with torch.no_grad():
        exact = net(stream(x, [64, 50])).values
        with torch.autocast("cpu", torch.bfloat16):
            near = net(stream(x, [64, 50])).values.float()
    assert float((near - exact).abs().max() / exact.abs().max()) < 0.05
