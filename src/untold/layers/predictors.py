"""Predictors of several steps ahead, all at once: a matrix a step, or a transformer of one layer a step.

The transformers see the contexts up to their own, as in Rivière et al. 2020, arXiv 2002.02848; no place is told them,
since the contexts are recurrent and know their own. Weights of all steps lie side by side, so that a layer of all of
them is one batched product.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Each(nn.Module):
    """A matrix and a shift for each of `count` predictions: (count, n, in) -> (count, n, out)."""

    def __init__(self, count: int, dimensions: int, out: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(dimensions)
        self.weights = nn.Parameter(torch.empty(count, dimensions, out).uniform_(-bound, bound))
        self.shifts = nn.Parameter(torch.zeros(count, 1, out))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.shifts.to(x.dtype), x, self.weights.to(x.dtype))


class Linear(nn.Module):
    """(batch, steps, dimensions) -> (batch, count, steps, out): a matrix for each prediction."""

    def __init__(self, dimensions: int, out: int, count: int) -> None:
        super().__init__()
        self.count, self.matrices = count, nn.Linear(dimensions, count * out)

    def forward(self, c: Tensor) -> Tensor:
        return self.matrices(c).unflatten(-1, (self.count, -1)).transpose(1, 2)


class Transformer(nn.Module):
    """(batch, steps, dimensions) -> (batch, count, steps, out): a layer of causal attention and a dense one for each prediction."""

    def __init__(self, dimensions: int, out: int, count: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.count, self.heads = count, heads
        self.asked = nn.Linear(dimensions, count * 3 * dimensions)
        self.joined, self.wide, self.narrow = Each(count, dimensions, dimensions), Each(count, dimensions, hidden), Each(count, hidden, dimensions)
        self.said = Each(count, dimensions, out)
        self.norm, self.second = nn.LayerNorm(dimensions), nn.LayerNorm(dimensions)

    def forward(self, c: Tensor) -> Tensor:
        batch, steps, dimensions = c.shape
        asked = self.asked(c).view(batch, steps, 3, self.count * self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(asked[0], asked[1], asked[2], is_causal=True)
        seen = seen.unflatten(1, (self.count, self.heads)).permute(1, 0, 3, 2, 4).reshape(self.count, batch * steps, dimensions)
        x = self.norm(self.joined(seen) + c.reshape(1, batch * steps, dimensions))
        x = self.second(x + self.narrow(torch.relu(self.wide(x))))
        return self.said(x).view(self.count, batch, steps, -1).transpose(0, 1)
