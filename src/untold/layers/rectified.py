"""Normalisation over the channels of each step by itself: nothing is known of other steps, recordings or batches.

    y = scale (x - mean) / sqrt(variance + 1e-5) + shift        mean and unbiased variance over the channels of a step

Read in chunks, alone or in a batch, a step is the same. Source: Rivière, Joulin, Mazaré and Dupoux 2020, arXiv
2002.02848, in place of the batch normalisation that contrastive prediction can cheat with.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from untold.contract import Stream
from untold.layers.convolution import Convolution


class ChannelNorm(nn.Module):
    """(batch, steps, channels) -> the same shape; two channels at least."""

    def __init__(self, channels: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        if channels < 2:
            raise ValueError("one channel has no variance over channels")
        # the fused operation divides by the biased deviation: one factor on epsilon and one on the result make it the unbiased one
        self.share = (channels - 1) / channels
        self.epsilon = epsilon * self.share
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, values: Tensor) -> Tensor:
        scale = self.scale * math.sqrt(self.share)
        return functional.layer_norm(values, (values.shape[-1],), scale, self.shift, self.epsilon)


class Rectified(nn.Module):
    """relu(norm(convolution(x))), and x added where `residual` says so. `left` as a `Convolution` has it; by default nothing is
    heard of what comes after the steps under an output."""

    def __init__(self, dimensions: int, out: int, kernel: int, stride: int = 1, left: int | None = None, residual: bool = False) -> None:
        super().__init__()
        self.convolution = Convolution(dimensions, out, kernel, stride, kernel - stride if left is None else left)
        self.norm = ChannelNorm(out)
        self.stride, self.reach, self.residual = stride, self.convolution.reach, residual

    def forward(self, x: Stream) -> Stream:
        y: Stream = self.convolution(x)
        values: Tensor = torch.relu(self.norm(y.values))
        return y.with_values(x.values + values if self.residual else values)
