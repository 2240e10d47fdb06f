"""How frames come to have names: mixtures of Gaussians over frames, or over the directions that tell their components apart.

With `context`, three things are fitted one after another: a mixture of single frames; the `directions` of frames with
their neighbours in which its components differ most; and the mixtures, over those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from untold.contract import Batch, Fits, Stream
from untold.errors import UntoldError
from untold.layers.discriminants import Discriminants
from untold.layers.gaussians import DiagonalMixture

Read = Callable[[Batch], Stream]


class Clusters(nn.Module):
    """One mixture for each of `sizes`, over frames (batch, steps, dimensions)."""

    begun: Tensor
    frames_begun: Tensor

    def __init__(self, sizes: Sequence[int], dimensions: int, variance_floor: float, context: int = 0, directions: int = 0) -> None:
        super().__init__()
        directions = max(1, min(directions, sizes[0] - 1))  # more do not tell so many components apart, and chance would choose them
        if context and directions > dimensions * (2 * context + 1):
            raise UntoldError(f"directions = {directions}: a frame of {dimensions} numbers with {context} frames on either side has {dimensions * (2 * context + 1)}")
        self.frames = DiagonalMixture(sizes[0], dimensions, variance_floor) if context else None
        self.discriminants = Discriminants(dimensions, context, directions, sizes[0]) if context else None
        self.mixtures = nn.ModuleList(DiagonalMixture(size, directions if context else dimensions, variance_floor) for size in sizes)
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))
        self.register_buffer("frames_begun", torch.zeros((), dtype=torch.bool))

    def seen(self, x: Stream) -> Stream:
        """What the mixtures are over."""
        return x if self.discriminants is None else self.discriminants(x)

    def fits(self, read: Read, salt: int) -> tuple[tuple[str, Fits, bool], ...]:
        """Name, what is fitted, and whether in one pass; `read` gives the frames of a batch."""
        mixtures = tuple(mixture for mixture in self.mixtures if isinstance(mixture, DiagonalMixture))
        last = Expectation(mixtures, self.begun, lambda batch: self.seen(read(batch)), salt)
        if self.frames is None or self.discriminants is None:
            return (("", last, False),)
        first = Expectation((self.frames,), self.frames_begun, read, salt)
        return (("frames", first, False), ("directions", Discrimination(self.frames, self.discriminants, read), True), ("", last, False))


@dataclass(frozen=True)
class Expectation:
    """EM of mixtures over the same frames. The very first batch is where the means begin."""

    mixtures: Sequence[DiagonalMixture]
    begun: Tensor
    read: Read
    salt: int

    @torch.no_grad()
    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        """Sums for each mixture, objective (nats) and count of all, float64."""
        x = self.read(batch)
        if not self.begun:
            for place, mixture in enumerate(self.mixtures):
                mixture.begin_at_random(x, batch.keys, self.salt + place)
            self.begun.fill_(True)
        frames = x.values[x.counted].float()
        out: dict[str, Tensor] = {}
        for place, mixture in enumerate(self.mixtures):
            for key, value in mixture.statistics(frames).items():
                if key in ("objective", "count"):
                    out[key] = out[key] + value if place else value
                else:
                    out[f"{place}/{key}"] = value
        return out

    @torch.no_grad()
    def update(self, total: Mapping[str, Tensor]) -> None:
        """The M step of each."""
        for place, mixture in enumerate(self.mixtures):
            mixture.update({key.partition("/")[2]: value for key, value in total.items() if key.startswith(f"{place}/")})


@dataclass(frozen=True)
class Discrimination:
    """The directions that tell the likeliest components of single frames apart."""

    frames: DiagonalMixture
    discriminants: Discriminants
    read: Read

    @torch.no_grad()
    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        """Sums for the directions; the objective is that of the frames' mixture."""
        x = self.read(batch)
        scores = self.frames.log_likelihoods(x.values.float())
        evidence = scores.logsumexp(-1)[x.counted]
        out = self.discriminants.statistics(x, scores.argmax(-1))
        return {**out, "objective": -evidence.sum(dtype=torch.float64), "count": out["occupancies"].sum()}

    def update(self, total: Mapping[str, Tensor]) -> None:
        """From the sums of the pass."""
        self.discriminants.update(total)
