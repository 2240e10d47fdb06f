"""Masked prediction of hidden units: a network names the cluster of frames that it cannot hear, and of those that it can.

    minimise  - mean over masked t of sum_k r_tk log p(k | what is seen)  -  seen x the same mean over seen t

r_tk is the share of component k in target frame t: softmax_k of `soft` x its log-likelihood under a mixture of Gaussians.
The target has the length of the vocal tract undone; the input is warped at random, so that the network learns to hear
through it. Beside the frames it hears the directions that its teacher names them by, after a transform of each recording under which the teacher finds it likeliest (`adaptation`; Gales 1998). Rounds: the next mixture is of the frozen network's own outputs, and another network learns to name its components. Several
networks, each with a teacher of its own, can learn one after another and be read side by side. Points: the posteriors of components (of each frame, smoothed), their roots,
each layer of the encoder, and the roots beside a layer (`fused`). Source: Hsu et al.
2021 (HuBERT), arXiv 2106.07447, sections II and III; the teacher is the `mixture` in place of k-means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from untold import encoders, settings
from untold.contract import Batch, Loss, Phase, Player, Stage, Stream
from untold.errors import UntoldError
from untold.layers import fusion, posteriors
from untold.layers.clusters import Clusters, refuse_adaptation, refuse_sizes
from untold.layers.masking import refuse_long, shown, spans
from untold.settings import Choice, choice, setting

CAPABILITIES = ("Learns", "Encodes", "Tokenizes")
_SALT = 0x3E0
_QUICK = (2, 3)  # rounds, and sweeps of each, of adaptation in training: a step cannot wait for more


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    input: Choice = choice("frontends", "mfcc", normalise="file", warp="random", window=16.0, floor=3e-5, reverberation=0.3, help="what the network hears")
    target: Choice = choice("frontends", "mfcc", normalise="file", warp="file", window=16.0, floor=3e-5, help="the frames whose clusters it names")
    encoder: Choice = choice("encoders", "transformer", help="frames -> vectors")
    components: tuple[int, ...] = setting((256,), help="clusters of each teacher: Gaussians; the first are the alphabet")
    rounds: int = setting(1, low=1, high=20, help="times that a network learns; from the second on, clusters of the one before")
    clustered: int = setting(2, low=0, high=100, help="the layer whose outputs the next round clusters; 0: what it says of components")
    networks: int = setting(1, low=1, high=64, help="networks that learn so, each with a teacher of its own; they are read side by side, units are of the first")
    fused_layer: int = setting(2, low=0, high=100, help="the layer that stands beside the roots of posteriors in `fused` (the last, where there are fewer); 0: there is no such point")
    fused_weight: float = setting(0.6, low=0.0, high=100.0, help="length of that layer's vectors there; those of the roots are 1")
    frames: int = setting(300_000, low=1, high=1 << 40, help="frames that a pass of clustering sees")
    passes: int = setting(20, low=1, high=10_000, help="passes of EM")
    later_passes: int = setting(8, low=1, high=10_000, help="passes of EM in the second round and after: each hears the frozen network")
    context: int = setting(4, low=0, high=100, help="frames on either side that the first teacher sees a frame with, in the directions that tell components of single frames apart; 0: single frames")
    directions: int = setting(20, low=1, high=4096, help="how many such directions, of each teacher; fewer than its components")
    adaptation: float = setting(300.0, low=0.0, high=1e9, help="what is each recording's own is taken out of the directions, which the network then hears beside its frames, against so many frames of the teacher's; 0: it hears frames alone")
    variance_floor: float = setting(0.01, low=1e-8, high=1e8, help="least variance of a component")
    soft: float = setting(0.5, low=0.0, high=100.0, help="targets are shares: what log-likelihoods are multiplied by before the softmax; 0: the likeliest component alone")
    smoothed: int = setting(0, low=0, high=100, help="times that the teacher's log-likelihoods are smoothed over three frames, (1, 2, 1) / 4, before a component is chosen")
    starts: float = setting(0.05, low=0.0, high=1.0, help="how often a step begins a masked span")
    span: int = setting(10, low=1, high=10_000, help="steps of a masked span")
    seen: float = setting(1.0, low=0.0, high=1e3, help="weight of the steps that are not masked")
    scale: float = setting(1.0, low=0.0, high=100.0, help="what logits are multiplied by before the softmax, at use (0.8 for targets without shares)")
    smoothing: int = setting(2, low=0, high=100, help="times that posteriors are smoothed over three frames, at use")
    crop: float = setting(3.2, low=0.05, high=3600.0, help="seconds of a training example")
    batch: int = setting(32, low=1, high=65536, help="examples a step")
    learning_rate: float = setting(1e-3, low=0.0, high=1.0, help="of AdamW")
    weight_decay: float = setting(0.01, low=0.0, high=10.0, help="of AdamW")
    constant: float = setting(0.5, low=0.0, high=1.0, help="share of a round before the rate falls linearly to zero")

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_sizes(self.components)


class Network(nn.Module):
    """An encoder and, for each teacher, what it says of the `labels` frames of a step."""

    def __init__(self, encoder: Any, dimensions: int, labels: int, components: Sequence[int]) -> None:
        super().__init__()
        self.encoder = encoder
        self.labels = labels
        self.hidden = nn.Parameter(torch.zeros(dimensions))  # what stands where nothing is shown
        self.heads = nn.ModuleList(nn.Linear(self.encoder.dimensions, labels * size) for size in components)

    def logits(self, x: Tensor) -> list[Tensor]:
        """(batch, steps, width) -> for each teacher (batch, steps, labels, components)."""
        return [head(x).unflatten(-1, (self.labels, -1)) for head in self.heads]


class MaskedUnits(nn.Module):
    """Streams `input` and `target`; steps at the encoder's rate."""

    reads = "input"

    def __init__(self, settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> None:
        super().__init__()
        self.settings, source, target = settings, fronts["input"], fronts["target"]
        if settings.rounds > 1 and source.dimensions != target.dimensions:
            raise UntoldError(f"rounds = {settings.rounds}: the network of a round reads the target for the next, so input ({source.dimensions} dimensions) and target ({target.dimensions}) must have the same dimensions")
        refuse_adaptation(settings.adaptation, settings.context)
        if settings.adaptation and source.dimensions != target.dimensions:
            raise UntoldError(f"adaptation = {settings.adaptation:g}: the target's directions are heard in the input too, so input ({source.dimensions} dimensions) and target ({target.dimensions}) must have the same dimensions; adaptation = 0 does without")
        sizes = settings.components
        networks, clusters = [], []
        for number in range(settings.networks * settings.rounds):
            first_round = number % settings.rounds == 0
            if first_round:
                first = Clusters(sizes, target.dimensions, settings.variance_floor, settings.context, settings.directions)
                heard = source.dimensions + (sum(first.widths) if settings.adaptation else 0)
            encoder = settings.encoder.build(heard)
            names = tuple(getattr(encoder, "points", ()))
            if settings.clustered > len(names) and settings.rounds > 1:
                raise UntoldError(f"clustered = {settings.clustered}: the encoder has {len(names)} layers to cluster")
            inner = encoder.dimensions if settings.clustered else sizes[0]
            networks.append(Network(encoder, heard, encoder.stride if first_round else 1, sizes))
            clusters.append(first if first_round else Clusters(sizes, inner, settings.variance_floor))
        refuse_long(settings.span, float(source.grid.rate / encoder.stride) * settings.crop)
        self.networks: Any = nn.ModuleList(networks)
        self.clusters: Any = nn.ModuleList(clusters)
        self.alphabet = sizes[0]
        self.fused = names[min(settings.fused_layer, len(names)) - 1] if settings.fused_layer and names else ""
        self.points = (*(["fused"] if self.fused else []), "root_posteriors", "posteriors", *encoders.points(encoder))
        self.told: dict[str, float] = {}

    # training ----------------------------------------------------------------------------------------------------

    def phases(self) -> Sequence[Phase]:
        given, out = self.settings, []
        crop = Fraction(given.crop).limit_denominator(16000)
        for number, network in enumerate(self.networks):
            member, again = divmod(number, given.rounds)
            name = (f" {again + 1}" if again else "") + (f", network {member + 1}" if member else "")
            passes = given.later_passes if again else given.passes
            for part, fit, once in self.clusters[number].fits(partial(self.clustered, number=number), _SALT + 1 + 256 * member):
                out.append(Phase(f"{part or 'clusters'}{name}", given.batch, crop, fit=fit, passes=1 if once else passes, frames=given.frames))
            player = Player(str(number), tuple(network.parameters()), given.learning_rate, given.weight_decay, (0.9, 0.98), clip=5.0, warm_up=100, constant=given.constant)
            out.append(Phase(f"masked{name}", given.batch, crop, players=(player,)))
        return out

    def losses(self, batch: Batch, player: str) -> dict[str, Loss]:
        given, number = self.settings, int(player)
        network = self.networks[number]
        x = self.adapted(self.with_directions(batch.streams["input"], number), number, *_QUICK)
        stride = network.encoder.stride
        steps = -(-x.values.shape[1] // stride)
        hidden = spans(batch.keys, steps, given.starts, given.span, _SALT)
        heard = network.encoder(shown(x, hidden, stride, network.hidden))
        targets, counted = self.targets(batch, number)
        losses = {}
        parts = {"masked": counted & hidden[..., None], "seen": counted & ~hidden[..., None]}
        logits = network.logits(heard.values)
        for place, (said, target) in enumerate(zip(logits, targets, strict=True)):
            nats = functional.cross_entropy(said.flatten(0, 2), target.flatten(0, 2), reduction="none").unflatten(0, counted.shape)
            name = "" if place == 0 else f"_{given.components[place]}"
            for part, where in parts.items():
                weight = (1.0 if part == "masked" else given.seen) / len(logits)
                losses[f"{part}{name}"] = Loss((nats * where).sum(), where.sum(), "nats per label", weight)
        with torch.no_grad():
            best = targets[0] if targets[0].dim() == 3 else targets[0].argmax(-1)
            right = float(((logits[0].argmax(-1) == best) & parts["masked"]).sum() / parts["masked"].sum().clamp(min=1))
        self.told = {"masked_accuracy": right}
        return losses

    def report(self) -> dict[str, float]:
        """How often the likeliest component of a masked frame is the teacher's, in the last batch."""
        return self.told

    @torch.no_grad()
    def targets(self, batch: Batch, number: int) -> tuple[list[Tensor], Tensor]:
        """For each teacher components (batch, steps, labels), or their shares in a further dimension; which labels count."""
        x = self.clustered(batch, number)
        labels = self.networks[number].labels
        short = -x.values.shape[1] % labels
        counted = functional.pad(x.counted, (0, short))
        found = []
        with torch.autocast(x.values.device.type, enabled=False):
            x = self.clusters[number].seen(x)
            if self.settings.adaptation and number % self.settings.rounds == 0:
                x = self.clusters[number].adapted(x, self.settings.adaptation, *_QUICK)
            for scored in self.clusters[number].log_likelihoods(x.values.float()):
                named = x.with_values(scored)
                for _ in range(self.settings.smoothed):
                    named = posteriors.smooth(named)
                scores = functional.pad(named.values, (0, 0, 0, short)).unflatten(1, (-1, labels))
                found.append(torch.softmax(self.settings.soft * scores, -1) if self.settings.soft else scores.argmax(-1))
        return found, counted.unflatten(1, (-1, labels))

    def clustered(self, batch: Batch, number: int) -> Stream:
        """What round `number` clusters: target frames, or what the network of the round before makes of them."""
        x = batch.streams["target"]
        if number % self.settings.rounds == 0:
            return x
        network = self.networks[number - 1]
        x = self.adapted(self.with_directions(x, number - 1), number - 1, *_QUICK)
        for stage in encoders.way(network.encoder):
            x = stage.run(x)
            if self.settings.clustered and stage.point == network.encoder.points[self.settings.clustered - 1]:
                return x
        return x.with_values(network.logits(x.values)[0].mean(-2))

    # hearing -----------------------------------------------------------------------------------------------------

    def _first(self, number: int) -> int:
        """The first round of the same network: that whose teacher is of frames."""
        return number - number % self.settings.rounds

    @torch.no_grad()
    def with_directions(self, x: Stream, number: int) -> Stream:
        """With `adaptation` frames and, beside them, the directions in which their teacher's components differ; without it frames."""
        if not self.settings.adaptation:
            return x
        with torch.autocast(x.values.device.type, enabled=False):
            return x.with_values(torch.cat([x.values.float(), self.clusters[self._first(number)].seen(x).values], -1))

    @torch.no_grad()
    def adapted(self, x: Stream, number: int, *effort: int) -> Stream:
        """The same with what is each recording's own taken out of the directions: what network `number` hears."""
        if not self.settings.adaptation:
            return x
        clusters = self.clusters[self._first(number)]
        frames, directions = x.values.split([x.values.shape[-1] - sum(clusters.widths), sum(clusters.widths)], -1)
        with torch.autocast(x.values.device.type, enabled=False):
            found = clusters.adapted(x.with_values(directions), self.settings.adaptation, *effort).values
        return x.with_values(torch.cat([frames, found * x.counted[..., None]], -1))

    # reading -----------------------------------------------------------------------------------------------------

    @property
    def last(self) -> list[Network]:
        """The network of each teacher's last round."""
        return list(self.networks[self.settings.rounds - 1 :: self.settings.rounds])

    def stages(self, point: str) -> tuple[Stage, ...]:
        """The way from the stream `input` to a point, through the networks of the last round."""
        return fusion.beside([self._way(member, point) for member in range(self.settings.networks)])

    def _way(self, member: int, point: str) -> tuple[Stage, ...]:
        network, number = self.last[member], member * self.settings.rounds
        way = (*self._heard(number), *encoders.way(network.encoder), *posteriors.way(partial(self.said, network), network.labels, self.settings.smoothing))
        names = [stage.point for stage in way]
        if point != "fused":
            return way[: names.index(point) + 1]
        cut = names.index(self.fused) + 1
        weight = self.settings.fused_weight / len(self.last) ** 0.5
        return (*way[:cut], *fusion.carrying(way[cut:], "fused", network.encoder.dimensions, weight))

    def _heard(self, number: int) -> tuple[Stage, ...]:
        if not self.settings.adaptation:
            return ()
        reach = self.settings.context
        return (Stage("with_speaker", partial(self.with_directions, number=number), (reach, reach)), Stage("heard", partial(self.adapted, number=number), "whole"))

    def said(self, network: Network, x: Stream) -> Stream:
        """Posteriors (batch, labels, all teachers' components) of each label of each step, softened; of all networks they sum to one."""
        logits = network.logits(x.values)
        shares = torch.cat([torch.softmax(self.settings.scale * one, -1) for one in logits], -1).flatten(1, 2) / (len(logits) * len(self.last))
        counted = x.counted.repeat_interleave(network.labels, 1)
        return Stream(shares, x.lengths * network.labels, counted, x.grid.strided(Fraction(1, network.labels)))

    def token_stages(self) -> tuple[Stage, ...]:
        """The way from the stream `input` to tokens (batch, steps, 1)."""
        return (*self._way(0, "encoder"), Stage("tokens", self.likeliest))

    def likeliest(self, x: Stream) -> Stream:
        """The likeliest of the first teacher's components (batch, steps, 1) int64, -1 beyond the lengths."""
        tokens = torch.softmax(self.last[0].logits(x.values)[0], -1).mean(-2).argmax(-1)
        return x.with_values(tokens.masked_fill(~x.counted, -1)[..., None])

    def lookup(self, tokens: Tensor) -> Tensor:
        """Tokens (batch, steps) -> means of what was clustered (batch, steps, dimensions), 0 where there is no token."""
        means: Tensor = self.clusters[self.settings.rounds - 1].mixtures[0].means
        return means[tokens.clamp(min=0)] * (tokens >= 0)[..., None]


def inputs(settings: Settings) -> dict[str, Choice]:
    """The front ends that the method wants, by the name of their stream."""
    return {"input": settings.input, "target": settings.target}


def build(settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> MaskedUnits:
    """The method on its front ends; sides are not used."""
    return MaskedUnits(settings, fronts, sides)
