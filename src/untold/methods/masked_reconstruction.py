"""Masked reconstruction: a network fills in what it was not shown, frames of speech or columns of handwriting.

    minimise  - mean over masked t of log p(x_t | what is seen)  -  seen x mean over seen t of log p(x_t | what is seen)

As `masked_units`, without a teacher: what is missing is told in the target's own terms, by a decoder of the same axis.
Points: each layer of the encoder. After Liu et al. 2020 (Mockingjay), arXiv 1910.12638, and Liu, Li and Lee 2021
(TERA), arXiv 2007.06028, section III; lectures 001 and 003, "masked reconstruction". A density in place of their L1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import nn

from untold import encoders, settings
from untold.contract import Batch, Conditions, Loss, Phase, Player, Stage
from untold.layers.masking import refuse_long, shown, spans
from untold.settings import Choice, choice, setting

CAPABILITIES = ("Learns", "Encodes")
_SALT = 0x3F0


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    input: Choice = choice("frontends", "mfcc", normalise="file", warp="random", help="what the network hears, or sees")
    target: Choice = choice("frontends", "mfcc", normalise="file", warp="file", help="what it fills in")
    encoder: Choice = choice("encoders", "transformer", help="frames -> vectors")
    decoder: Choice = choice("decoders", "frame", layers=0, frame_layers=0, help="vectors -> target")
    starts: float = setting(0.05, low=0.0, high=1.0, help="how often a step begins a masked span")
    span: int = setting(10, low=1, high=10_000, help="steps of a masked span")
    seen: float = setting(0.0, low=0.0, high=1e3, help="weight of the steps that are not masked")
    crop: float = setting(3.2, low=0.05, high=1e5, help="length of a training example: seconds, or pixels of a line")
    batch: int = setting(32, low=1, high=65536, help="examples a step")
    learning_rate: float = setting(1e-3, low=0.0, high=1.0, help="of AdamW")
    weight_decay: float = setting(0.01, low=0.0, high=10.0, help="of AdamW")
    constant: float = setting(0.5, low=0.0, high=1.0, help="share of training before the rate falls linearly to zero")


class MaskedReconstruction(nn.Module):
    """Streams `input` and `target`; steps at the encoder's rate."""

    reads = "input"

    def __init__(self, settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> None:
        super().__init__()
        self.settings, source, target = settings, fronts["input"], fronts["target"]
        self.encoder = settings.encoder.build(source.dimensions)
        refuse_long(settings.span, float(source.grid.rate / self.encoder.stride) * settings.crop)
        ratio = target.grid.rate / (source.grid.rate / self.encoder.stride)
        self.ratio = int(ratio)
        self.decoder = settings.decoder.build(self.encoder.dimensions, target, self.ratio, {})
        self.hidden = nn.Parameter(torch.zeros(source.dimensions))  # what stands where nothing is shown
        self.points = encoders.points(self.encoder)

    def phases(self) -> Sequence[Phase]:
        given = self.settings
        player = Player("all", tuple(self.parameters()), given.learning_rate, given.weight_decay, (0.9, 0.98), clip=5.0, warm_up=100, constant=given.constant)
        return (Phase("masked", given.batch, Fraction(given.crop).limit_denominator(16000), players=(player,)),)

    def losses(self, batch: Batch, player: str = "all") -> dict[str, Loss]:
        given, x, target = self.settings, batch.streams["input"], batch.streams["target"]
        steps = -(-x.values.shape[1] // self.encoder.stride)
        hidden = spans(batch.keys, steps, given.starts, given.span, _SALT)
        latents = self.encoder(shown(x, hidden, self.encoder.stride, self.hidden))
        nats = -self.decoder(Conditions({"latents": latents}, {})).log_prob(target)
        masked = hidden.repeat_interleave(self.ratio, 1)[:, : nats.shape[1]] & target.counted
        unit = f"nats per {target.grid.step}"
        losses = {"masked": Loss((nats * masked).sum(), masked.sum(), unit)}
        if given.seen:
            seen = target.counted & ~masked
            losses["seen"] = Loss((nats * seen).sum(), seen.sum(), unit, given.seen)
        return losses

    def stages(self, point: str) -> tuple[Stage, ...]:
        """The way from the stream `input` to a layer."""
        way = encoders.way(self.encoder)
        return way[: [stage.point for stage in way].index(point) + 1]


def inputs(settings: Settings) -> dict[str, Choice]:
    """The front ends that the method wants, by the name of their stream."""
    return {"input": settings.input, "target": settings.target}


def build(settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> MaskedReconstruction:
    """The method on its front ends; sides are not used."""
    return MaskedReconstruction(settings, fronts, sides)
