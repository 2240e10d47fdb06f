"""Convolutions over padded sequences: what lies beyond a sequence's end counts as zero, as it does for it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from untold.contract import Stream


def inside(lengths: Tensor, steps: int) -> Tensor:
    """(batch, steps) bool: which steps lie within the lengths (batch,)."""
    return torch.arange(steps, device=lengths.device)[None] < lengths[:, None]


def masked(values: Tensor, lengths: Tensor) -> Tensor:
    """`values` (batch, steps, dimensions) with zeros beyond the lengths."""
    return values * inside(lengths, values.shape[1])[..., None].to(values.dtype)


class Convolution(nn.Module):
    """A convolution over steps, zeros beyond the ends: (batch, steps, in) -> (batch, ceil(steps/stride), out).

    Output j stands for inputs stride j ... stride j + stride - 1. It is centred on them, for which kernel and stride are
    both odd or both even, or sees `left` steps before them: kernel - stride for one that hears nothing of what comes.
    `reach` is how many steps it sees beyond those, on the side where it sees more.
    """

    def __init__(self, dimensions: int, out: int, kernel: int = 3, stride: int = 1, left: int | None = None) -> None:
        super().__init__()
        if left is None and (kernel - stride) % 2:
            raise ValueError("kernel and stride must both be odd or both even to be centred")
        self.kernel, self.stride, self.left = kernel, stride, (kernel - stride) // 2 if left is None else left
        self.reach = max(self.left, kernel - stride - self.left)
        self.weights = nn.Conv1d(dimensions, out, kernel, stride)

    def forward(self, x: Stream) -> Stream:
        values = masked(x.values, x.lengths)
        steps = -(-values.shape[1] // self.stride)
        right = (steps - 1) * self.stride + self.kernel - self.left - values.shape[1]
        values = functional.pad(values.transpose(1, 2), (self.left, right))
        values = self.weights(values).transpose(1, 2)
        if self.stride == 1:
            return x.with_values(values)
        lengths = torch.div(x.lengths + self.stride - 1, self.stride, rounding_mode="floor")
        return strided(x, values, lengths, self.stride)


def strided(x: Stream, values: Tensor, lengths: Tensor, stride: int) -> Stream:
    """A stream of every `stride` steps of `x`: a step counts when one of the steps below it does."""
    short = values.shape[1] * stride - x.counted.shape[1]
    counted = functional.pad(x.counted, (0, short)).unflatten(1, (-1, stride)).any(-1)
    return replace(x, values=values, lengths=lengths, counted=counted, grid=x.grid.strided(stride))


class ResidualConvolution(nn.Module):
    """x + relu(convolution(x)), the same width in and out."""

    def __init__(self, dimensions: int, kernel: int = 3) -> None:
        super().__init__()
        self.convolution = Convolution(dimensions, dimensions, kernel)
        self.stride, self.reach = 1, self.convolution.reach

    def forward(self, x: Stream) -> Stream:
        return x.with_values(x.values + torch.relu(self.convolution(x).values))


class RectifiedConvolution(nn.Module):
    """relu(convolution(x)), where the width or the rate changes."""

    def __init__(self, dimensions: int, out: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.convolution = Convolution(dimensions, out, kernel, stride)
        self.stride, self.reach = stride, self.convolution.reach

    def forward(self, x: Stream) -> Stream:
        y = self.convolution(x)
        return y.with_values(torch.relu(y.values))


class InARow(nn.Module):
    """Layers one after another, each with its `reach` and `stride`: an encoder, (batch, steps, in) -> (batch, ceil(steps / stride), out)."""

    def __init__(self, layers: Sequence[nn.Module], dimensions: int) -> None:
        super().__init__()
        self.layers, self.dimensions = nn.Sequential(*layers), dimensions
        self.reach, self.stride = reach_of(self.layers)

    def forward(self, x: Stream) -> Stream:
        out = self.layers(x)
        assert isinstance(out, Stream)
        return out


def reach_of(stack: nn.Module) -> tuple[int, int]:
    """(reach, stride) of a sequence of layers with `reach` and `stride`, in steps of its input."""
    reach, stride = 0, 1
    for layer in stack.children():
        own_reach, own_stride = int(getattr(layer, "reach", 0)), int(getattr(layer, "stride", 1))
        reach, stride = reach + own_reach * stride, stride * own_stride
    return reach, stride
