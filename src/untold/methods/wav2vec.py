"""wav2vec: from what was heard, tell whether a step is one that comes. With a code before the context, vq-wav2vec.

    z_t = encoder(x)      q_t = bottleneck(z_t)      c_t = convolutions(q_t-18 ... q_t)      h_tk = A_k c_t + b_k

    minimise  - mean over t, k of  [ log sigmoid s(h_tk, q_t+k)  +  lambda E_n log sigmoid -s(h_tk, q_n) ]

s is the mean over dimensions of the product, over a temperature; the paper's is the sum, which at a CPU's learning rates
spends hundreds of steps on becoming small.
Each step ahead is decided by itself, right or wrong, instead of chosen among others as in `cpc`. The expectation over
negatives, other steps of the same recording, is taken over all that are drawn (over all of the example where these are
as many), and weighed as the ten negatives of the paper. The context sees a finite past, so a recording is read in
chunks. Each layer is normalised over the channels of a step; the paper's group normalisation looks at all steps of an
example too, and would give another result for each length. Points: `c`; `bottleneck`, what the context hears and
predicts, and `projection`, what that was given; `z`. Sources: Schneider, Baevski, Collobert and Auli 2019, arXiv 1904.05862; Baevski, Schneider and Auli 2020
(vq-wav2vec), arXiv 1910.05453.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from untold import settings
from untold.contract import Batch, Loss, Phase, Player, Reports, Restarts, Stage, Stream
from untold.errors import UntoldError
from untold.layers import negatives
from untold.layers.ahead import ahead
from untold.layers.convolution import reach_of
from untold.layers.predictors import Linear
from untold.layers.rectified import Rectified
from untold.settings import Choice, choice, setting

CAPABILITIES = ("Learns", "Encodes", "Tokenizes")


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    input: Choice = choice("frontends", "mfcc", deltas=False, normalise="file", warp="random", help="what is heard: static frames, or the waveform")
    predicted: str = setting("file", choices=("heard", "none", "file"), help="what is predicted: the input as it is heard, or with the tract's length as it is (none) or undone (file)")
    encoder: Choice = choice("encoders", "causal", width=128, stack=2, help="frames or samples -> vectors")
    bottleneck: Choice = choice("bottlenecks", "identity", dimensions=128, help="what limits the code between encoder and context: identity, or the code of vq-wav2vec")
    context_dimensions: int = setting(128, low=2, high=8192, help="dimensions of the context")
    context_layers: int = setting(9, low=1, high=100, help="convolutions that hear the past")
    context_kernel: int = setting(3, low=1, high=255, help="steps that each of them sees, its own the last")
    first_step: int = setting(2, low=1, high=10_000, help="the first step ahead that is predicted: more than the encoder sees, or it is won by overlap")
    steps: int = setting(6, low=1, high=1000, help="steps ahead that are predicted, one after the other")
    negatives: float = setting(10.0, low=0.0, high=1e6, help="lambda: as many negatives as the expectation over them weighs")
    drawn: int = setting(128, low=1, high=1 << 20, help="steps of an example over which it is taken")
    temperature: float = setting(0.1, low=1e-6, high=1e4, help="what scores, means over dimensions, are divided by; 1 / dimensions: the sum")
    crop: float = setting(1.6, low=0.05, high=3600.0, help="seconds of a training example")
    batch: int = setting(32, low=1, high=65536, help="examples a step")
    learning_rate: float = setting(2e-3, low=0.0, high=1.0, help="of Adam")
    warm_up: int = setting(100, low=0, high=1 << 40, help="steps in which the rate rises from zero")
    constant: float = setting(0.5, low=0.0, high=1.0, help="share of training before the rate falls linearly to zero")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.predicted != "heard" and not hasattr(self.input.settings, "warp"):
            raise UntoldError(f"predicted = {self.predicted}: {self.input.name} has no warp, take predicted=heard")


class Wav2Vec(nn.Module):
    """Streams `input` and, where something else is predicted than is heard, `target`."""

    reads = "input"
    points = ("c", "bottleneck", "projection", "z")

    def __init__(self, settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> None:
        super().__init__()
        self.settings = given = settings
        self.encoder = given.encoder.build(fronts["input"].dimensions)
        self.bottleneck = given.bottleneck.build()
        same = self.encoder.dimensions == self.bottleneck.inputs and given.bottleneck.name == "identity"
        self.projection: nn.Module = nn.Identity() if same else nn.Linear(self.encoder.dimensions, self.bottleneck.inputs)
        width = given.context_dimensions
        self.context = nn.Sequential(
            *(Rectified(width if layer else self.bottleneck.dimensions, width, given.context_kernel, residual=layer > 0) for layer in range(given.context_layers))
        )
        self.predictor = Linear(width, self.bottleneck.dimensions, given.steps)
        self.alphabet: int | None = self.bottleneck.alphabet
        self.reach = getattr(self.bottleneck, "reach", (0, 0))
        self.rate = fronts["input"].grid.rate / self.encoder.stride

    # training ----------------------------------------------------------------------------------------------------

    def phases(self) -> Sequence[Phase]:
        given = self.settings
        faster = getattr(self.bottleneck, "faster", ())
        player = Player("all", tuple(self.parameters()), given.learning_rate, faster=faster, warm_up=given.warm_up, constant=given.constant, clip=5.0)
        return (Phase("train", given.batch, Fraction(given.crop).limit_denominator(16000), players=(player,)),)

    def losses(self, batch: Batch, player: str = "all") -> dict[str, Loss]:
        given = self.settings
        coded = self.bottleneck(self.project(self.encoder(batch.streams["input"])), batch.keys)
        target: Stream = coded.stream
        if "target" in batch.streams:
            target = self.bottleneck(self.project(self.encoder(batch.streams["target"])), None).stream
        coming = ahead(target, given.first_step, given.steps, self.rate)
        c: Stream = self.context(coded.stream)
        h: Tensor = self.predictor(c.values[:, : coming.begins])  # (batch, steps, begins, dimensions)
        scale = 1 / (h.shape[-1] * given.temperature)
        right = (h * coming.vectors).sum(-1).float() * scale
        drawn = negatives.draw(target, batch.keys, None, "same_recording", given.drawn)
        others = drawn.usable(coming.places.flatten()).unflatten(1, coming.places.shape)
        scores = (h.flatten(1, 2) @ drawn.vectors.transpose(1, 2)).float().unflatten(1, h.shape[1:3]) * scale
        wrong = (functional.softplus(scores) * others).sum(-1) / others.sum(-1).clamp(min=1)
        nats = (functional.softplus(-right) + given.negatives * wrong).sum(1)
        count = coming.valid.sum() * given.steps
        missed = (scores.masked_fill(~others, negatives.NEVER).amax(-1) >= right).sum(1) * coming.valid
        return {
            "contrast": Loss((nats * coming.valid).sum(), count, "nats per step ahead"),
            **coded.losses,
            "missed": Loss(missed.sum().float(), count, "share of steps ahead that a negative is taken for", 0.0),
        }

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

    def stages(self, point: str) -> tuple[Stage, ...]:
        """The way from the stream `input` to a point."""
        reach, _ = reach_of(self.context)
        way = (*self._scored(), Stage("bottleneck", self.bottleneck.central, self.reach), Stage("c", self.context, (reach, 0)))
        return way[: [stage.point for stage in way].index(point) + 1]

    def _scored(self) -> tuple[Stage, Stage]:
        return Stage("z", self.encoder, (self.encoder.reach, self.encoder.reach), self.encoder.stride), Stage("projection", self.project)

    def token_stages(self) -> tuple[Stage, ...]:
        """The way from the stream `input` to tokens (batch, steps, 1)."""
        return (*self._scored(), Stage("tokens", lambda x: x.with_values(self.bottleneck.tokens(x)[..., None]), self.reach))

    def lookup(self, tokens: Tensor) -> Tensor:
        """Tokens (batch, steps) -> codewords (batch, steps, dimensions)."""
        found = self.bottleneck.lookup(tokens)
        assert isinstance(found, Tensor)
        return found


def inputs(settings: Settings) -> dict[str, Choice]:
    """The front ends that the method wants, by the name of their stream."""
    wanted = {"input": settings.input}
    if settings.predicted != "heard":
        wanted["target"] = settings.input.changed({"warp": settings.predicted})
    return wanted


def build(settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> Wav2Vec:
    """The method on its front ends; sides are not told to it."""
    return Wav2Vec(settings, fronts, sides)
