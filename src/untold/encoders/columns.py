"""The encoder of lines of handwriting: convolutions over the picture, then over its columns.

Two-dimensional convolutions of 3 x 3 halve the height each; `halvings` of them, of 4 columns, halve the width as well. What
is left of a column becomes one vector, and residual convolutions over columns follow, as they do in speech. With the
default settings a latent stands for 4 columns (8 pixels of a stored line). Source: the handwriting experiments of
lecture 000; Chorowski et al. 2019, arXiv 1901.08810, for the layers after the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from untold import settings
from untold.contract import Stream
from untold.layers.convolution import ResidualConvolution, inside, reach_of, strided
from untold.settings import setting


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    channels: int = setting(32, low=1, high=1024, help="channels of the first picture layer; the next have twice and four times as many")
    halvings: int = setting(2, low=0, high=3, help="picture layers, of three, that halve the width too")
    width: int = setting(256, low=1, high=8192, help="units of each layer over columns")
    layers: int = setting(3, low=0, high=40, help="residual convolutions over columns")
    dense: int = setting(1, low=0, high=40, help="layers that look at one step only")


class PictureConvolution(nn.Module):
    """relu(convolution) of (batch, steps, height, channels); the height is halved, the width by `stride`."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        kernel = 4 if stride == 2 else 3
        self.kernel, self.stride, self.reach = kernel, stride, (kernel - stride) // 2
        self.weights = nn.Conv2d(channels, out, (kernel, 3), (stride, 2), (0, 1))

    def forward(self, x: Stream) -> Stream:
        values = x.values * inside(x.lengths, x.values.shape[1])[..., None, None].to(x.values.dtype)
        steps = -(-values.shape[1] // self.stride)
        right = (steps - 1) * self.stride + self.kernel - self.reach - values.shape[1]
        values = functional.pad(values, (0, 0, 0, 0, self.reach, right)).permute(0, 3, 1, 2)  # channels lie last in memory: fastest
        out: Tensor = torch.relu(self.weights(values)).permute(0, 2, 3, 1)
        if self.stride == 1:
            return x.with_values(out)
        return strided(x, out, torch.div(x.lengths + self.stride - 1, self.stride, rounding_mode="floor"), self.stride)


class ColumnEncoder(nn.Module):
    """(batch, steps, height) -> (batch, ceil(steps / stride), width)."""

    def __init__(self, settings: Settings, height: int) -> None:
        super().__init__()
        sizes = [1, settings.channels, 2 * settings.channels, 4 * settings.channels]
        picture = [PictureConvolution(sizes[i], sizes[i + 1], 2 if i >= 3 - settings.halvings else 1) for i in range(3)]
        self.picture = nn.Sequential(*picture)
        self.flat = nn.Linear(sizes[-1] * (height // 8), settings.width)
        self.layers = nn.Sequential(
            *[ResidualConvolution(settings.width) for _ in range(settings.layers)],
            *[ResidualConvolution(settings.width, kernel=1) for _ in range(settings.dense)],
        )
        self.dimensions = settings.width
        reach, self.stride = reach_of(self.picture)
        self.reach = reach + reach_of(self.layers)[0] * self.stride

    def forward(self, x: Stream) -> Stream:
        seen: Stream = self.picture(x.with_values(x.values[..., None]))
        flat = torch.relu(self.flat(seen.values.flatten(2)))
        out: Stream = self.layers(seen.with_values(flat))
        return out


def build(settings: Settings, dimensions: int) -> ColumnEncoder:
    """The encoder for columns of `dimensions` rows."""
    return ColumnEncoder(settings, dimensions)
