"""Columns of ink of a line of handwriting: 0 is paper, 1 is ink; 32 rows high and as wide in proportion.

A line is stored 64 rows high. Squares of `64 / height` pixels are averaged, so a step is a column of that many pixels.
`bend=random` moves and slants what is read at random in training, as no two letters of a hand are alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from untold.contract import Grid, Stream
from untold.frontends._excerpt import Excerpt
from untold.frontends._frontend import FrontEnd
from untold.layers import random
from untold.settings import Settings as Base
from untold.settings import setting

STORED = 64  # rows of a stored line
_SALT = 0xC0


@dataclass(frozen=True, kw_only=True)
class Settings(Base):
    """How fine the columns are, and what is done to them in training."""

    height: int = setting(32, help="rows", choices=(16, 32, 64))
    bend: str = setting("none", help="move, slant and thicken at random in training", choices=("none", "random"))


class Columns(FrontEnd):
    """Ink (batch, steps, height) in [0, 1]."""

    stream = "line"

    def __init__(self, height: int, bend: str = "none") -> None:
        super().__init__()
        self.hop, self.margin, self.dimensions, self.bend = STORED // height, 0, height, bend
        self.grid = Grid("pixel", Fraction(1, self.hop), Fraction(self.hop, 2))

    def forward(self, given: Excerpt, adapted: Mapping[str, Tensor], keys: Tensor | None = None) -> Stream:
        """Mean ink of squares; 0 beyond the lengths."""
        lengths, counted = self.places(given)
        values = given.samples
        if self.bend == "random" and keys is not None:
            values = bent(values, keys)
        short = counted.shape[1] * self.hop - values.shape[1]
        values = functional.pad(values, (0, 0, 0, max(0, short)))[:, : counted.shape[1] * self.hop]
        if self.hop > 1:
            values = functional.avg_pool2d(values[:, None], self.hop)[:, 0]
        return Stream(values * counted[..., None], lengths, counted, self.grid)


def bent(values: Tensor, keys: Tensor) -> Tensor:
    """Lines (batch, columns, rows), each moved up or down, made higher or lower, slanted and darkened at random."""
    draw = random.uniform(keys, (4,), _SALT).to(values) * 2 - 1
    columns, rows = values.shape[1:]
    up, tall, slant = 0.1 * draw[:, 0], 1 + 0.12 * draw[:, 1], 0.3 * draw[:, 2]
    way = values.new_zeros((len(values), 2, 3))  # from what is wanted to where it lies, both from -1 to 1: (row, column)
    way[:, 0, 0], way[:, 0, 2] = tall, up
    way[:, 1, 0], way[:, 1, 1] = slant * rows / max(1, columns), 1
    places = functional.affine_grid(way, [len(values), 1, columns, rows], align_corners=False)
    out = functional.grid_sample(values[:, None], places, align_corners=False)[:, 0]
    return out.clamp(0, 1) ** torch.exp(0.4 * draw[:, 3])[:, None, None]


def build(settings: Settings) -> Columns:
    """The front end: (batch, steps, height)."""
    return Columns(settings.height, settings.bend)


def invert(frames: np.ndarray) -> np.ndarray:
    """Columns (steps, height) -> a picture (64, pixels) uint8, ink black on white."""
    wide = np.asarray(frames, np.float32).clip(0, 1).repeat(STORED // frames.shape[1], 0).repeat(STORED // frames.shape[1], 1)
    return np.round(255 * (1 - wide.T)).astype(np.uint8)
