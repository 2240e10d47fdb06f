"""What a recogniser sees: vectors, tokens or pictures of lines, brought to the steps at which symbols are told.

Pictures go through convolutions of two dimensions with batch normalisation: a letter is known by where its strokes lie in
height, which a vector a column hides from convolutions over columns (the layers of Shi, Bai and Yao 2017, arXiv
1507.05717, much smaller).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from untold.contract import Grid, Stream
from untold.evaluation._axes import AXES
from untold.evaluation.probes import standardising
from untold.frontends.columns import bent
from untold.layers.batch_norm import MaskedBatchNorm
from untold.layers.convolution import inside

_STRETCH = 1.25  # a picture may be as many times as wide in training, or as narrow


class _Rated(nn.Module):
    """Brings steps of any length to those at which symbols are told: a latent is several of them, or they are several frames."""

    def __init__(self, grid: Grid, width: int) -> None:
        super().__init__()
        wanted = AXES[grid.unit].read
        self.repeat, self.stride = max(1, round(1 / grid.rate / wanted)), max(1, round(wanted * grid.rate))
        finer = replace(grid, rate=grid.rate * self.repeat, first=grid.first - (1 - Fraction(1, self.repeat)) / grid.rate / 2)
        self.grid = finer.strided(self.stride)
        self.spread, self.level = nn.Conv1d(width, width * self.repeat, self.stride, self.stride), MaskedBatchNorm(width)

    def outputs(self, steps: int) -> int:
        """Steps that come out."""
        return -(-steps * self.repeat // self.stride)

    def rated(self, x: Stream) -> Stream:
        values = x.values * inside(x.lengths, x.values.shape[1])[..., None].to(x.values.dtype)
        short = -values.shape[1] % self.stride
        out = self.spread(functional.pad(values, (0, 0, 0, short)).transpose(1, 2)).transpose(1, 2)
        out = torch.relu(out.unflatten(-1, (self.repeat, -1)).flatten(1, 2))
        lengths = torch.tensor([self.outputs(int(length)) for length in x.lengths])
        there = inside(lengths, out.shape[1])
        return Stream(self.level(out, there), lengths, there, self.grid)

    def varied(self, x: Stream, rng: np.random.Generator) -> Stream:
        """What is seen of a batch in training: it as it is."""
        del rng
        return x


class Vectors(_Rated):
    """Features (batch, steps, dimensions), standardised with what the training part has -> (batch, steps, width)."""

    mean: Tensor
    scale: Tensor

    def __init__(self, grid: Grid, mean: np.ndarray, scale: np.ndarray, width: int) -> None:
        super().__init__(grid, width)
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("scale", torch.from_numpy(scale))
        self.enter = nn.Linear(len(mean), width)

    def forward(self, x: Stream) -> Stream:
        return self.rated(x.with_values(torch.relu(self.enter((x.values - self.mean) / self.scale))))


class Tokens(_Rated):
    """Tokens (batch, steps) int64, -1 where there is none -> (batch, steps, width), by a table that is learnt."""

    def __init__(self, grid: Grid, alphabet: int, width: int) -> None:
        super().__init__(grid, width)
        self.table = nn.Embedding(alphabet + 1, width)

    def forward(self, x: Stream) -> Stream:
        return self.rated(x.with_values(self.table(x.values + 1)))


class Pictures(_Rated):
    """Columns of ink (batch, steps, rows) in [0, 1], at half the distance of the symbols -> (batch, steps / 2, width).

    The height is halved three times, the width once. In training lines are bent and stretched at random (`varied`).
    """

    def __init__(self, grid: Grid, rows: int, width: int, channels: int = 16) -> None:
        super().__init__(grid, width)
        if self.repeat != 1 or self.stride != 2:
            raise ValueError(f"pictures have a column every {AXES[grid.unit].read / 2} pixels")
        del self.spread
        sizes = [1, channels, 2 * channels, 4 * channels, 4 * channels]
        self.layers = nn.ModuleList(nn.Conv2d(sizes[i], sizes[i + 1], 3, padding=1, bias=False) for i in range(4))
        self.norms = nn.ModuleList(MaskedBatchNorm(size) for size in sizes[1:])
        self.flat = nn.Linear(sizes[-1] * -(-rows // 8), width, bias=False)

    def forward(self, x: Stream) -> Stream:
        values, there = x.values[:, None], inside(x.lengths, x.values.shape[1])  # (batch, channels, steps, rows)
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            values = layer(values * there[:, None, :, None].to(values.dtype)).permute(0, 2, 3, 1)
            seen = norm(values.flatten(1, 2), there.repeat_interleave(values.shape[2], 1)).view(values.shape)
            values = torch.relu(seen).permute(0, 3, 1, 2)
            if number < 3:
                values = values * there[:, None, :, None].to(values.dtype)
                values = functional.max_pool2d(values, (2, 2) if number == 0 else (1, 2), ceil_mode=True)
            if number == 0:
                there = inside(self._lengths(x), values.shape[2])
        out = self.flat(values.permute(0, 2, 1, 3).flatten(2))
        return Stream(torch.relu(self.level(out, there)), self._lengths(x), there, self.grid)

    def _lengths(self, x: Stream) -> Tensor:
        return torch.div(x.lengths + 1, 2, rounding_mode="floor")

    def varied(self, x: Stream, rng: np.random.Generator) -> Stream:
        """Lines moved, slanted, thickened, and all made wider or narrower, at random."""
        wide = max(1, round(x.values.shape[1] * _STRETCH ** rng.uniform(-1, 1)))
        keys = torch.from_numpy(rng.integers(0, 1 << 62, len(x.values)))
        values = functional.interpolate(x.values[:, None], (wide, x.values.shape[2]), mode="bilinear", align_corners=False)[:, 0]
        lengths = (x.lengths * wide / x.values.shape[1]).ceil().long().clamp(1, wide)
        return Stream(bent(values, keys), lengths, inside(lengths, wide), x.grid)


Eyes = Vectors | Tokens | Pictures


def vectors(lines: Sequence[np.ndarray], grid: Grid, width: int) -> Callable[[], Vectors]:
    """The eyes for features like those of the training part."""
    mean, scale = standardising(np.concatenate([line for line in lines if len(line)]))
    return lambda: Vectors(grid, mean, scale, width)
