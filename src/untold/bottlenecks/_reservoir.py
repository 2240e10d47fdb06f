"""A fair sample of the latents seen since it was last emptied, and the codewords that k-means finds in it.

Algorithm R (Vitter 1985): each of the vectors seen stays with the same probability. Of several processes all keep the
same sample. Source of the use: Łańcucki et al. 2020, arXiv 2005.08520.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from untold.layers import random
from untold.layers.across import from_first, gathered

_SALT = 0x5D


class Reservoir(nn.Module):
    """`room` vectors of `dimensions`."""

    vectors: Tensor
    seen: Tensor

    def __init__(self, room: int, dimensions: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.zeros(room, dimensions))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def take(self, latents: Tensor, keys: Tensor) -> None:
        """Lets the latents (n, dimensions) of all processes in, each with its chance; keys of the batch (of all: the first's)."""
        latents = gathered(latents.to(self.vectors.dtype))
        room, before = len(self.vectors), int(self.seen)
        order = before + torch.arange(len(latents), device=latents.device)
        lots = from_first(random.uniform(keys[:1], (len(latents),), _SALT)[0].double() * 2**24 + random.uniform(keys[:1], (len(latents),), _SALT + 1)[0].double())
        place = torch.where(order < room, order, (lots / 2**24 * (order + 1)).long())
        kept = (place < room).nonzero()[:, 0]
        last = torch.full((room,), -1, dtype=torch.int64, device=latents.device)
        last = last.scatter_reduce(0, place[kept], kept, "amax")  # of two for one place the later stays
        there = (last >= 0).nonzero()[:, 0]
        self.vectors[there] = latents[last[there]]
        self.seen += len(latents)

    @torch.no_grad()
    def clusters(self, count: int, seed: int) -> tuple[Tensor, Tensor] | None:
        """`count` centres (count, dimensions) and their shares (count,) by k-means; None where too few were seen. Empties it."""
        from sklearn.cluster import KMeans

        have = min(int(self.seen), len(self.vectors))
        self.seen.zero_()
        if have < 2 * count:
            return None
        found = KMeans(count, init="k-means++", n_init=1, max_iter=20, random_state=seed % (1 << 32)).fit(self.vectors[:have].cpu().numpy())
        centres = torch.from_numpy(found.cluster_centers_).to(self.vectors)
        shares = torch.bincount(torch.from_numpy(found.labels_).long(), minlength=count).to(self.vectors) / have
        return from_first(centres), from_first(shares)
