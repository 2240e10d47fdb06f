"""The samples themselves, 16 000 a second, in [-1, 1]; where they are counted, in 65 536 steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from untold.contract import Stream
from untold.frontends._excerpt import Excerpt
from untold.frontends._frontend import FrontEnd, sound_grid
from untold.settings import Settings as Base


@dataclass(frozen=True, kw_only=True)
class Settings(Base):
    """Nothing to set."""


class Waveform(FrontEnd):
    """A step a sample."""

    def __init__(self) -> None:
        super().__init__()
        self.dimensions, self.hop, self.margin, self.grid = 1, 1, 0, sound_grid(1)
        self.values = 65536

    def forward(self, given: Excerpt, adapted: Mapping[str, Tensor], keys: Tensor | None = None) -> Stream:
        """(batch, samples, 1) in [-1, 1]."""
        lengths, counted = self.places(given)
        values = given.samples[:, given.margin : given.margin + given.longest] * counted
        return Stream(values[..., None], lengths, counted, self.grid)

    def heard(self, drawn: np.ndarray) -> np.ndarray:
        """They are what is heard."""
        return drawn

    def between(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Half a step below and above each value, infinite at the ends of the scale."""
        low, high = values - 1.0 / 65535, values + 1.0 / 65535
        return np.where(low <= -1, -np.inf, low), np.where(high >= 1, np.inf, high)

    def numbered(self, values: np.ndarray) -> np.ndarray:
        """The number of each value's step, from 0."""
        return np.round((values.astype(np.float64) + 1) / 2 * 65535).astype(np.int64)


def build(settings: Settings) -> Waveform:
    """The front end: (batch, samples, 1)."""
    return Waveform()


def invert(frames: np.ndarray) -> np.ndarray:
    """Values (samples, 1) -> samples (samples,)."""
    return np.asarray(frames, np.float32).reshape(-1).clip(-1.0, 1.0)
