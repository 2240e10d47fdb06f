"""No bottleneck but the number of dimensions: the plain autoencoder, at most 32 bits per dimension.

Source: lecture "Deep Unsupervised Learning pt 2"; Chorowski et al. 2019, arXiv 1901.08810, section III-A.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from untold import settings
from untold.contract import Coded, Stream
from untold.settings import setting

TOKENS = False


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    dimensions: int = setting(64, low=1, high=4096, help="dimensions of a latent")


class Identity(nn.Module):
    """(batch, steps, dimensions) -> the same."""

    alphabet = None

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.dimensions = self.inputs = settings.dimensions

    def forward(self, x: Stream, keys: Tensor | None = None) -> Coded:
        bits = x.counted.to(x.values.dtype) * (32.0 * self.dimensions)
        return Coded(x, {}, bits)

    def central(self, x: Stream) -> Stream:
        """What is passed on when nothing is drawn."""
        return x


def build(settings: Settings) -> Identity:
    """The bottleneck."""
    return Identity(settings)
