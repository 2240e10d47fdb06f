"""Two codes at two rates: what shares a slow code, and that tokens are both."""

from __future__ import annotations

from fractions import Fraction

import torch

from untold.bottlenecks.two_rates import Settings, TwoRates, build
from untold.contract import Grid, Stream
from untold.layers.convolution import inside

GRID = Grid("second", Fraction(50), Fraction(1, 100))


def made(**changes: object) -> TwoRates:
    torch.manual_seed(0)
    small = {"fast": {"size": 5, "dimensions": 3, "normalise": False}, "slow": {"size": 7, "dimensions": 2, "normalise": False}, **changes}
    out = build(Settings().changed(small)).eval()
    out.fast.codewords.copy_(torch.randn(5, 3))
    out.slow.codewords.copy_(torch.randn(7, 2))
    return out


def stream(values: torch.Tensor, lengths: list[int]) -> Stream:
    counts = torch.tensor(lengths)
    return Stream(values, counts, inside(counts, values.shape[1]), GRID)


def test_every_few_latents_share_the_slow_code_of_their_mean() -> None:
    code = made(every=3)
    x = stream(torch.randn(2, 8, 5), [8, 5])
    coded = code(x)
    slow = coded.stream.values[..., 3:]
    for row, length in ((0, 8), (1, 5)):
        for start in range(0, length, 3):
            some = x.values[row, start : min(start + 3, length), 3:].mean(0)
            nearest = code.slow.codewords[(code.slow.codewords - some).square().sum(-1).argmin()]
            torch.testing.assert_close(slow[row, start : min(start + 3, length)].detach(), nearest.expand(min(3, length - start), -1))
    torch.testing.assert_close(coded.stream.values[..., :3].detach()[x.counted], code.fast.central(x.with_values(x.values[..., :3])).values[x.counted])
    torch.testing.assert_close(code.central(x).values[x.counted], coded.stream.values.detach()[x.counted])


def test_tokens_are_both_and_bits_are_counted_once() -> None:
    code = made()
    x = stream(torch.randn(1, 7, 5), [6])
    coded = code(x)
    assert coded.tokens is not None
    assert code.alphabet == 35
    assert int(coded.tokens[0, 6]) == -1
    assert torch.equal(code.tokens(x)[0, :6], coded.tokens[0, :6])
    torch.testing.assert_close(code.lookup(coded.tokens)[0, :6], coded.stream.values.detach()[0, :6])
    assert not code.lookup(coded.tokens)[0, 6].any()
    expected = 6 * torch.log2(torch.tensor(5.0)) + 3 * torch.log2(torch.tensor(7.0))
    torch.testing.assert_close(coded.bits.sum(), expected)
