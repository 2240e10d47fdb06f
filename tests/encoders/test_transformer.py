"""The transformer: its rate, its reach, layers that can be read one by one."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from untold.contract import Grid, Stream
from untold.encoders.transformer import Settings, Transformer, build
from untold.errors import UntoldError
from untold.layers.convolution import inside

GRID = Grid("second", Fraction(100), Fraction(1, 200))
SMALL = Settings(width=16, layers=2, heads=2, window=5, kernel=3)


def stream(values: torch.Tensor, lengths: list[int] | None = None) -> Stream:
    counts = torch.tensor(lengths if lengths is not None else [values.shape[1]] * len(values))
    return Stream(values, counts, inside(counts, values.shape[1]), GRID)


def encoder(**changed: object) -> Transformer:
    torch.manual_seed(0)
    return build(SMALL.changed(changed), 6)


@pytest.mark.parametrize("stack", [1, 2, 4])
def test_a_step_sees_as_far_as_the_reach_says_and_no_further(stack: int) -> None:
    net, x = encoder(stack=stack), torch.randn(1, 240, 6, requires_grad=True)
    out = net(stream(x))
    assert out.values.shape == (1, 240 // stack, 16)
    assert out.grid.rate == Fraction(100, stack)
    middle = out.values.shape[1] // 2
    out.values[0, middle].square().sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(1).nonzero()[:, 0]
    assert (int(seen[0]), int(seen[-1])) == (middle * stack - net.reach, (middle + 1) * stack - 1 + net.reach)


def test_the_way_has_a_stage_a_layer_and_ends_where_the_whole_does() -> None:
    net, x = encoder(), torch.randn(1, 31, 6)
    steps = stream(x)
    for stage in net.way():
        steps = stage.run(steps)
    assert [stage.point for stage in net.way()] == ["begun", "layer1", "layer2", "encoder"]
    assert torch.equal(steps.values, net(stream(x)).values)


def test_padding_changes_nothing() -> None:
    net, lengths = encoder(), [50, 33, 1, 0]
    x = torch.randn(4, 50, 6)
    with torch.no_grad():
        together = net(stream(x, lengths))
        assert together.lengths.tolist() == [25, 17, 1, 0]
        for row, length in enumerate(lengths[:3]):
            alone = net(stream(x[row : row + 1, :length])).values[0]
            torch.testing.assert_close(together.values[row, : len(alone)], alone, atol=1e-5, rtol=1e-5)


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UntoldError, match=r"heads = 5 must divide"):
        Settings(width=16, heads=5)
    with pytest.raises(UntoldError, match="kernel = 4: an odd number"):
        Settings(kernel=4)
