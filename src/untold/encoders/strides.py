"""The strided convolutions of contrastive prediction: samples at 16 kHz -> a vector every 10 ms.

Strides 5, 4, 2, 2, 2 and filters of 10, 8, 4, 4, 4 see 465 samples; 20480 samples are exactly 128 steps. Each layer is
normalised over its channels and rectified. Sources: van den Oord, Li and Vinyals 2018, arXiv 1807.03748; paddings 3, 2,
1, 1, 1 and the normalisation of Rivière et al. 2020, arXiv 2002.02848. wav2vec has the same convolutions, vq-wav2vec
three more layers of one step (`dense`).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from untold import settings
from untold.layers.convolution import InARow
from untold.layers.rectified import Rectified
from untold.settings import setting

STRIDES, FILTERS, PADDINGS = (5, 4, 2, 2, 2), (10, 8, 4, 4, 4), (3, 2, 1, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    width: int = setting(256, low=2, high=8192, help="channels of each layer")
    dense: int = setting(0, low=0, high=40, help="layers that look at one step only, after the strided ones")


class Strides(InARow):
    """(batch, samples, dimensions) -> (batch, ceil(samples / 160), width)."""

    def __init__(self, settings: Settings, dimensions: int) -> None:
        width = settings.width
        layers: list[nn.Module] = []
        for stride, filters, left in zip(STRIDES, FILTERS, PADDINGS, strict=True):
            layers.append(Rectified(width if layers else dimensions, width, filters, stride, left))
        layers += [Rectified(width, width, 1, residual=True) for _ in range(settings.dense)]
        super().__init__(layers, width)


def build(settings: Settings, dimensions: int) -> Strides:
    """The encoder for inputs of `dimensions`."""
    return Strides(settings, dimensions)
