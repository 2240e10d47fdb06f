"""Contrastive predictive coding: from what was heard, tell the steps that come from others of the same recording.

    z_t = encoder(x)      c_t = recurrent(z_1 ... z_t)      p_tk = predictor_k(c_1 ... c_t)

    minimise  - mean over t, k of  log [ exp s(p_tk, z_t+k) / (exp s(p_tk, z_t+k) + sum over negatives n of exp s(p_tk, z_n)) ]

s is the mean over dimensions of the product, over a temperature. Nothing is reconstructed. The negatives are of the same
recording, so that who speaks and through what tells nothing; a positive is never among its own. What is predicted may
be heard through a vocal tract of another length than the past (`predicted`), so that the context learns not to mind.
With fewer predictions than steps (`aligned`), the predictions follow the steps in order at the pace that fits best: they
say what comes, not when. Points: the context `c`, and `z`. Sources: van den Oord, Li and Vinyals 2018, arXiv 1807.03748;
Rivière et al. 2020, arXiv 2002.02848; Chorowski et al. 2021, arXiv 2104.11946 (aligned); lectures 000 and 001.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn

from untold import settings
from untold.contract import Batch, Loss, Phase, Player, Stage, Stream
from untold.errors import UntoldError
from untold.layers import negatives
from untold.layers.ahead import Ahead, ahead
from untold.layers.alignment import monotonic
from untold.layers.predictors import Linear, Transformer
from untold.layers.recurrent import Recurrent
from untold.settings import Choice, choice, setting

CAPABILITIES = ("Learns", "Encodes")


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    input: Choice = choice("frontends", "mfcc", deltas=False, normalise="file", warp="random", help="what is heard: static frames, or the waveform")
    predicted: str = setting("file", choices=("heard", "none", "file"), help="what is predicted: the input as it is heard, or with the tract's length as it is (none) or undone (file)")
    encoder: Choice = choice("encoders", "causal", width=128, stack=2, help="frames or samples -> vectors")
    context: str = setting("gru", choices=("gru", "lstm"), help="the recurrent layers that hear the past")
    context_dimensions: int = setting(128, low=1, high=8192, help="dimensions of the context")
    context_layers: int = setting(1, low=1, high=20, help="recurrent layers")
    predictor: str = setting("linear", choices=("transformer", "linear"), help="what predicts each step: a matrix, or a transformer of one layer")
    heads: int = setting(4, low=1, high=64, help="heads of each transformer; they divide the context's dimensions")
    widening: float = setting(1.0, low=0.01, high=16.0, help="units of each transformer's dense layer, in dimensions of the context")
    first_step: int = setting(2, low=1, high=10_000, help="the first step ahead that is predicted: more than the encoder sees, or it is won by overlap")
    steps: int = setting(6, low=1, high=1000, help="steps ahead that are predicted, one after the other")
    aligned: int = setting(0, low=0, high=1000, help="predictions aligned in order with these steps, fewer than they; 0: one a step")
    negatives: str = setting("same_recording", choices=negatives.WHERE, help="where the steps are from that the right one must be told from")
    drawn: int = setting(64, low=1, high=1 << 20, help="negatives that each example draws")
    temperature: float = setting(0.1, low=1e-4, high=1e4, help="what scores, means over dimensions, are divided by")
    crop: float = setting(1.28, low=0.05, high=3600.0, help="seconds of a training example")
    batch: int = setting(32, low=1, high=65536, help="examples a step")
    learning_rate: float = setting(2e-3, low=0.0, high=1.0, help="of Adam")
    warm_up: int = setting(100, low=0, high=1 << 40, help="steps in which the rate rises from zero")
    constant: float = setting(0.5, low=0.0, high=1.0, help="share of training before the rate falls linearly to zero")
    sides: tuple[str, ...] = setting(("speaker",), help="side information that same_speaker asks for")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch == 1 and self.negatives != "same_recording":
            raise UntoldError(f"batch = 1: negatives = {self.negatives} are of other examples too: take a batch of 2 or more, or negatives=same_recording")
        if self.aligned > self.steps:
            raise UntoldError(f"aligned = {self.aligned}: at most as many predictions as steps = {self.steps} ahead")
        if self.predictor == "transformer" and self.context_dimensions % self.heads:
            raise UntoldError(f"heads = {self.heads}: they must divide context_dimensions = {self.context_dimensions}")
        if self.predicted != "heard" and not hasattr(self.input.settings, "warp"):
            raise UntoldError(f"predicted = {self.predicted}: {self.input.name} has no warp, take predicted=heard")


class ContrastivePrediction(nn.Module):
    """Streams `input` and, where something else is predicted than is heard, `target`."""

    reads = "input"
    points = ("c", "z")

    def __init__(self, settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> None:
        super().__init__()
        self.settings = given = settings
        self.encoder = given.encoder.build(fronts["input"].dimensions)
        self.context = Recurrent(given.context, self.encoder.dimensions, given.context_dimensions, given.context_layers)
        count, out = given.aligned or given.steps, self.encoder.dimensions
        if given.predictor == "linear":
            self.predictor: nn.Module = Linear(given.context_dimensions, out, count)
        else:
            self.predictor = Transformer(given.context_dimensions, out, count, given.heads, round(given.widening * given.context_dimensions))
        self.rate = fronts["input"].grid.rate / self.encoder.stride

    # training ----------------------------------------------------------------------------------------------------

    def phases(self) -> Sequence[Phase]:
        given = self.settings
        player = Player("all", tuple(self.parameters()), given.learning_rate, warm_up=given.warm_up, constant=given.constant, clip=5.0)
        return (Phase("train", given.batch, Fraction(given.crop).limit_denominator(16000), players=(player,)),)

    def losses(self, batch: Batch, player: str = "all") -> dict[str, Loss]:
        given = self.settings
        z: Stream = self.encoder(batch.streams["input"])
        c: Stream = self.context(z)
        target: Stream = self.encoder(batch.streams["target"]) if "target" in batch.streams else z
        coming = ahead(target, given.first_step, given.steps, self.rate)
        p: Tensor = self.predictor(c.values[:, : coming.begins])  # (batch, predictions, begins, dimensions)
        drawn = negatives.draw(target, batch.keys, batch.sides.get("speaker"), given.negatives, given.drawn)
        scale = 1 / (p.shape[-1] * given.temperature)
        against = (p.flatten(1, 2) @ drawn.vectors.transpose(1, 2)).float().unflatten(1, p.shape[1:3]) * scale
        if given.aligned:
            nats, missed = aligned(p, coming, against, drawn, scale)
        else:
            right = (p * coming.vectors).sum(-1).float() * scale
            others = drawn.usable(coming.places.flatten()).unflatten(1, coming.places.shape)
            against = against.masked_fill(~others, negatives.NEVER)
            nats = (torch.logaddexp(right, against.logsumexp(-1)) - right).sum(1)
            missed = (against.amax(-1) >= right).sum(1)
        count = coming.valid.sum() * given.steps
        return {
            "contrast": Loss((nats * coming.valid).sum(), count, "nats per step ahead"),
            "missed": Loss((missed * coming.valid).sum().float(), count, "share of steps ahead that a negative is taken for", 0.0),
        }

    # reading -----------------------------------------------------------------------------------------------------

    def stages(self, point: str) -> tuple[Stage, ...]:
        """The way from the stream `input` to a point; the context begins anew with each recording."""
        way = (Stage("z", self.encoder, (self.encoder.reach, self.encoder.reach), self.encoder.stride), Stage("c", self.context, "whole"))
        return way[: [stage.point for stage in way].index(point) + 1]


def aligned(p: Tensor, coming: Ahead, against: Tensor, drawn: negatives.Candidates, scale: float) -> tuple[Tensor, Tensor]:
    """Nats (batch, begins) of the steps ahead, over all ways of sharing them out among the predictions in order, and how
    many of them every prediction takes for a negative. None of the steps ahead is a negative of any of them."""
    inside = (drawn.places[:, None] >= coming.places[0][:, None]) & (drawn.places[:, None] <= coming.places[-1][:, None])
    others = (drawn.there[:, None] & ~inside)[:, None]
    none = against.masked_fill(~others, negatives.NEVER).logsumexp(-1).transpose(1, 2)[:, :, None]  # (batch, begins, 1, predictions)
    scores = torch.einsum("bktd,bmtd->btmk", p, coming.vectors).float() * scale
    return -monotonic(scores - torch.logaddexp(scores, none)), (scores <= none).all(-1).sum(-1)


def inputs(settings: Settings) -> dict[str, Choice]:
    """The front ends that the method wants, by the name of their stream."""
    wanted = {"input": settings.input}
    if settings.predicted != "heard":
        wanted["target"] = settings.input.changed({"warp": settings.predicted})
    return wanted


def build(settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> ContrastivePrediction:
    """The method on its front ends; sides are not told to it."""
    return ContrastivePrediction(settings, fronts, sides)
