"""Latents, the speaker and all samples so far -> the next sample: gated dilated causal convolutions (WaveNet).

The target is a front end of samples. `mulaw` gives classes and a softmax over them; `waveform` gives 16-bit values and a
mixture of logistics, each value the mass of its step of 2/65535. The past is the target's own, embedded. Conditions are
computed at the latents' rate, never per sample; who speaks is added to them. Sources: van den Oord et al. 2016, arXiv
1609.03499; Salimans et al. 2017, arXiv 1701.05517 (logistics); Chorowski et al. 2019, arXiv 1901.08810 (as a decoder).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from untold import settings
from untold.contract import Conditions, Stream
from untold.errors import UntoldError
from untold.layers import random
from untold.layers.dilated import stack
from untold.settings import setting

_SALT = 0x3A
_STEP = 2.0 / 65535  # between two values of 16 bits
_LEAST = -7.0  # of a logistic's log scale
_PIECE = 3200  # samples that are drawn at once
_AT_ONCE = 1 << 17  # samples that are scored at once where no gradient is wanted


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    channels: int = setting(64, low=16, high=4096, help="residual channels, a multiple of 16")
    skips: int = setting(64, low=16, high=4096, help="channels of the skip sum, a multiple of 16")
    cycles: int = setting(2, low=1, high=20, help="times that the dilations begin at 1 again")
    layers: int = setting(10, low=1, high=16, help="layers a cycle, dilations 1, 2, 4, ...")
    head: int = setting(256, low=16, high=4096, help="units between the skip sum and the scores, a multiple of 16")
    components: int = setting(10, low=1, high=100, help="logistics, where the target is 16-bit values")
    side_dimensions: int = setting(32, low=1, high=1024, help="dimensions of a speaker's embedding")


class WaveNet(nn.Module):
    """Conditions, perhaps with a stream `latents` (batch, rows, dimensions) -> a density of samples (batch, rows * ratio, 1)."""

    stepwise = True  # hears its own past: in training a window of each example is enough

    def __init__(self, settings: Settings, dimensions: int, classes: int | None, ratio: int, sides: dict[str, int]) -> None:
        super().__init__()
        odd = [name for name in ("channels", "skips", "head") if getattr(settings, name) % 16]
        if odd:
            raise UntoldError(f"{odd[0]} = {getattr(settings, odd[0])}: a multiple of 16 expected")
        self.settings, self.classes, self.ratio = settings, classes, ratio
        channels, skips = settings.channels, settings.skips
        self.dilations = tuple(2**k for _ in range(settings.cycles) for k in range(settings.layers))
        self.receptive_field = 1 + sum(self.dilations)
        layers = len(self.dilations)
        self.sides = nn.ModuleDict({side: nn.Embedding(count, settings.side_dimensions) for side, count in sides.items()})
        told = dimensions + settings.side_dimensions * len(sides)
        self.conditions = nn.Linear(told, layers * 2 * channels) if told else None
        self.bias = nn.Parameter(torch.zeros(layers * 2 * channels)) if not told else None
        self.embedding = nn.Parameter(_ordered(classes, channels) if classes else torch.randn(2, channels))
        outputs = classes or 3 * settings.components
        self.past = nn.Parameter(_uniform(layers, channels, 2 * channels, fan=2 * channels))
        self.present = nn.Parameter(_uniform(layers, channels, 2 * channels, fan=2 * channels))
        self.residual = nn.Parameter(_uniform(layers, channels, channels, fan=channels))
        self.skip = nn.Parameter(_uniform(layers, channels, skips, fan=channels * layers))
        self.head, self.last = nn.Linear(skips, settings.head), nn.Linear(settings.head, outputs)

    def forward(self, given: Conditions) -> SampleDensity:
        return SampleDensity(self, self.told(given))

    def told(self, given: Conditions) -> Tensor:
        """What each layer's gates are told: (batch, rows, layers, 2 channels); one row where there are no latents."""
        layers = len(self.dilations)
        latents = given.streams.get("latents")
        sides = [embedding(given.sides[side]) for side, embedding in self.sides.items()]
        if self.conditions is None:
            assert self.bias is not None
            return self.bias.view(1, 1, layers, -1)
        if latents is None:
            return self.conditions(torch.cat(sides, -1))[:, None].unflatten(-1, (layers, -1))  # type: ignore[no-any-return]
        rows = latents.values.shape[1]
        x = torch.cat([latents.values, *(side[:, None].expand(-1, rows, -1).to(latents.values) for side in sides)], -1)
        return self.conditions(x).unflatten(-1, (layers, -1))  # type: ignore[no-any-return]

    def scores(self, values: Tensor, conditions: Tensor) -> Tensor:
        """What the last layer says of each sample given those before: values (batch, samples) -> (batch, samples, outputs)."""
        before = torch.cat([self.silence(values), values[:, :-1]], 1)
        skips = stack(self.embedded(before), conditions, self.past, self.present, self.residual, self.skip, self.dilations)
        return self.last(torch.relu(self.head(torch.relu(skips))))  # type: ignore[no-any-return]

    def silence(self, like: Tensor) -> Tensor:
        """The sample before the first: (batch, 1)."""
        return like.new_full((len(like), 1), self.classes // 2 if self.classes else 0)

    def embedded(self, values: Tensor) -> Tensor:
        """Classes or values (batch, samples) -> (batch, samples, channels)."""
        if self.classes:
            return functional.embedding(values, self.embedding)
        return values[..., None] * self.embedding[0] + self.embedding[1]


@dataclass(frozen=True)
class SampleDensity:
    """A density of samples, each given those before: what each layer is told (batch, rows, layers, 2 channels)."""

    decoder: WaveNet
    conditions: Tensor

    def log_prob(self, x: Stream) -> Tensor:
        """Nats (batch, samples), 0 where not counted. Teacher-forced: the past is that of x."""
        values = x.values[..., 0]
        rows, samples, ratio = self.conditions.shape[1], values.shape[1], self.decoder.ratio
        conditions = self.conditions.expand(len(values), -1, -1, -1)
        whole = rows * ratio if rows > 1 else samples  # each row of conditions holds for `ratio` samples, a single one for all
        values = functional.pad(values, (0, max(0, whole - samples)))[:, :whole]
        if torch.is_grad_enabled() or values.numel() <= _AT_ONCE:
            nats = self._nats(values, conditions)
        else:
            nats = torch.stack([self._in_parts(values[row], conditions[row : row + 1]) for row in range(len(values))])
        return functional.pad(nats, (0, max(0, samples - whole)))[:, :samples] * x.counted

    def _nats(self, values: Tensor, conditions: Tensor) -> Tensor:
        scores = self.decoder.scores(values, conditions)
        if self.decoder.classes:
            return -functional.cross_entropy(scores.flatten(0, 1).float(), values.flatten(), reduction="none").view(values.shape)
        return logistics(scores.float(), values)

    def _in_parts(self, values: Tensor, conditions: Tensor) -> Tensor:
        """The same of one recording, a part after the other, each with the past that its first sample hears."""
        ratio, rows = self.decoder.ratio, conditions.shape[1]
        past = -(-self.decoder.receptive_field // ratio)
        size = max(1, _AT_ONCE // ratio)
        parts = []
        for start in range(0, -(-len(values) // ratio), size):
            first = max(0, start - past)
            some = values[None, first * ratio : (start + size) * ratio]
            told = conditions if rows == 1 else conditions[:, first : start + size]
            parts.append(self._nats(some, told)[0, (start - first) * ratio :])
        return torch.cat(parts)

    def sample(self, keys: Tensor, temperature: float = 1.0, samples: int | None = None) -> Tensor:
        """Samples (batch, samples, 1) drawn with keys (batch,): classes int64, or values."""
        drawn = torch.from_numpy(np.concatenate(list(self.pieces(keys, temperature, samples)), 1))[..., None].to(keys.device)
        return drawn.to(torch.int64) if self.decoder.classes else drawn

    def part(self, start: int, stop: int) -> SampleDensity:
        """That of the latents from `start` to `stop`."""
        return replace(self, conditions=self.conditions[:, start:stop])

    def walker(self, rows: int, exact: bool = False) -> Walker:
        """What goes on from one density to the next of the same recordings."""
        return Walker(self.decoder, rows, exact)

    def pieces(self, keys: Tensor, temperature: float = 1.0, samples: int | None = None, walker: Walker | None = None) -> Iterator[np.ndarray]:
        """Samples (batch, some) float32 as they are drawn; `samples` where it is not as many as the conditions hold for."""
        ratio, rows = self.decoder.ratio, self.conditions.shape[1]
        total = rows * ratio if samples is None else samples
        walker = self.walker(len(keys)) if walker is None else walker
        conditions = _floats(self.conditions.expand(len(keys), -1, -1, -1))
        hold, told_from = (ratio, walker.at) if rows > 1 else (1 << 62, 0)
        most = ratio * max(1, _PIECE // ratio)
        for start in range(0, total, most):
            lots = random.uniform(random.fold(keys, walker.at), (most, 2), _SALT)[:, : total - start]
            yield walker.go_on(conditions, hold, told_from, lots.cpu().numpy(), temperature)[0]


class Walker:
    """Sampling with cached activations, on the processor, several recordings at once."""

    def __init__(self, decoder: WaveNet, rows: int, exact: bool = False) -> None:
        self.decoder, self.rows, self.exact, self.at = decoder, rows, exact, 0
        outputs = decoder.last.out_features
        more = -outputs % 16
        last, bias = functional.pad(decoder.last.weight.T, (0, more)), functional.pad(decoder.last.bias, (0, more))
        out = torch.cat([decoder.residual, decoder.skip], 2)
        weights = (decoder.past, decoder.present, out, decoder.head.weight.T, decoder.head.bias, last, bias)
        self.weights, self.embedding = tuple(_floats(weight) for weight in weights), _floats(decoder.embedding)
        self.dilations = np.array(decoder.dilations, np.int64)
        # past taps are made ahead as far as both the dilation and the conditions are known
        self.chunks = np.minimum(self.dilations, 16 if decoder.ratio % 16 == 0 else 1)
        edges = np.linspace(0, rows, min(torch.get_num_threads(), rows) + 1).astype(int)
        silence = float(decoder.silence(torch.zeros(1, 1))[0, 0])
        self.parts = [_Part(slice(int(a), int(b)), self.dilations, decoder.settings.channels, silence) for a, b in pairwise(edges)]

    def go_on(
        self, conditions: np.ndarray, hold: int, told_from: int, uniform: np.ndarray, temperature: float = 1.0,
        forced: np.ndarray | None = None, scores: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The next samples (rows, steps), and with `scores` what the last layer said of each (rows, steps, outputs).

        uniform (rows, steps, 2) are the numbers drawn by; `forced` (rows, steps) is taken instead where it is not NaN.
        """
        from untold.decoders import _walk

        walk: Any = _walk.walk
        steps, decoder = uniform.shape[1], self.decoder
        forced = np.full((self.rows, steps), np.nan, np.float32) if forced is None else forced.astype(np.float32)
        given = np.zeros((self.rows, steps), np.float32)
        said = np.zeros((self.rows, steps if scores else 0, decoder.last.out_features), np.float32)

        def run(part: _Part) -> None:
            mine: list[Any] = [np.ascontiguousarray(some[part.rows]) for some in (forced, uniform, conditions, given, said)]
            walk(
                self.at, told_from, decoder.classes or 0, decoder.settings.components, mine[0], mine[1], temperature, self.embedding,
                mine[2], hold, *self.weights, self.dilations, self.chunks, part.ring, part.ring_at, part.ahead, part.previous,
                mine[3], mine[4], self.exact,
            )
            given[part.rows], said[part.rows] = mine[3], mine[4]

        with ThreadPoolExecutor(len(self.parts)) as pool:
            list(pool.map(run, self.parts))
        self.at += steps
        return given, said


class _Part:
    """The state of some rows, which one thread walks."""

    def __init__(self, rows: slice, dilations: np.ndarray, channels: int, silence: float) -> None:
        from untold.decoders._walk import AHEAD

        self.rows, self.count = rows, rows.stop - rows.start
        sizes = dilations * self.count * channels
        self.ring_at = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        self.ring = np.zeros(int(sizes.sum()), np.float32)
        self.ahead = np.zeros((len(dilations), AHEAD, self.count, 2 * channels), np.float32)
        self.previous = np.full(self.count, silence, np.float32)


def logistics(parameters: Tensor, values: Tensor) -> Tensor:
    """Log mass of 16-bit values (...) in [-1, 1] under mixtures of logistics (..., 3 components): logits, means, log scales.

    A value's mass is that between half a step below and above it; the outermost two take what lies beyond.
    """
    weights, means, scales = parameters.chunk(3, -1)
    x, narrow = values[..., None], torch.exp(-scales.clamp(min=_LEAST))
    above, below = narrow * (x + _STEP / 2 - means), narrow * (x - _STEP / 2 - means)
    # log(sigmoid(above) - sigmoid(below)) = log sigmoid(above) + log sigmoid(-below) + log(1 - exp(below - above))
    inner = functional.logsigmoid(above) + functional.logsigmoid(-below) + torch.log(-torch.expm1(below - above))
    mass = torch.where(x < -1 + _STEP / 2, functional.logsigmoid(above), torch.where(x > 1 - _STEP / 2, functional.logsigmoid(-below), inner))
    return torch.logsumexp(mass + torch.log_softmax(weights, -1), -1)


def _floats(values: Tensor) -> np.ndarray:
    return np.ascontiguousarray(values.detach().float().cpu().numpy())


def _uniform(*shape: int, fan: int) -> Tensor:
    return (torch.rand(shape) * 2 - 1) * (3.0 / fan) ** 0.5


def _ordered(classes: int, channels: int, cosines: int = 16) -> Tensor:
    """Vectors of classes (classes, channels) of which neighbours begin alike: a table of independent ones has to learn first
    that classes lie in a row, and how loud each is."""
    place = (torch.arange(classes) + 0.5) * (2 / classes) - 1
    amplitude = place.sign() * (classes ** place.abs() - 1) / (classes - 1)
    features = torch.stack([place, 4 * amplitude, *(torch.cos(torch.pi / 2 * k * (place + 1)) for k in range(1, cosines))], 1)
    vectors = features @ torch.randn(features.shape[1], channels)
    return vectors / vectors.std()


def build(settings: Settings, dimensions: int, target: Any, ratio: int, sides: dict[str, int]) -> WaveNet:
    """The decoder from latents of `dimensions` to samples of the front end `target`, `ratio` samples a latent."""
    if target.grid.rate != 16000:
        raise UntoldError("decoder = 'wavenet' makes samples: its target must be mulaw or waveform")
    return WaveNet(settings, dimensions, getattr(target, "classes", None), ratio, sides)
