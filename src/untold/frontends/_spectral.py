"""The front ends that go through a mel filter bank: log mel, cepstra; normalised, and the vocal tract's length undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

import torch
from torch import Tensor

from untold.contract import Stream
from untold.errors import UntoldError
from untold.frontends import _mel
from untold.frontends._excerpt import Excerpt
from untold.frontends._frontend import FrontEnd, sound_grid
from untold.frontends._warp import WarpMixture
from untold.layers import random

NORMALISE = ("none", "file", "speaker")
WARP = ("none", "file", "random")
# what warp=random draws from; speech.md's [0.82, 1.18] as far as the ear goes, on a grid so fine that it is uniform
RANDOM_WARPS = tuple(0.82 + 0.005 * k for k in range(73))
SHARE_WARPED = 0.9
_SALT = 0x3A7


def refuse_mixed(normalise: str, warp: str) -> None:
    """Raises `UntoldError` where a file's warp would meet a speaker's mean."""
    if normalise == "speaker" and warp == "file":
        raise UntoldError("normalise = 'speaker' with warp = 'file': a warp per file needs normalise = 'file' or 'none'")


class SpectralFrontEnd(FrontEnd):
    """Power spectra -> log mel -> (optionally) a matrix and deltas -> (optionally) normalised.

    With `warp` "file" the warp of each recording is the one of nine that the mixture `warper` finds likeliest; then
    there are two passes: means and variances under each warp, and likelihoods under each. With "random", in training
    only, nine examples of ten are heard through a vocal tract of another length; mean and standard deviation stay
    those of the unwarped file, so that what the warp does to them is part of what is heard.
    """

    def __init__(
        self, bins: int, matrix: Tensor | None, deltas: bool, normalise: str, warp: str
    ) -> None:
        super().__init__()
        self.hop, self.margin, self.grid = _mel.HOP, _mel.margin(deltas or warp == "file"), sound_grid(_mel.HOP)
        self.deltas, self.normalise, self.warp, self.bins = deltas, normalise, warp, bins
        self.dimensions = (bins if matrix is None else int(matrix.shape[1])) * (3 if deltas else 1)
        if normalise != "none" or warp == "file":
            self.adapts = cast(Literal["file", "speaker"], "file" if normalise == "none" else normalise)
            self.passes = 2 if warp == "file" else 1
        self.warper = WarpMixture() if warp == "file" else None
        # the frames that the warp is chosen by are then the frames themselves
        self._as_heard = deltas and matrix is not None and matrix.shape == (23, 13)
        warps = {"none": (1.0,), "file": WarpMixture.WARPS, "random": RANDOM_WARPS}[warp]
        self._plain = min(range(len(warps)), key=lambda k: abs(warps[k] - 1.0))
        self.window: Tensor
        self.banks: Tensor
        self.matrix: Tensor | None
        banks = torch.stack([_mel.mel_bank(bins, warp) for warp in warps])
        self.register_buffer("window", _mel.povey_window(), persistent=False)
        self.register_buffer("banks", banks, persistent=False)
        self.register_buffer("matrix", matrix, persistent=False)

    def forward(self, given: Excerpt, adapted: Mapping[str, Tensor], keys: Tensor | None = None) -> Stream:
        """Frames (batch, steps, dimensions); 0 beyond the lengths. `adapted` is what `adapt` gave, a row an example."""
        lengths, counted = self.places(given)
        reach = _mel.REACH if self.deltas else 0
        power = _mel.power_spectra(given, self.window, reach)
        values = self._finished(given, self._static(power, self._bank(adapted, keys)))
        if self.normalise != "none":
            mean, std = adapted["mean"], adapted["std"]
            values = (values - mean[:, None].to(values)) / std[:, None].to(values)
        return Stream(values * counted[..., None], lengths, counted, self.grid)

    def restore(self, values: Tensor, adapted: Mapping[str, Tensor]) -> Tensor:
        """Frames (batch, steps, dimensions) as they were before they were normalised."""
        if self.normalise == "none":
            return values
        return values * adapted["std"][:, None].to(values) + adapted["mean"][:, None].to(values)

    def summarise(self, given: Excerpt, so_far: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Sums of the values and their squares (under each warp), or log-likelihoods under each warp."""
        _, counted = self.places(given)
        reach = _mel.REACH if self.deltas or self.warper is not None else 0
        power = _mel.power_spectra(given, self.window, reach)
        if self.warper is not None and so_far:
            return self.warper.likelihoods(given, power, counted, so_far["warp_mean"], so_far["warp_std"])
        own = power if self.deltas or not reach else power[:, reach:-reach]
        if self.warper is None:
            return _moments(self._finished(given, self._static(own, self.banks[self._plain]))[:, :, None], counted)
        heard = self.warper.heard(given, power)
        if self._as_heard:
            values = heard
        else:
            values = torch.stack([self._finished(given, self._static(own, bank)) for bank in self.banks], 2)
        return {**_moments(values, counted), **_moments(heard, counted, "warp_")}

    def settle(self, total: Mapping[str, Tensor], so_far: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Mean and population standard deviation (batch, dimensions) float32; with `warp` "file" also the warp."""
        if self.warper is None:
            return {key: value[:, 0] for key, value in _settled(total).items()}
        if not so_far:
            return {**_settled(total), **_settled(total, "warp_")}
        chosen = self.warper.likeliest(total)
        row = torch.arange(len(chosen), device=chosen.device)
        return {"warp": chosen, "mean": so_far["mean"][row, chosen], "std": so_far["std"][row, chosen]}

    def _bank(self, adapted: Mapping[str, Tensor], keys: Tensor | None) -> Tensor:
        """(256, bins), or (batch, 256, bins) when each example has its own."""
        if self.warp == "file":
            return self.banks[adapted["warp"]]
        if self.warp == "random" and keys is not None:
            draw = random.uniform(keys, (2,), _SALT)
            which = (draw[:, 0] * len(self.banks)).long().clamp(max=len(self.banks) - 1)
            return self.banks[torch.where(draw[:, 1] < SHARE_WARPED, which, self._plain)]
        return self.banks[self._plain]

    def _static(self, power: Tensor, bank: Tensor) -> Tensor:
        values = _mel.log_mel(power, bank)
        return values if self.matrix is None else values @ self.matrix

    def _finished(self, given: Excerpt, values: Tensor) -> Tensor:
        if not self.deltas:
            return values
        if values.shape[1] == 0:
            return values.new_zeros((len(values), 0, self.dimensions))
        return _mel.with_deltas(_mel.within(given, values))


def _moments(values: Tensor, counted: Tensor, prefix: str = "") -> dict[str, Tensor]:
    """Sums over the counted steps of values (batch, steps, warps, dimensions), in float64."""
    exact = values.to(torch.float64) * counted[:, :, None, None]
    return {
        prefix + "count": counted.sum(1).to(torch.float64),
        prefix + "sum": exact.sum(1),
        prefix + "squares": exact.square().sum(1),
    }


def _settled(total: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    count = total[prefix + "count"].clamp(min=1.0)[:, None, None]
    mean = total[prefix + "sum"] / count
    variance = (total[prefix + "squares"] / count - mean.square()).clamp(min=0.0)
    std = variance.sqrt()
    std = torch.where(std < _mel.CONSTANT, 1.0, std)
    return {prefix + "mean": mean.to(torch.float32), prefix + "std": std.to(torch.float32)}
