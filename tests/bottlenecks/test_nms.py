"""Choosing where to emit: local maxima, as many as are wanted, each recording by itself."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
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
    assert made(rate=17.0).kept(x)[0].nonzero()[:, 0].tolist() == [1, 4, 7, 9]  # all maxima before anything beside them
    assert made(rate=50.0).kept(x)[0].nonzero()[:, 0].tolist() == [1, 4, 7, 9, 11]  # no more than are apart
    assert made(rate=50.0, window=3).kept(x)[0].nonzero()[:, 0].tolist() == [0, 4, 9]
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


def two_places(seed: int) -> Stream:
    """Latents about +4 with a high score, every fifth, among latents about -4 with a low one; the second half as long."""
    torch.manual_seed(seed)
    here = torch.arange(40) % 5 == 2
    values = torch.where(here[None, :, None], 4.0, -4.0) + 0.3 * torch.randn(2, 40, 3)
    score = torch.where(here[None], 1.0, -1.0) + 0.1 * torch.rand(2, 40)
    return stream(torch.cat([score[..., None], values], -1), [40, 20])


@pytest.mark.parametrize("codebook", ["ema", "gradient"])
@pytest.mark.parametrize("normalise", [False, True])
def test_only_what_is_kept_teaches_the_code(codebook: str, normalise: bool) -> None:
    torch.manual_seed(0)
    code = build(Settings(rate=10.0).changed({"code": {"size": 4, "dimensions": 3, "normalise": normalise, "codebook": codebook, "decay": 0.5}})).train()
    for step in range(20):
        x = two_places(step)
        x.values.requires_grad_()
        coded = code(x, torch.arange(2) + 2 * step)
        kept = code.kept(x)
        loss = coded.losses["commitment"]
        assert int(loss.count) == int(kept.sum()) == 12
        gone = coded.losses.get("codebook")
        (coded.stream.values[..., :3].sum() + loss.value + (gone.value if gone else 0)).backward()
        assert x.values.grad is not None
        assert not x.values.grad[~kept].any()
        assert x.values.grad[kept].abs().sum(-1).min() > 0
        if isinstance(code.code.codewords, torch.nn.Parameter):
            with torch.no_grad():
                code.code.codewords -= 0.05 * code.code.codewords.grad
                code.code.codewords.grad = None
    words = code.code.codewords.detach()
    assert int(code.code.counts.sum()) > 0
    if normalise:  # what was kept is the middle of what the code knows
        assert code.code.norm is not None
        assert words.mean().abs() < 1
    else:
        assert (words > 2).all()


def test_bits_are_those_of_the_codes_and_of_their_places() -> None:
    code = made()
    coded = code(stream(torch.randn(1, 40, 4), [40]))
    assert coded.tokens is not None
    count = int((coded.tokens >= 0).sum())
    share = count / 40
    where = -(share * math.log2(share) + (1 - share) * math.log2(1 - share))
    assert float(coded.bits.sum()) == pytest.approx(count * math.log2(6) + 40 * where, rel=1e-5)


def test_the_decoder_knows_how_far_the_last_emission_is() -> None:
    code = made()
    x = stream(torch.randn(1, 60, 4), [60])
    tokens, told = code.tokens(x)[0], code.central(x).values[0, :, 3:]
    last = None
    for step in range(60):
        last = step if tokens[step] >= 0 else last
        ago = [0.0, 0.0] if last is None else [math.exp((last - step) / fade) for fade in (2.0, 8.0)]
        assert told[step].tolist() == pytest.approx([float(tokens[step] >= 0), *ago], abs=1e-6)


def test_the_rate_comes_of_a_score_with_few_maxima() -> None:
    """A score that only rises has one maximum; a quarter of the positions was asked for."""
    values = torch.randn(2, 80, 4)
    values[..., 0] = torch.arange(80.0)
    values[1, :, 0] = -values[1, :, 0]
    for window in (0, 1, 2):
        kept = made(window=window).kept(stream(values, [80, 40]))
        assert kept.sum(1).tolist() == [20, 10]
        for row in kept:
            assert torch.diff(row.nonzero()[:, 0]).min() > window
        assert not kept[1, 40:].any()


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (20.0, -300.0)])
def test_a_score_that_drifts_still_learns(scale: float, shift: float) -> None:
    values = torch.randn(1, 60, 4, generator=torch.Generator().manual_seed(0))
    values[..., 0] = values[..., 0] * scale + shift
    values.requires_grad_()
    coded = made()(stream(values, [60]))
    coded.stream.values[..., :3].sum().backward()
    assert values.grad is not None
    assert coded.tokens is not None
    assert values.grad[0, coded.tokens[0] >= 0, 0].abs().min() * scale > 1e-3
    assert not values.grad[0, coded.tokens[0] < 0].any()
