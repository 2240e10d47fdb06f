"""Latents and the speaker -> a Gaussian over each frame: for those who have minutes of a CPU.

Convolutions at the latents' rate, one linear map to the frames under a latent, convolutions over frames, the mean; the
scale of each dimension is learnt, so that the loss is in nats per frame. The speaker comes as an embedding in every
layer (index 0: unknown). The target's own past is not seen: unlike a WaveNet, this decoder needs all from the latents.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from untold import settings
from untold.contract import Conditions, Stream
from untold.errors import UntoldError
from untold.layers import random
from untold.layers.convolution import Convolution, ResidualConvolution
from untold.settings import setting

_SALT = 0xDF


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    width: int = setting(256, low=1, high=8192, help="units of each layer")
    layers: int = setting(2, low=0, high=20, help="residual convolutions at the latents' rate")
    frame_layers: int = setting(1, low=0, high=20, help="residual convolutions at the frames' rate")
    side_dimensions: int = setting(32, low=1, high=1024, help="dimensions of a speaker's embedding")


@dataclass(frozen=True)
class GaussianDensity:
    """Independent Gaussians: mean (batch, steps, dimensions), one log scale a dimension."""

    mean: Tensor
    log_scale: Tensor

    def log_prob(self, x: Stream) -> Tensor:
        """Nats (batch, steps), 0 where not counted."""
        steps = min(x.values.shape[1], self.mean.shape[1])
        error = (x.values[:, :steps] - self.mean[:, :steps]) * torch.exp(-self.log_scale)
        nats = -0.5 * error.square().sum(-1) - (self.log_scale + 0.5 * math.log(2 * math.pi)).sum()
        return functional.pad(nats, (0, x.values.shape[1] - steps)) * x.counted

    def sample(self, keys: Tensor, temperature: float = 1.0) -> Tensor:
        """Frames drawn with keys (batch,): (batch, steps, dimensions); `temperature` 0 gives the mean."""
        noise = random.normal(keys, tuple(self.mean.shape[1:]), _SALT)
        return self.mean + temperature * torch.exp(self.log_scale) * noise


class FrameDecoder(nn.Module):
    """Conditions with a stream `latents` (batch, steps, dimensions) -> density of frames (batch, ratio steps, out)."""

    def __init__(self, settings: Settings, dimensions: int, out: int, ratio: int, sides: dict[str, int]) -> None:
        super().__init__()
        width = settings.width
        self.ratio = ratio
        self.sides = nn.ModuleDict({side: nn.Embedding(count, settings.side_dimensions) for side, count in sides.items()})
        self.enter = Convolution(dimensions + settings.side_dimensions * len(sides), width)
        self.slow = nn.Sequential(*[ResidualConvolution(width) for _ in range(settings.layers)])
        self.spread = nn.Linear(width, width * ratio)
        self.fast = nn.Sequential(*[ResidualConvolution(width) for _ in range(settings.frame_layers)])
        self.leave = nn.Linear(width, out)
        self.log_scale = nn.Parameter(torch.zeros(out))

    def forward(self, given: Conditions) -> GaussianDensity:
        latents = given.streams["latents"]
        told = [embedding(given.sides[side])[:, None].expand(-1, latents.values.shape[1], -1) for side, embedding in self.sides.items()]
        x = self.enter(latents.with_values(torch.cat([latents.values, *told], -1)))
        x = self.slow(x.with_values(torch.relu(x.values)))
        frames = torch.relu(self.spread(x.values)).unflatten(-1, (self.ratio, -1)).flatten(1, 2)
        grid = replace(x.grid, rate=x.grid.rate * self.ratio)
        counted = x.counted.repeat_interleave(self.ratio, 1)
        x = self.fast(Stream(frames, x.lengths * self.ratio, counted, grid))
        return GaussianDensity(self.leave(x.values).float(), self.log_scale.clamp(min=-7))


def build(settings: Settings, dimensions: int, target: Any, ratio: int, sides: dict[str, int]) -> FrameDecoder:
    """The decoder from latents of `dimensions` to frames of the front end `target`, `ratio` frames a latent."""
    if getattr(target, "classes", None):
        raise UntoldError("decoder = 'frame' predicts numbers, not classes: take another target, or decoder = 'wavenet'")
    return FrameDecoder(settings, dimensions, target.dimensions, ratio, sides)
