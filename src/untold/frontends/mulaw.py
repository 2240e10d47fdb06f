"""Samples as classes on the logarithmic scale of telephony: mu-law, 256 classes with 8 bits (ITU-T G.711's curve).

y = sign(x) ln(1 + mu |x|) / ln(1 + mu) with mu = 255, class = floor((y + 1) / 2 * 255 + 1/2). Zero is class 128.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from untold.contract import Stream
from untold.frontends._excerpt import Excerpt
from untold.frontends._frontend import FrontEnd, sound_grid
from untold.settings import Settings as Base
from untold.settings import setting


@dataclass(frozen=True, kw_only=True)
class Settings(Base):
    """How fine the scale is."""

    bits: int = setting(8, help="bits a sample: 2 to this power classes", low=2, high=16)


def encode(samples: Tensor, bits: int = 8) -> Tensor:
    """Samples in [-1, 1] -> classes int64 of the same shape."""
    mu = float(2**bits - 1)
    curve = samples.sign() * torch.log1p(mu * samples.abs().clamp(max=1.0)) / math.log1p(mu)
    return ((curve + 1) / 2 * mu + 0.5).floor().to(torch.int64)


def decode(classes: Tensor, bits: int = 8) -> Tensor:
    """Classes -> the samples float32 in [-1, 1] that they stand for."""
    mu = float(2**bits - 1)
    curve = 2 * classes.to(torch.float32) / mu - 1
    return curve.sign() * torch.expm1(curve.abs() * math.log1p(mu)) / mu


class MuLaw(FrontEnd):
    """A step a sample; its value is a class."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.dimensions, self.hop, self.margin, self.grid = 1, 1, 0, sound_grid(1)
        self.bits, self.classes, self.values = bits, 2**bits, 2**bits

    def forward(self, given: Excerpt, adapted: Mapping[str, Tensor], keys: Tensor | None = None) -> Stream:
        """Classes (batch, samples, 1) int64; that of silence beyond the lengths."""
        lengths, counted = self.places(given)
        values = encode(given.samples[:, given.margin : given.margin + given.longest] * counted, self.bits)
        return Stream(values[..., None], lengths, counted, self.grid)

    def heard(self, drawn: np.ndarray) -> np.ndarray:
        """Classes, as integers or floats, -> the samples float32 that they stand for."""
        return decode(torch.from_numpy(drawn.astype(np.int64)), self.bits).numpy()

    def between(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What lies within each class: from here to there, infinite at the ends of the scale."""
        mu = float(self.classes - 1)
        curve = 2 * (np.arange(1, self.classes) - 0.5) / mu - 1
        edges = np.concatenate([[-np.inf], np.sign(curve) * np.expm1(np.abs(curve) * np.log1p(mu)) / mu, [np.inf]])
        return edges[values], edges[values + 1]

    def numbered(self, values: np.ndarray) -> np.ndarray:
        """The number of each value: its class."""
        return values


def build(settings: Settings) -> MuLaw:
    """The front end: (batch, samples, 1) int64."""
    return MuLaw(settings.bits)


def invert(frames: np.ndarray, *, bits: int = 8) -> np.ndarray:
    """Classes (samples, 1) -> samples (samples,) in [-1, 1]."""
    return decode(torch.from_numpy(np.asarray(frames)), bits).numpy().reshape(-1)
