"""The encoder of the WaveNet autoencoder: convolutions, one or two that halve the rate, then dense layers.

Source: Chorowski et al. 2019, arXiv 1901.08810, section III; the layer table of the lectures. With the default
settings an output sees 16 input frames (175 ms of sound under 10 ms MFCC): two convolutions of 3, one of 4 with
stride 2, two of 3, four dense layers; residual where width and rate stay.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from untold import settings
from untold.layers.convolution import InARow, RectifiedConvolution, ResidualConvolution
from untold.settings import setting


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    width: int = setting(768, low=1, high=8192, help="units of each layer")
    before: int = setting(2, low=1, high=40, help="convolutions before the rate is reduced")
    halvings: int = setting(1, low=0, high=8, help="convolutions of 4 with stride 2")
    after: int = setting(2, low=0, high=40, help="convolutions after the rate is reduced")
    dense: int = setting(4, low=0, high=40, help="layers that look at one step only")


class Convolutions(InARow):
    """(batch, steps, dimensions) -> (batch, ceil(steps / stride), width)."""

    def __init__(self, settings: Settings, dimensions: int) -> None:
        width = settings.width
        layers: list[nn.Module] = [RectifiedConvolution(dimensions, width)]
        layers += [ResidualConvolution(width) for _ in range(settings.before - 1)]
        layers += [RectifiedConvolution(width, width, kernel=4, stride=2) for _ in range(settings.halvings)]
        layers += [ResidualConvolution(width) for _ in range(settings.after)]
        layers += [ResidualConvolution(width, kernel=1) for _ in range(settings.dense)]
        super().__init__(layers, width)


def build(settings: Settings, dimensions: int) -> Convolutions:
    """The encoder for inputs of `dimensions`."""
    return Convolutions(settings, dimensions)
