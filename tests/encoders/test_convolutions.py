"""The encoder of the lectures: its table of layers, what it sees, and where its outputs stand."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from untold.contract import Grid, Stream
from untold.encoders.convolutions import Settings, build


@pytest.mark.parametrize(("changes", "frames", "rate"), [({}, 16, 50), ({"before": 2, "halvings": 2, "after": 2}, 30, 25)])
def test_fields_of_view_are_those_of_the_paper(changes: dict[str, int], frames: int, rate: int) -> None:
    encoder = build(Settings(width=8).changed(changes), 5)
    with torch.no_grad():  # every ReLU is open, so no edge of the view can be hidden by a closed one
        for parameter in encoder.parameters():
            parameter.abs_()
    x = torch.rand(1, 120, 5).requires_grad_()
    grid = Grid("second", Fraction(100), Fraction(1, 200))
    out = encoder(Stream(x, torch.tensor([120]), torch.ones(1, 120, dtype=torch.bool), grid))
    assert out.grid.rate == rate
    middle = out.values.shape[1] // 2
    out.values[0, middle].square().sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(-1).nonzero()[:, 0]
    assert int(seen[-1] - seen[0]) + 1 == frames
    assert 2 * encoder.reach + encoder.stride == frames
    own = middle * encoder.stride
    assert own - encoder.reach == int(seen[0])  # as many on either side of the frames that it stands for


def test_sizes_are_those_of_the_paper() -> None:
    encoder = build(Settings(), 39)
    shapes = [tuple(p.shape) for p in encoder.parameters() if p.dim() == 3]
    assert shapes == [(768, 39, 3), (768, 768, 3), (768, 768, 4), (768, 768, 3), (768, 768, 3), *[(768, 768, 1)] * 4]
