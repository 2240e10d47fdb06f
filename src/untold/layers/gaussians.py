"""A mixture of diagonal Gaussians and its EM steps (Dempster, Laird and Rubin 1977).

log p(x) = logsumexp_k ( log w_k - 1/2 sum_d [ log 2 pi v_kd + (x_d - m_kd)^2 / v_kd ] ), for all k at once as one matrix
product: x^2 and x, side by side, with -1/(2 v) and m / v.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from untold.contract import Stream
from untold.errors import UntoldError
from untold.layers import random
from untold.layers.across import gathered

_ROWS = 8192  # frames at once: sums in float32 stay short, memory stays small
_FLOOR_OF_WEIGHTS = 1e-10


class DiagonalMixture(nn.Module):
    """K diagonal Gaussians over D dimensions: weights (K,), means (K, D), variances (K, D) float32."""

    def __init__(self, components: int, dimensions: int, variance_floor: float = 0.01) -> None:
        super().__init__()
        self.variance_floor = variance_floor
        self.weights: Tensor
        self.means: Tensor
        self.variances: Tensor
        self.register_buffer("weights", torch.full((components,), 1.0 / components))
        self.register_buffer("means", torch.zeros(components, dimensions))
        self.register_buffer("variances", torch.ones(components, dimensions))

    def log_likelihoods(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., K): log weight plus log density, in nats."""
        precisions = 1.0 / self.variances
        constant = self.weights.clamp(min=_FLOOR_OF_WEIGHTS).log() - 0.5 * (
            self.variances.log().sum(1) + (self.means.square() * precisions).sum(1) + x.shape[-1] * math.log(2 * math.pi)
        )
        # one product, to which the constant is added on the way: the result is as wide as there are components, and each pass over it costs
        return functional.linear(torch.cat([x.square(), x], -1), torch.cat([-0.5 * precisions, self.means * precisions], 1), constant)

    def statistics(self, x: Tensor) -> dict[str, Tensor]:
        """Float64 sums over x (N, D): objective (nats, to be small), count, occupancies, first and second moments."""
        exact: dict[str, Any] = {"dtype": torch.float64, "device": x.device}
        components, dimensions = self.means.shape
        objective, occupancies = torch.zeros((), **exact), torch.zeros(components, **exact)
        first, second = (torch.zeros((components, dimensions), **exact) for _ in range(2))
        for rows in x.split(_ROWS):
            scores = self.log_likelihoods(rows)
            evidence = scores.logsumexp(1, keepdim=True)
            shares = (scores - evidence).exp()
            objective -= evidence.sum(dtype=torch.float64)
            occupancies += shares.sum(0, dtype=torch.float64)
            first += (shares.T @ rows).to(torch.float64)
            second += (shares.T @ rows.square()).to(torch.float64)
        count = torch.tensor(float(len(x)), **exact)
        return {
            "objective": objective,
            "count": count,
            "occupancies": occupancies,
            "first": first,
            "second": second,
        }

    @torch.no_grad()
    def update(self, total: Mapping[str, Tensor]) -> None:
        """The M step: the likeliest parameters given the sums of a whole pass. A component of no frame stays put."""
        occupancies = total["occupancies"]
        share = occupancies.clamp(min=1e-8)[:, None]
        means = total["first"] / share
        variances = (total["second"] / share - means.square()).clamp(min=self.variance_floor)
        alive = (occupancies > 1e-3)[:, None]
        self.weights.copy_(occupancies / occupancies.sum().clamp(min=1e-8))
        self.means.copy_(torch.where(alive, means, self.means.to(means)))
        self.variances.copy_(torch.where(alive, variances, self.variances.to(variances)))

    @torch.no_grad()
    def begin(self, means: Tensor, frames: Tensor) -> None:
        """Equal weights, the means given (K, D), and everywhere the variance of all frames (N, D)."""
        variance = frames.var(0, correction=0).clamp(min=self.variance_floor)
        self.weights.fill_(1.0 / len(self.weights))
        self.means.copy_(means)
        self.variances.copy_(variance.expand_as(self.variances))

    def begin_at_random(self, x: Stream, keys: Tensor, salt: int) -> None:
        """Begins with means at random frames of `x`: the same ones however a batch is shared out.

        Raises UntoldError where there are fewer frames than components.
        """
        components = len(self.weights)
        lots = gathered(random.uniform(keys, (x.values.shape[1],), salt)[x.counted])
        frames = gathered(x.values[x.counted].float())
        if len(frames) < components:
            raise UntoldError(f"components = {components}: there are only {len(frames)} frames to begin from, take fewer components")
        self.begin(frames[lots.argsort(stable=True)[:components]], frames)
