"""Latents, the speaker and all samples so far -> the next sample: gated dilated causal convolutions (WaveNet).

The target is a front end of samples. `mulaw` gives classes and a softmax over them; `waveform` gives 16-bit values and a
mixture of logistics, each value the mass of its step of 2/65535. The past is the target's own, embedded. Conditions are
computed at the latents' rate, never per sample; who speaks is added to them. With `prediction` the conditions tell a
linear predictor and a gain as well, and the layers say what is left: the envelope of the spectrum need not be learnt
sample by sample. With `longest_period` they also hear what came a period ago. Sources: van den Oord et al. 2016, arXiv 1609.03499; Salimans et al. 2017, arXiv 1701.05517 (logistics);
Chorowski et al. 2019, arXiv 1901.08810 (as a decoder); Hwang et al. 2018, arXiv 1811.11913 (linear prediction).
"""

from __future__ import annotations

import math
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
from untold.layers.periods import HOP, SHORTEST, WINDOW, earlier, periods
from untold.settings import setting

_SALT = 0x3A
_STEP = 2.0 / 65535  # between two values of 16 bits
LEAST = -9.0  # of a logistic's log scale
_TOLD = 128  # units between conditions and a predictor
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
    prediction: int = setting(0, low=0, high=64, help="order of a linear predictor that the conditions tell, where the target is 16-bit values; the layers say what is left")
    longest_period: int = setting(0, low=0, high=1600, help="where there is a predictor, the longest period in samples that is sought in the past: the layers hear what came a period ago; 0: not sought")
    side_dimensions: int = setting(32, low=1, high=1024, help="dimensions of a speaker's embedding")


class WaveNet(nn.Module):
    """Conditions, perhaps with a stream `latents` (batch, rows, dimensions) -> a density of samples (batch, rows * ratio, 1)."""

    stepwise = True  # hears its own past: in training a window of each example is enough

    def __init__(self, settings: Settings, dimensions: int, classes: int | None, ratio: int, sides: dict[str, int]) -> None:
        super().__init__()
        odd = [name for name in ("channels", "skips", "head") if getattr(settings, name) % 16]
        if odd:
            raise UntoldError(f"{odd[0]} = {getattr(settings, odd[0])}: a multiple of 16 expected")
        if settings.prediction and classes:
            raise UntoldError(f"prediction = {settings.prediction}: a sum of past samples predicts values, not classes; take waveform in place of mulaw")
        if settings.longest_period and not settings.prediction:
            raise UntoldError(f"longest_period = {settings.longest_period}: what came a period ago is what a predictor left; set prediction (24)")
        if 0 < settings.longest_period < SHORTEST:
            raise UntoldError(f"longest_period = {settings.longest_period}: {SHORTEST} samples or more expected")
        self.settings, self.classes, self.ratio = settings, classes, ratio
        channels, skips = settings.channels, settings.skips
        self.dilations = tuple(2**k for _ in range(settings.cycles) for k in range(settings.layers))
        sought = WINDOW + HOP + settings.longest_period if settings.longest_period else 0
        self.receptive_field = 1 + sum(self.dilations) + settings.prediction + sought
        layers = len(self.dilations)
        self.sides = nn.ModuleDict({side: nn.Embedding(count, settings.side_dimensions) for side, count in sides.items()})
        told = dimensions + settings.side_dimensions * len(sides)
        self.conditions = nn.Linear(told, layers * 2 * channels) if told else None
        self.bias = nn.Parameter(torch.zeros(layers * 2 * channels)) if not told else None
        self.embedding = nn.Parameter(_ordered(classes, channels) if classes else torch.randn(2 + 2 * bool(settings.prediction) + 5 * bool(settings.longest_period), channels))
        if settings.prediction:
            wanted = settings.prediction + 1
            if told:
                self.predictor = nn.Sequential(nn.Linear(told, _TOLD), nn.ReLU(), nn.Linear(_TOLD, wanted))
            else:
                self.fixed = nn.Parameter(torch.zeros(1, 1, wanted))
        outputs = classes or 3 * settings.components
        self.past = nn.Parameter(_uniform(layers, channels, 2 * channels, fan=2 * channels))
        self.present = nn.Parameter(_uniform(layers, channels, 2 * channels, fan=2 * channels))
        self.residual = nn.Parameter(_uniform(layers, channels, channels, fan=channels))
        self.skip = nn.Parameter(_uniform(layers, channels, skips, fan=channels * layers))
        self.head, self.last = nn.Linear(skips, settings.head), nn.Linear(settings.head, outputs)

    def forward(self, given: Conditions) -> SampleDensity:
        told = self.told(given)
        return SampleDensity(self, self.layered(told), self.filters(told))

    def told(self, given: Conditions) -> Tensor:
        """Latents and who speaks: (batch, rows, dimensions); one row where there are no latents, no dimensions where there is nothing."""
        latents = given.streams.get("latents")
        sides = [embedding(given.sides[side]) for side, embedding in self.sides.items()]
        if latents is None:
            return torch.cat(sides, -1)[:, None] if sides else self.embedding.new_zeros((1, 1, 0))
        rows = latents.values.shape[1]
        return torch.cat([latents.values, *(side[:, None].expand(-1, rows, -1).to(latents.values) for side in sides)], -1)

    def layered(self, told: Tensor) -> Tensor:
        """What each layer's gates are told: (batch, rows, layers, 2 channels)."""
        layers = len(self.dilations)
        if self.conditions is None:
            assert self.bias is not None
            return self.bias.view(1, 1, layers, -1)
        return self.conditions(told).unflatten(-1, (layers, -1))  # type: ignore[no-any-return]

    def filters(self, told: Tensor) -> Tensor:
        """The coefficients of each row's predictor, that of the last sample first, and the log gain: (batch, rows, prediction + 1).

        They come of reflection coefficients below 1, so that what is drawn stays bounded.
        """
        order = self.settings.prediction
        if not order:
            return told.new_zeros((*told.shape[:2], 1), dtype=torch.float32)
        with torch.autocast(told.device.type, enabled=False):
            out = self.predictor(told.float()) if told.shape[-1] else self.fixed
            coefficients = out[..., :0]
            for reflection in torch.tanh(out[..., :order]).unbind(-1):
                coefficients = torch.cat([coefficients - reflection[..., None] * coefficients.flip(-1), reflection[..., None]], -1)
            return torch.cat([coefficients, out[..., order:] - 4], -1)

    def scores(self, values: Tensor, conditions: Tensor, around: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """What the last layer says of each sample given those before: values (batch, samples), with `prediction` what is `predicted` -> (batch, samples, outputs)."""
        x = self.embedded(values, around)
        skips = stack(x, conditions, self.past, self.present, self.residual, self.skip, self.dilations)
        return self.last(torch.relu(self.head(torch.relu(skips))))  # type: ignore[no-any-return]

    def predicted(self, values: Tensor, filters: Tensor) -> tuple[Tensor, Tensor]:
        """What the predictors make of the past of each of values (batch, samples), and their gains (batch, 1 or samples)."""
        order, rows, hold = self.settings.prediction, filters.shape[1], values.shape[1] // filters.shape[1]
        gain = filters[..., order].exp().repeat_interleave(hold if rows > 1 else 1, 1)
        if not order:
            return torch.zeros_like(values, dtype=torch.float32), gain
        past = functional.pad(values.float(), (order, 0)).unfold(1, order, 1)[:, : rows * hold].unflatten(1, (rows, hold))
        return (past @ filters[..., :order].flip(-1)[..., None])[..., 0].flatten(1), gain

    @property
    def silence(self) -> int:
        """The sample before the first."""
        return self.classes // 2 if self.classes else 0

    def embedded(self, values: Tensor, around: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """What is heard of the past of each of values (batch, samples), classes or not: (batch, samples, channels)."""
        before = functional.pad(values, (1, 0), value=self.silence)[:, :-1]
        if self.classes:
            return functional.embedding(before, self.embedding)
        features = [loudness(before), torch.ones_like(values)]
        if self.settings.prediction:
            assert around is not None
            predicted, gain = around
            left = torch.asinh((values - predicted) / gain)
            features += [loudness(predicted), functional.pad(left, (1, 0))[:, :-1]]
            if self.settings.longest_period:
                lags, strengths = periods(values, self.settings.longest_period)
                features += [loudness(earlier(values, lags)), *(earlier(left, lags - ahead) for ahead in range(3)), 2 * strengths]
        return torch.stack(features, -1) @ self.embedding


def loudness(values: Tensor) -> Tensor:
    """Values in [-1, 1] on the scale of mu-law, in [-4, 4]: quiet ones are told apart as well as loud ones."""
    return 4 / np.log(256) * values.sign() * torch.log1p(255 * values.abs())


@dataclass(frozen=True)
class SampleDensity:
    """A density of samples, each given those before: what each layer is told (batch, rows, layers, 2 channels), and filters."""

    decoder: WaveNet
    conditions: Tensor
    filters: Tensor

    def log_prob(self, x: Stream) -> Tensor:
        """Nats (batch, samples), 0 where not counted. Teacher-forced: the past is that of x."""
        values = x.values[..., 0]
        rows, samples, ratio = self.conditions.shape[1], values.shape[1], self.decoder.ratio
        conditions, filters = self._of(len(values))
        whole = rows * ratio if rows > 1 else samples  # each row of conditions holds for `ratio` samples, a single one for all
        values = functional.pad(values, (0, max(0, whole - samples)))[:, :whole]
        if torch.is_grad_enabled() or values.numel() <= _AT_ONCE:
            nats = self._nats(values, conditions, filters)
        else:
            nats = torch.stack([self._in_parts(values[row], conditions[row : row + 1], filters[row : row + 1]) for row in range(len(values))])
        return functional.pad(nats, (0, max(0, samples - whole)))[:, :samples] * x.counted

    def _of(self, examples: int) -> tuple[Tensor, Tensor]:
        return self.conditions.expand(examples, -1, -1, -1), self.filters.expand(examples, -1, -1)

    def _nats(self, values: Tensor, conditions: Tensor, filters: Tensor) -> Tensor:
        if self.decoder.classes:
            scores = self.decoder.scores(values, conditions)
            return -functional.cross_entropy(scores.flatten(0, 1).float(), values.flatten(), reduction="none").view(values.shape)
        around = self.decoder.predicted(values, filters)
        return logistics(self.decoder.scores(values, conditions, around).float(), values, *around)

    def _in_parts(self, values: Tensor, conditions: Tensor, filters: Tensor) -> Tensor:
        """The same of one recording, a part after the other, each with the past that its first sample hears."""
        ratio, rows = self.decoder.ratio, conditions.shape[1]
        unit = math.lcm(ratio, HOP) // ratio  # periods are sought in blocks from the first sample on
        past, size = (max(1, -(-most // ratio // unit)) * unit for most in (self.decoder.receptive_field, _AT_ONCE))
        parts = []
        for start in range(0, -(-len(values) // ratio), size):
            first = max(0, start - past)
            some = values[None, first * ratio : (start + size) * ratio]
            told = (conditions, filters) if rows == 1 else (conditions[:, first : start + size], filters[:, first : start + size])
            parts.append(self._nats(some, *told)[0, (start - first) * ratio :])
        return torch.cat(parts)

    def sample(self, keys: Tensor, temperature: float = 1.0, samples: int | None = None) -> Tensor:
        """Samples (batch, samples, 1) drawn with keys (batch,): classes int64, or values."""
        drawn = torch.from_numpy(np.concatenate(list(self.pieces(keys, temperature, samples)), 1))[..., None].to(keys.device)
        return drawn.to(torch.int64) if self.decoder.classes else drawn

    def part(self, start: int, stop: int) -> SampleDensity:
        """That of the latents from `start` to `stop`."""
        return replace(self, conditions=self.conditions[:, start:stop], filters=self.filters[:, start:stop])

    def walker(self, rows: int, exact: bool = False) -> Walker:
        """What goes on from one density to the next of the same recordings."""
        return Walker(self.decoder, rows, exact)

    def pieces(self, keys: Tensor, temperature: float = 1.0, samples: int | None = None, walker: Walker | None = None) -> Iterator[np.ndarray]:
        """Samples (batch, some) float32 as they are drawn; `samples` where it is not as many as the conditions hold for."""
        ratio, rows = self.decoder.ratio, self.conditions.shape[1]
        total = rows * ratio if samples is None else samples
        walker = self.walker(len(keys)) if walker is None else walker
        conditions, filters = (_floats(some) for some in self._of(len(keys)))
        hold, told_from = (ratio, walker.at) if rows > 1 else (1 << 62, 0)
        most = ratio * max(1, _PIECE // ratio)
        for start in range(0, total, most):
            lots = random.uniform(random.fold(keys, walker.at), (most, 2), _SALT)[:, : total - start]
            yield walker.go_on(conditions, filters, hold, told_from, lots.cpu().numpy(), temperature)[0]


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
        self.parts = [_Part(slice(int(a), int(b)), self.dilations, decoder) for a, b in pairwise(edges)]

    def go_on(
        self, conditions: np.ndarray, filters: np.ndarray, hold: int, told_from: int, uniform: np.ndarray, temperature: float = 1.0,
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
            mine: list[Any] = [np.ascontiguousarray(some[part.rows]) for some in (forced, uniform, conditions, filters, given, said)]
            walk(
                self.at, told_from, decoder.classes or 0, decoder.settings.components, decoder.settings.longest_period, mine[0], mine[1], temperature, self.embedding,
                mine[2], mine[3], hold, *self.weights, self.dilations, self.chunks, part.ring, part.ring_at, part.ahead, part.values,
                part.left, part.lags, part.strengths, mine[4], mine[5], self.exact,
            )
            given[part.rows], said[part.rows] = mine[4], mine[5]

        with ThreadPoolExecutor(len(self.parts)) as pool:
            list(pool.map(run, self.parts))
        self.at += steps
        return given, said


class _Part:
    """The state of some rows, which one thread walks."""

    def __init__(self, rows: slice, dilations: np.ndarray, decoder: WaveNet) -> None:
        from untold.decoders._walk import AHEAD

        self.rows, self.count = rows, rows.stop - rows.start
        channels, longest = decoder.settings.channels, decoder.settings.longest_period
        sizes = dilations * self.count * channels
        self.ring_at = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        self.ring = np.zeros(int(sizes.sum()), np.float32)
        self.ahead = np.zeros((len(dilations), AHEAD, self.count, 2 * channels), np.float32)
        kept = 1 << max(decoder.settings.prediction, WINDOW + longest if longest else 0).bit_length()
        self.values = np.full((self.count, kept), decoder.silence, np.float32)
        self.left = np.zeros((self.count, kept), np.float32)  # by predictions
        self.lags, self.strengths = np.ones(self.count, np.int64), np.zeros(self.count, np.float32)


def logistics(parameters: Tensor, values: Tensor, around: Tensor | float = 0.0, gain: Tensor | float = 1.0) -> Tensor:
    """Log mass of 16-bit values (...) in [-1, 1] under mixtures of logistics (..., 3 components): logits, means, log scales.

    Means and scales are in units of `gain`, means from `around` on. A value's mass is that between half a step below and
    above it; the outermost two take what lies beyond.
    """
    weights, means, scales = parameters.chunk(3, -1)
    around, gain = (torch.as_tensor(part, dtype=parameters.dtype, device=parameters.device)[..., None] for part in (around, gain))
    x, narrow, means = values[..., None], torch.exp(-(scales + gain.log()).clamp(min=LEAST)), around + gain * means
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
