"""The autoencoder of the lectures: any encoder, any bottleneck, any decoder of the same axis.

    z = encoder(x),  p = projection(z),  q = bottleneck(p),  c = mixer(jitter(q)),  loss = -log p(target | c, sides) + ...

The decoder is told who speaks, so that the code need not carry it (a hope, not a guarantee). VAE and VQ-VAE are
recipes: they differ in the bottleneck only. Points, in the data's order: `encoder`, `projection`, `bottleneck`,
`condition` (the mixer's output: what conditions the decoder, the features scored in ZeroSpeech), and where there is an
alphabet `codeword_posteriors`. Source: Chorowski, Weiss, Bengio, van den Oord 2019, arXiv 1901.08810, section III;
lectures 000 to 002. The slowness penalty stands here as the alternative that collapses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from untold import encoders, settings
from untold.contract import Batch, Conditions, Density, Loss, Phase, Player, Reports, Restarts, Stage, Stream
from untold.layers import random
from untold.layers.batch_norm import MaskedBatchNorm
from untold.layers.convolution import Convolution
from untold.layers.jitter import jitter
from untold.settings import Choice, choice, setting

CAPABILITIES = ("Learns", "Encodes", "Tokenizes", "Reconstructs")
_SALT = 0xA0


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    input: Choice = choice("frontends", "mfcc", help="what the encoder hears")
    target: Choice = choice("frontends", "logmel", normalise="file", help="what the decoder predicts")
    sound: str = setting("logmel", choices=("logmel", "mulaw", "waveform", "pixels", "none"), help="what a second decoder predicts for the ear, where the target has no way back; pixels: for the eye")
    encoder: Choice = choice("encoders", "convolutions", help="frames -> vectors")
    bottleneck: Choice = choice("bottlenecks", "identity", help="what limits the code")
    decoder: Choice = choice("decoders", "frame", help="code -> target")
    sound_decoder: Choice = choice("decoders", "frame", help="that second decoder; it learns beside the rest and teaches it nothing")
    sound_share: float = setting(0.25, low=0.0, high=1.0, help="share of the examples from which that second decoder learns: it is for the ear only")
    sound_phase: float = setting(0.0, low=0.0, high=0.99, help="share of training, at its end, in which that second decoder alone learns, `batch` x `sound_share` examples a step, from a code that stands still; 0: beside the rest")
    sound_learning_rate: float = setting(4e-3, low=0.0, high=1.0, help="of Adam, while it learns alone")
    condition_dimensions: int = setting(128, low=1, high=4096, help="dimensions of the mixer's output")
    normalise_condition: bool = setting(True, help="batch normalisation of the mixer's output, so that no dimension rules an angle")
    p_each_side: float = setting(0.12, low=0.0, high=0.5, help="time jitter: probability of the left, and of the right neighbour")
    slowness: float = setting(0.0, low=0.0, high=1e6, help="weight of |q(t) - q(t-1)|, the alternative that collapses")
    sides: tuple[str, ...] = setting(("speaker",), help="side information that the decoder is told")
    hide_sides: float = setting(0.1, low=0.0, high=1.0, help="how often a side is hidden in training (unknown)")
    crop: float = setting(1.6, low=0.05, high=1e5, help="length of a training example: seconds, or pixels of a line")
    window: float = setting(0.32, low=0.001, high=1e5, help="as much of each example is predicted by a decoder that hears its own past (wavenet, pixelcnn)")
    batch: int = setting(48, low=1, high=65536, help="examples a step")
    learning_rate: float = setting(1e-3, low=0.0, high=1.0, help="of Adam")
    constant: float = setting(0.5, low=0.0, high=1.0, help="share of training before the rate falls linearly to zero")
    halve_at: tuple[int, ...] = setting((), help="steps at which the rate is halved")


class Autoencoder(nn.Module):
    """Streams `input` and `target`; latents at the encoder's rate."""

    reads = "input"

    def __init__(self, settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> None:
        super().__init__()
        self.settings = settings
        source, target = fronts["input"], fronts["target"]
        self.encoder = settings.encoder.build(source.dimensions)
        self.bottleneck = settings.bottleneck.build()
        self.projection = nn.Linear(self.encoder.dimensions, self.bottleneck.inputs)
        self.mixer = Convolution(self.bottleneck.dimensions, settings.condition_dimensions)
        self.norm = MaskedBatchNorm(settings.condition_dimensions, affine=False) if settings.normalise_condition else None
        latent_rate = source.grid.rate / self.encoder.stride
        self.ratio = target.grid.rate / latent_rate
        told = {side: sides[side] for side in settings.sides if side in sides}
        self.decoder = settings.decoder.build(settings.condition_dimensions, target, int(self.ratio), told)
        self.sound = settings.sound_decoder.build(settings.condition_dimensions, fronts["sound"], int(fronts["sound"].grid.rate / latent_rate), told) if "sound" in fronts else None
        self.target = "target" if self.sound is None else "sound"
        self.alphabet: int | None = self.bottleneck.alphabet
        self.reach = getattr(self.bottleneck, "reach", (0, 0))
        more = ("codeword_posteriors",) if hasattr(self.bottleneck, "codewords") else ()
        self.points = ("condition", "bottleneck", "projection", *encoders.points(self.encoder), *more)

    # training ----------------------------------------------------------------------------------------------------

    def phases(self) -> Sequence[Phase]:
        given, later = self.settings, self.later
        crop = Fraction(given.crop).limit_denominator(16000)
        player = partial(Player, warm_up=100, constant=given.constant, halved_at=given.halve_at, clip=5.0)
        code = tuple(p for name, p in self.named_parameters() if not (later and name.startswith("sound.")))
        phases = [Phase("train", given.batch, crop, 1 - later, (player("all", code, given.learning_rate, faster=getattr(self.bottleneck, "faster", ())),))]
        if later:
            assert self.sound is not None
            phases.append(Phase("sound", max(1, round(given.batch * given.sound_share)), crop, later, (player("sound", tuple(self.sound.parameters()), given.sound_learning_rate),)))
        return phases

    @property
    def later(self) -> float:
        """The share of training in which the second decoder learns alone."""
        return self.settings.sound_phase if self.sound is not None else 0.0

    def losses(self, batch: Batch, player: str = "all") -> dict[str, Loss]:
        sides = random.hidden(batch.sides, batch.keys, self.settings.hide_sides, _SALT) if self.training else batch.sides
        if player == "sound":
            return {"sound": replace(self.spoken(batch, self.still(batch), sides), weight=1.0)}
        x, target = batch.streams["input"], batch.streams["target"]
        coded = self.bottleneck(self.project(self.encoder(x)), batch.keys)
        latents = clear = coded.stream
        losses = dict(coded.losses)
        if self.settings.slowness:
            change = (latents.values[:, 1:] - latents.values[:, :-1]).abs().sum(-1) * latents.counted[:, 1:]
            losses["slowness"] = Loss(self.settings.slowness * change.sum(), latents.counted.sum(), "change per latent")
        if self.training and self.settings.p_each_side:
            latents = latents.with_values(jitter(latents.values, latents.lengths, batch.keys, self.settings.p_each_side))
        condition = self.condition(latents)
        told, heard = self.windowed(condition, target, batch.keys, self.decoder)
        nats = -self.decoder(Conditions({"latents": told}, sides)).log_prob(heard)
        losses = {"reconstruction": self.lost(nats, heard, x), **losses}
        if self.sound is not None and not self.later:
            losses["sound"] = self.spoken(batch, clear, sides)
        return losses

    def spoken(self, batch: Batch, latents: Stream, sides: Mapping[str, Tensor]) -> Loss:
        """What the second decoder loses, given what the bottleneck lets through; it teaches that nothing. Beside the rest it hears a share of the examples."""
        assert self.sound is not None
        heard, told, keys = batch.streams["sound"], self.used(latents), batch.keys
        if self.training and not self.later and self.settings.sound_share < 1:
            chosen = random.uniform(keys, (), _SALT - 1) < self.settings.sound_share
            heard, told, sides, keys = heard.of(chosen), told.of(chosen), {side: value[chosen] for side, value in sides.items()}, keys[chosen]
        told, heard = self.windowed(told, heard, keys, self.sound)
        nats = -self.sound(Conditions({"latents": told}, sides)).log_prob(heard)
        return self.lost(nats, heard, batch.streams["input"])

    @torch.no_grad()
    def still(self, batch: Batch) -> Stream:
        """What the bottleneck passes on as in use: no statistic moves."""
        training = self.training
        self.eval()
        out = self.latents(batch)
        self.train(training)
        return out

    @torch.no_grad()
    def used(self, latents: Stream) -> Stream:
        """The condition as it will be in use, without jitter: what a decoder that teaches nothing should learn from."""
        training = self.norm is not None and self.norm.training
        if self.norm is not None:
            self.norm.eval()
        out = self.condition(latents.with_values(latents.values.detach()))
        if self.norm is not None:
            self.norm.train(training)
        return out

    def windowed(self, condition: Stream, target: Stream, keys: Tensor, decoder: nn.Module) -> tuple[Stream, Stream]:
        """In training, for a decoder that hears its own past, `window` of each example, begun at a latent drawn with its key:
        conditions, and what they stand for."""
        if not self.training or not getattr(decoder, "stepwise", False):
            return condition, target
        ratio, steps = int(target.grid.rate / condition.grid.rate), condition.values.shape[1]
        rows = min(steps, max(1, round(self.settings.window * float(condition.grid.rate))))
        start = (random.uniform(keys, (), _SALT - 2) * (steps - rows + 1)).long().clamp(max=steps - rows)
        short = max(0, steps * ratio - target.values.shape[1])
        whole = replace(target, values=functional.pad(target.values, (0, 0, 0, short)), counted=functional.pad(target.counted, (0, short)))
        return condition.stretch(start, rows), whole.stretch(start * ratio, rows * ratio)

    @staticmethod
    def lost(nats: Tensor, target: Stream, x: Stream) -> Loss:
        """Nats of a target, weighed as if they were counted by the input's frames: what the bottleneck asks weighs the same."""
        weight = float(target.grid.rate / x.grid.rate) if target.grid.step == "sample" else 1.0
        return Loss(nats.sum(), target.counted.sum(), f"nats per {target.grid.step}", weight)

    def report(self) -> dict[str, float]:
        """What the bottleneck tells of its code."""
        return self.bottleneck.report() if isinstance(self.bottleneck, Reports) else {}

    def restarted(self) -> list[tuple[nn.Parameter, Tensor]]:
        """Codewords that were put elsewhere."""
        return self.bottleneck.restarted() if isinstance(self.bottleneck, Restarts) else []

    # reading -----------------------------------------------------------------------------------------------------

    def project(self, x: Stream) -> Stream:
        """The input of the bottleneck."""
        return x.with_values(self.projection(x.values))

    def condition(self, x: Stream) -> Stream:
        """Neighbouring codes mixed: what the decoder is conditioned on."""
        mixed: Stream = self.mixer(x)
        return mixed if self.norm is None else mixed.with_values(self.norm(mixed.values, mixed.counted))

    def stages(self, point: str) -> tuple[Stage, ...]:
        """The way from the stream `input` to a point."""
        way = [*encoders.way(self.encoder), Stage("projection", self.project)]
        if point == "codeword_posteriors":
            return (*way, Stage(point, self.posteriors))
        way += [Stage("bottleneck", self.bottleneck.central, self.reach), Stage("condition", self.condition, (self.mixer.reach, self.mixer.reach))]
        names = [stage.point for stage in way]
        return tuple(way[: names.index(point) + 1])

    def posteriors(self, x: Stream) -> Stream:
        """Softmax over codewords of minus half the squared distance per dimension: (batch, steps, codewords)."""
        latents = self.bottleneck.normalised(x)
        distance = torch.cdist(latents, self.bottleneck.codewords.detach()[None]).square() / latents.shape[-1]
        return x.with_values(torch.softmax(-0.5 * distance * 8, -1))

    def token_stages(self) -> tuple[Stage, ...]:
        """The way from the stream `input` to tokens (batch, steps, 1)."""
        return (*self.stages("projection"), Stage("tokens", lambda x: x.with_values(self.bottleneck.tokens(x)[..., None]), self.reach))

    def lookup(self, tokens: Tensor) -> Tensor:
        """Tokens (batch, steps) -> codewords (batch, steps, dimensions)."""
        found = self.bottleneck.lookup(tokens)
        assert isinstance(found, Tensor)
        return found

    def latents(self, batch: Batch) -> Stream:
        """What the bottleneck passes on, nothing drawn."""
        out = self.bottleneck.central(self.project(self.encoder(batch.streams["input"])))
        assert isinstance(out, Stream)
        return out

    def decode(self, latents: Stream, sides: Mapping[str, Tensor]) -> Density:
        """The density over the target (what is for the ear, where there are two) given the bottleneck's output and sides."""
        decoder = self.decoder if self.sound is None else self.sound
        density: Density = decoder(Conditions({"latents": self.condition(latents)}, sides))
        return density


def inputs(settings: Settings) -> dict[str, Choice]:
    """The front ends that the method wants, by the name of their stream."""
    wanted = {"input": settings.input, "target": settings.target}
    if settings.sound == "pixels":  # a second decoder of lines predicts what the first does, pixel by pixel
        wanted["sound"] = settings.target if settings.target.name == "pixels" else Choice.of("frontends", "pixels")
    elif settings.sound != "none" and settings.target.name != settings.sound:
        wanted["sound"] = Choice.of("frontends", settings.sound, **({"normalise": "file"} if settings.sound == "logmel" else {}))
    return wanted


def build(settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> Autoencoder:
    """The method on front ends, with the number of values of each side (unknown included)."""
    return Autoencoder(settings, fronts, sides)
