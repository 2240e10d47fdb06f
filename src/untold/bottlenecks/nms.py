"""Choosing where to emit: a code at the highest local maxima of a score, nothing elsewhere (non-max suppression).

The first dimension of what comes in is a score; the rest is quantised by `code`. In each recording by itself, latents
whose score is the highest within `window` latents on either side are candidates, and the best of them are kept, as many
as the wanted rate gives; where there are too few (a score that rises for long), what they do not silence has its own
highest ones, and so on. Where nothing is kept there is a gap, and the decoder is told how long ago something was. Where
something is kept, the gradient passes straight through the codeword, and through the gate by the logistic of the score;
a gap teaches nothing: neither codewords nor their normalisation nor commitment know of latents that were not kept.
Source: lectures 001 and 002, "Choosing where to emit".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from untold import settings
from untold.bottlenecks._rate import steps_a_measure
from untold.contract import Coded, Restarts, Stream
from untold.settings import Choice, choice, setting

TOKENS = True
_AGO = (2.0, 8.0)  # latents in which the memory of an emission fades


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    code: Choice = choice("bottlenecks", "vq", help="the code of what is kept")
    rate: float = setting(12.0, low=1e-6, high=1e6, help="emissions that are wanted: a second, or on lines 64 pixels")
    window: int = setting(1, low=0, high=1000, help="latents on either side that an emission keeps silent")
    temperature: float = setting(1.0, low=1e-3, high=1e3, help="of the gate's gradient")


class NonMaxSuppression(nn.Module):
    """(batch, steps, 1 + inputs of the code) -> (batch, steps, dimensions of the code and three of when)."""

    reach: Literal["whole"] = "whole"  # how many are kept is a matter of the recording

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.code = settings.code.build()
        self.alphabet = self.code.alphabet
        self.inputs, self.dimensions = 1 + self.code.inputs, self.code.dimensions + 1 + len(_AGO)

    def forward(self, x: Stream, keys: Tensor | None = None) -> Coded:
        score, kept = x.values[..., 0], self.kept(x)
        coded = self.code(self._inner(x, kept), keys)
        soft = torch.sigmoid(self._standard(score, x.counted) / self.settings.temperature)
        gate = kept * (1 + soft - soft.detach())
        values = torch.cat([coded.stream.values * gate[..., None], self._when(kept)], -1)
        share = (kept.sum(1) / x.lengths.clamp(min=1))[:, None].clamp(1e-9, 1 - 1e-9)
        where = -(share * share.log2() + (1 - share) * (1 - share).log2()) * x.counted
        tokens = None if coded.tokens is None else torch.where(kept, coded.tokens, -1)
        return Coded(x.with_values(values), coded.losses, coded.bits * kept + where, tokens)

    def kept(self, x: Stream) -> Tensor:
        """Which latents emit (batch, steps): the best local maxima of the score in each recording, the first of equals.

        Where these are fewer than wanted, those of what they leave come next: emissions are always more than `window` apart.
        """
        score = x.values[..., 0].detach().float().masked_fill(~x.counted, -math.inf)
        kept = torch.zeros_like(x.counted)
        wanted = (x.lengths * (self.settings.rate / steps_a_measure(x.grid, self.settings.rate))).round().long().clamp(min=1).minimum(x.lengths)
        while bool((missing := (wanted - kept.sum(1)).clamp(min=0)).any()):
            found = self._best(score, missing)
            if not bool(found.any()):
                break
            kept = kept | found
            near = functional.max_pool1d(kept.float()[:, None], 2 * self.settings.window + 1, 1, self.settings.window)[:, 0] > 0
            score = score.masked_fill(near, -math.inf)
        return kept

    def _best(self, score: Tensor, count: Tensor) -> Tensor:
        """The `count` (batch,) highest local maxima of a score (batch, steps) that is -infinity where nothing may be."""
        steps, window = score.shape[1], self.settings.window
        around = functional.pad(score, (window, window), value=-math.inf).unfold(1, 2 * window + 1, 1)
        first = around.argmax(-1) == window  # argmax gives the first of equals
        candidates = score.masked_fill(~first, -math.inf)
        order = candidates.argsort(dim=1, descending=True, stable=True)
        place = torch.empty_like(order).scatter_(1, order, torch.arange(steps, device=order.device).expand_as(order).contiguous())
        return (place < count[:, None]) & candidates.isfinite()

    @staticmethod
    def _standard(score: Tensor, counted: Tensor) -> Tensor:
        """Less its mean, over its deviation, in each recording: a score that drifts or grows would close the gate's gradient."""
        known, number = score.detach() * counted, counted.sum(1, keepdim=True).clamp(min=1)
        mean = known.sum(1, keepdim=True) / number
        deviation = (((score.detach() - mean) * counted).square().sum(1, keepdim=True) / number).sqrt()
        return (score - mean) / deviation.clamp(min=1e-6)

    def central(self, x: Stream) -> Stream:
        """What is passed on when nothing is drawn."""
        kept = self.kept(x)
        code = self.code.central(self._inner(x, kept)).values * kept[..., None]
        return x.with_values(torch.cat([code, self._when(kept)], -1))

    def tokens(self, x: Stream) -> Tensor:
        """(batch, steps) int64, -1 where nothing is emitted."""
        kept = self.kept(x)
        return torch.where(kept, self.code.tokens(self._inner(x, kept)), -1)

    def lookup(self, tokens: Tensor) -> Tensor:
        """What tokens (batch, steps) stand for, gaps (-1) included."""
        return torch.cat([self.code.lookup(tokens), self._when(tokens >= 0)], -1)

    @property
    def faster(self) -> tuple[tuple[nn.Parameter, float], ...]:
        """What of the code learns faster."""
        return tuple(getattr(self.code, "faster", ()))

    def restarted(self) -> list[tuple[nn.Parameter, Tensor]]:
        """What of the code was put elsewhere."""
        return self.code.restarted() if isinstance(self.code, Restarts) else []

    def report(self) -> dict[str, float]:
        """What the code tells."""
        told: dict[str, float] = self.code.report()
        return told

    @staticmethod
    def _inner(x: Stream, kept: Tensor) -> Stream:
        """What the code is given: only what is kept counts."""
        return replace(x, values=x.values[..., 1:], counted=kept)

    @staticmethod
    def _when(kept: Tensor) -> Tensor:
        """Whether something is emitted here, and how long ago something was (batch, steps, 3): 1 here, fading to 0."""
        steps = torch.arange(kept.shape[1], device=kept.device)
        last = torch.where(kept, steps, -(10**6)).cummax(1).values if kept.shape[1] else kept.long()
        ago = (steps - last).float()
        return torch.stack([kept.float(), *(torch.exp(-ago / fade) for fade in _AGO)], -1)


def build(settings: Settings) -> NonMaxSuppression:
    """The bottleneck."""
    return NonMaxSuppression(settings)
