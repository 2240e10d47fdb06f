"""Self-attention over a window of steps, and the block of a transformer around it.

    out_i = sum_j a_ij v_j        a_ij = softmax over j in [i - before, i + after] of  q_i . k_j / sqrt(d) - slope |i - j|

Each head has its own slope, a power of two, so that near steps weigh more and no place is learnt (Press, Smith and Lewis
2022, arXiv 2108.12409, here in both directions). The window is finite: read in chunks, a recording gives what it gives
whole. What lies beyond a sequence's end is not attended to.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from untold.contract import Stream
from untold.layers.convolution import inside

_ROWS = 512  # steps that ask at once: what bounds the memory of a long recording


class Attention(nn.Module):
    """(batch, steps, dimensions) -> the same shape; each step sees `before` steps, itself, and `after` steps."""

    def __init__(self, dimensions: int, heads: int, before: int, after: int) -> None:
        super().__init__()
        if dimensions % heads:
            raise ValueError(f"{dimensions} dimensions do not make {heads} heads")
        self.heads, self.before, self.after = heads, before, after
        self.reach = (before, after)
        self.asked = nn.Linear(dimensions, 3 * dimensions)
        self.out = nn.Linear(dimensions, dimensions)
        self.slopes: Tensor
        self.register_buffer("slopes", 2.0 ** (-8.0 * torch.arange(1, heads + 1) / heads), persistent=False)

    def forward(self, x: Stream) -> Stream:
        steps = x.values.shape[1]
        if steps == 0:
            return x
        queries, keys, values = self.asked(x.values).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        there = None if bool((x.lengths >= steps).all()) else inside(x.lengths, steps)
        parts = []
        for first in range(0, steps, _ROWS):
            last = min(steps, first + _ROWS)
            low, high = max(0, first - self.before), min(steps, last + self.after)
            bias = self.bias(first, last, low, high)
            if there is not None:  # a step beyond the end sees itself, so that no row is empty
                own = torch.arange(first, last, device=bias.device)[:, None] == torch.arange(low, high, device=bias.device)
                bias = bias.masked_fill(~(there[:, None, None, low:high] | own), -torch.inf)
            scores = (queries[:, :, first:last] @ keys[:, :, low:high].transpose(-1, -2)).float() * queries.shape[-1] ** -0.5 + bias
            parts.append(scores.softmax(-1).to(values.dtype) @ values[:, :, low:high])  # fused attention is slower here, its gradient three times
        seen = parts[0] if len(parts) == 1 else torch.cat(parts, 2)
        return x.with_values(self.out(seen.transpose(1, 2).flatten(2)))

    def bias(self, first: int, last: int, low: int, high: int) -> Tensor:
        """(1, heads, last - first, high - low): what distance costs, -inf beyond the window."""
        device = self.slopes.device
        away = torch.arange(low, high, device=device)[None] - torch.arange(first, last, device=device)[:, None]
        bias = -self.slopes[:, None, None] * away.abs()
        return bias.masked_fill((away < -self.before) | (away > self.after), -torch.inf)[None]


class TransformerBlock(nn.Module):
    """x + attention(norm(x)), then x + dense(norm(x)): normalised before, as in Xiong et al. 2020, arXiv 2002.04745."""

    def __init__(self, dimensions: int, heads: int, before: int, after: int, widening: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention = Attention(dimensions, heads, before, after)
        self.before_attention, self.before_dense = nn.LayerNorm(dimensions), nn.LayerNorm(dimensions)
        self.dense = nn.Sequential(nn.Linear(dimensions, widening * dimensions), nn.GELU(), nn.Linear(widening * dimensions, dimensions))
        self.dropout = nn.Dropout(dropout)
        self.reach, self.stride = self.attention.reach, 1

    def forward(self, x: Stream) -> Stream:
        seen = self.attention(x.with_values(self.before_attention(x.values)))
        values = x.values + self.dropout(seen.values)
        return x.with_values(values + self.dropout(self.dense(self.before_dense(values))))
