"""The Gaussian bottleneck against the closed form of its divergence, and its free bits."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch

from untold.bottlenecks.gaussian import Settings, build
from untold.contract import Grid, Stream

GRID = Grid("second", Fraction(50), Fraction(1, 100))


def stream(mean: torch.Tensor, log_variance: torch.Tensor) -> Stream:
    values = torch.cat([mean, log_variance], -1)
    return Stream(values, torch.tensor([values.shape[1]] * len(values)), torch.ones(values.shape[:2], dtype=torch.bool), GRID)


def test_divergence_equals_that_of_torch_in_nats_and_bits() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    coded = build(Settings(dimensions=4, free_bits=0.0)).eval()(stream(mean, log_variance))
    told = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (0.5 * log_variance).exp()), torch.distributions.Normal(torch.zeros(()), torch.ones(()))
    ).sum(-1)
    assert float(coded.losses["divergence"].value) == pytest.approx(float(told.sum()), rel=1e-5)
    torch.testing.assert_close(coded.bits, told / math.log(2))


def test_free_bits_are_free_for_each_latent_by_itself() -> None:
    mean = torch.tensor([[[0.0, 0.0], [3.0, 3.0]]])  # 0 nats and 9 nats
    log_variance = torch.zeros(1, 2, 2)
    x = stream(mean, log_variance)
    x.values.requires_grad_(True)
    coded = build(Settings(dimensions=2, free_bits=2 / math.log(2))).eval()(x)
    assert coded.losses["divergence"].value.item() == pytest.approx(2 + 9)
    coded.losses["divergence"].value.backward()
    assert x.values.grad is not None
    assert x.values.grad[0, 0].abs().sum() == 0  # below the budget nothing is gained by sending less
    assert x.values.grad[0, 1].abs().sum() > 0


def test_samples_have_the_mean_and_deviation_that_were_asked_for() -> None:
    mean, deviation = torch.full((1, 4000, 2), 1.5), 0.5
    bottleneck = build(Settings(dimensions=2)).train()
    drawn = bottleneck(stream(mean, torch.full_like(mean, 2 * math.log(deviation))), torch.tensor([3])).stream.values
    assert float(drawn.mean()) == pytest.approx(1.5, abs=0.03)
    assert float(drawn.std()) == pytest.approx(deviation, abs=0.03)
    torch.testing.assert_close(bottleneck.eval()(stream(mean, torch.zeros_like(mean))).stream.values, mean)
