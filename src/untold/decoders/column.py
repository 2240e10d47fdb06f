"""Latents and the scribe -> levels of ink of each pixel, all at once: for those who have minutes of a CPU.

Convolutions at the latents' rate, a map to a small picture under each latent, convolutions over the picture that double
its height, one score for each level of each pixel. The picture's own past is not seen: unlike a PixelCNN, this decoder
needs all from the latents. The target is the front end `pixels`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from untold import settings
from untold.contract import Conditions, Stream
from untold.errors import UntoldError
from untold.layers import random
from untold.layers.convolution import Convolution, ResidualConvolution, inside
from untold.settings import setting

_SALT = 0xCD


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    width: int = setting(192, low=1, high=8192, help="units of each layer at the latents' rate")
    layers: int = setting(1, low=0, high=20, help="residual convolutions at the latents' rate")
    channels: int = setting(24, low=1, high=1024, help="channels of the picture")
    side_dimensions: int = setting(32, low=1, high=1024, help="dimensions of a scribe's embedding")


@dataclass(frozen=True)
class LevelDensity:
    """A distribution over levels for each pixel: scores (batch, steps, height, levels)."""

    scores: Tensor

    def log_prob(self, x: Stream) -> Tensor:
        """Nats (batch, steps) of whole columns, 0 where not counted."""
        steps = min(x.values.shape[1], self.scores.shape[1])
        scores, wanted = self.scores[:, :steps].float(), x.values[:, :steps]
        nats = -functional.cross_entropy(scores.flatten(0, 2), wanted.flatten(), reduction="none").view(wanted.shape).sum(-1)
        return functional.pad(nats, (0, x.values.shape[1] - steps)) * x.counted

    @property
    def mean(self) -> Tensor:
        """Expected ink (batch, steps, height) in [0, 1]."""
        levels = torch.linspace(0, 1, self.scores.shape[-1], device=self.scores.device)
        return torch.softmax(self.scores.float(), -1) @ levels

    def sample(self, keys: Tensor, temperature: float = 1.0) -> Tensor:
        """Ink (batch, steps, height) drawn with keys (batch,), each pixel for itself."""
        draw = random.uniform(keys, tuple(self.scores.shape[1:]), _SALT).clamp(1e-9, 1 - 1e-9)
        chosen = (self.scores.float() / max(temperature, 1e-6) - torch.log(-torch.log(draw))).argmax(-1)
        return chosen.float() / (self.scores.shape[-1] - 1)


class ColumnDecoder(nn.Module):
    """Conditions with a stream `latents` (batch, steps, dimensions) -> density of pixels (batch, ratio steps, height)."""

    def __init__(self, settings: Settings, dimensions: int, height: int, levels: int, ratio: int, sides: dict[str, int]) -> None:
        super().__init__()
        width, channels = settings.width, settings.channels
        self.ratio, self.rows = ratio, height // 4
        self.sides = nn.ModuleDict({side: nn.Embedding(count, settings.side_dimensions) for side, count in sides.items()})
        self.enter = Convolution(dimensions + settings.side_dimensions * len(sides), width)
        self.slow = nn.Sequential(*[ResidualConvolution(width) for _ in range(settings.layers)])
        self.spread = nn.Linear(width, 2 * channels * self.rows * ratio)
        self.finer = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1)  # twice as high
        self.last = nn.Conv2d(channels, 2 * levels, 3, padding=1)  # and again

    def forward(self, given: Conditions) -> LevelDensity:
        latents = given.streams["latents"]
        steps = latents.values.shape[1]
        told = [embedding(given.sides[side])[:, None].expand(-1, steps, -1) for side, embedding in self.sides.items()]
        x = self.enter(latents.with_values(torch.cat([latents.values, *told], -1)))
        x = self.slow(x.with_values(torch.relu(x.values)))
        small = torch.relu(self.spread(x.values)).unflatten(-1, (self.ratio, self.rows, -1)).flatten(1, 2)
        there = inside(latents.lengths * self.ratio, small.shape[1])[..., None, None].to(small.dtype)
        picture = torch.relu(_finer(self.finer, small * there)) * there
        return LevelDensity(_finer(self.last, picture))


def _finer(convolution: nn.Conv2d, picture: Tensor) -> Tensor:
    """A convolution of (batch, steps, rows, channels), channels last in memory, whose outputs are twice as many rows."""
    out: Tensor = convolution(picture.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    return out.unflatten(-1, (2, -1)).flatten(2, 3)


def build(settings: Settings, dimensions: int, target: Any, ratio: int, sides: dict[str, int]) -> ColumnDecoder:
    """The decoder from latents of `dimensions` to the pixels of the front end `target`, `ratio` columns a latent."""
    if target.grid.unit != "pixel" or not getattr(target, "classes", None):
        raise UntoldError("decoder = 'column' predicts levels of ink: take target = 'pixels'")
    return ColumnDecoder(settings, dimensions, target.dimensions, target.classes, ratio, sides)
