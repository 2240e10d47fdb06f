"""Convolutions over padded sequences: where an output stands, what it sees, and that padding says nothing."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from untold.contract import Grid, Stream
from untold.layers.convolution import Convolution, inside

GRID = Grid("second", Fraction(100), Fraction(1, 200))


def stream(values: torch.Tensor, lengths: list[int]) -> Stream:
    counts = torch.tensor(lengths)
    return Stream(values, counts, inside(counts, values.shape[1]), GRID)


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (5, 1), (4, 2), (3, 3), (2, 2)])
def test_an_output_sees_its_own_steps_and_the_reach_on_either_side(kernel: int, stride: int) -> None:
    layer = Convolution(1, 1, kernel, stride)
    torch.nn.init.ones_(layer.weights.weight)
    torch.nn.init.zeros_(layer.weights.bias)
    steps = 13
    for output in range(-(-steps // stride)):
        x = torch.zeros(1, steps, 1, requires_grad=True)
        layer(stream(x, [steps])).values[0, output, 0].backward()
        assert x.grad is not None
        seen = torch.flatten(x.grad.nonzero()[:, 1]).tolist()
        first, last = output * stride - layer.reach, output * stride + stride - 1 + layer.reach
        assert seen == [i for i in range(first, last + 1) if 0 <= i < steps]


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (4, 2)])
def test_padding_says_nothing(kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    layer = Convolution(3, 2, kernel, stride)
    x = torch.randn(2, 11, 3)
    together = layer(stream(x, [11, 7]))
    alone = layer(stream(x[1:, :7], [7]))
    assert together.lengths.tolist() == [-(-11 // stride), -(-7 // stride)]
    torch.testing.assert_close(together.values[1, : alone.values.shape[1]], alone.values[0])


def test_the_grid_of_a_strided_layer_stands_between_the_steps_below() -> None:
    out = Convolution(1, 1, 4, 2)(stream(torch.zeros(1, 8, 1), [8]))
    assert out.grid == Grid("second", Fraction(50), Fraction(1, 100))  # 10 ms + 20 j: the middle of samples 320 j to 320 j + 319


def test_uneven_kernels_that_cannot_be_centred_are_refused() -> None:
    with pytest.raises(ValueError, match="odd or both even"):
        Convolution(1, 1, 4, 1)
