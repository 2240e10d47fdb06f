"""Two codes at two rates: one for each latent, and a slower one for every few, which may keep what changes slowly.

The first dimensions go through `fast`, latent by latent; the mean of the rest over `every` neighbouring latents goes
through `slow` and holds for all of them. A token is one of fast x slow. The lectures tried it and found no gain (001,
"Hierarchical latents"); it is here so that anyone can see.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from untold import settings
from untold.contract import Coded, Reports, Restarts, Stream
from untold.layers import random
from untold.settings import Choice, choice, setting

TOKENS = True


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    fast: Choice = choice("bottlenecks", "vq", size=256, dimensions=32, help="the code of each latent")
    slow: Choice = choice("bottlenecks", "vq", size=256, dimensions=32, help="the code of every few latents")
    every: int = setting(2, low=2, high=1000, help="latents that one slow code stands for")


class TwoRates(nn.Module):
    """(batch, steps, inputs of both) -> (batch, steps, dimensions of both)."""

    reach: Literal["whole"] = "whole"  # which latents share a slow code is counted from the first of the recording

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.every = settings.every
        self.fast, self.slow = settings.fast.build(), settings.slow.build()
        self.inputs, self.dimensions = self.fast.inputs + self.slow.inputs, self.fast.dimensions + self.slow.dimensions
        self.alphabet = self.fast.alphabet * self.slow.alphabet if self.fast.alphabet and self.slow.alphabet else None

    def forward(self, x: Stream, keys: Tensor | None = None) -> Coded:
        quick, late = self._parts(x)
        a, b = self.fast(quick, keys), self.slow(late, None if keys is None else random.fold(keys, 1))
        first = torch.arange(x.values.shape[1], device=x.values.device) % self.every == 0
        bits = a.bits + self._held(b.bits[..., None], x)[..., 0] * first
        losses = {**a.losses, **{f"slow_{name}": loss for name, loss in b.losses.items()}}
        tokens = None if a.tokens is None or b.tokens is None else self._joined(a.tokens, self._held(b.tokens[..., None], x)[..., 0])
        return Coded(self._together(x, a.stream, b.stream), losses, bits, tokens)

    def central(self, x: Stream) -> Stream:
        """What is passed on when nothing is drawn."""
        quick, late = self._parts(x)
        return self._together(x, self.fast.central(quick), self.slow.central(late))

    def tokens(self, x: Stream) -> Tensor:
        """(batch, steps) int64."""
        quick, late = self._parts(x)
        return self._joined(self.fast.tokens(quick), self._held(self.slow.tokens(late)[..., None], x)[..., 0])

    def lookup(self, tokens: Tensor) -> Tensor:
        """Both codewords (batch, steps, dimensions) of tokens (batch, steps); zeros where the token is -1."""
        held = torch.where(tokens < 0, -1, tokens % self.slow.alphabet)
        return torch.cat([self.fast.lookup(torch.where(tokens < 0, -1, tokens // self.slow.alphabet)), self.slow.lookup(held)], -1)

    @property
    def faster(self) -> tuple[tuple[nn.Parameter, float], ...]:
        """What of both codes learns faster."""
        return tuple(one for code in (self.fast, self.slow) for one in getattr(code, "faster", ()))

    def restarted(self) -> list[tuple[nn.Parameter, Tensor]]:
        """What of both codes was put elsewhere."""
        return [one for code in (self.fast, self.slow) if isinstance(code, Restarts) for one in code.restarted()]

    def report(self) -> dict[str, float]:
        """What both tell of their codes."""
        told: dict[str, float] = self.fast.report() if isinstance(self.fast, Reports) else {}
        more: dict[str, float] = self.slow.report() if isinstance(self.slow, Reports) else {}
        return told | {f"slow_{name}": value for name, value in more.items()}

    def _parts(self, x: Stream) -> tuple[Stream, Stream]:
        """What each code is given; a slow latent is the mean over those of its few that are there."""
        quick = x.with_values(x.values[..., : self.fast.inputs])
        more = -x.values.shape[1] % self.every
        there = functional.pad(x.counted, (0, more)).unflatten(1, (-1, self.every))
        rest = functional.pad(x.values[..., self.fast.inputs :] * x.counted[..., None], (0, 0, 0, more)).unflatten(1, (-1, self.every))
        mean = rest.sum(2) / there.sum(2).clamp(min=1)[..., None]
        lengths = (x.lengths + self.every - 1) // self.every
        return quick, replace(x, values=mean, lengths=lengths, counted=there.any(2), grid=x.grid.strided(self.every))

    def _held(self, values: Tensor, x: Stream) -> Tensor:
        """Slow values (batch, slow steps, ...) for each of their latents (batch, steps, ...)."""
        return values.repeat_interleave(self.every, 1)[:, : x.values.shape[1]]

    def _together(self, x: Stream, quick: Stream, late: Stream) -> Stream:
        return x.with_values(torch.cat([quick.values, self._held(late.values, x)], -1))

    def _joined(self, quick: Tensor, held: Tensor) -> Tensor:
        return torch.where((quick < 0) | (held < 0), -1, quick * self.slow.alphabet + held)


def build(settings: Settings) -> TwoRates:
    """The bottleneck."""
    return TwoRates(settings)

