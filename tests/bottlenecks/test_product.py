"""Codes of several groups, and codewords chosen by chance."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch

from untold.bottlenecks import gumbel, product
from untold.contract import Grid, Stream
from untold.errors import UntoldError


def stream(dimensions, lengths=(50, 30)):
    torch.manual_seed(0)
    counted = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return Stream(torch.randn(len(lengths), max(lengths), dimensions), torch.tensor(lengths), counted, Grid("second", Fraction(50), Fraction(1, 100)))


KEYS = torch.arange(2) + 5


def test_a_token_names_a_codeword_of_each_group():
    code = product.build(product.Settings().changed({"groups": 3, "code": {"size": 4, "dimensions": 2}})).eval()
    x = stream(12)
    tokens, best = code.tokens(x), [part.argmax(-1) for part in x.values.chunk(3, -1)]
    assert torch.equal(tokens[x.counted], (best[0] * 16 + best[1] * 4 + best[2])[x.counted])
    assert (tokens[~x.counted] == -1).all()
    words = torch.cat([one.table[at] for one, at in zip(code.codes, best, strict=True)], -1)
    torch.testing.assert_close(code.central(x).values[x.counted], words[x.counted])
    torch.testing.assert_close(code.lookup(tokens)[x.counted], words[x.counted])
    assert float(code(x).bits[0, 0]) == pytest.approx(6)
    assert (code.alphabet, code.dimensions, code.inputs) == (64, 6, 12)


def test_groups_draw_apart_from_each_other():
    code = product.build(product.Settings().changed({"code": {"size": 4, "dimensions": 2}})).train()
    x = stream(8)
    coded = code(x.with_values(torch.zeros_like(x.values)), KEYS)
    assert coded.tokens is not None
    first, second = coded.tokens[x.counted] // 4, coded.tokens[x.counted] % 4
    assert 0.1 < float((first == second).float().mean()) < 0.4


def test_the_alphabet_has_an_end():
    with pytest.raises(UntoldError, match="groups = 3 of 320 codewords tell 32768000 tokens apart: at most 1048576"):
        product.Settings().changed({"groups": 3})


def test_codewords_are_drawn_as_often_as_their_scores_say():
    code = gumbel.build(gumbel.Settings(gain=1.0, size=4, dimensions=2, diversity=0.0)).train()
    scores = torch.tensor([1.0, 0.0, -1.0, 0.5])
    x = stream(4, (20000, 20000))
    coded = code(x.with_values(scores.expand_as(x.values)), KEYS)
    assert coded.tokens is not None
    share = torch.bincount(coded.tokens.flatten(), minlength=4) / coded.tokens.numel()
    torch.testing.assert_close(share, scores.softmax(0), atol=0.01, rtol=0)
    torch.testing.assert_close(coded.stream.values[0, :5], code.table[coded.tokens[0, :5]])


def test_the_gradient_is_that_of_the_soft_choice():
    code = gumbel.build(gumbel.Settings(gain=1.0, size=5, dimensions=3, tau=2.0)).eval()
    x = stream(5).values.requires_grad_()
    wanted = torch.randn(2, 50, 3)
    given = stream(5).with_values(x)
    (ours,) = torch.autograd.grad((code(given).stream.values * wanted).sum(), x)
    (soft,) = torch.autograd.grad((((x / 2).softmax(-1) @ code.table) * wanted).sum(), x)
    torch.testing.assert_close(ours, soft)


def test_the_temperature_falls_to_its_lowest_with_the_steps_of_training_only():
    code = gumbel.build(gumbel.Settings(gain=1.0, size=4, dimensions=2, tau=2.0, lowest=0.5, cooling=0.5)).train()
    seen = []
    for _ in range(4):
        seen.append(code.temperature)
        code(stream(4), KEYS)
    code.eval()(stream(4))
    assert seen == [2.0, 1.0, 0.5, 0.5]
    assert int(code.steps) == 4
    with pytest.raises(UntoldError, match=r"lowest = 3\.0: at most tau = 2\.0, from which it falls"):
        gumbel.Settings(lowest=3.0)


def test_unused_codewords_are_counted():
    code = gumbel.build(gumbel.Settings(gain=1.0, size=4, dimensions=2)).train()
    x = stream(4)
    one = torch.zeros_like(x.values)
    one[..., 1] = 50.0
    for values, share in [(torch.zeros_like(one), 0.0), (one, 0.75)]:
        loss = code(x.with_values(values), KEYS).losses["diversity"]
        assert float(loss.value / loss.count) == pytest.approx(share, abs=1e-5)
        assert float(loss.count) == 80
    for _ in range(400):
        code(x.with_values(one), KEYS)
    assert code.report()["codewords_in_use"] == 1
    assert code.report()["perplexity"] == pytest.approx(1, abs=0.2)
    assert math.isfinite(float(code.counts.sum()))
