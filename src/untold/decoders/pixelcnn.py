"""Latents, the scribe and all pixels so far -> the next pixel: a PixelCNN along the line, and one that reads backward.

Columns follow one another, and in a column the pixels from top to bottom. Each network has two stacks, so that nothing
of the past is hidden from a pixel: one over the columns before, which sees rows above and below as well, and one over
the pixels above in the column itself, which is told what the first says of the place. Latents and who writes are made
into a small vector for each pixel. The target is the front end `pixels`; beyond its edges is paper.

With `backward` a second network reads the line from its end, and the nats are the mean of the two: an upper bound on
those of their even mixture. A picture is drawn by the forward network, pixel by pixel. Sources: van den Oord et al. 2016,
arXiv 1601.06759 (the order, levels as classes), and 2016, arXiv 1606.05328 (two stacks, gates, conditions); Chorowski et
al. 2019, the handwriting experiments of lecture 000 (both directions).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from untold import settings
from untold.contract import Conditions, Stream
from untold.errors import UntoldError
from untold.layers import random
from untold.layers.convolution import Convolution, ResidualConvolution
from untold.settings import setting

_SALT = 0x9C
_BEFORE, _AROUND, _ABOVE = 4, 3, 16  # pixels that the first layers see: columns before, rows on either side there, rows above
_AT_ONCE = 1 << 18  # pixels that are scored at once where no gradient is wanted

Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    width: int = setting(192, low=1, high=8192, help="units of each layer at the latents' rate")
    layers: int = setting(1, low=0, high=20, help="residual convolutions at the latents' rate")
    channels: int = setting(16, low=1, high=1024, help="channels of each pixel")
    pixel_layers: int = setting(2, low=0, high=40, help="gated layers over pixels, after the first")
    head: int = setting(32, low=1, high=4096, help="units between the last layer and the scores")
    backward: bool = setting(True, help="a second network that reads the line from its end")
    side_dimensions: int = setting(32, low=1, high=1024, help="dimensions of a scribe's embedding")


class PixelCNN(nn.Module):
    """Conditions with a stream `latents` (batch, steps, dimensions) -> density of pixels (batch, ratio steps, height)."""

    stepwise = True  # hears its own past: in training a window of each example is enough

    def __init__(self, settings: Settings, dimensions: int, height: int, levels: int, ratio: int, sides: dict[str, int]) -> None:
        super().__init__()
        self.ratio, self.height, self.levels = ratio, height, levels
        self.sides = nn.ModuleDict({side: nn.Embedding(count, settings.side_dimensions) for side, count in sides.items()})
        self.enter = Convolution(dimensions + settings.side_dimensions * len(sides), settings.width)
        self.slow = nn.Sequential(*[ResidualConvolution(settings.width) for _ in range(settings.layers)])
        self.spread = nn.Linear(settings.width, settings.channels * height * ratio)
        self.forth = Pixels(settings, levels)
        self.back = Pixels(settings, levels) if settings.backward else None

    def forward(self, given: Conditions) -> PixelDensity:
        return PixelDensity(self, self.told(given), given.streams["latents"].lengths * self.ratio)

    def told(self, given: Conditions) -> Tensor:
        """What is told of each pixel: (batch, ratio steps, height, channels)."""
        latents = given.streams["latents"]
        told = [embedding(given.sides[side])[:, None].expand(-1, latents.values.shape[1], -1) for side, embedding in self.sides.items()]
        x = self.enter(latents.with_values(torch.cat([latents.values, *told], -1)))
        x = self.slow(x.with_values(torch.relu(x.values)))
        return torch.relu(self.spread(x.values)).unflatten(-1, (self.ratio, self.height, -1)).flatten(1, 2)


class Pixels(nn.Module):
    """What one network says of each pixel: ink and told (batch, steps, height[, channels]) -> scores (..., levels).

    The column of a pixel sees those before it by `before` and `behind`; in it a pixel sees those above by `above` and
    `along`. `across` tells the second stack what the first has found.
    """

    def __init__(self, settings: Settings, levels: int) -> None:
        super().__init__()
        channels, layers = settings.channels, range(settings.pixel_layers)
        self.channels = channels
        self.before = nn.Linear(_BEFORE * (2 * _AROUND + 1), 2 * channels)
        self.above = nn.Linear(_ABOVE, 2 * channels, bias=False)
        self.told = nn.Linear(channels, 2 * channels, bias=False)
        self.enter = nn.Linear(channels, channels)
        self.behind = nn.ModuleList(nn.Conv2d(channels, 2 * channels, (2, 3), padding=(0, 1)) for _ in layers)
        self.along = nn.ModuleList(nn.Conv2d(channels, 2 * channels, (1, 3)) for _ in layers)
        self.across = nn.ModuleList(nn.Linear(channels, 2 * channels, bias=False) for _ in layers)
        self.out = nn.ModuleList(nn.Linear(channels, channels) for _ in layers)
        self.head, self.last = nn.Linear(channels, settings.head), nn.Linear(settings.head, levels)

    def forward(self, ink: Tensor, told: Tensor) -> Tensor:
        around = functional.pad(ink, (_AROUND, _AROUND, _BEFORE, 0))[:, :-1].unfold(1, _BEFORE, 1).unfold(2, 2 * _AROUND + 1, 1)
        over = functional.pad(ink, (_ABOVE, 0))[..., :-1].unfold(2, _ABOVE, 1)
        found = self.before(around.flatten(-2)) + self.told(told)
        x, column = _gated(found), self.enter(_gated(found + self.above(over)))
        for behind, along, across, out in zip(self.behind, self.along, self.across, self.out, strict=True):
            x = x + _gated(_convolved(behind, functional.pad(x, (0, 0, 0, 0, 1, 0))))
            column = column + out(_gated(_convolved(along, functional.pad(column, (0, 0, 2, 0))) + across(x)))
        return self.last(torch.relu(self.head(torch.relu(column))))  # type: ignore[no-any-return]


def _convolved(convolution: nn.Module, x: Tensor) -> Tensor:
    """A convolution of (batch, steps, height, channels), channels last in memory: fastest."""
    out: Tensor = convolution(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    return out


def _gated(x: Tensor) -> Tensor:
    """Of [a | b]: tanh(a) (1 + tanh(b)), which is 2 tanh(a) sigmoid(2 b)."""
    a, b = torch.tanh(x).chunk(2, -1)
    return torch.addcmul(a, a, b)


@dataclass(frozen=True)
class PixelDensity:
    """A density of levels, each given those before: what is told of each pixel, and how many columns (batch,) there are."""

    decoder: PixelCNN
    told: Tensor
    lengths: Tensor

    def log_prob(self, x: Stream) -> Tensor:
        """Nats (batch, steps) of whole columns, 0 where not counted. Teacher-forced: the past is that of x."""
        steps = min(x.values.shape[1], self.told.shape[1])
        values, told, lengths = x.values[:, :steps], self.told[:, :steps], x.lengths.clamp(max=steps)
        nats = self._nats(self.decoder.forth, values, told)
        if self.decoder.back is not None:
            place = torch.arange(steps, device=lengths.device)[None]
            turned = torch.where(place < lengths[:, None], lengths[:, None] - 1 - place, place)  # each from its own end
            row = torch.arange(len(values), device=values.device)[:, None]
            nats = (nats + self._nats(self.decoder.back, values[row, turned], told[row, turned])[row, turned]) / 2
        return functional.pad(nats, (0, x.values.shape[1] - steps)) * x.counted

    def _nats(self, net: Pixels, values: Tensor, told: Tensor) -> Tensor:
        """Nats (batch, steps) of one network; in pieces where no gradient is wanted, each with the past that it sees."""
        steps, past = values.shape[1], _BEFORE + len(net.behind)
        size = max(1, steps) if torch.is_grad_enabled() else max(past, _AT_ONCE // (max(1, len(values)) * self.decoder.height))
        parts = [values.new_zeros((len(values), 0), dtype=torch.float32)]
        for start in range(0, steps, size):
            first = max(0, start - past)
            some = values[:, first : start + size]
            scores = net(some.to(told.dtype) / (self.decoder.levels - 1), told[:, first : start + size])
            nats = -functional.cross_entropy(scores.flatten(0, 2).float(), some.flatten(), reduction="none").view(some.shape).sum(-1)
            parts.append(nats[:, start - first :])
        return torch.cat(parts, 1)

    @cached_property
    def mean(self) -> Tensor:
        """Ink (batch, steps, height) in [0, 1]. What is expected of each pixel given those drawn is not known beforehand: this
        is one picture, drawn when it is first asked for, always the same."""
        return self.sample(torch.zeros(len(self.told), dtype=torch.int64, device=self.told.device))

    def sample(self, keys: Tensor, temperature: float = 1.0) -> Tensor:
        """Ink (batch, steps, height) drawn with keys (batch,), pixel by pixel; paper beyond the lengths.

        Each line is drawn by itself, so it is the same whatever is drawn beside it.
        """
        lots = random.uniform(keys, tuple(self.told.shape[1:3]), _SALT).cpu().numpy()
        ink, columns, pen = np.zeros(self.told.shape[:3], np.float32), self.lengths.tolist(), Pen(self.decoder.forth)
        for row, told in enumerate(_floats(self.told)):
            drawn, _ = pen.draw(told[: columns[row]], lots[row], temperature)
            ink[row, : len(drawn)] = drawn / (self.decoder.levels - 1)
        return torch.from_numpy(ink).to(self.told.device)


class Pen:
    """Draws with a network pixel by pixel, on the processor: what later pixels need is kept, so a pixel costs itself only.

    The stack over columns is computed a column at a time, the stack within the column a pixel at a time.
    """

    def __init__(self, net: Pixels) -> None:
        self.channels, self.levels = net.channels, net.last.out_features
        self.before, self.above, self.told, self.enter = _linear(net.before), _linear(net.above)[0], _linear(net.told)[0], _linear(net.enter)
        self.layers = [
            (_flat(behind), _linear(across)[0], _flat(along), _linear(out))
            for behind, along, across, out in zip(net.behind, net.along, net.across, net.out, strict=True)
        ]
        self.head, self.last = _linear(net.head), _linear(net.last)

    def draw(self, told: Array, lots: Array, temperature: float = 1.0, forced: Array | None = None) -> tuple[Array, Array]:
        """Levels (steps, height) int64 of a line, and the scores (steps, height, levels) that each was drawn by.

        told (steps, height, channels); lots (steps, height) uniform in [0, 1); `forced` levels are taken instead of drawn ones.
        """
        steps, height = told.shape[:2]
        ink = np.zeros((_BEFORE + steps, height + 2 * _AROUND), np.float32)
        levels, scores = np.zeros((steps, height), np.int64), np.zeros((steps, height, self.levels), np.float32)
        kept = [np.zeros((2, height + 2, self.channels), np.float32) for _ in self.layers]  # inputs of `behind`: the column before, and this
        around = np.lib.stride_tricks.sliding_window_view(ink, (_BEFORE, 2 * _AROUND + 1))
        for t in range(steps):
            for one in kept:
                one[0] = one[1]
            found = around[t].reshape(height, -1) @ self.before[0] + self.before[1] + told[t] @ self.told
            given, x = [found], _gates(found)
            for ((behind, bias), across, (_, own), _), one in zip(self.layers, kept, strict=True):
                one[1, 1:-1] = x
                x = x + _gates(np.concatenate([one[c, r : r + height] for c in (0, 1) for r in (0, 1, 2)], 1) @ behind + bias)
                given.append(x @ across + own)
            self._column(given, ink[_BEFORE + t, _AROUND : _AROUND + height], lots[t], temperature, levels[t], scores[t], None if forced is None else forced[t])
        return levels, scores

    def _column(self, given: list[Array], ink: Array, lots: Array, temperature: float, levels: Array, scores: Array, forced: Array | None) -> None:
        """Fills a column: ink (height,) in [0, 1], levels (height,), scores (height, levels)."""
        height, channels = len(ink), self.channels
        over = np.zeros(_ABOVE + height, np.float32)
        kept = [np.zeros((height + 2, channels), np.float32) for _ in self.layers]
        (enter, enter_bias), (head, head_bias), (last, last_bias) = self.enter, self.head, self.last
        cool = 1 / max(temperature, 1e-6)
        for h in range(height):
            x = _gates(over[h : h + _ABOVE] @ self.above + given[0][h]) @ enter + enter_bias
            for (_, _, (along, _), (out, bias)), one, told in zip(self.layers, kept, given[1:], strict=True):
                one[h + 2] = x
                x = x + (_gates(one[h : h + 3].reshape(-1) @ along + told[h]) @ out + bias)
            said = np.maximum(np.maximum(x, 0) @ head + head_bias, 0) @ last + last_bias
            chance = np.exp((said - said.max()) * cool).cumsum()
            level = int((lots[h] * chance[-1] >= chance).sum()) if forced is None else int(forced[h])
            scores[h], levels[h] = said, level
            ink[h] = over[_ABOVE + h] = level / (self.levels - 1)


def _gates(x: Array) -> Array:
    y = np.tanh(x)
    half = y.shape[-1] // 2
    gated: Array = y[..., :half] * (y[..., half:] + np.float32(1))
    return gated


def _linear(layer: Any) -> tuple[Array, Array]:
    """Weights (inputs, outputs) and bias."""
    return _floats(layer.weight.T), _floats(layer.weight.new_zeros(layer.weight.shape[0]) if layer.bias is None else layer.bias)


def _flat(convolution: Any) -> tuple[Array, Array]:
    """Weights (columns x rows x inputs, outputs) and bias."""
    return _floats(convolution.weight.permute(2, 3, 1, 0).flatten(0, 2)), _floats(convolution.bias)


def _floats(values: Tensor) -> Array:
    return np.ascontiguousarray(values.detach().float().cpu().numpy())


def build(settings: Settings, dimensions: int, target: Any, ratio: int, sides: dict[str, int]) -> PixelCNN:
    """The decoder from latents of `dimensions` to the pixels of the front end `target`, `ratio` columns a latent."""
    if target.grid.unit != "pixel" or not getattr(target, "classes", None):
        raise UntoldError("decoder = 'pixelcnn' predicts levels of ink: take target = 'pixels'")
    return PixelCNN(settings, dimensions, target.dimensions, target.classes, ratio, sides)
