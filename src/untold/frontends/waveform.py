"""The samples themselves, 16 000 a second, in [-1, 1]."""

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

    def forward(self, given: Excerpt, adapted: Mapping[str, Tensor], keys: Tensor | None = None) -> Stream:
        """(batch, samples, 1) in [-1, 1]."""
        lengths, counted = self.places(given)
        values = given.samples[:, given.margin : given.margin + given.longest] * counted
        return Stream(values[..., None], lengths, counted, self.grid)


def build(settings: Settings) -> Waveform:
    """The front end: (batch, samples, 1)."""
    return Waveform()


def invert(frames: np.ndarray) -> np.ndarray:
    """Values (samples, 1) -> samples (samples,)."""
    return np.asarray(frames, np.float32).reshape(-1).clip(-1.0, 1.0)
