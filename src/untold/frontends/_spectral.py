"""The front ends that go through a mel filter bank: log mel, cepstra; normalised, and the vocal tract's length undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch
from torch import Tensor

from untold.contract import Stream
from untold.errors import UntoldError
from untold.frontends import _mel
from untold.frontends._disturbance import disturbed
from untold.frontends._excerpt import Excerpt
from untold.frontends._frontend import SAMPLE_RATE, FrontEnd, sound_grid
from untold.frontends._warp import WarpMixture
from untold.layers import random
from untold.settings import Settings, setting

NORMALISE = ("none", "file", "speaker")
WARP = ("none", "file", "random")
# what warp=random draws from; speech.md's [0.82, 1.18] as far as the ear goes, on a grid so fine that it is uniform
RANDOM_WARPS = tuple(0.82 + 0.005 * k for k in range(73))
SHARE_WARPED = 0.9
_SALT = 0x3A7


@dataclass(frozen=True, kw_only=True)
class SpectralSettings(Settings):
    """What all of these front ends can be told."""

    normalise: str = setting("file", help="over what mean and deviation become 0 and 1", choices=NORMALISE)
    warp: str = setting("none", help="vocal tract length: estimated per file, or drawn in training", choices=WARP)
    window: float = setting(25.0, help="milliseconds that a frame hears", low=5.0, high=25.0)
    floor: float = setting(0.0, help="share of each frequency's mean power over the file that is added to its power (1e-5 is 50 dB below): what is fainter does not count", low=0.0, high=1.0)
    noise: float = setting(0.0, help="share of training examples heard in noise", low=0.0, high=1.0)
    reverberation: float = setting(0.0, help="share of training examples heard in a room", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.normalise == "speaker" and self.warp == "file":
            raise UntoldError("normalise = 'speaker' with warp = 'file': a warp per file needs normalise = 'file' or 'none'")


class SpectralFrontEnd(FrontEnd):
    """Power spectra -> log mel -> (optionally) a matrix and deltas -> (optionally) normalised.

    With `warp` "file" the warp of each recording is the one of nine that the mixture `warper` finds likeliest; that takes
    two passes: means and variances of what it hears under each warp, and likelihoods. With "random", in training
    only, nine examples of ten are heard through a vocal tract of another length; mean and standard deviation stay
    those of the unwarped file, so that what the warp does to them is part of what is heard.

    With a `floor`, that share of each frequency's mean power over the file is added to its power in every frame; warps are
    chosen without it. An example that is heard in noise or in a room, in training only, has levels, mean and deviation of its
    own, as if the whole recording had been made there.
    """

    def __init__(self, bins: int, matrix: Tensor | None, deltas: bool, settings: SpectralSettings) -> None:
        super().__init__()
        normalise, warp = settings.normalise, settings.warp
        self.heard = round(settings.window * SAMPLE_RATE / 1000)  # samples of a frame
        self.hop, self.margin, self.grid = _mel.HOP, _mel.margin(deltas or warp == "file"), sound_grid(_mel.HOP)
        self.deltas, self.normalise, self.warp, self.bins = deltas, normalise, warp, bins
        self.floor, self.noise, self.reverberation = settings.floor, settings.noise, settings.reverberation
        self.dimensions = (bins if matrix is None else int(matrix.shape[1])) * (3 if deltas else 1)
        self.warper = WarpMixture() if warp == "file" else None
        # what the warp is chosen by may be the frames themselves
        as_heard = deltas and matrix is not None and matrix.shape == (23, 13) and not self.floor and self.heard == _mel.WINDOW
        self._measured = normalise != "none" and not (self.warper is not None and as_heard)
        self.passes = (2 if self.warper is not None else int(self.floor > 0)) + int(self._measured)
        if self.passes:
            self.adapts = cast(Literal["file", "speaker"], "file" if normalise == "none" else normalise)
        warps = {"none": (1.0,), "file": WarpMixture.WARPS, "random": RANDOM_WARPS}[warp]
        self._plain = min(range(len(warps)), key=lambda k: abs(warps[k] - 1.0))
        self.window: Tensor
        self.banks: Tensor
        self.matrix: Tensor | None
        banks = torch.stack([_mel.mel_bank(bins, warp) for warp in warps])
        self.register_buffer("window", _mel.povey_window(self.heard), persistent=False)
        self.register_buffer("banks", banks, persistent=False)
        self.register_buffer("matrix", matrix, persistent=False)

    def forward(self, given: Excerpt, adapted: Mapping[str, Tensor], keys: Tensor | None = None) -> Stream:
        """Frames (batch, steps, dimensions); 0 beyond the lengths. `adapted` is what `adapt` gave, a row an example."""
        lengths, counted = self.places(given)
        touched = None
        if keys is not None and (self.noise or self.reverberation):
            samples, touched = disturbed(given.samples, given.lengths, keys, self.noise, self.reverberation)
            given = replace(given, samples=samples, shared={})  # what front ends left for each other is of the stretch as it is
        power = self._power(given)
        if touched is not None and self.floor:
            adapted = _replaced(adapted, touched, _leveled(_levels(self._own(power), counted)))
        values = self._frames(given, power, adapted, self._bank(adapted, keys))
        if self.normalise != "none":
            if touched is not None:
                adapted = _replaced(adapted, touched, _settled(_moments(values, counted)))
            mean, std = adapted["mean"], adapted["std"]
            values = (values - mean[:, None].to(values)) / std[:, None].to(values)
        return Stream(values * counted[..., None], lengths, counted, self.grid)

    def restore(self, values: Tensor, adapted: Mapping[str, Tensor]) -> Tensor:
        """Frames (batch, steps, dimensions) as they were before they were normalised."""
        if self.normalise == "none":
            return values
        return values * adapted["std"][:, None].to(values) + adapted["mean"][:, None].to(values)

    def summarise(self, given: Excerpt, so_far: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Sums of what the warp is chosen by and of powers; likelihoods of the warps; sums of the frames."""
        _, counted = self.places(given)
        sums: dict[str, Tensor] = {}
        if self.warper is not None and "warp" not in so_far:
            heard = _mel.power_spectra(given, self.warper.window, _mel.REACH)
            if "warp_mean" in so_far:
                return self.warper.likelihoods(given, heard, counted, so_far["warp_mean"], so_far["warp_std"])
            sums = _moments(self.warper.heard(given, heard), counted, "warp_")
        if self.floor and "level" not in so_far:
            sums |= _levels(self._own(self._power(given)), counted)
        return sums or _moments(self._frames(given, self._power(given), so_far, self._bank(so_far, None)), counted)

    def settle(self, total: Mapping[str, Tensor], so_far: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Mean and population standard deviation (batch, dimensions) float32; with a floor mean powers, `warp` "file" the warp."""
        found = {key: so_far[key] for key in ("level", "warp") if key in so_far}
        if "level_sum" in total:
            found |= _leveled(total)
        if "warp_sum" in total:
            assert self.warper is not None
            return {**found, **_settled(total, "warp_")}
        if "log_likelihood" not in total:
            return {**found, **(_settled(total) if "sum" in total else {})}
        assert self.warper is not None
        found["warp"] = chosen = self.warper.likeliest(total)
        if self.normalise == "none" or self._measured:
            return found
        row = torch.arange(len(chosen), device=chosen.device)
        return {**found, "mean": so_far["warp_mean"][row, chosen], "std": so_far["warp_std"][row, chosen]}

    def _power(self, given: Excerpt) -> Tensor:
        """(batch, reach + steps + reach, 256)."""
        return _mel.power_spectra(given, self.window, _mel.REACH if self.deltas else 0, self.heard)

    def _own(self, power: Tensor) -> Tensor:
        return power[:, _mel.REACH : power.shape[1] - _mel.REACH] if self.deltas and power.shape[1] else power

    def _frames(self, given: Excerpt, power: Tensor, adapted: Mapping[str, Tensor], bank: Tensor) -> Tensor:
        """Not yet normalised, from power as it is."""
        if self.floor:
            power = power + self.floor * adapted["level"][:, None].to(power)
        values = _mel.log_mel(power, bank)
        values = values if self.matrix is None else values @ self.matrix
        if not self.deltas:
            return values
        if values.shape[1] == 0:
            return values.new_zeros((len(values), 0, self.dimensions))
        return _mel.with_deltas(_mel.within(given, values))

    def _bank(self, adapted: Mapping[str, Tensor], keys: Tensor | None) -> Tensor:
        """(256, bins), or (batch, 256, bins) when each example has its own."""
        if self.warp == "file":
            return self.banks[adapted["warp"]]
        if self.warp == "random" and keys is not None:
            draw = random.uniform(keys, (2,), _SALT)
            which = (draw[:, 0] * len(self.banks)).long().clamp(max=len(self.banks) - 1)
            return self.banks[torch.where(draw[:, 1] < SHARE_WARPED, which, self._plain)]
        return self.banks[self._plain]


def _moments(values: Tensor, counted: Tensor, prefix: str = "") -> dict[str, Tensor]:
    """Sums over the counted steps of values (batch, steps, ..., dimensions), in float64."""
    exact = values.to(torch.float64) * counted.reshape(*counted.shape, *[1] * (values.dim() - 2))
    return {
        prefix + "count": counted.sum(1).to(torch.float64),
        prefix + "sum": exact.sum(1),
        prefix + "squares": exact.square().sum(1),
    }


def _settled(total: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    count = _beside(total[prefix + "count"], total[prefix + "sum"])
    mean = total[prefix + "sum"] / count
    variance = (total[prefix + "squares"] / count - mean.square()).clamp(min=0.0)
    std = variance.sqrt()
    std = torch.where(std < _mel.CONSTANT, 1.0, std)
    return {prefix + "mean": mean.to(torch.float32), prefix + "std": std.to(torch.float32)}


def _levels(power: Tensor, counted: Tensor) -> dict[str, Tensor]:
    """Sums of power (batch, steps, 256) over the counted steps, in float64."""
    return {"level_count": counted.sum(1).to(torch.float64), "level_sum": (power.to(torch.float64) * counted[..., None]).sum(1)}


def _leveled(total: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {"level": (total["level_sum"] / _beside(total["level_count"], total["level_sum"])).to(torch.float32)}


def _beside(count: Tensor, sums: Tensor) -> Tensor:
    return count.clamp(min=1.0).reshape(-1, *[1] * (sums.dim() - 1))


def _replaced(adapted: Mapping[str, Tensor], touched: Tensor, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {**adapted, **{key: torch.where(touched[:, None], value.to(adapted[key]), adapted[key]) for key, value in own.items()}}
