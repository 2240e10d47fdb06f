"""A density of sound, sample by sample, with no latents: WaveNet as a method of its own.

    log p(x) = sum_n log p(x_n | x_<n, sides)

The decoder `wavenet` without conditions, or told sides such as the speaker. Its likelihood is exact, so it says how many
bits a sample costs, beside linear prediction; and it makes sound out of nothing. Source: van den Oord et al. 2016, arXiv
1609.03499, sections 2 and 3.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from torch import Tensor, nn

from untold import settings
from untold.contract import Batch, Conditions, Loss, Phase, Player
from untold.layers import random
from untold.settings import Choice, choice, setting

CAPABILITIES = ("Learns", "Samples", "Scores")
_SALT = 0x3B


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    target: Choice = choice("frontends", "mulaw", help="the samples: mulaw (classes) or waveform (16-bit values)")
    decoder: Choice = choice("decoders", "wavenet", help="the density of a sample given those before")
    sides: tuple[str, ...] = setting((), help="side information that it is told, such as speaker")
    hide_sides: float = setting(0.1, low=0.0, high=1.0, help="how often a side is hidden in training (unknown)")
    crop: float = setting(0.32, low=0.01, high=3600.0, help="seconds of a training example")
    batch: int = setting(8, low=1, high=65536, help="examples a step")
    learning_rate: float = setting(2e-3, low=0.0, high=1.0, help="of Adam")
    constant: float = setting(0.5, low=0.0, high=1.0, help="share of training before the rate falls linearly to zero")


class WaveNet(nn.Module):
    """Stream `target`, of samples."""

    reads = "target"
    makes = "target"
    scored = "exact"

    def __init__(self, settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> None:
        super().__init__()
        self.settings = settings
        self.decoder = settings.decoder.build(0, fronts["target"], 1, {side: sides[side] for side in settings.sides if side in sides})

    def phases(self) -> Sequence[Phase]:
        player = Player("all", tuple(self.parameters()), self.settings.learning_rate, warm_up=100, constant=self.settings.constant, clip=1.0)
        return (Phase("train", self.settings.batch, Fraction(self.settings.crop).limit_denominator(16000), players=(player,)),)

    def losses(self, batch: Batch, player: str = "all") -> dict[str, Loss]:
        x = batch.streams["target"]
        sides = random.hidden(batch.sides, batch.keys, self.settings.hide_sides, _SALT) if self.training else batch.sides
        nats = -self.decoder(Conditions({}, sides)).log_prob(x)
        return {"likelihood": Loss(nats.sum(), x.counted.sum(), "nats per sample")}

    def log_prob(self, batch: Batch) -> Tensor:
        """Log-likelihood of each sample given those before (batch, samples), in nats."""
        nats: Tensor = self.decoder(Conditions({}, batch.sides)).log_prob(batch.streams["target"])
        return nats

    def draw(self, steps: int, sides: Mapping[str, Tensor], keys: Tensor, temperature: float = 1.0) -> Iterator[np.ndarray]:
        """The next samples (batch, some), until there are `steps`, drawn with keys (batch,)."""
        pieces: Iterator[np.ndarray] = self.decoder(Conditions({}, sides)).pieces(keys, temperature, steps)
        return pieces


def inputs(settings: Settings) -> dict[str, Choice]:
    """The front end that the method wants."""
    return {"target": settings.target}


def build(settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> WaveNet:
    """The method on its front end, with the number of values of each side (unknown included)."""
    return WaveNet(settings, fronts, sides)
