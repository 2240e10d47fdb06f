"""Samples in frames that overlap: what an encoder that looks at the waveform sees of it, step by step.

Step i is the samples `hop` i ... `hop` i + `length` - 1, and there is a step where all of them are: of n samples there
are floor((n - length) / hop) + 1, as convolutions without padding have. Its place is the centre of what it looks at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from untold.contract import Grid, Stream
from untold.errors import UntoldError
from untold.frontends._excerpt import Excerpt
from untold.frontends._frontend import SAMPLE_RATE, FrontEnd
from untold.settings import Settings as Base
from untold.settings import setting

_EPSILON = 1e-7  # added to the variance, as the feature extractors of wav2vec 2.0 do


@dataclass(frozen=True, kw_only=True)
class Settings(Base):
    """How long the frames are, and what is done to the samples first."""

    length: int = setting(400, help="samples of a frame (400: 25 ms)", low=1, high=1 << 16)
    hop: int = setting(320, help="samples from a frame to the next (320: 20 ms)", low=1, high=1 << 16)
    normalise: str = setting("none", help="over what the samples' mean and variance become 0 and 1", choices=("none", "file"))
    rest: bool = setting(False, help="frames go on to just before the next would be whole, so that none is left out at the end (NaN: there is none)")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length < self.hop:
            raise UntoldError(f"length = {self.length}: at least hop = {self.hop}, so that no sample is left out")


class Frames(FrontEnd):
    """(batch, steps, dimensions); with `normalise` "file" (x - mean) / sqrt(variance + 1e-7) over the whole recording.

    `dimensions` is the length; with `rest` hop - 1 more: what lies behind a frame before the next one is whole. A network
    that normalises over time sees these samples at a recording's end; beyond it they are NaN.
    """

    def __init__(self, length: int, hop: int, normalise: str, rest: bool) -> None:
        super().__init__()
        self.length, self.hop, self.margin, self.rest = length, hop, length + hop, rest
        self.dimensions = length + (hop - 1 if rest else 0)
        self.grid = Grid("second", Fraction(SAMPLE_RATE, hop), Fraction(length, 2 * SAMPLE_RATE))
        if normalise == "file":
            self.adapts, self.passes = "file", 1

    def steps(self, samples: int) -> int:
        """Frames that are there as a whole."""
        return max(0, (samples - self.length) // self.hop + 1)

    def places(self, given: Excerpt) -> tuple[Tensor, Tensor]:
        """Lengths in steps: those that begin among the wanted samples, as many as the recording has."""
        there = ((given.total - self.length).div(self.hop, rounding_mode="floor") + 1 - given.start // self.hop).clamp(min=0)
        lengths = torch.minimum((given.lengths + self.hop // 2) // self.hop, there)
        return lengths, torch.arange(int(lengths.max()) if len(lengths) else 0, device=lengths.device) < lengths[:, None]

    def summarise(self, given: Excerpt, so_far: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Sums over samples in float64. The last excerpt of a recording brings what lies behind its last whole frame."""
        wanted = given.lengths + torch.where(self._last(given), given.total - given.start - given.lengths, 0)
        x = given.samples[:, given.margin : given.margin + int(wanted.max())].to(torch.float64)
        x = x * (torch.arange(x.shape[1], device=x.device) < wanted[:, None])
        return {"count": wanted.to(torch.float64), "sum": x.sum(1), "squares": x.square().sum(1)}

    def settle(self, total: Mapping[str, Tensor], so_far: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Mean and what it is divided by (batch,)."""
        count = total["count"].clamp(min=1.0)
        mean = total["sum"] / count
        variance = (total["squares"] / count - mean.square()).clamp(min=0.0)
        return {"mean": mean, "scale": (variance + _EPSILON).sqrt()}

    def forward(self, given: Excerpt, adapted: Mapping[str, Tensor], keys: Tensor | None = None) -> Stream:
        """Frames (batch, steps, dimensions), 0 beyond the lengths."""
        lengths, counted = self.places(given)
        steps = counted.shape[1]
        samples = given.samples[:, given.margin : given.margin + max(0, steps - 1) * self.hop + self.dimensions]
        if self.passes:
            samples = ((samples - adapted["mean"][:, None]) / adapted["scale"][:, None]).to(torch.float32)
        if self.rest:
            place = given.start[:, None] + torch.arange(samples.shape[1], device=samples.device)
            samples = samples.masked_fill(place >= given.total[:, None], torch.nan)
        values = samples.unfold(1, self.dimensions, self.hop) if steps else samples.new_zeros((len(samples), 0, self.dimensions))
        return Stream(values.masked_fill(~counted[..., None], 0.0), lengths, counted, self.grid)

    def joined(self, values: Tensor) -> Tensor:
        """Frames (steps, dimensions) that follow one another -> their samples."""
        if not len(values):
            return values.new_zeros(0)
        samples = torch.cat([values[:, : self.hop].reshape(-1), values[-1, self.hop :]])
        return samples[~samples.isnan()] if self.rest else samples

    def _last(self, given: Excerpt) -> Tensor:
        """Which excerpts hold the last frame of their recordings."""
        return given.start // self.hop + given.lengths // self.hop >= (given.total - self.length).div(self.hop, rounding_mode="floor") + 1


def build(settings: Settings) -> Frames:
    """The front end: (batch, steps, length), with `rest` length + hop - 1."""
    return Frames(settings.length, settings.hop, settings.normalise, settings.rest)
