"""What a step must be told from: other steps, of the same example, of the same speaker's examples, or of the whole batch.

Each example draws its candidates once, without putting any back, with its own key; all its predictions are compared
with them, so that comparing is one product of matrices. Examples of all processes are candidates, and gradients flow
back to them: several processes draw and learn what one does with the same global batch. Which candidates are the very
step that is to be found is known (`same`): a positive is never its own negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from untold.contract import Stream
from untold.layers import random
from untold.layers.across import gathered, spread, summed

WHERE = ("same_recording", "same_speaker", "anywhere")
NEVER = -1e9  # the score of what is no negative: finite, so that gradients are numbers even where there is none
_SALT = 0x4E6


@dataclass(frozen=True)
class Candidates:
    """Vectors (batch, count, dimensions), the step of their own example that each is (batch, count; -1: of another
    example), and which of them are there at all (batch, count)."""

    vectors: Tensor
    places: Tensor
    there: Tensor

    def usable(self, positives: Tensor) -> Tensor:
        """(batch, positives, count) bool: candidates that are there and are not the positive, a step each (positives,)."""
        return self.there[:, None] & (self.places[:, None] != positives[:, None])


def draw(z: Stream, keys: Tensor, speakers: Tensor | None, where: str, count: int) -> Candidates:
    """At most `count` candidates for each example of z (batch, steps, dimensions), with keys (batch,).

    `speakers` (batch,) are indices of who speaks, 0 for unknown: steps of a speaker's other examples are candidates of
    `same_speaker`. Steps of an example itself always are, so there are some where a speaker has no second example.
    """
    if where == "same_recording":
        count = min(count, z.values.shape[1])
        lots = random.uniform(keys, (z.values.shape[1],), _SALT).masked_fill(~z.counted, 2.0)
        chosen = lots.argsort(dim=1, stable=True)[:, :count]
        vectors = z.values.gather(1, chosen[..., None].expand(-1, -1, z.values.shape[-1]))
        return Candidates(vectors, chosen, lots.gather(1, chosen) < 2)
    everyone, counted, first = _of_all(z)
    steps = everyone.shape[1]
    row = torch.arange(first, first + len(keys), device=keys.device)
    kin = torch.ones((len(keys), len(everyone)), dtype=torch.bool, device=keys.device)
    if where == "same_speaker":
        mine = torch.zeros_like(keys) if speakers is None else speakers
        kin = (mine[:, None] == gathered(mine)[None]) & (mine[:, None] > 0)
        kin |= row[:, None] == torch.arange(len(everyone), device=keys.device)
    lots = random.uniform(keys, tuple(counted.shape), _SALT)
    lots = lots.masked_fill(~(kin[..., None] & counted[None]), 2.0).flatten(1)
    count = min(count, lots.shape[1])
    chosen = lots.argsort(dim=1, stable=True)[:, :count]
    places = torch.where(chosen // steps == row[:, None], chosen % steps, -1)
    return Candidates(everyone.flatten(0, 1)[chosen], places, lots.gather(1, chosen) < 2)


def _of_all(z: Stream) -> tuple[Tensor, Tensor, int]:
    """Vectors (examples, steps, dimensions) and what counts (examples, steps) of all processes, and the number of the
    first example of this one."""
    if not spread():
        return z.values, z.counted, 0
    sizes = gathered(torch.tensor([[len(z.values), z.values.shape[1]]], device=z.values.device))
    steps, first = int(sizes[:, 1].max()), int(sizes[: torch.distributed.get_rank(), 0].sum())
    counted = torch.nn.functional.pad(z.counted, (0, steps - z.counted.shape[1]))
    before, after = first, int(sizes[:, 0].sum()) - first - len(z.values)
    padded = torch.nn.functional.pad(z.values.float(), (0, 0, 0, steps - z.values.shape[1], before, after))
    return summed(padded), gathered(counted), first  # each has zeros but for its own: the sum has all, with their gradients
