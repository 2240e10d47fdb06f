"""A Gaussian latent (VAE): each latent is a normal distribution, priced by its divergence from N(0, 1).

KL = -1/2 sum_d (1 + ln s_d^2 - m_d^2 - s_d^2) nats per latent. With free bits B the price of a latent is
max(B ln 2, KL): below the budget nothing is gained by sending less, so an autoregressive decoder does not learn to
ignore the latent. Sources: Kingma & Welling 2013, arXiv 1312.6114; Chorowski et al. 2019, arXiv 1901.08810, equation 2.
The maximum is taken per latent (summed over dimensions), not over the batch's sum, where it would hardly ever act.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from untold import settings
from untold.contract import Coded, Loss, Stream
from untold.layers import random
from untold.settings import setting

TOKENS = False
_SALT = 0x6A


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    dimensions: int = setting(64, low=1, high=4096, help="dimensions of a latent")
    free_bits: float = setting(14.0, low=0.0, high=1e6, help="bits per latent that cost nothing")
    price: float = setting(1.0, low=0.0, high=1e3, help="weight of the divergence beyond the free bits")


class Gaussian(nn.Module):
    """(batch, steps, 2 dimensions: means and log variances) -> (batch, steps, dimensions)."""

    alphabet = None

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.dimensions, self.inputs = settings.dimensions, 2 * settings.dimensions

    def forward(self, x: Stream, keys: Tensor | None = None) -> Coded:
        mean, log_variance = x.values.float().chunk(2, -1)
        log_variance = log_variance.clamp(-20, 20)
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(-1)
        values = mean
        if self.training and keys is not None:
            noise = random.normal(keys, tuple(mean.shape[1:]), _SALT).to(mean.dtype)
            values = mean + noise * (0.5 * log_variance).exp()
        counted = x.counted.to(mean.dtype)
        charged = divergence.clamp(min=self.settings.free_bits * math.log(2))
        loss = Loss(self.settings.price * (charged * counted).sum(), counted.sum(), "nats per latent")
        return Coded(x.with_values(values), {"divergence": loss}, (divergence / math.log(2)).detach() * counted)

    def central(self, x: Stream) -> Stream:
        """The means: what is passed on when nothing is drawn."""
        return x.with_values(x.values[..., : self.dimensions])


def build(settings: Settings) -> Gaussian:
    """The bottleneck."""
    return Gaussian(settings)
