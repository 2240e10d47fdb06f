"""Columns of ink in a few levels of grey: classes, as a decoder of pixels predicts them.

Squares of `64 / height` pixels of a stored line are averaged and rounded to one of `levels` equal steps of ink.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from untold.contract import Stream
from untold.frontends._excerpt import Excerpt
from untold.frontends.columns import Columns
from untold.frontends.columns import invert as invert_ink
from untold.settings import Settings as Base
from untold.settings import setting


@dataclass(frozen=True, kw_only=True)
class Settings(Base):
    """How fine the pixels are."""

    height: int = setting(32, help="rows", choices=(16, 32, 64))
    levels: int = setting(4, help="levels of ink", low=2, high=256)


class Pixels(Columns):
    """Classes (batch, steps, height) int64, from 0, paper, to levels - 1, ink."""

    def __init__(self, height: int, levels: int) -> None:
        super().__init__(height)
        self.classes = levels

    def forward(self, given: Excerpt, adapted: Mapping[str, Tensor], keys: Tensor | None = None) -> Stream:
        """The level nearest to each pixel's ink; paper beyond the lengths."""
        ink = super().forward(given, adapted, None)
        return ink.with_values((ink.values * (self.classes - 1) + 0.5).floor().long())

    def ink(self, classes: Tensor) -> Tensor:
        """Classes -> the ink in [0, 1] that they stand for."""
        return classes.float() / (self.classes - 1)


def build(settings: Settings) -> Pixels:
    """The front end: (batch, steps, height) int64."""
    return Pixels(settings.height, settings.levels)


def invert(frames: np.ndarray, *, levels: int = 4) -> np.ndarray:
    """Classes (steps, height) -> a picture (64, pixels) uint8, ink black on white."""
    return invert_ink(np.asarray(frames, np.float32) / (levels - 1))
