"""Linear discriminants: the directions in which classes differ most, measured by how much each class varies (Fisher 1936).

Frames are taken with their neighbours. With S_b and S_w the scatter of class means and the scatter within classes, the
directions are the eigenvectors of S_w^-1 S_b with the greatest eigenvalues, scaled so that within classes every direction
varies by one. Here the classes are the components of a mixture (Heck, Sakti and Nakamura, "Feature
optimized DPGMM clustering for unsupervised subword modeling", ASRU 2017).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from untold.contract import Stream
from untold.layers.convolution import masked

_RIDGE = 1e-3  # share of a dimension's own variance that is added to it: deltas are sums of their neighbours


class Discriminants(nn.Module):
    """(batch, steps, dimensions) -> (batch, steps, directions), from each frame and `context` frames on either side."""

    mean: Tensor
    directions: Tensor

    def __init__(self, dimensions: int, context: int, directions: int, classes: int) -> None:
        super().__init__()
        self.context, self.classes = context, classes
        self.width = dimensions * (2 * context + 1)
        if directions > self.width:
            raise ValueError(f"{directions} directions of {self.width} dimensions")
        self.register_buffer("mean", torch.zeros(self.width))
        self.register_buffer("directions", torch.eye(self.width, directions))

    def beside(self, x: Stream) -> Tensor:
        """Each frame with its neighbours, zeros beyond the ends: (batch, steps, width)."""
        values = functional.pad(masked(x.values.float(), x.lengths), (0, 0, self.context, self.context))
        return values.unfold(1, 2 * self.context + 1, 1).transpose(2, 3).flatten(2)

    def forward(self, x: Stream) -> Stream:
        return x.with_values((self.beside(x) - self.mean) @ self.directions)

    def statistics(self, beside: Tensor, classes: Tensor) -> dict[str, Tensor]:
        """Float64 sums over frames with their neighbours (frames, width) float64, given each one's class (frames,): occupancies, first moments."""
        first = beside.new_zeros((self.classes, self.width)).index_add_(0, classes, beside)
        return {"occupancies": torch.bincount(classes, minlength=self.classes).double(), "first": first}

    @torch.no_grad()
    def update(self, total: Mapping[str, Tensor]) -> None:
        """The directions, from sums over all frames: `occupancies`, `first`, and `second`, beside.T @ beside."""
        occupancies, first, second = (total[name].double().cpu() for name in ("occupancies", "first", "second"))
        count = occupancies.sum().clamp(min=1)
        mean = first.sum(0) / count
        away = (first / occupancies.clamp(min=1)[:, None] - mean) * (occupancies > 0)[:, None]
        between = (away * occupancies[:, None]).T @ away / count
        within = second / count - mean[:, None] * mean - between
        within += _RIDGE * torch.diag(within.diagonal().clamp(min=1e-6))
        values, vectors = torch.linalg.eigh(within)
        whitened = vectors * values.clamp(min=1e-8) ** -0.5
        _, turned = torch.linalg.eigh(whitened.T @ between @ whitened)
        found = whitened @ turned.flip(1)[:, : self.directions.shape[1]]
        found *= found.gather(0, found.abs().argmax(0, keepdim=True)).sign()  # a direction has no sign of its own
        self.mean.copy_(mean)
        self.directions.copy_(found)
