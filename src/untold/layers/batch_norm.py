"""Batch normalisation that counts no padding and knows the batches of all processes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from untold.layers.across import summed


class MaskedBatchNorm(nn.Module):
    """Each dimension to mean 0 and variance 1 over the counted steps, then (`affine`) scaled and shifted.

    Statistics of use are exponential averages with `momentum` (Ioffe & Szegedy 2015, arXiv 1502.03167).
    """

    mean: Tensor
    variance: Tensor
    seen: Tensor

    def __init__(self, dimensions: int, momentum: float = 0.05, epsilon: float = 1e-5, affine: bool = True) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(dimensions)) if affine else None
        self.shift = nn.Parameter(torch.zeros(dimensions)) if affine else None
        self.momentum, self.epsilon = momentum, epsilon
        self.register_buffer("mean", torch.zeros(dimensions))
        self.register_buffer("variance", torch.ones(dimensions))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, values: Tensor, counted: Tensor) -> Tensor:
        """(batch, steps, dimensions), counted (batch, steps) bool -> the same shape."""
        values = values.float()  # statistics in half precision would be worth little
        if self.training:
            weight = counted[..., None].to(values.dtype)
            count = summed(weight.sum()).clamp(min=1)
            mean = summed((values * weight).sum((0, 1))) / count
            variance = summed(((values - mean).square() * weight).sum((0, 1))) / count
            with torch.no_grad():
                self.seen += 1
                rate = max(self.momentum, 1 / int(self.seen))  # the first batches count alike
                self.mean.lerp_(mean, rate)
                self.variance.lerp_(variance, rate)
        else:
            mean, variance = self.mean, self.variance
        normal = (values - mean) * torch.rsqrt(variance + self.epsilon)
        return normal if self.scale is None or self.shift is None else normal * self.scale + self.shift
