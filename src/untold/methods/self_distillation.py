"""Self-distillation with on-line clusters: a network names the clusters that its own running average hears.

    minimise  - mean over layers of (mean over masked t of log p_layer(k_layer,t | what is seen) + seen x the same mean over seen t)

k_layer,t is the nearest codeword to what a layer of the teacher makes of step t, unmasked and normalised over the
recording's time. The teacher is the exponential average of the network over its steps; codewords follow the means of
what chose them. There is no teacher to begin with and no round: both grow out of a network at random. The teacher hears
the target, whose vocal tract length is undone, the network an input warped at random. Points: posteriors of the last
layer's codewords, their roots, and each layer. Sources: Liu, Chang, Auli, Hsu and Glass 2023 (DinoSR), arXiv
2305.10005, section 3, where every head reads the last layer; Poli et al. 2025 (SpidR), where each reads its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from untold import encoders, settings
from untold.bottlenecks import vq
from untold.contract import Batch, Loss, Phase, Player, Stage, Stream
from untold.errors import UntoldError
from untold.layers import posteriors
from untold.layers.masking import refuse_long, shown, spans
from untold.settings import Choice, choice, setting

CAPABILITIES = ("Learns", "Encodes", "Tokenizes")
_SALT = 0x5D


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    input: Choice = choice("frontends", "mfcc", normalise="file", warp="random", help="what the network hears")
    target: Choice = choice("frontends", "mfcc", normalise="file", warp="file", help="what its average hears, at the same steps")
    encoder: Choice = choice("encoders", "transformer", layers=4, help="frames -> vectors; one whose layers are points")
    size: int = setting(256, low=2, high=65536, help="codewords of each layer; those of the last are the alphabet")
    clustered: int = setting(3, low=1, high=100, help="layers whose clusters are named, from the last one down")
    own_layer: bool = setting(True, help="each layer of the network names the clusters of its own; no: the last one names all")
    decay: float = setting(0.999, low=0.0, high=0.999999, help="of the average over the network's steps; less in the first of them")
    codeword_decay: float = setting(0.9, low=0.0, high=0.99999, help="of the averages that are codewords")
    starts: float = setting(0.05, low=0.0, high=1.0, help="how often a step begins a masked span")
    span: int = setting(10, low=1, high=10_000, help="steps of a masked span")
    seen: float = setting(1.0, low=0.0, high=1e3, help="weight of the steps that are not masked")
    scale: float = setting(0.5, low=0.0, high=100.0, help="what logits are multiplied by before the softmax, at use")
    smoothing: int = setting(1, low=0, high=100, help="times that posteriors are smoothed over three steps, at use")
    crop: float = setting(3.2, low=0.05, high=3600.0, help="seconds of a training example")
    batch: int = setting(32, low=1, high=65536, help="examples a step")
    learning_rate: float = setting(1e-3, low=0.0, high=1.0, help="of AdamW")
    weight_decay: float = setting(0.01, low=0.0, high=10.0, help="of AdamW")
    constant: float = setting(0.5, low=0.0, high=1.0, help="share of training before the rate falls linearly to zero")


class SelfDistillation(nn.Module):
    """Streams `input` and `target`; steps at the encoder's rate."""

    reads = "input"

    def __init__(self, settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> None:
        super().__init__()
        self.settings, source, target = settings, fronts["input"], fronts["target"]
        if (source.dimensions, source.grid) != (target.dimensions, target.grid):
            raise UntoldError(f"the network and its average read the same frames: input has {source.dimensions} dimensions, {float(source.grid.rate):g} a {source.grid.unit}, target {target.dimensions}, {float(target.grid.rate):g}")
        self.encoder = settings.encoder.build(source.dimensions)
        layers = tuple(getattr(self.encoder, "points", ()))
        if settings.clustered > len(layers):
            raise UntoldError(f"clustered = {settings.clustered}: the encoder has {len(layers)} layers to cluster")
        refuse_long(settings.span, float(source.grid.rate / self.encoder.stride) * settings.crop)
        self.named = (*layers[-settings.clustered : -1], "encoder")  # the last layer's output is read normalised
        width = self.encoder.dimensions
        self.hidden = nn.Parameter(torch.zeros(source.dimensions))  # what stands where nothing is shown
        self.heads: Any = nn.ModuleList(nn.Sequential(*([nn.LayerNorm(width)] if layer in layers else []), nn.Linear(width, settings.size)) for layer in self.named)
        self.average = AveragedModel(self.encoder, avg_fn=self._follow).requires_grad_(False)
        codewords = vq.Settings(size=settings.size, dimensions=width, decay=settings.codeword_decay, normalise=False)
        self.codewords: Any = nn.ModuleList(vq.VectorQuantiser(codewords) for _ in self.named)
        self.alphabet = settings.size
        self.points = ("root_posteriors", "posteriors", *encoders.points(self.encoder))
        self.told: dict[str, float] = {}

    # training ----------------------------------------------------------------------------------------------------

    def phases(self) -> Sequence[Phase]:
        given = self.settings
        learnt = (*self.encoder.parameters(), self.hidden, *self.heads.parameters())
        player = Player("all", learnt, given.learning_rate, given.weight_decay, (0.9, 0.98), clip=5.0, warm_up=100, constant=given.constant)
        return (Phase("masked", given.batch, Fraction(given.crop).limit_denominator(16000), players=(player,)),)

    def losses(self, batch: Batch, player: str = "all") -> dict[str, Loss]:
        given, x = self.settings, batch.streams["input"]
        stride = self.encoder.stride
        hidden = spans(batch.keys, -(-x.values.shape[1] // stride), given.starts, given.span, _SALT)
        if self.training:
            self.average.update_parameters(self.encoder)
        names, counted = self._names(batch)
        heard = self._layers(self.encoder, shown(x, hidden, stride, self.hidden))
        losses, masked, seen = {}, counted & hidden, counted & ~hidden
        for layer, head, named in zip(self.named, self.heads, names, strict=True):
            said = head(heard[layer if given.own_layer else "encoder"].values)
            nats = functional.cross_entropy(said.flatten(0, 1), named.clamp(min=0).flatten(), reduction="none").view(named.shape)
            losses[layer] = Loss((nats * masked).sum(), masked.sum(), "nats per step", 1 / len(names))
            if given.seen:
                losses[f"{layer}_seen"] = Loss((nats * seen).sum(), seen.sum(), "nats per step", given.seen / len(names))
        right = float(((said.argmax(-1) == named) & masked).sum() / masked.sum().clamp(min=1))
        self.told = {"masked_accuracy": right, **self.codewords[-1].report()}
        return losses

    def report(self) -> dict[str, float]:
        """How often the likeliest codeword of a masked step is the average's, in the last layer; and how many are in use."""
        return self.told

    def _follow(self, mean: Tensor, now: Tensor, steps: Tensor | int) -> Tensor:
        """The average goes towards the network, faster in the first steps, when what it averages is chance."""
        decay = min(self.settings.decay, (float(steps) + 1) / (float(steps) + 11))
        return torch.lerp(mean, now, 1 - decay)

    @torch.no_grad()
    def _names(self, batch: Batch) -> tuple[list[Tensor], Tensor]:
        """For each named layer the codewords (batch, steps) that its average chooses, -1 beyond the lengths; which count."""
        found = self._layers(self.average.module, batch.streams["target"])
        keys = batch.keys if self.training else None
        return [codewords(over_time(found[layer]), keys).tokens for layer, codewords in zip(self.named, self.codewords, strict=True)], found["encoder"].counted

    def _layers(self, encoder: Any, x: Stream) -> dict[str, Stream]:
        """What each layer makes of frames."""
        out = {}
        for stage in encoders.way(encoder):
            x = stage.run(x)
            if stage.point in self.named:
                out[stage.point] = x
        return out

    # reading -----------------------------------------------------------------------------------------------------

    def stages(self, point: str) -> tuple[Stage, ...]:
        """The way from the stream `input` to a point."""
        way = encoders.way(self.encoder)
        if point in ("posteriors", "root_posteriors"):
            way = (*way, *posteriors.way(self.said, times=self.settings.smoothing))
        return way[: [stage.point for stage in way].index(point) + 1]

    def said(self, x: Stream) -> Stream:
        """Posteriors (batch, steps, size) of the last layer's codewords, softened."""
        return x.with_values(torch.softmax(self.settings.scale * self.heads[-1](x.values), -1))

    def token_stages(self) -> tuple[Stage, ...]:
        """The way from the stream `input` to tokens (batch, steps, 1)."""
        return (*encoders.way(self.encoder), Stage("tokens", self.likeliest))

    def likeliest(self, x: Stream) -> Stream:
        """The likeliest codeword of the last layer (batch, steps, 1) int64, -1 beyond the lengths."""
        tokens = self.heads[-1](x.values).argmax(-1)
        return x.with_values(tokens.masked_fill(~x.counted, -1)[..., None])

    def lookup(self, tokens: Tensor) -> Tensor:
        """Codewords of the last layer (batch, steps, width) of tokens (batch, steps), 0 where there is no token."""
        vectors: Tensor = self.codewords[-1].lookup(tokens)
        return vectors


def over_time(x: Stream) -> Stream:
    """Each dimension of each recording with mean 0 and variance 1 over its steps, in float32."""
    values, counted = x.values.float(), x.counted[..., None]
    count = counted.sum(1, keepdim=True).clamp(min=1)
    away = (values - (values * counted).sum(1, keepdim=True) / count) * counted
    return x.with_values(away * (away.square().sum(1, keepdim=True) / count + 1e-5).rsqrt())


def inputs(settings: Settings) -> dict[str, Choice]:
    """The front ends that the method wants, by the name of their stream."""
    return {"input": settings.input, "target": settings.target}


def build(settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> SelfDistillation:
    """The method on its front ends; sides are not used."""
    return SelfDistillation(settings, fronts, sides)
