"""Piecewise-constant vector quantisation: tokens that last, chosen for a whole recording at once.

    min over q of   sum_t d(z_t, e_(q_t))  +  price x (number of changes)

exactly (`layers.segmentation`). What a person sets is the rate: changes per second; on lines, per 64 pixels, as much of a
line as it is high (training sees crops, so a number per line could not be met). In training the price is steered until
the rate is met, and it is stored; evaluation never moves it. Codewords, commitment and the straight-through gradient are
those of `vq`. Source: lecture 000, "Segmenting auto-encoder"; lectures 001 and 002, "How to learn a segmentation?".
`distance=plain` is the lecture's, `squared` that of Kamper and van Niekerk 2021, arXiv 2012.07551.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from untold.bottlenecks import vq
from untold.bottlenecks._rate import MEASURES, steps_a_measure
from untold.contract import Coded, Stream
from untold.layers.across import summed
from untold.layers.segmentation import Path, blocks, changes, decode, price_of
from untold.settings import setting

TOKENS = True
_STEER = 0.05  # how fast the price follows, a step
_FOLLOW = 0.95  # of the moving average of the rate
_HELD = 1 << 24  # costs that are held at once


@dataclass(frozen=True, kw_only=True)
class Settings(vq.Settings):
    rate: float = setting(12.0, low=1e-6, high=1e6, help="units that are wanted: a second, or on lines 64 pixels (a line's height)")
    distance: str = setting("squared", choices=("squared", "plain"), help="of a latent from a codeword")


class SegmentalQuantiser(vq.VectorQuantiser):
    """(batch, steps, dimensions) -> codewords that stay for a while (batch, steps, dimensions), tokens (batch, steps)."""

    reach: Literal["whole"] = "whole"
    price: Tensor
    achieved: Tensor

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._steering = False  # whether the latents that are chosen for next may move the price
        self.rate, self.squared = settings.rate, settings.distance == "squared"
        self.measure = MEASURES["second"][1]
        self.register_buffer("price", torch.full((), -1.0, dtype=torch.float64))  # below 0: nobody knows it yet
        self.register_buffer("achieved", torch.zeros((), dtype=torch.float64))

    def forward(self, x: Stream, keys: Tensor | None = None) -> Coded:
        self._steering = self.training and keys is not None
        return super().forward(x, keys)

    def choose(self, latents: Tensor, x: Stream) -> Tensor:
        """Tokens (batch, steps) of latents (batch, steps, dimensions), for each recording by itself."""
        if self._steering:
            self._steer(latents, x)
            self._steering = False
        price = max(0.0, float(self.price))
        if latents.shape[1] * self.alphabet * len(latents) <= _HELD:
            tokens, _ = decode(self._costs(latents), x.lengths.cpu().numpy(), price)
            return torch.from_numpy(tokens).to(latents.device)
        out = torch.full(latents.shape[:2], -1, dtype=torch.int64, device=latents.device)
        for row, length in enumerate(x.lengths.tolist()):
            out[row, :length] = torch.from_numpy(self._streamed(latents[row, :length], price)).to(latents.device)
        return out

    def _streamed(self, latents: Tensor, price: float) -> np.ndarray:
        """The same of one long recording, its costs made on the fly."""
        path = Path(self.alphabet, price)
        parts = [path.push(self._costs(latents[None, start:stop])[0]) for start, stop in blocks(len(latents), self.alphabet)]
        return np.concatenate([*parts, path.finish()[0]])

    def _costs(self, latents: Tensor) -> np.ndarray:
        """Distances (batch, steps, K) float32."""
        table = self.codewords.detach()
        with torch.autocast(latents.device.type, enabled=False):
            flat = latents.detach().float().flatten(0, 1)
            found = torch.addmm(table.square().sum(-1) + flat.square().sum(-1, keepdim=True), flat, table.T, alpha=-2).clamp(min=0)
            return (found if self.squared else found.sqrt()).view(*latents.shape[:2], len(table)).cpu().numpy()

    @torch.no_grad()
    def _steer(self, latents: Tensor, x: Stream) -> None:
        """Moves the price towards the one that gives the wanted rate; the first batch is searched for it."""
        costs, lengths = self._costs(latents), x.lengths.cpu().numpy()
        self.measure = MEASURES[x.grid.unit][1]
        spans = float(summed(torch.tensor(float(np.maximum(lengths - 1, 0).sum()), dtype=torch.float64))) / steps_a_measure(x.grid, self.rate)
        if spans <= 0:
            return

        def rate(price: float) -> float:
            found = changes(decode(costs, lengths, price)[0], lengths)
            return float(summed(torch.tensor(float(found), dtype=torch.float64))) / spans

        if float(self.price) < 0:
            self.price.fill_(price_of(rate, self.rate))
            self.achieved.fill_(self.rate)
            return
        self.achieved.mul_(_FOLLOW).add_((1 - _FOLLOW) * rate(float(self.price)))
        off = math.log(max(float(self.achieved), 1e-9) / self.rate)
        self.price.mul_(math.exp(_STEER * min(1.0, max(-1.0, off)))).clamp_(min=1e-9)

    def report(self) -> dict[str, float]:
        """What `vq` reports, and the rate."""
        return {**super().report(), f"units_per_{self.measure}": float(self.achieved)}


def build(settings: Settings) -> SegmentalQuantiser:
    """The bottleneck."""
    return SegmentalQuantiser(settings)
