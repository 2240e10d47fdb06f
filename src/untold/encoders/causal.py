"""Convolutions over frames that hear nothing of what comes: for methods that predict the future.

Each step is `stack` frames side by side, then layers that see some steps before it, then layers that see it alone. Each
is normalised over its channels and rectified; residual where the width stays. An output sees `layers` x (`kernel` - 1)
steps before its own: what is predicted less far ahead than that shares frames with what it is predicted from.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from untold import settings
from untold.layers.convolution import InARow
from untold.layers.rectified import Rectified
from untold.settings import setting


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    width: int = setting(256, low=2, high=8192, help="units of each layer")
    stack: int = setting(1, low=1, high=64, help="frames that make a step: 2 of 10 ms are 50 steps a second")
    layers: int = setting(0, low=0, high=40, help="layers that see steps before their own")
    kernel: int = setting(3, low=1, high=255, help="steps that each of them sees, its own the last")
    dense: int = setting(2, low=0, high=40, help="layers that look at one step only")


class Causal(InARow):
    """(batch, steps, dimensions) -> (batch, ceil(steps / stack), width)."""

    def __init__(self, settings: Settings, dimensions: int) -> None:
        width = settings.width
        layers: list[nn.Module] = [Rectified(dimensions, width, settings.stack, settings.stack)]
        layers += [Rectified(width, width, settings.kernel, residual=True) for _ in range(settings.layers)]
        layers += [Rectified(width, width, 1, residual=True) for _ in range(settings.dense)]
        super().__init__(layers, width)


def build(settings: Settings, dimensions: int) -> Causal:
    """The encoder for inputs of `dimensions`."""
    return Causal(settings, dimensions)
