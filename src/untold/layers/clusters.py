"""How frames come to have names: mixtures of Gaussians over frames, or over the directions that tell their components apart.

With `context`, three things are fitted one after another: mixtures of single frames; for each the `directions` of frames with
their neighbours in which its components differ most; and over each one's directions another mixture. Several of one size differ
in where they began, and together depend less on that chance than one does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from untold.contract import Batch, Fits, Stream
from untold.errors import UntoldError
from untold.layers.adaptation import adapted
from untold.layers.discriminants import Discriminants
from untold.layers.gaussians import DiagonalMixture

Read = Callable[[Batch], Stream]


def refuse_sizes(components: Sequence[int]) -> None:
    """Raises `UntoldError` unless these are the sizes of one or more mixtures."""
    if not components or any(type(size) is not int or not 2 <= size <= 65536 for size in components):
        raise UntoldError(f"components = {components!r}: one or more sizes of 2 to 65536 expected (clusters of each mixture)")


def refuse_adaptation(adaptation: float, context: int) -> None:
    """Raises `UntoldError` where there are no directions to adapt."""
    if adaptation and not context:
        raise UntoldError("adaptation is of the directions, which frames without context do not have: set context (4), or adaptation to 0")


class Clusters(nn.Module):
    """One mixture for each of `sizes`, over frames (batch, steps, dimensions)."""

    begun: Tensor
    frames_begun: Tensor

    def __init__(self, sizes: Sequence[int], dimensions: int, variance_floor: float, context: int = 0, directions: int = 0) -> None:
        super().__init__()
        # more directions than components do not tell so many apart, and chance would choose them
        self.widths = [max(1, min(directions, size - 1)) if context else dimensions for size in sizes]
        if context and max(self.widths) > dimensions * (2 * context + 1):
            raise UntoldError(f"directions = {max(self.widths)}: a frame of {dimensions} numbers with {context} frames on either side has {dimensions * (2 * context + 1)}")
        self.context = context
        self.frames: Any = nn.ModuleList(DiagonalMixture(size, dimensions, variance_floor) for size in sizes if context)
        self.discriminants: Any = nn.ModuleList(Discriminants(dimensions, context, width, size) for size, width in zip(sizes, self.widths, strict=True) if context)
        self.mixtures: Any = nn.ModuleList(DiagonalMixture(size, width, variance_floor) for size, width in zip(sizes, self.widths, strict=True))
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))
        self.register_buffer("frames_begun", torch.zeros((), dtype=torch.bool))

    def seen(self, x: Stream) -> Stream:
        """What the mixtures are over: the directions of each, one after another; without context the frames."""
        return x.with_values(torch.cat([one(x).values for one in self.discriminants], -1)) if self.context else x

    def adapted(self, seen: Stream, prior: float, *effort: int) -> Stream:
        """Directions with what is each recording's own taken out, for each mixture by itself (`adaptation.adapted`)."""
        parts = zip(self.mixtures, self.parts(seen.values), strict=True)
        return seen.with_values(torch.cat([adapted(mixture, seen.with_values(part), prior, *effort).values for mixture, part in parts], -1))

    def parts(self, seen: Tensor) -> Sequence[Tensor]:
        """Of what the mixtures are over (..., all), what each is over."""
        return seen.split(self.widths, -1) if self.context else [seen] * len(self.widths)

    def log_likelihoods(self, seen: Tensor) -> list[Tensor]:
        """For each mixture (..., components), in nats."""
        return [mixture.log_likelihoods(part) for mixture, part in zip(self.mixtures, self.parts(seen), strict=True)]

    def fits(self, read: Read, salt: int) -> tuple[tuple[str, Fits, bool], ...]:
        """Name, what is fitted, and whether in one pass; `read` gives the frames of a batch."""
        last = Expectation(self.mixtures, self.begun, lambda batch: self.seen(read(batch)), self.parts, salt)
        if not self.context:
            return (("", last, False),)
        first = Expectation(self.frames, self.frames_begun, read, lambda x: [x] * len(self.frames), salt)
        return (("frames", first, False), ("directions", Discrimination(self.frames, self.discriminants, read), True), ("", last, False))


@dataclass(frozen=True)
class Expectation:
    """EM of mixtures over the same frames, or over parts of them. The very first batch is where the means begin."""

    mixtures: Sequence[DiagonalMixture]
    begun: Tensor
    read: Read
    parts: Callable[[Tensor], Sequence[Tensor]]
    salt: int

    @torch.no_grad()
    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        """Sums for each mixture, objective (nats) and count of all, float64."""
        x = self.read(batch)
        if not self.begun:
            for place, (mixture, part) in enumerate(zip(self.mixtures, self.parts(x.values), strict=True)):
                mixture.begin_at_random(x.with_values(part), batch.keys, self.salt + place)
            self.begun.fill_(True)
        frames = x.values[x.counted].float()
        out: dict[str, Tensor] = {}
        for place, (mixture, part) in enumerate(zip(self.mixtures, self.parts(frames), strict=True)):
            for key, value in mixture.statistics(part).items():
                if key in ("objective", "count"):
                    out[key] = out[key] + value if place else value
                else:
                    out[f"{place}/{key}"] = value
        return out

    @torch.no_grad()
    def update(self, total: Mapping[str, Tensor]) -> None:
        """The M step of each."""
        for place, mixture in enumerate(self.mixtures):
            mixture.update(_of(total, place))


@dataclass(frozen=True)
class Discrimination:
    """The directions that tell the likeliest components of single frames apart, for each mixture of those."""

    frames: Sequence[DiagonalMixture]
    discriminants: Sequence[Discriminants]
    read: Read

    @torch.no_grad()
    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        """Sums for the directions; the objective is that of the mixtures of frames."""
        x = self.read(batch)
        single, beside = x.values[x.counted].float(), self.discriminants[0].beside(x)[x.counted].double()
        scores = [mixture.log_likelihoods(single) for mixture in self.frames]
        nats = torch.stack([-one.logsumexp(-1).sum(dtype=torch.float64) for one in scores])
        out = {"second": beside.T @ beside, "objective": nats.sum(), "count": torch.full_like(nats, len(single)).sum()}
        for place, (discriminants, one) in enumerate(zip(self.discriminants, scores, strict=True)):
            out.update({f"{place}/{key}": value for key, value in discriminants.statistics(beside, one.argmax(-1)).items()})
        return out

    def update(self, total: Mapping[str, Tensor]) -> None:
        """From the sums of the pass."""
        for place, discriminants in enumerate(self.discriminants):
            discriminants.update({**_of(total, place), "second": total["second"]})


def _of(total: Mapping[str, Tensor], place: int) -> dict[str, Tensor]:
    return {key.partition("/")[2]: value for key, value in total.items() if key.startswith(f"{place}/")}
