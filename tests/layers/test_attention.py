"""Attention: what a step sees, against the formula; chunks, padding, order."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from untold.contract import Grid, Stream
from untold.layers import attention
from untold.layers.attention import Attention, TransformerBlock
from untold.layers.convolution import inside

GRID = Grid("second", Fraction(50), Fraction(1, 100))


def stream(values: torch.Tensor, lengths: list[int] | None = None) -> Stream:
    counts = torch.tensor(lengths if lengths is not None else [values.shape[1]] * len(values))
    return Stream(values, counts, inside(counts, values.shape[1]), GRID)


@pytest.mark.parametrize(("before", "after"), [(3, 2), (0, 4), (5, 0), (40, 40)])
def test_equals_the_formula_written_step_by_step(before: int, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer, x = Attention(8, 2, before, after), torch.randn(1, 17, 8)
    monkeypatch.setattr(attention, "_ROWS", 5)  # several pieces
    found = layer(stream(x)).values[0]
    q, k, v = layer.asked(x[0]).unflatten(-1, (3, 2, 4)).unbind(1)  # (steps, heads, 4)
    slopes = [2.0**-4, 2.0**-8]
    for i in range(17):
        window = range(max(0, i - before), min(17, i + after + 1))
        heads = []
        for head, slope in enumerate(slopes):
            weight = torch.stack([q[i, head] @ k[j, head] / 2.0 - slope * abs(i - j) for j in window]).softmax(0)
            heads.append(sum(w * v[j, head] for w, j in zip(weight, window, strict=True)))
        torch.testing.assert_close(found[i], layer.out(torch.cat(heads)), atol=1e-5, rtol=1e-4)


def test_a_recording_in_a_padded_batch_is_what_it_is_alone() -> None:
    torch.manual_seed(0)
    block, lengths = TransformerBlock(8, 2, 6, 6), [30, 11, 1, 0]
    x = torch.randn(4, 30, 8)
    together = block(stream(x, lengths)).values
    assert bool(together.isfinite().all())
    for row, length in enumerate(lengths[:3]):
        torch.testing.assert_close(together[row, :length], block(stream(x[row : row + 1, :length])).values[0], atol=1e-5, rtol=1e-5)


def test_a_step_depends_on_its_window_alone() -> None:
    torch.manual_seed(0)
    block, x = TransformerBlock(8, 2, 4, 3), torch.randn(1, 20, 8, requires_grad=True)
    block(stream(x)).values[0, 10].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(1).nonzero()[:, 0].tolist()
    assert seen == list(range(6, 14))


def test_heads_that_do_not_divide_the_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match="10 dimensions do not make 4 heads"):
        Attention(10, 4, 1, 1)
