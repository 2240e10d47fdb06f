"""Choosing where to emit: local maxima, as many as are wanted, each recording by itself."""

from __future__ import annotations

from fractions import Fraction

import torch

from untold.bottlenecks.nms import NonMaxSuppression, Settings, build
from untold.contract import Grid, Stream
from untold.layers.convolution import inside

GRID = Grid("second", Fraction(50), Fraction(1, 100))


def stream(values: torch.Tensor, lengths: list[int]) -> Stream:
    counts = torch.tensor(lengths)
    return Stream(values, counts, inside(counts, values.shape[1]), GRID)


def made(**changes: object) -> NonMaxSuppression:
    torch.manual_seed(0)
    out = build(Settings(rate=12.5).changed({"code": {"size": 6, "dimensions": 3, "normalise": False}, **changes})).eval()
    out.code.codewords.copy_(torch.randn(6, 3))
    return out


def test_the_best_local_maxima_are_kept() -> None:
    scores = torch.tensor([0, 3, 1, 1, 5, 5, 0, 2, 0, 9.0, 8, 0])
    x = stream(torch.cat([scores[None, :, None], torch.randn(1, 12, 3)], -1), [12])
    kept = made().kept(x)[0]  # a quarter of twelve: three
    assert kept.nonzero()[:, 0].tolist() == [1, 4, 9]  # of the equal ones the first; 8 stands beside 9
    assert made(rate=50.0).kept(x)[0].nonzero()[:, 0].tolist() == [1, 4, 7, 9]  # no more than there are maxima
    assert made(rate=50.0, window=3).kept(x)[0].nonzero()[:, 0].tolist() == [4, 9]
    assert made(window=0, rate=25.0).kept(x)[0].sum() == 6


def test_recordings_do_not_compete_and_padding_emits_nothing() -> None:
    code = made()
    x = stream(torch.randn(3, 40, 4), [40, 17, 0])
    together = code(x)
    assert together.tokens is not None
    assert (together.tokens[1, 17:] == -1).all()
    assert (together.tokens[2] == -1).all()
    alone = code.tokens(stream(x.values[1:2, :17], [17]))
    assert torch.equal(alone[0], together.tokens[1, :17])
    assert int((alone >= 0).sum()) <= 4


def test_what_is_passed_on_is_what_the_tokens_stand_for() -> None:
    code = made()
    x = stream(torch.randn(2, 30, 4), [30, 21])
    coded = code(x)
    assert coded.tokens is not None
    torch.testing.assert_close(code.central(x).values[0], coded.stream.values[0])
    torch.testing.assert_close(code.lookup(coded.tokens)[0], coded.stream.values[0])
    gaps = coded.tokens[0] < 0
    assert not coded.stream.values[0, gaps, :3].any()
    ago = coded.stream.values[0, :, 4]
    first = int((~gaps).nonzero()[0])
    assert not ago[:first].any()
    assert ago[first] == 1
    assert ago[first + 1] < 1


def test_the_score_learns_from_what_a_kept_code_is_worth() -> None:
    code = made()
    values = torch.randn(1, 30, 4, requires_grad=True)
    coded = code(stream(values, [30]))
    (coded.stream.values[..., :3] ** 2).sum().backward()
    assert values.grad is not None
    assert coded.tokens is not None
    assert values.grad[0, coded.tokens[0] >= 0, 0].abs().min() > 0
    assert values.grad[0, coded.tokens[0] < 0, 1:].abs().max() == 0
