"""A transformer over frames: frames stacked to steps, a convolution that tells places apart, blocks of self-attention.

Each block attends over a window, so that the encoder has a finite reach and reads a long recording in chunks. After
Vaswani et al. 2017, arXiv 1706.03762, with a convolution in place of positions as wav2vec 2.0 has it (Baevski et al.
2020, arXiv 2006.11477, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn import functional

from untold import settings
from untold.contract import Stage, Stream
from untold.errors import UntoldError
from untold.layers.attention import TransformerBlock
from untold.layers.convolution import masked, strided
from untold.settings import setting


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    width: int = setting(256, low=1, high=8192, help="units of each step")
    layers: int = setting(3, low=1, high=100, help="blocks of attention")
    heads: int = setting(4, low=1, high=64, help="heads of attention; they divide the width")
    stack: int = setting(2, low=1, high=64, help="frames that make a step: 2 of 10 ms are 50 steps a second")
    window: int = setting(40, low=1, high=100_000, help="steps that a block looks at on either side")
    kernel: int = setting(15, low=1, high=255, help="steps of the convolution that tells places apart (odd)")
    dropout: float = setting(0.0, low=0.0, high=0.9, help="share of what a block adds that is dropped in training")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise UntoldError(f"width = {self.width}: heads = {self.heads} must divide it")
        if self.kernel % 2 == 0:
            raise UntoldError(f"kernel = {self.kernel}: an odd number of steps has a middle")


def _groups(width: int) -> int:
    return 16 if width % 16 == 0 else 1


class Stack(nn.Module):
    """Frames (batch, steps, dimensions) -> (batch, ceil(steps / stack), width): `stack` frames side by side, projected."""

    def __init__(self, dimensions: int, stack: int, width: int) -> None:
        super().__init__()
        self.reach, self.stride = 0, stack
        self.projection = nn.Linear(stack * dimensions, width)

    def forward(self, x: Stream) -> Stream:
        values = masked(x.values, x.lengths)
        values = functional.pad(values, (0, 0, 0, -values.shape[1] % self.stride))
        values = self.projection(values.unflatten(1, (-1, self.stride)).flatten(2))
        if self.stride == 1:
            return x.with_values(values)
        return strided(x, values, (x.lengths + self.stride - 1).div(self.stride, rounding_mode="floor"), self.stride)


class Places(nn.Module):
    """x + gelu(convolution(x)) in groups: what is told of the order of steps."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.reach, self.stride = kernel // 2, 1
        self.weights = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=_groups(width))

    def forward(self, x: Stream) -> Stream:
        if x.values.shape[1] == 0:
            return x
        heard = self.weights(masked(x.values, x.lengths).transpose(1, 2)).transpose(1, 2)
        return x.with_values(x.values + functional.gelu(heard))


class Transformer(nn.Module):
    """(batch, steps, dimensions) -> (batch, ceil(steps / stack), width). `way` has a stage for each layer."""

    def __init__(self, settings: Settings, dimensions: int) -> None:
        super().__init__()
        width, window = settings.width, settings.window
        self.dimensions, self.stride = width, settings.stack
        self.stack, self.places = Stack(dimensions, settings.stack, width), Places(width, settings.kernel)
        self.blocks: Any = nn.ModuleList(TransformerBlock(width, settings.heads, window, window, dropout=settings.dropout) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(width)
        self.reach = settings.stack * (settings.kernel // 2 + settings.layers * window)
        self.points = tuple(f"layer{number + 1}" for number in range(settings.layers))

    def begun(self, x: Stream) -> Stream:
        """Steps before the first block."""
        placed: Stream = self.places(self.stack(x))
        return placed

    def normalised(self, x: Stream) -> Stream:
        return x.with_values(self.norm(x.values))

    def way(self) -> tuple[Stage, ...]:
        """From frames to the last layer, each block a stage that can be read, and last the normalised output."""
        reach = self.places.reach * self.stride
        blocks = [Stage(point, block, block.reach) for point, block in zip(self.points, self.blocks, strict=True)]
        return (Stage("begun", self.begun, (reach, reach), self.stride), *blocks, Stage("encoder", self.normalised))

    def forward(self, x: Stream) -> Stream:
        for stage in self.way():
            x = stage.run(x)
        return x


def build(settings: Settings, dimensions: int) -> Transformer:
    """The encoder for inputs of `dimensions`."""
    return Transformer(settings, dimensions)
