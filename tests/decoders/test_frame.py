"""The frame decoder: a density that adds up to one, and that is told who speaks."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch

from untold.contract import Conditions, Grid, Stream
from untold.decoders.frame import GaussianDensity, Settings, build

GRID = Grid("second", Fraction(100), Fraction(1, 200))


def stream(values: torch.Tensor) -> Stream:
    return Stream(values, torch.tensor([values.shape[1]] * len(values)), torch.ones(values.shape[:2], dtype=torch.bool), GRID)


def test_the_density_equals_that_of_torch_and_integrates_to_one() -> None:
    mean, log_scale = torch.randn(1, 1, 1), torch.tensor([-0.3])
    density = GaussianDensity(mean.expand(1, 4001, 1), log_scale)
    grid = torch.linspace(-12, 12, 4001)[None, :, None]
    nats = density.log_prob(stream(grid))
    assert float(nats.exp().sum() * 24 / 4000) == pytest.approx(1.0, abs=1e-4)
    told = torch.distributions.Normal(mean[0, 0, 0], log_scale.exp()[0]).log_prob(grid[..., 0])
    torch.testing.assert_close(nats, told, atol=1e-4, rtol=1e-4)


def test_frames_of_other_speakers_are_others_and_padding_scores_nothing() -> None:
    torch.manual_seed(0)
    decoder = build(Settings(width=16), 6, SimpleNamespace(dimensions=3), 2, {"speaker": 4})
    latents = stream(torch.randn(1, 5, 6))
    means = [decoder(Conditions({"latents": latents}, {"speaker": torch.tensor([s])})).mean for s in (0, 1)]
    assert means[0].shape == (1, 10, 3)
    assert float((means[0] - means[1]).detach().abs().max()) > 1e-3
    x = stream(torch.randn(1, 10, 3))
    counted = x.counted.clone()
    counted[0, 7:] = False
    nats = decoder(Conditions({"latents": latents}, {"speaker": torch.tensor([0])})).log_prob(Stream(x.values, x.lengths, counted, GRID))
    assert (nats[0, 7:] == 0).all()
    assert (nats[0, :7] != 0).all()
